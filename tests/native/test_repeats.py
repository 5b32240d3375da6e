"""Of equal cells in a pooled window the first wins, whatever algorithm computes them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings, wrong
from tests.native.random_cases import CHECKED, OFTEN, drawn
from tests.native.test_filtering import flat_images, ways

from layerscope import layers, losses, optimizers
from layerscope.engine.native import report
from layerscope.engine.native.engine import options_for
from layerscope.models import Model, Sequential

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a cell to those that it may equal: on its right, below, and on both diagonals."""


def striped_images(count, size, channels):
    """Images in which cells equal the next ones in a direction each, where a rectangle of noise is not in the way; in
    every other four the last channel differs all the same.
    """
    random, images = np.random.default_rng(5), np.zeros((count, size, size, channels))
    for number, image in enumerate(images):
        row, column = DIRECTIONS[number % len(DIRECTIONS)]
        numbers = random.normal(size=(2 * size, channels))
        for i in range(size):
            for j in range(size):
                image[i, j] = numbers[(i * column - j * row) % (2 * size)]
        a, b = (int(n) for n in random.integers(0, size - 3, 2))
        image[a : a + 3, b : b + 3] = random.normal(size=(3, 3, channels))
        if number // len(DIRECTIONS) % 2:
            image[..., -1] = random.normal(size=(size, size))
    return images


def unpooled(size, channels, convolution, padding="valid"):
    """A convolution, a max pool, and its unpooling: numbers at the places of the winners."""
    image = layers.Input((*size, channels))
    x, switches = layers.MaxPooling2D(2, padding=padding, return_switches=True)(convolution(image))
    model = Model(image, layers.MaxUnpooling2D(2)([x, switches]))
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    return model


def places(case, precision):
    """Where both engines put the winners."""
    with settings(**case.options):
        made = [
            engine.predict([case.inputs[0].astype(precision)], case.batch, going)[0]
            for engine in engines(case, precision)
        ]
    return [one != 0 for one in made]


CASES = {
    "of 4": ((16, 16), 9, layers.Conv2D(12, 3, padding="same"), {}, "36 products for 4×4"),
    "a rest of 2": ((14, 14), 16, layers.Conv2D(8, 3, padding="same"), {}, "24 products for 4×2"),
    "a rest of 2 columns": ((12, 22), 16, layers.Conv2D(16, 3, padding="same"), {}, "24 products for 4×2"),
    "parts": (
        (24, 24),
        17,
        layers.Conv2D(33, 3),
        {"lanes": 8, "sums": 24},
        "36 products for 4×4 results, tile of 1 patches",
    ),
    "of 2": ((8, 8), 9, layers.Conv2D(12, 3), {}, "16 products for 2×2"),
    "one axis": ((14, 14), 4, layers.Conv2D(24, 3, padding="same"), {"lanes": 4, "sums": 24}, "24 products"),
    "many channels": (
        (12, 12),
        40,
        layers.Conv2D(10, 3, padding="same"),
        {"lanes": 4, "sums": 12},
        "36 products for 4×4",
    ),
    "five taps": ((12, 12), 8, layers.Conv2D(12, 5, padding="same"), {"lanes": 8}, "36 products for 2×2"),
    "far": ((12, 12), 64, layers.Conv2D(140, 3, padding="same"), {"lanes": 8, "sums": 24}, "36 products for 4×4"),
    "panels": ((12, 12), 64, layers.Conv2D(140, 3, padding="same"), {"lanes": 8, "large": 0}, "36 products for 4×4"),
    "strips": ((16, 16), 9, layers.Conv2D(12, 3, padding="same"), {"lanes": 4, "strips": 2}, "36 products for 4×4"),
    "strips of a rest": ((14, 14), 9, layers.Conv2D(12, 3), {"lanes": 8, "strips": 4}, "36 products for 4×4"),
}
"""Size, channels, the convolution, settings, and how it is computed."""


PLAIN = ("of 4", "parts", "five taps", "far", "strips")
"""Those that are also compiled as users' are."""


@pytest.mark.parametrize(("name", "more"), [*((name, CHECKED) for name in CASES), *((name, {}) for name in PLAIN)])
def test_the_first_of_equals_wins(name, more):
    size, channels, convolution, options, way = CASES[name]
    images = np.concatenate([made(16, max(size), channels) for made in (flat_images, striped_images)])
    options, inputs = {"gain": 1e9, **options, **more}, [images[:, : size[0], : size[1]]]
    model, random = unpooled(size, channels, convolution), np.random.default_rng(0)
    case = drawn(model, random, options, batch=8, count=32, inputs=inputs, scale=None)
    assert any(way in told and "max pooling" in told for told in ways(case))
    for precision in ("float64", "float32"):
        found, wanted = places(case, precision)
        assert np.array_equal(found, wanted)


def test_several_threads_on_a_block():
    """Each finds the repeated cells of its own rows of patches."""
    model, images = unpooled((16, 16), 9, layers.Conv2D(12, 3, padding="same")), [striped_images(8, 16, 9)]
    options = {"gain": 1e9, "lanes": 8, "team": 4}
    case = drawn(model, np.random.default_rng(0), options, threads=4, batch=8, count=8, inputs=images, scale=None)
    with settings(**options):
        native, _ = engines(case, "float64")
        rows = report.report(native.job, options_for("float64"), 4, "float64", batch_size=8).rows
    assert any("36 products for 4×4" in row.way and "4 threads a block" in row.way for row in rows)
    found, wanted = places(case, "float64")
    assert np.array_equal(found, wanted)


def trained(stack, size=16, channels=9):
    """How the convolutions of a network with pools are computed in training."""
    model = Sequential([layers.Input((size, size, channels)), *stack, layers.Flatten(), layers.Dense(3)])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    rows = model.engine_report().rows
    return [
        row.way.split(",")[0]
        for row in rows
        if row.program == "training" and row.work.split(";")[0] == "convolution" and "max pooling" in row.way
    ]


def conv(filters=12, activation="relu", **more):
    return layers.Conv2D(filters, 3, padding="same", activation=activation, **more)


def pool(**more):
    return layers.MaxPooling2D(2, **more)


F2, F4 = "16 products for 2×2 results", "36 products for 4×4 results"


@pytest.mark.parametrize(
    ("stack", "found"),
    [
        ([conv(), pool(), conv(16), pool()], [F2, F4]),  # what leads to another pool stays equal everywhere
        ([conv(), conv(), pool(), conv()], [F4]),
        ([conv(activation="leaky_relu"), pool()], [F2]),  # a function before the pool might make equal what was not
    ],
    ids=("two pools", "the last pool", "another function"),
)
def test_where_it_suffices(stack, found, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    assert trained(stack) == found


def test_cells_beyond_the_edge_do_not_count():
    """The patch of a cell beyond the edge is that of the cell below on its left, which may be the largest still."""
    images = np.zeros((8, 15, 15, 4))
    images[:, 5, 14] = images[:, 6, 13] = np.random.default_rng(1).normal(size=(8, 4))
    model = unpooled((15, 15), 4, layers.Conv2D(12, 3, padding="same"), "same")
    case = drawn(model, np.random.default_rng(0), {"gain": 1e9}, batch=8, count=8, inputs=[images], scale=None)
    found, wanted = (place[:, 7, 14] for place in places(case, "float64"))
    assert wanted.any()
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("more", [{}, CHECKED], ids=("plain", "checked"))
def test_patches_of_zeros_give_zero(more):
    """Where rounding made a little more of it a gradient would pass through relu, to the bias."""
    stack = [layers.Conv2D(12, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    model = Sequential([layers.Input((12, 12, 9)), *stack, layers.Flatten(), layers.Dense(3)])
    model.compile(optimizers.SGD(1.0), losses.MeanSquaredError())
    random, images = np.random.default_rng(0), np.zeros((40, 12, 12, 9))
    for image in images:
        a, b = (int(n) for n in random.integers(0, 10, 2))
        image[a : a + 2, b : b + 2] = random.normal(size=(2, 2, 9))
    case = drawn(model, random, {"gain": 1e9, **more}, batch=40, count=40, inputs=[images], scale=None)
    for weights in case.weights.values():
        weights *= weights.ndim > 1  # biases begin at zero
    assert any("36 products for 4×4" in way and "max pooling" in way for way in ways(case))
    found = []
    with settings(**case.options):
        for engine in engines(case, "float64"):
            engine.train_epoch(case.inputs, case.targets, np.arange(40), 40, going)
            found.append(engine.state.weights)
    for id, weights in found[1].items():
        np.testing.assert_allclose(found[0][id], weights, rtol=0, atol=1e-12)


def network(seed):
    """A last pool behind a convolution, with images in which neighbours are equal."""
    random = np.random.default_rng([seed, 11])
    size, channels = int(random.choice([8, 10, 12, 13, 16])), int(random.choice([4, 9, 20]))
    stack = [conv(int(random.choice([3, 8, 12])))] if random.random() < 0.5 else []
    padding = str(random.choice(["same", "same", "valid"]))
    stack += [layers.Conv2D(int(random.choice([9, 17])), int(random.choice([3, 3, 3, 5])), padding=padding)]
    stack += [layers.ReLU()] if random.random() < 0.5 else []
    stack += [layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3)]
    model = Sequential([layers.Input((size, size, channels)), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    options = {"lanes": int(random.choice([2, 4, 8, 16])), "sums": int(random.choice([8, 12, 24])), "gain": 1e9}
    options |= CHECKED if random.random() < OFTEN else {}
    options |= {"strips": 2} if random.random() < 0.2 else {}
    images = (flat_images, striped_images)[seed % 2](9, size, channels)
    return drawn(model, random, options, seed, int(random.integers(1, 4)), 5, 9, scale=None, inputs=[images])


@pytest.mark.parametrize(("precision", "seeds"), [("float64", range(8)), ("float32", range(8, 12))])
def test_networks(precision, seeds):
    assert wrong(network, seeds, precision) == {}


def test_the_networks_use_it():
    """Each in training and in inference."""
    told = [way for seed in range(12) for way in ways(network(seed)) if "max pooling" in way]
    assert sum("36 products for" in way for way in told) > 6
