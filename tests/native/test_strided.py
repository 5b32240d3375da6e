"""Strided convolutions with fewer products: matrices against the definition, where they apply, whole networks."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import compare, engines, settings
from tests.native.random_cases import CHECKED, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import algorithms, parts, report, strided, taps
from layerscope.engine.native.engine import options_for
from layerscope.models import Model, Sequential

RANDOM = np.random.default_rng(0)


def definition(patch, kernel, results, stride):
    return [patch[y * stride : y * stride + len(kernel)] @ kernel for y in range(results)]


@pytest.mark.parametrize(
    ("results", "size", "stride", "products"),
    [
        (2, 7, 2, 9),
        (3, 7, 2, 11),
        (2, 5, 2, 7),
        (3, 5, 2, 9),
        (2, 3, 2, 5),
        (2, 11, 4, 15),
        (3, 11, 4, 19),
        (2, 5, 3, 8),
    ],
)
def test_against_the_definition(results, size, stride, products):
    """With products that no two sums share, as filtered.py takes them where they are many."""
    algorithm = strided.strided(results, size, stride)
    assert (algorithm.products, algorithm.results, algorithm.step) == (products, results, results * stride)
    assert algorithm.together == 1
    assert not algorithm.few
    a, b, g = (np.array(m, float) for m in (algorithm.a, algorithm.b, algorithm.g))
    for _ in range(10):
        patch, kernel = RANDOM.normal(size=algorithm.patch), RANDOM.normal(size=size)
        made = a @ ((g @ kernel) * (b @ patch))
        np.testing.assert_allclose(made, definition(patch, kernel, results, stride), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("size", "stride"), [(7, 2), (5, 2), (3, 2), (11, 4)])
def test_roundings_are_no_worse_than_those_of_f4(size, stride):
    """In float32, against the definition's: F4's are 2.3 times as large for three taps."""

    def error(algorithm, stride, size):
        a, b, g = (np.array(m) for m in (algorithm.a, algorithm.b, algorithm.g))
        random, found = np.random.default_rng(1), list[float]()
        for _ in range(400):
            patch, kernel = random.random(algorithm.patch), random.standard_normal(size)
            single = [m.astype(np.float32) for m in (a, b, g, patch, kernel)]
            made = single[0] @ ((single[2] @ single[4]) * (single[1] @ single[3]))
            found.append(np.mean((made - definition(patch, kernel, algorithm.results, stride)) ** 2))
        return np.sqrt(np.mean(found))

    plain = error(algorithms.direct(3, size, stride), stride, size)
    for results in [n for n in strided.RESULTS if n <= -(-size // stride)]:
        assert error(strided.strided(results, size, stride), stride, size) < 3 * plain


@pytest.mark.parametrize(("results", "size"), [(2, 5), (2, 3), (3, 3)])
def test_equal_numbers_give_equal_results(results, size):
    """Where the image is constant, what a result adds up beside zeros is the same for all, to the bit."""
    algorithm = strided.strided(results, size, 2)
    sides = np.array(algorithm.b, np.float32) @ np.full(algorithm.patch, 0.3, np.float32)
    products = sides * (np.array(algorithm.g) @ RANDOM.normal(size=size)).astype(np.float32)
    summands = [
        [x * p for x, p in zip(row, products, strict=True) if x * p] for row in np.array(algorithm.a, np.float32)
    ]
    assert len(summands[0]) == 2
    assert all(row == summands[0] for row in summands)


def names(axis, count, **more):
    return [
        [(p.algorithm.products, p.algorithm.results, p.start, p.tiles) for p in way]
        for way in strided.on_axis(axis, count, **more)
    ]


def test_where_they_apply():
    seven = taps.forward(28, 7, 2, 3, 1)
    assert names(seven, 28) == [[(9, 2, 0, 14)], [(11, 3, 0, 9), (7, 1, 27, 1)], [(7, 1, 0, 28)]]
    assert names(seven, 28, even=True) == [[(9, 2, 0, 14)], [(14, 2, 0, 14)]]
    assert names(seven, 28, ties=True) == []  # what is multiplied there has other factors than 1
    assert names(taps.forward(8, 5, 2, 2, 1), 8, ties=True) == [[(7, 2, 0, 4)], [(5, 1, 0, 8)]]
    assert names(taps.forward(7, 3, 2, 1, 1), 7) == [[(5, 2, 0, 3), (3, 1, 6, 1)], [(3, 1, 0, 7)]]
    assert names(taps.forward(7, 3, 2, 1, 1), 7, ties=True) == [[(3, 1, 0, 7)]]  # in one part
    assert not names(taps.forward(8, 1, 2, 0, 1), 8)  # one tap
    assert not names(taps.forward(8, 7, 1, 3, 1), 8)  # stride 1
    assert not names(taps.forward(8, 3, 2, 2, 2), 8)  # dilated
    assert not names(taps.backward(8, 3, 2, 1, 1), 8)  # transposed


def network(stack, size, channels, **options):
    model = Sequential([layers.Input((*size, channels)), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    return drawn(model, np.random.default_rng(0), options)


STACKS = {
    "7×7 by 2": (lambda: [layers.Conv2D(9, 7, strides=2, padding="same")], (23, 16), 5),
    "5×5 by 2, wide": (
        lambda: [layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"), layers.Conv2D(17, 5, strides=2)],
        (28, 26),
        4,
    ),
    "3×3 by 2, pooled": (
        lambda: [
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(9, 3, strides=2),
        ],
        (24, 32),
        3,
    ),
    "11×11 by 4": (lambda: [layers.Conv2D(6, 11, strides=4)], (43, 35), 3),
    "11×3 by 4 and 2": (lambda: [layers.Conv2D(6, (11, 3), strides=(4, 2))], (43, 18), 3),
    "other along each axis": (lambda: [layers.Conv2D(6, (3, 5), strides=(1, 2), padding="same")], (12, 14), 3),
}


WAYS = [{}, CHECKED, CHECKED | {"large": 0}, CHECKED | {"strips": 2}, {"sums": 12}]


@pytest.mark.parametrize("more", WAYS, ids=str)
@pytest.mark.parametrize("name", STACKS)
def test_networks(name, more, monkeypatch):
    """Forwards and for kernels' gradients."""
    found = set()

    def noted(*given, cut=parts.cut):
        made = cut(*given)
        found.update(part.rows.algorithm.step // part.rows.algorithm.results for part in made)
        found.update(part.columns.algorithm.step // part.columns.algorithm.results for part in made)
        return made

    monkeypatch.setattr(parts, "cut", noted)
    make, size, channels = STACKS[name]
    options = {"lanes": 8, "sums": 24, "gain": 1e9, **more}
    assert compare(network(make(), size, channels, **options)) == []
    assert max(found, default=1) > 1 or "strips" in more


def test_the_first_of_equals_wins():
    """On flat images a max unpooling writes where the reference engine does."""
    image = layers.Input((32, 32, 8))
    x, switches = layers.MaxPooling2D(2, return_switches=True)(layers.Conv2D(8, 5, strides=2, padding="same")(image))
    model = Model(image, layers.MaxUnpooling2D(2)([x, switches]))
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    random = np.random.default_rng(0)
    flat = np.repeat(np.repeat(random.normal(size=(24, 2, 2, 8)), 16, 1), 16, 2)
    case = drawn(model, random, {"gain": 1e9}, batch=8, count=24, inputs=[flat])
    assert compare(case) == []
    with settings(gain=1e9):
        native, _ = engines(case, "float64")
        told = str(report.report(native.job, options_for("float64"), 1, "float64"))
    assert "49 products for 2×2 results" in told
