"""Memory of small networks by hand, of random ones by counting references, and what the words promise."""

import random
from itertools import pairwise

import pytest

import layerscope as ls
from layerscope.analyses.memory import LayerMemory, memory
from layerscope.core import propagate
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import trace_calls
from layerscope.core.types import BITS, per_example
from layerscope.layers import (
    Activation,
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    MaxUnpooling2D,
    Opaque,
    Reshape,
)


def found(graph, batch=None, dtype=None):
    return memory(graph, propagate.types(graph, batch), dtype)


def test_a_chain():
    """8×8×1 floats are 256 bytes; conv to 6×6×4 576; its relu 576; flat, a view; dense 10 numbers, 40 bytes."""
    start = Input((8, 8, 1))
    x = Conv2D(4, 3)(start)
    x = Activation("relu")(x)
    x = Flatten()(x)
    graph = trace_calls([start], [Dense(10)(x)])
    seen = found(graph)
    assert seen.weights == 4 * (9 * 4 + 4 + 144 * 10 + 10)
    assert seen.inputs == 256
    assert seen.outputs == 576 + 576 + 40
    # convolution: input and result; relu: two results; flatten: a view of relu's; dense: that and its result
    assert [row.live for row in seen.layers] == [256, 256 + 576, 576 + 576, 576, 576 + 40]
    assert (seen.peak, seen.peak_node) == (1152, 2)
    assert [row.output for row in seen.layers] == [256, 576, 576, 0, 40]
    # kept: the image for the convolution, relu's result for itself and, being flat's memory, for dense
    assert [row.saved for row in seen.layers] == [0, 256, 576, 0, 0]
    assert seen.saved == 256 + 576
    assert (seen.at_least, seen.saved_at_least, seen.peak_assumed) == (False, False, False)


def test_a_residual_keeps_its_source_alive():
    start = Input((4, 4, 2))  # 128 bytes
    first = Conv2D(2, 3, padding="same")(start)
    second = Conv2D(2, 3, padding="same")(first)
    graph = trace_calls([start], [Conv2D(1, 1)(Add()([first, second]))])
    seen = found(graph)
    assert [row.live for row in seen.layers] == [128, 256, 256, 384, 128 + 64]
    assert (seen.peak, seen.peak_node) == (384, 3)
    # an addition keeps nothing; the last convolution its input, the sum
    assert [row.saved for row in seen.layers] == [0, 128, 128, 0, 128]


def test_branches_and_two_outputs():
    start = Input((4, 4, 1))  # 64 bytes
    early = Conv2D(4, 1)(start)  # 256, an output: stays to the end
    left = AveragePooling2D(2)(early)  # 64
    right = MaxPooling2D(2)(early)  # 64
    graph = trace_calls([start], [early, Concatenate()([left, right])])  # 128
    seen = found(graph)
    assert [row.live for row in seen.layers] == [64, 320, 320, 384, 512]
    assert (seen.peak, seen.peak_node) == (512, 4)


def test_views_keep_their_source_alive():
    start = Input((16,))
    x = Dense(16)(start)
    view = Reshape((4, 4))(x)
    again = Flatten()(view)
    other = Dense(2)(start)  # the view waits meanwhile
    graph = trace_calls([start], [Dense(1)(again), other])
    seen = found(graph)
    assert [node.layer.kind for node in graph.nodes][2:4] == ["Reshape", "Flatten"]
    assert [row.output for row in seen.layers] == [64, 64, 0, 0, 8, 4]
    assert [row.live for row in seen.layers] == [64, 128, 128, 128, 64 + 64 + 8, 64 + 8 + 4]
    assert seen.outputs == 64 + 8 + 4


def test_a_view_of_an_input_is_the_input():
    start = Input((16,))
    graph = trace_calls([start], [Reshape((4, 4))(start)])
    seen = found(graph)
    assert (seen.inputs, seen.outputs, seen.peak) == (64, 0, 64)


def test_switches():
    start = Input((4, 4, 1))  # 64 bytes
    values, switches = MaxPooling2D(2, return_switches=True)(Conv2D(1, 1)(start))  # 16 and 16
    graph = trace_calls([start], [MaxUnpooling2D(2)([values, switches])])
    seen = found(graph)
    assert [row.output for row in seen.layers] == [64, 64, 32, 64]
    assert [row.live for row in seen.layers] == [64, 128, 96, 96]
    # what is never used is there while its layer runs, and no longer
    unused = trace_calls([start], [Conv2D(1, 1)(MaxPooling2D(2, return_switches=True)(start)[0])])
    assert [row.live for row in found(unused).layers] == [64, 96, 32]


def test_a_layer_used_twice_has_its_weights_once_and_its_results_twice():
    start = Input((8,))
    shared = Dense(8)
    graph = trace_calls([start], [shared(shared(start))])
    seen = found(graph)
    assert seen.weights == 4 * (64 + 8)
    assert seen.outputs == 64
    assert seen.saved == 64


def test_what_no_gradient_passes_is_not_kept():
    start = Input((4, 4, 1))
    graph = trace_calls([start], [MaxPooling2D(2)(Activation("relu")(start))])
    assert found(graph).saved == 0
    graph = trace_calls([start], [Activation("relu")(Conv2D(1, 1)(start))])
    assert found(graph).saved == 128


def test_unknown_is_not_zero():
    start = Input((4,))
    mystery = Opaque("Mystery", outputs=[{"shape": ["batch", 6], "dtype": "float32"}])
    graph = trace_calls([start], [Dense(1)(mystery(start))])
    seen = found(graph)
    assert (seen.at_least, seen.saved_at_least) == (True, True)
    assert seen.layers[1] == LayerMemory(24, 40, None, None)
    assert seen.saved == 24


@pytest.mark.parametrize(("dtype", "bytes"), [("float16", 2), ("bfloat16", 2), ("float64", 8), ("float8_e5m2", 1)])
def test_another_dtype(dtype, bytes):
    start = Input((4, 4, 1))
    values, switches = MaxPooling2D(2, return_switches=True)(Conv2D(1, 1)(start))
    graph = trace_calls([start], [MaxUnpooling2D(2)([values, switches])])
    seen = found(graph, dtype=dtype)
    assert seen.weights == 2 * bytes
    assert seen.inputs == 16 * bytes
    assert seen.outputs == (16 + 4 + 16) * bytes + 4 * 4  # switches stay whole numbers
    assert ls.trace(graph, dtype=dtype).journey.memory == seen


def test_a_dtype_that_no_float_can_be():
    with pytest.raises(UnknownNameError) as caught:
        ls.trace("4 | dense 1", dtype="float61")
    assert str(caught.value) == "unknown dtype 'float61'. Did you mean 'float64' or 'float16' or 'bfloat16'?"


def test_a_batch_multiplies_all_but_the_weights():
    graph = ls.trace("example:autoencoder").graph
    one, many = found(graph), found(graph, 64)
    assert many.weights == one.weights
    for key in ("inputs", "outputs", "peak", "saved"):
        assert getattr(many, key) == 64 * getattr(one, key)
    assert many.peak_node == one.peak_node


def test_the_autoencoders_by_hand():
    """Document's network A: 28·28·1 … 28·28·1; the peak is the first convolution's result beside its pooled one."""
    seen = ls.trace("example:autoencoder").journey.memory
    sizes = [28 * 28 * 16, 14 * 14 * 16, 14 * 14 * 8, 7 * 7 * 8, 7 * 7 * 4, 4 * 4 * 4, 4 * 4 * 4, 8 * 8 * 4]
    sizes += [8 * 8 * 8, 16 * 16 * 8, 14 * 14 * 16, 28 * 28 * 16, 28 * 28]
    assert seen.weights == 4 * 3369
    assert seen.outputs == 4 * sum(sizes)
    assert seen.peak == 4 * max(a + b for a, b in pairwise(sizes)) == 62_720


def test_open_sizes():
    start = Input((None, None, 1))
    graph = trace_calls([start], [Conv2D(2, 3, padding="same")(MaxPooling2D(2)(Conv2D(4, 3, padding="same")(start)))])
    seen = found(graph)
    assert str(seen.inputs) == "4·height·width"
    # 16·height·width + 16·floor(height / 2)·floor(width / 2) at the pooling is no more, which bounds do not tell
    assert (str(seen.peak), seen.peak_node, seen.peak_assumed) == ("20·height·width", 1, True)
    assert "the peak of memory is at conv2d, as with large sizes" in ls.trace(graph).journey.assumptions
    chain = found(trace_calls([start], [Conv2D(2, 3, padding="same")(start)]))
    assert (str(chain.peak), chain.peak_assumed) == ("12·height·width", False)


# --- random networks against an independent count of references ---


def random_graph(seed):
    rng = random.Random(seed)
    starts = [Input((4, 4, 2), name=f"in{n}") for n in range(rng.randint(1, 3))]
    ends = list(starts)
    for _ in range(rng.randint(3, 14)):
        pick = rng.choice(ends)
        if len(pick.shape) == 2:
            ends.append(rng.choice([Dense(3), Reshape((-1, 1, 1)), Activation("tanh"), Dropout(0.5)])(pick))
            continue
        kind = rng.randrange(7)
        if kind == 0:
            same = [end for end in ends if end.shape == pick.shape]
            ends.append(Add()([pick, rng.choice(same)]))
        elif kind == 1 and min(pick.shape[1:3]) >= 2:
            pooled = MaxPooling2D(2, 1, return_switches=rng.random() < 0.5)(pick)
            ends += pooled if isinstance(pooled, tuple) else [pooled]
            if isinstance(pooled, tuple) and rng.random() < 0.8:
                ends.pop()
        elif kind == 2:
            ends.append(Flatten()(pick))
        elif kind == 3:
            ends.append(Reshape((pick.shape[2], pick.shape[1], pick.shape[3]))(pick))
        elif pick.dtype == "float32":
            ends.append(rng.choice([Conv2D(3, 1), Conv2D(1, 3, padding="same"), Activation("relu")])(pick))
    reached = {}
    for end in ends:
        reached |= dict.fromkeys(map(id, end.call.inputs))
    outputs = [end for end in ends if id(end) not in reached and end.call.inputs]
    outputs = rng.sample(outputs, rng.randint(1, len(outputs)))
    inputs = [start for start in starts if any(start.call in upstream(end.call) for end in outputs)]
    return trace_calls(inputs, outputs)


def upstream(call):
    seen, stack = [], [call]
    while stack:
        one = stack.pop()
        if one not in seen:
            seen.append(one)
            stack += [value.call for value in one.inputs]
    return seen


def simulated(graph, types):
    """Peak and live bytes by running the nodes with counts of references, as an interpreter would."""
    uses = {}
    for node in graph.nodes:
        for edge in node.inputs:
            uses[edge] = uses.get(edge, 0) + 1
    for edge in graph.outputs:
        uses[edge] = uses.get(edge, 0) + 1
    blocks, counts, holds = {}, {}, {}

    def release(edge):
        block = holds[edge]
        counts[block] -= 1
        if counts[block] == 0:
            del blocks[block]

    def size(type):
        total = BITS[type.dtype] // 8
        for n in type.shape:
            total *= n if isinstance(n, int) else 1
        return total

    for number in graph.inputs:
        blocks[number, 0] = size(types[number][0])
        holds[number, 0] = number, 0
        counts[number, 0] = max(1, uses.get((number, 0), 0))
    live = []
    for number, node in enumerate(graph.nodes):
        fed = [types[source][output] for source, output in node.inputs]
        fresh = []
        for output, type in enumerate(types[number]):
            edge = number, output
            if number not in graph.inputs:
                view = node.layer.kind in ("Flatten", "Reshape", "Dropout") and output == 0
                holds[edge] = holds[node.inputs[0]] if view else edge
                if not view:
                    blocks[edge] = size(type)
                counts[holds[edge]] = counts.get(holds[edge], 0) + uses.get(edge, 0) + 1
                fresh.append(edge)
        live.append(sum(blocks.values()))
        assert len(fed) == len(node.inputs)
        for edge in (*fresh, *node.inputs):
            release(edge)
        if number in graph.inputs and not uses.get((number, 0)):
            release((number, 0))
    return live


@pytest.mark.parametrize("seed", range(150))
def test_live_memory_equals_counted_references(seed):
    graph = random_graph(seed)
    types = propagate.types(graph)
    seen = memory(graph, types)
    live = simulated(graph, types)
    assert [row.live for row in seen.layers] == live
    assert (seen.peak, seen.peak_node) == (max(live), live.index(max(live)))
    owned = [
        per_example(type.bytes)
        for node, row in zip(graph.nodes, types, strict=True)
        for n, type in enumerate(row)
        if node.inputs and not (node.layer.kind in ("Flatten", "Reshape", "Dropout") and n == 0)
    ]
    assert seen.outputs == sum(owned)


def test_random_networks_are_not_all_alike():
    kinds = [{node.layer.kind for node in random_graph(seed).nodes} for seed in range(150)]
    assert sum("Reshape" in one for one in kinds) > 20
    assert sum("MaxPooling2D" in one for one in kinds) > 20
    assert sum(len(random_graph(seed).outputs) > 1 for seed in range(150)) > 20
