"""The bottleneck by its definition: the tensors that all paths share, listed path by path."""

import random

import pytest

import layerscope as ls
from layerscope import Input
from layerscope.analyses.bottleneck import bottleneck, named, passages
from layerscope.core.errors import GraphError, ShapeError
from layerscope.core.graph import trace_calls
from layerscope.layers import Add, Concatenate, Dense, MaxPooling2D, MaxUnpooling2D


def refused(kind, function, *arguments):
    with pytest.raises(kind) as caught:
        function(*arguments)
    assert type(caught.value) is kind
    return str(caught.value)


def paths(graph):
    """Every path from an input to an output, as a list of tensors."""
    readers = {}
    for number, node in enumerate(graph.nodes):
        for edge in node.inputs:
            readers.setdefault(edge, []).append(number)

    def onward(edge):
        found = [[edge]] if edge in graph.outputs else []
        for number in readers.get(edge, []):
            outputs = len(graph.nodes[number].layer.out(*fed[number]))
            for output in range(outputs):
                found += [[edge, *rest] for rest in onward((number, output))]
        return found

    types = ls.core.propagate.types(graph)
    fed = ls.core.propagate.fed_types(graph, types)
    return [path for number in graph.inputs for path in onward((number, 0))]


def random_graph(seed):
    draw = random.Random(seed)
    start = [Input((6,)) for _ in range(draw.choice((1, 1, 2)))]
    made = list(start)
    if len(made) == 2:
        made.append(Add()(made))
    for _ in range(draw.randrange(2, 9)):
        few = made[-draw.randrange(1, 4) :]
        kind = draw.randrange(4)
        if kind < 2:
            made.append(Dense(draw.randrange(1, 7))(draw.choice(few)))
        elif kind == 2 and len(few) > 1:
            made.append(Concatenate()([few[0], few[-1]]))
        else:
            made.append(Add()([few[-1], few[-1]]))
    ends = [made[-1], made[-2]] if draw.random() < 0.2 and made[-2] not in start else [made[-1]]
    try:
        return trace_calls(start, ends)
    except GraphError:  # an input that leads nowhere
        return random_graph(seed + 10_000)


@pytest.mark.parametrize("seed", range(60))
def test_passages_are_what_all_paths_share(seed):
    graph = random_graph(seed)
    ways = paths(graph)
    shared = set(ways[0]).intersection(*map(set, ways))
    ends = {(number, 0) for number in graph.inputs} | set(graph.outputs)
    assert [one.edge for one in passages(graph)] == sorted(shared - ends)


def test_random_graphs_have_branches_and_passages():
    found = [random_graph(seed) for seed in range(60)]
    assert sum(len(paths(graph)) > 1 for graph in found) > 30
    assert sum(len(passages(graph)) > 0 for graph in found) > 20


def test_the_first_of_equals():
    found = bottleneck(ls.trace("example:autoencoder").graph)
    assert (found.name, found.type.shape[1:], found.numbers) == ("max_pooling2d_2", (4, 4, 4), 64)


def test_of_a_classifier_it_stands_before_the_classes():
    found = bottleneck(ls.trace("28x28x1 | conv 8 3 | maxpool 7 | flatten | dense 32 relu | dense 10 softmax").graph)
    assert (found.name, found.numbers) == ("dense", 32)


def test_around_a_narrow_branch_no_data_may_pass():
    x = Input((8,))
    wide = Dense(6, name="wide")(x)
    joined = Add(name="sum")([Dense(7)(Dense(1, name="narrow")(wide)), Dense(7)(wide)])
    graph = trace_calls([x], [Dense(8)(joined)])
    assert [one.name for one in passages(graph)] == ["wide", "sum"]
    assert bottleneck(graph).name == "wide"


def test_switches_are_a_path_of_their_own():
    image = Input((8, 8, 1), name="image")
    pooled, switches = MaxPooling2D(4, return_switches=True, name="pool")(image)
    graph = trace_calls([image], [MaxUnpooling2D(4, name="unpool")([pooled, switches])])
    assert passages(graph) == []
    assert refused(GraphError, bottleneck, graph) == (
        "this network has no bottleneck: no tensor that all paths pass holds fewer numbers than the input's 64. "
        "Name a layer: pool (2, 2, 1), unpool (8, 8, 1)"
    )
    unread = trace_calls([image], [Dense(64)(ls.layers.Flatten()(pooled))])
    assert bottleneck(unread).name == "pool"


def test_a_named_layer():
    graph = ls.trace("8x8x1 | conv 2 3 as first | flatten | dense 3").graph
    assert named(graph, "first").type.shape[1:] == (6, 6, 2)
    assert refused(GraphError, named, graph, "frist") == (
        "no layer is called 'frist'; there are: input_layer, first, flatten, dense"
    )
    assert refused(GraphError, named, graph, "input_layer") == (
        "input_layer is the input itself. Layers that compute: first (6, 6, 2), flatten (72,), dense (3,)"
    )


def test_sizes_must_be_known():
    graph = ls.trace("hx8x1 | conv 2 3 | conv 1 3").graph
    assert refused(ShapeError, bottleneck, graph).endswith("a bottleneck needs sizes that are numbers")
