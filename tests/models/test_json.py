"""Graphs as JSON: what is written is read back, and whatever else is read is refused in our words."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

import layerscope as ls
from layerscope import Input, Model
from layerscope.core import propagate
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.layers import Add, Conv2D, Dense, Flatten, MaxPooling2D, MaxUnpooling2D
from layerscope.sources import examples
from layerscope.sources import json as graph_json

from .graphs import damaged, graphs
from .helpers import as_json, refuses

MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
SURE = settings(MANY, max_examples=120)


def structure(graph):
    """All of a graph but the names of its nodes."""
    rows = [
        (node.layer.kind, row["settings"], node.inputs, row["weights"], node.scope)
        for node, row in zip(graph.nodes, as_json(graph_json.dump(graph))["nodes"], strict=True)
    ]
    return rows, graph.inputs, graph.outputs, graph.parameters, graph.name, propagate.types(graph)


def uses(graph):
    """Which nodes use one layer, by number."""
    return [[n for n, b in enumerate(graph.nodes) if b.layer is a.layer] for a in graph.nodes if a.weights]


@SURE
@given(graphs())
def test_what_is_written_is_read_back(graph):
    again = graph_json.load(as_json(graph_json.dump(graph)))
    assert structure(again) == structure(graph)
    assert uses(again) == uses(graph), "shared layers stay shared, and others stay apart"


@SURE
@given(graphs(shared=False))
def test_names_are_read_back(graph):
    document = as_json(graph_json.dump(graph))
    assert as_json(graph_json.dump(graph_json.load(document))) == document


def test_names_of_a_shared_layer_are_read_back():
    x, shared = Input((3,)), Dense(3, name="d")
    document = as_json(graph_json.dump(Model(x, shared(shared(shared(x)))).graph))
    assert [node["name"] for node in document["nodes"]] == ["input_layer", "d", "d#2", "d#3"]
    assert as_json(graph_json.dump(graph_json.load(document))) == document


@pytest.mark.parametrize("case", examples.CASES, ids=lambda case: case.name)
def test_the_examples_are_read_back(case):
    graph = case.build()
    document = as_json(graph_json.dump(graph))
    again = graph_json.load(document)
    assert structure(again) == structure(graph)
    assert as_json(graph_json.dump(again)) == document
    assert ls.trace(again).to_json() == ls.trace(graph).to_json()


def test_tied_weights_of_different_layers():
    """Two layers with the same ids are tied, though their settings differ."""
    x = Input((4,), name="x")
    document = as_json(graph_json.dump(Model(x, Dense(4, name="b")(Dense(4, "relu", name="a")(x))).graph))
    document["nodes"][2]["weights"] = document["nodes"][1]["weights"]
    document["parameters"] = {k: v for k, v in document["parameters"].items() if k.startswith("a/")}
    graph = graph_json.load(document)
    model = Model.from_graph(graph)
    assert (model.count_params(), len(model.layers), len(model.weights)) == (20, 3, 2)
    assert as_json(graph_json.dump(graph)) == document
    first, second = model.layers[1:]
    assert first.weights == second.weights


def test_scopes_and_open_sizes_stand_in_the_text():
    image = Input((None, None, 3), name="image")
    inner = Model(image, Conv2D(2, 3, strides=2, padding="same", name="conv")(image), name="stem")
    x = Input((None, 32, 3), name="x")
    document = as_json(graph_json.dump(Model(x, inner(x), name="net").graph))
    assert document == {
        "layerscope": 1,
        "name": "net",
        "inputs": ["x"],
        "outputs": [["stem/conv", 0]],
        "parameters": {
            "stem/conv/kernel": {"shape": [3, 3, 3, 2], "dtype": "float32", "trainable": True},
            "stem/conv/bias": {"shape": [2], "dtype": "float32", "trainable": True},
        },
        "nodes": [
            {
                "name": "x", "kind": "InputLayer", "settings": {"shape": ["x_height", 32, 3]},
                "inputs": [], "weights": {}, "scope": [],
            },
            {
                "name": "conv", "kind": "Conv2D",
                "settings": {"filters": 2, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"},
                "inputs": [["x", 0]], "weights": {"kernel": "stem/conv/kernel", "bias": "stem/conv/bias"},
                "scope": ["stem"],
            },
        ],
    }  # fmt: skip
    (type,) = propagate.types(graph_json.load(document))[-1]
    assert str(type) == "(batch, floor((x_height + 1) / 2), 16, 2)"


def base():
    """A document with everything in it: two outputs, switches, sharing, a scope."""
    image = Input((None, 8, 3), name="image")
    pooled, switches = MaxPooling2D(2, return_switches=True, name="pool")(image)
    conv = Conv2D(3, 3, padding="same", name="conv")
    inner = Model(image, conv(image), name="inner")
    outputs = [Add(name="add")([conv(image), inner(image)]), MaxUnpooling2D(2, name="up")([pooled, switches])]
    return as_json(graph_json.dump(Model(image, outputs, name="all").graph))


DOCUMENTS = [base(), *(as_json(graph_json.dump(case.build())) for case in examples.CASES)]


@MANY
@given(damaged(DOCUMENTS))
def test_damaged_documents_are_read_or_refused_in_our_words(document):
    try:
        graph = graph_json.load(document)
    except LayerscopeError:
        return
    assert ls.trace(graph).render()


def changed(*path, to):
    document = base()
    *way, last = path
    inside = document
    for key in way:
        inside = inside[key]
    if to is ...:
        del inside[last]
    else:
        inside[last] = to
    return document


CONV = 1
REFUSED = {
    "a list": ([], 'no graph of Layerscope: the key "layerscope" is missing'),
    "an empty object": ({}, 'no graph of Layerscope: the key "layerscope" is missing'),
    "another version": (
        changed("layerscope", to=2), "schema version 2 is not known here; this program reads version 1"
    ),
    "version of text": (
        changed("layerscope", to="1"), "schema version '1' is not known here; this program reads version 1"
    ),
    "no nodes": (changed("nodes", to=...), '"nodes" must be a list with at least one node'),
    "nodes of text": (changed("nodes", to="abc"), '"nodes" must be a list with at least one node'),
    "node of text": (changed("nodes", 0, to="abc"), "node 0 is not an object"),
    "no name": (changed("nodes", 1, "name", to=""), "node 1 has no name"),
    "a number as name": (changed("nodes", 1, "name", to=3), "node 1 has no name"),
    "the same name": (changed("nodes", 1, "name", to="image"), "two nodes are called 'image'"),
    "scope of text": (changed("nodes", 1, "scope", to="inner"), "node 1: bad scope"),
    "no kind": (changed("nodes", 1, "kind", to=None), "pool: the kind is missing"),
    "an unknown kind": (
        changed("nodes", 1, "kind", to="MaxPooling4D"),
        "unknown layer 'MaxPooling4D'. Did you mean 'maxpooling3d' or 'maxpooling2d' or 'maxpooling1d'?",
    ),
    "an unknown setting": (
        changed("nodes", 1, "settings", to={"pool": 2, "lines": 1}), "pool: MaxPooling2D has no setting lines, pool"
    ),
    "a wrong setting": (
        changed("nodes", 1, "settings", to={"pool_size": 0}), "pool: MaxPooling2D: pool_size must be at least 1, not 0"
    ),
    "settings of text": (
        changed("nodes", 1, "settings", to="x"), "pool: weights and settings must be objects"
    ),
    "a missing setting": (
        changed("nodes", 2, "settings", "filters", to=...),
        "conv: Conv2D: Conv2D.__init__() missing 1 required positional argument: 'filters'",
    ),
    "no inputs": (changed("inputs", to=[]), '"inputs" must be a list that is not empty'),
    "outputs of text": (changed("outputs", to="add"), '"outputs" must be a list that is not empty'),
    "an output without number": (changed("outputs", 0, to=["add"]), "outputs: ['add'] is not [node name, output number]"),
    "an output too many": (changed("outputs", 0, to=["add", 1]), "outputs: 'add' has 1 output(s), not 2"),
    "an unknown node": (changed("nodes", 1, "inputs", 0, to=["mask", 0]), "pool: no node before it is called 'mask'"),
    "an edge that runs backward": (
        changed("nodes", 1, "inputs", 0, to=["add", 0]), "pool: no node before it is called 'add'"
    ),
    "two inputs for one": (
        changed("nodes", 1, "inputs", to=[["image", 0], ["image", 0]]),
        "pool (MaxPooling2D): takes one input, but got 2: (batch, image_height, 8, 3), (batch, image_height, 8, 3)",
    ),
    "other roles": (
        changed("nodes", 2, "weights", to={"kernel": "conv/kernel"}), "conv: weights must name bias, kernel"
    ),
    "weights of none": (changed("nodes", 1, "weights", to={"kernel": "k"}), "pool: weights must name nothing"),
    "parameters of text": (changed("parameters", to="x"), '"parameters" must be an object'),
    "a parameter of another shape": (
        changed("parameters", "conv/bias", "shape", to=[4]),
        "parameter 'conv/bias' has the shape [4], but its layer needs [3]",
    ),
    "a parameter of nobody": (
        changed("parameters", "ghost", to={"shape": [1]}), "parameter 'ghost' belongs to no node"
    ),
    "an open size of nonsense": (
        changed("nodes", 0, "settings", "shape", to=[["+", "two words", 1], 8, 3]), "image: not a size: 'two words'"
    ),
    "a size of zero": (
        changed("nodes", 0, "settings", "shape", to=[0, 8, 3]), "image: a size of height must be at least 1, not 0"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_graph_says_why(name, tmp_path):
    document, message = REFUSED[name]
    with pytest.raises(LayerscopeError) as caught:
        graph_json.load(document)
    assert str(caught.value) == message
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(document))
    if isinstance(document, dict):
        with refuses(SourceError, f"{path}: {message}"):
            ls.trace(path)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed("nodes", 1, "inputs", to=3), "pool: inputs must be a list"),
        (changed("nodes", 1, "inputs", to=None), "pool: inputs must be a list"),
        (changed("nodes", 2, "weights", "bias", to=[]), "conv: ids of weights must be strings"),
        (changed("nodes", 2, "weights", "bias", to=1), "conv: ids of weights must be strings"),
    ],
)
def test_parts_of_another_kind(document, message):
    with refuses(SourceError, message):
        graph_json.load(document)


def test_a_document_that_is_too_deep():
    with pytest.raises(SourceError, match=r"^not a graph of Layerscope: RecursionError: maximum recursion depth"):
        graph_json.load(changed("nodes", 0, "settings", "shape", 0, to=nested(5000)))


def test_a_quotient_by_zero():
    with pytest.raises(LayerscopeError):
        graph_json.load(changed("nodes", 0, "settings", "shape", 0, to=["//", 8, 0]))


NOT_JSON = {
    "cut": (b'{"layerscope": 1, "nodes": [', "Expecting value: line 1 column 29 (char 28)"),
    "not UTF-8": (b'{"name": "\xff"}', "'utf-8' codec can't decode byte 0xff in position 10: invalid start byte"),
    "two objects": (b"{}{}", "Extra data: line 1 column 3 (char 2)"),
    "deep": (b'{"a":' + b"[" * 100_000, None),
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_a_file_that_is_no_json(name, tmp_path):
    content, message = NOT_JSON[name]
    path = tmp_path / "graph.json"
    path.write_bytes(content)
    with pytest.raises(LayerscopeError) as caught:
        ls.trace(path)
    assert type(caught.value) is SourceError
    assert str(caught.value).startswith(f"{path}: not readable as JSON: ")
    if message is not None:
        assert str(caught.value) == f"{path}: not readable as JSON: {message}"


def test_a_graph_file_is_traced_and_trained(tmp_path):
    x = Input((4, 4, 1), name="x")
    path = tmp_path / "net.json"
    path.write_text(json.dumps(graph_json.dump(Model(x, Dense(2)(Flatten()(x)), name="net").graph)))
    assert ls.trace(path).totals["parameters"] == 34
    assert Model.from_graph(graph_json.read(path)).count_params() == 34
