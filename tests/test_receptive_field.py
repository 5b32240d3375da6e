"""Receptive fields of whole networks against pokes: one-hot images through the engine, in float64.

Weights are positive, activations the identity, and max pooling is replaced by averaging the same
windows, so an output is above zero exactly where it depends on the poked pixel.
"""

import itertools
import sys

import numpy as np
import pytest

from layerscope.analyses import receptive_field
from layerscope.core import boxes, propagate
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Call, Symbolic, trace_calls
from layerscope.core.indices import Indices
from layerscope.engine.plan import Job
from layerscope.engine.primitives.base import Frame
from layerscope.engine.reference import run
from layerscope.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BedOfNails2D,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    GlobalAveragePooling2D,
    Input,
    InputLayer,
    PixelShuffle2D,
    UpSampling2D,
    ZeroPadding2D,
)

NETWORKS = 60


def random_layer(random):
    """A layer with settings that differ in the two axes."""

    def pair(low, high):
        return tuple(int(n) for n in random.integers(low, high + 1, 2))

    padding = str(random.choice(["valid", "same"]))
    return [
        lambda: Conv2D(1, pair(1, 3), padding=padding),
        lambda: Conv2D(1, pair(2, 3), dilation_rate=pair(1, 3), padding=padding),
        lambda: Conv2D(1, pair(1, 4), strides=pair(1, 3), padding=padding),
        lambda: Conv2DTranspose(1, pair(1, 4), strides=pair(1, 3), padding=padding),
        lambda: Conv2DTranspose(1, 3, strides=2, padding="same", output_padding=1),
        lambda: AveragePooling2D(pair(1, 3), strides=pair(1, 3), padding=padding),
        lambda: UpSampling2D(pair(1, 3)),
        lambda: UpSampling2D(pair(1, 3), interpolation="bilinear"),
        lambda: BedOfNails2D(pair(1, 2)),
        lambda: ZeroPadding2D((pair(0, 2), pair(0, 2))),
        lambda: Cropping2D((pair(0, 1), pair(0, 1))),
        lambda: subpixel(pair(1, 3), pair(1, 2), padding),
    ][int(random.integers(12))]()


def subpixel(kernel, size, padding):
    """A convolution, which mixes the channels, and a shuffle of them."""
    convolution, shuffle = Conv2D(size[0] * size[1], kernel, padding=padding), PixelShuffle2D(size)
    return lambda tensor: shuffle(convolution(tensor))


def random_network(random, size):
    """A chain with a branch in the middle, at most 20 wide anywhere."""
    start = tensor = Input((*size, 1))
    for _ in range(int(random.integers(2, 7))):
        try:
            grown = random_layer(random)(tensor)
        except ShapeError:
            continue
        if max(grown.shape[1:3]) > 20:
            continue
        if random.random() < 0.3:
            joined = Conv2D(1, int(random.integers(1, 4)), padding="same")(grown)
            grown = Add()([grown, joined]) if random.random() < 0.5 else Concatenate()([joined, grown])
        tensor = grown
    return trace_calls([start], [Conv2D(1, 1)(tensor)]) if tensor is start else trace_calls([start], [tensor])


def poke(graph, size):
    """depends[input row, input column, output row, output column] of the network as it is."""
    images = np.eye(size[0] * size[1]).reshape(-1, *size, 1)
    feeds = {("data", 0): images}
    for id, row in graph.parameters.items():
        feeds["weight", id] = np.full(row.shape, 0.0 if id.endswith("bias") else 1.0)
    made = run(Job(graph).inference, feeds, Frame(len(images), np.dtype(np.float64)))
    return made["output", 0].sum(axis=-1).reshape(*size, *made["output", 0].shape[1:3]) > 0


def single(*positions):
    return tuple(Indices(((p, p),)) for p in positions)


def members(indices):
    return {i for low, high in indices.intervals for i in range(low, high + 1)}


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_clipped_dependencies_equal_pokes(seed):
    random = np.random.default_rng(seed)
    size = tuple(int(n) for n in random.integers(5, 12, 2))
    graph = random_network(random, size)
    depends = poke(graph, size)
    types = propagate.types(graph, 1)
    edge = graph.outputs[0]
    channels = types[edge[0]][0].shape[-1]
    for i, j in itertools.product(*(range(n) for n in depends.shape[2:])):
        box = (*single(0, i, j), Indices(((0, channels - 1),)))
        found = receptive_field.dependency(graph, types, {edge: box}).get(0)
        rows, columns = np.nonzero(depends[:, :, i, j])
        assert (found is not None) == bool(len(rows))
        if found is not None:
            assert found[1].hull == (rows.min(), rows.max())
            assert found[2].hull == (columns.min(), columns.max())
            if not any(node.layer.kind in ("Add", "Concatenate") for node in graph.nodes):
                assert (members(found[1]), members(found[2])) == (set(rows), set(columns))


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_unbounded_fields_contain_the_clipped_ones(seed):
    random = np.random.default_rng(seed)
    size = tuple(int(n) for n in random.integers(5, 12, 2))
    graph = random_network(random, size)
    depends = poke(graph, size)
    fields = receptive_field.fields(graph, propagate.types(graph, 1))[graph.outputs[0][0]][0]
    for i, j in itertools.product(*(range(n) for n in depends.shape[2:])):
        rows, columns = np.nonzero(depends[:, :, i, j])
        for axis, position, seen in ((1, i, rows), (2, j, columns)):
            assert set(seen) <= members(fields[0, axis].at(position))


@pytest.mark.parametrize("seed", range(20))
def test_fields_away_from_the_border_equal_pokes(seed):
    """In the middle of a large image of one row nothing is clipped, and the period can be read off."""
    random = np.random.default_rng(seed)
    start = tensor = Input((1, 96, 1))
    layers = [
        Conv2D(1, (1, 3), strides=(1, int(random.integers(1, 3))), dilation_rate=(1, int(random.integers(1, 3)))),
        Conv2DTranspose(1, (1, int(random.integers(1, 5))), strides=(1, int(random.integers(1, 4)))),
        UpSampling2D((1, int(random.integers(1, 4)))),
        AveragePooling2D((1, 2)),
    ]
    for number in random.permutation(4):
        tensor = layers[number](tensor)
    graph = trace_calls([start], [tensor])
    depends = poke(graph, (1, 96))[0, :, 0, :]
    field = receptive_field.fields(graph, propagate.types(graph, 1))[-1][0][0, 2]
    count = depends.shape[1]
    for position in range(2 * count // 5, 3 * count // 5):
        assert members(field.at(position)) == set(np.nonzero(depends[:, position])[0])
    sizes = [field.at(position).extent for position in range(len(field.sets))]
    assert field.extents == (min(sizes), max(sizes))


def test_a_global_layer_sees_everything():
    start = Input((9, 9, 2))
    graph = trace_calls([start], [GlobalAveragePooling2D()(Conv2D(3, 3)(start))])
    fields = receptive_field.fields(graph, propagate.types(graph))[-1][0]
    assert all(field.everything for field in fields.values())


def test_many_phases_give_a_bound_that_holds():
    start = tensor = Input((1, 4, 1))
    for factor in (5, 7, 11, 13):
        tensor = Conv2D(1, (1, 3), padding="same")(UpSampling2D((1, factor))(tensor))
    graph = trace_calls([start], [tensor])
    field = receptive_field.fields(graph, propagate.types(graph))[-1][0][0, 2]
    assert field.bound is not None
    depends = poke(graph, (1, 4))[0, :, 0, :]
    assert depends.sum(axis=0).max() <= field.extents[1] <= 7
    for position in range(depends.shape[1]):
        first = field.bound.ratio * position // 1
        seen = np.nonzero(depends[:, position])[0]
        assert first + field.bound.low <= seen.min() <= seen.max() <= first + field.bound.high


def channels_first(size=(3, 20, 9)):
    layer = InputLayer(size, channel_axis=1)
    start = Symbolic(Call(layer, (), layer.out()))
    tensor = Conv2D(2, (3, 1), strides=(2, 1), data_format="channels_first")(start)
    return trace_calls([start], [Conv2D(1, (1, 3), data_format="channels_first")(tensor)])


def test_inputs_say_which_axis_is_the_channels():
    graph = channels_first()
    fields = receptive_field.fields(graph, propagate.types(graph))[-1][0]
    assert {key: (field.axis, field.extents, field.jump) for key, field in fields.items()} == {
        (0, 2): (2, (3, 3), 2),
        (0, 3): (3, (3, 3), 1),
    }


def test_an_input_of_two_axes_has_positions_along_the_second():
    layer = InputLayer((7,), channel_axis=1)
    start = Symbolic(Call(layer, (), layer.out()))
    graph = trace_calls([start], [Activation("relu")(start)])
    assert list(receptive_field.fields(graph, propagate.types(graph))[-1][0]) == [(0, 1)]


def test_branches_are_followed_side_by_side():
    """A position of the box around two boxes that lies in neither must not be followed on."""
    start = Input((9, 9, 1))
    moved = ZeroPadding2D(((1, 0), (1, 0)))(Cropping2D(((0, 1), (0, 1)))(start))
    joined = Add()([start, moved])  # (r, c) reads (r, c) and (r - 1, c - 1)
    graph = trace_calls([start], [AveragePooling2D(1, 2)(joined), BedOfNails2D(2)(joined)])
    types = propagate.types(graph, 1)
    reached = receptive_field.projection(graph, types, {0: single(0, 4, 3, 0)})
    assert [row[0] and tuple(part.hull for part in row[0][1:3]) for row in reached[-2:]] == [None, ((8, 10), (6, 8))]
    seen = receptive_field.dependency(graph, types, {graph.outputs[0]: single(0, 2, 1, 0)})[0]
    assert (seen[1].intervals, seen[2].intervals) == (((3, 4),), ((1, 2),))


def steps_of(call):
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += 1

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("whole", [False, True], ids=["position", "all positions"])
def test_a_query_costs_in_proportion_to_the_layers(whole):
    """A hundred times as wide, the same steps; twice as deep, twice as many."""

    def query(size, depth):
        start = tensor = Input((size, size, 1))
        for _ in range(depth):
            tensor = Conv2D(1, 5, dilation_rate=3, padding="same")(tensor)
            tensor = UpSampling2D(2, interpolation="bilinear")(AveragePooling2D(4, 2, "same")(tensor))
        graph = trace_calls([start], [tensor])
        types = propagate.types(graph, 1)
        (edge,) = graph.outputs
        box = boxes.whole(types[edge[0]][0]) if whole else single(0, size // 2, size // 2, 0)
        return steps_of(lambda: receptive_field.dependency(graph, types, {edge: box}))

    query(100, 2)
    assert query(10_000, 8) <= 1.1 * query(1_000, 8)
    assert query(10_000, 16) < 2.6 * query(10_000, 8)


def test_fields_of_a_deep_network_are_computed_in_few_steps():
    """600 nodes with additions: some 340 calls and returns each, whatever the sizes."""

    def fields(size):
        start = tensor = Input((size, size, 3))
        for _ in range(200):
            tensor = Add()([tensor, Activation("relu")(Conv2D(3, 3, padding="same")(tensor))])
        graph = trace_calls([start], [tensor])
        types = propagate.types(graph, 1)
        return steps_of(lambda: receptive_field.fields(graph, types))

    fields(32)
    few = fields(32)
    assert few < 600 * 500
    assert fields(3200) < 1.05 * few
