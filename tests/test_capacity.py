"""Capacity: smallest cuts against all cuts, ranks of matrices against the bound, what is never read."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, sources
from layerscope.analyses.capacity import capacity, volume
from layerscope.core import cuts
from layerscope.core.errors import ShapeError
from layerscope.core.indices import Indices
from layerscope.layers import Add, Concatenate, Conv2D, Dense, Flatten, MaxPooling2D, MaxUnpooling2D


def rows(what):
    graph = sources.read(what)
    return {node.label: row for node, row in zip(graph.nodes, capacity(graph).layers, strict=True)}


# --- smallest cuts ---


def every_cut(limits, sources, starts, end):
    """The cheapest set of vertices without which no path leads from a start to the end: all are tried."""
    names = list(limits)
    best = sum(limits.values())
    for taken in itertools.product((False, True), repeat=len(names)):
        cut = {name for name, out in zip(names, taken, strict=True) if out}
        reached = set()
        for name in names:
            if name not in cut and (name in starts or any(one in reached for one in sources[name])):
                reached.add(name)
        if end not in reached:
            best = min(best, sum(limits[name] for name in cut))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_smallest_cuts_are_the_cheapest_of_all(seed):
    draw = random.Random(seed)
    count = draw.randint(2, 9)
    names = [(n, 0) for n in range(count)]
    limits = {name: draw.randint(0, 9) for name in names}
    reads = {name: draw.sample(names[:n], draw.randint(0, min(n, 3))) for n, name in enumerate(names)}
    starts = {name for n, name in enumerate(names) if n == 0 or draw.random() < 0.15}
    found, _ = cuts.smallest(limits, reads, starts, names[-1:])
    for name in names:
        upto = {one: limits[one] for one in names[: name[0] + 1]}
        assert found[name][0] == every_cut(upto, reads, starts, name), name


def test_the_vertex_that_limits_is_named():
    limits = {(0, 0): 9, (1, 0): 2, (2, 0): 5, (3, 0): 8}
    reads = {(1, 0): [(0, 0)], (2, 0): [(1, 0)], (3, 0): [(2, 0), (0, 0)]}
    found, total = cuts.smallest(limits, reads, {(0, 0)}, [(3, 0)])
    assert found == {
        (0, 0): (9, (0, 0)), (1, 0): (2, (1, 0)), (2, 0): (2, (1, 0)), (3, 0): (8, (3, 0)),
    }  # fmt: skip
    assert total == (8, (3, 0))


# --- networks ---


def test_the_documents_autoencoders():
    found = ls.trace("example:autoencoder-transpose").capacity
    assert (found.capacity, found.narrowest, found.unread) == (36, "conv2d_2", 108)
    map = np.array(found.unread_map())
    assert map.sum() == 108
    assert map[26:].all()
    assert map[:, 26:].all()
    assert not map[:26, :26].any()
    layer = found.layers[4]
    assert (layer.elements, layer.capacity, layer.dropped) == (200, 200, (1, 1))
    assert layer.discarded == 1 - Fraction(200, 11 * 11 * 8)
    other = ls.trace("example:autoencoder").capacity
    assert (other.capacity, other.narrowest, other.unread) == (64, "max_pooling2d_2", 0)


def test_a_convolution_makes_no_more_of_three_channels():
    found = rows("8x8x3 | conv 16 1 as wide | conv 16 1 stride 2 as strided | flatten")
    assert found["wide"].capacity == 8 * 8 * 3
    assert (found["strided"].capacity, found["strided"].dropped) == (4 * 4 * 3, (4, 4))


def test_what_is_narrow_for_other_reasons():
    assert rows("10 | dense 6 softmax as p")["p"].capacity == 5
    assert rows("8x8x2 | separable_conv2d 40 3 as s")["s"].capacity == 6 * 6 * 2
    assert rows("nxnx2 | conv 40 3 as s")["s"].capacity is None


def test_around_a_narrow_layer():
    start = Input((4, 4, 2))
    narrow = Conv2D(1, 4, name="narrow")(start)
    wide = Dense(20, name="wide")(Flatten()(narrow))
    beside = Dense(3, name="beside")(Flatten()(start))
    graph = Model(start, Concatenate(name="both")([wide, beside])).graph
    found = dict(zip((node.name for node in graph.nodes), capacity(graph).layers, strict=True))
    assert (found["wide"].capacity, found["wide"].narrowest) == (1, "narrow")
    assert (found["both"].capacity, found["both"].narrowest) == (4, "")


def test_switches_carry_no_numbers():
    start = Input((4, 4, 1))
    pooled, switches = MaxPooling2D(4, return_switches=True)(start)
    graph = Model(start, MaxUnpooling2D(4)([Conv2D(1, 1)(pooled), switches])).graph
    found = capacity(graph)
    assert (found.capacity, found.layers[1].discarded) == (1, Fraction(15, 16))


def linear(seed):
    """A random network of linear layers with branches, and its matrix from the images of unit vectors."""
    draw = random.Random(seed)
    ls.utils.set_random_seed(seed)
    start = Input((draw.choice((4, 5)), draw.choice((4, 5)), draw.choice((1, 2))))
    x = start
    for _ in range(draw.randint(1, 3)):
        kernel = min(draw.choice((1, 2)), *x.shape[1:3])
        x = Conv2D(draw.randint(1, 3), kernel, strides=draw.choice((1, 2)), use_bias=False)(x)
        if draw.random() < 0.5:
            x = Add()([x, Conv2D(x.shape[-1], 1, use_bias=False)(Conv2D(1, 1, use_bias=False)(x))])
    model = Model(start, Dense(draw.randint(1, 30), use_bias=False)(Flatten()(x)))
    model.compile("sgd", "mse", engine="reference", precision="float64")
    size = int(np.prod(start.shape[1:]))
    return model, model.predict(np.eye(size).reshape(size, *start.shape[1:]))


def test_no_matrix_has_a_larger_rank():
    tight = 0
    for seed in range(25):
        model, matrix = linear(seed)
        bound, rank = capacity(model.graph).capacity, np.linalg.matrix_rank(matrix)
        assert rank <= bound, seed
        tight += rank == bound
    assert tight >= 20


def test_volume_is_the_number_of_positions():
    draw = random.Random(0)
    for _ in range(50):
        region = tuple(
            tuple(Indices.of(*((a, a + draw.randint(0, 2)) for a in draw.sample(range(8), 2))) for _ in range(3))
            for _ in range(draw.randint(0, 4))
        )
        points = {
            point
            for box in region
            for point in itertools.product(*([n for a, b in part.intervals for n in range(a, b + 1)] for part in box))
        }
        assert volume(region) == len(points)


def test_a_map_needs_rows():
    with pytest.raises(ShapeError) as found:
        ls.trace("8 | dense 2").capacity.unread_map()
    assert str(found.value) == "a map of what is never read needs an input with rows and columns"


def test_columns():
    page = ls.trace("7x7x3 | conv 4 3 stride 2 | maxpool 2").render(columns="information")
    assert page.split("\n")[2:7] == [
        "layer          data             capacity  unread  dropped  % discarded",
        "──────────────────────────────────────────────────────────────────────",
        "input_layer                          147      72",
        "conv2d         condense ÷4.083        36      20",
        "max_pooling2d  condense ÷9             4          1, 1            88.9",
    ]
    assert "open" in ls.trace("nxnx1 | conv 2 3").render(columns="capacity")
