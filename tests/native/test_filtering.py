"""Algorithms with fewer products: their matrices against the definition, where they apply, whole networks."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import compare, engines, going, settings, wrong
from tests.native.random_cases import CHECKED, OFTEN, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import filtering, report, taps
from layerscope.engine.native import parts as engine_parts
from layerscope.engine.native.algorithms import ADJOINT, BETWEEN, CENTRE, F2, F4, F25, direct
from layerscope.engine.native.engine import options_for
from layerscope.models import Model, Sequential

RANDOM = np.random.default_rng(0)


def result(algorithm, patch, kernel):
    """Aᵀ [(G g) ⊙ (Bᵀ d)]."""
    a, b, g = (np.array(m, float) for m in (algorithm.a, algorithm.b, algorithm.g))
    return a @ ((g @ kernel) * (b @ patch))


def correlated(patch, kernel):
    return np.correlate(patch, kernel, "valid")


@pytest.mark.parametrize(
    ("algorithm", "products", "results"), [(F2, 4, 2), (F4, 6, 4), (direct(1, 3), 3, 1), (direct(2, 3), 6, 2)]
)
def test_convolution(algorithm, products, results):
    assert (algorithm.products, algorithm.results, algorithm.step) == (products, results, results)
    patch, kernel = RANDOM.normal(size=results + 2), RANDOM.normal(size=3)
    np.testing.assert_allclose(result(algorithm, patch, kernel), correlated(patch, kernel), rtol=1e-12, atol=1e-14)


def test_five_taps():
    patch, kernel = RANDOM.normal(size=6), RANDOM.normal(size=5)
    np.testing.assert_allclose(result(F25, patch, kernel), correlated(patch, kernel), rtol=1e-12, atol=1e-14)
    assert (F25.products, F25.results) == (6, 2)


@pytest.mark.parametrize(("algorithm", "first"), [(CENTRE, 1), (BETWEEN, 0)])
def test_convolution_behind_upsampling(algorithm, first):
    """The centre algorithm begins one large pixel before its small one, the other at its first."""
    small, kernel = RANDOM.normal(size=algorithm.patch), RANDOM.normal(size=3)
    large = np.repeat(small, 2)[first : first + 4]
    np.testing.assert_allclose(result(algorithm, small, kernel), correlated(large, kernel), rtol=1e-12)
    assert algorithm.products == 3


def test_adjoint_of_both():
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for nearest upsampling and a convolution with same padding."""
    size, kernel = 5, RANDOM.normal(size=3)
    x, y = RANDOM.normal(size=size), RANDOM.normal(size=2 * size)
    forward = np.correlate(np.repeat(x, 2), kernel, "same")
    padded = np.pad(y, 1)
    back = [result(ADJOINT, padded[2 * q : 2 * q + 4], kernel)[0] for q in range(size)]
    np.testing.assert_allclose(forward @ y, x @ np.array(back), rtol=1e-12)


@pytest.mark.parametrize("algorithm", [F2, CENTRE, BETWEEN])
def test_equal_numbers_give_equal_results(algorithm):
    """Wherever all that a result reads is one number it is the same to the bit, whatever else the patch holds."""
    kernel, sides = RANDOM.normal(size=3), np.array(algorithm.b, float)
    products = np.array(algorithm.g, float) @ kernel
    constant = np.full(algorithm.patch, 0.3)
    expected = np.array(algorithm.a, float) @ (products * (sides @ constant))
    assert len(set(expected)) == 1
    if algorithm is F2:
        for changed, untouched in ((0, 1), (3, 0)):
            patch = constant.copy()
            patch[changed] = 7.7
            made = np.array(algorithm.a, float) @ (products * (sides @ patch))
            assert made[untouched] == expected[0]


def names(axis, count, **more):
    known = {
        id(F2): "F2",
        id(F4): "F4",
        id(F25): "F25",
        id(CENTRE): "centre",
        id(BETWEEN): "between",
        id(ADJOINT): "adjoint",
    }
    return [
        [(known.get(id(p.algorithm), f"direct {p.algorithm.results}"), p.start, p.tiles) for p in way]
        for way in filtering.on_axis(axis, count, **more)
    ]


def test_where_they_apply():
    plain = taps.forward(14, 3, 1, 1, 1)
    assert [("F4", 0, 3), ("F2", 12, 1)] in names(plain, 14)
    assert [("F2", 0, 7)] in names(plain, 14)
    assert [("F4", 0, 3), ("direct 1", 12, 1)] in names(taps.forward(13, 3, 1, 0, 1), 13)
    assert names(taps.forward(8, 3, 1, 1, 1, 2), 8) == [[("centre", 0, 4)]]
    assert names(taps.forward(6, 3, 1, 0, 1, 2), 6) == [[("between", 0, 3)]]
    assert names(taps.forward(8, 3, 1, -1, -1, 2), 8) == [[("centre", 0, 4)]]  # a transposed convolution
    assert names(taps.backward(4, 3, 1, 1, 1, 2), 4) == [[("adjoint", 0, 4)]]
    assert not names(taps.forward(7, 3, 2, 1, 1), 7)  # stride 2
    assert [("F4", 0, 1)] in names(taps.forward(8, 3, 1, 2, 2), 8)  # each of two interleaved images of 4
    assert not names(taps.forward(9, 3, 1, 2, 2), 9)  # of 5 and of 4
    assert not names(taps.forward(8, 3, 2, 2, 2), 8)  # stride 2 on them
    assert not names(taps.forward(8, 3, 1, 2, 2), 8, even=True)  # neighbours that are pooled lie in both
    assert [("F25", 0, 4)] in names(taps.forward(8, 5, 1, 2, 1), 8)  # five taps
    assert [("F25", 0, 4), ("direct 1", 8, 1)] in names(taps.forward(9, 5, 1, 2, 1), 9)
    assert not names(taps.forward(8, 7, 1, 3, 1), 8)  # seven taps
    assert [("F4", 0, 4)] in names(plain, 14, twice=True)  # the last begins at 10
    assert [("F4", 0, 2)] in names(taps.forward(7, 3, 1, 1, 1), 7, twice=True)
    assert [("F4", 0, 2)] not in names(taps.forward(7, 3, 1, 1, 1), 7, twice=True, even=True)
    assert not names(taps.forward(5, 3, 1, 0, 1, 2), 5)  # an odd number of results behind upsampling
    assert not names(taps.forward(9, 3, 1, 1, 1, 3), 9)  # upsampling by 3


def test_only_what_keeps_ties_before_a_pool():
    ways = names(taps.forward(14, 3, 1, 1, 1), 14, even=True, ties=True)
    assert ways == [[("F2", 0, 7)], [("direct 2", 0, 7)]]
    assert names(taps.forward(13, 3, 1, 0, 1), 13, ties=True) == [[("direct 1", 0, 13)]]


def network(seed):
    """Convolutions of 3×3, pools and upsamplings in the forms that the algorithms compute."""
    random = np.random.default_rng([seed, 7])
    rows, columns = (int(n) for n in random.integers(4, 15, 2))
    shape = (rows, columns, int(random.choice([1, 2, 3, 5, 9, 17])))
    stack, size = [], [rows, columns]
    for _ in range(int(random.integers(2, 5))):
        padding = "valid" if min(size) > 4 and random.random() < 0.4 else "same"
        kind = random.choice(["conv", "pooled", "up", "transposed"])
        filters = int(random.choice([1, 2, 3, 4, 8, 12, 17]))
        if kind in ("up", "transposed") and max(size) <= 8:
            stack.append(layers.UpSampling2D(2))
            size = [2 * n for n in size]
        made = layers.Conv2DTranspose if kind == "transposed" else layers.Conv2D
        stack.append(made(filters, 3, padding=padding, activation=random.choice(["relu", "linear", "tanh"])))
        if padding == "valid":
            size = [n + 2 if kind == "transposed" else n - 2 for n in size]
        if kind == "pooled" and min(size) >= 4:
            stack.append(layers.MaxPooling2D(2, padding=str(random.choice(["valid", "same"]))))
            size = [n // 2 for n in size] if stack[-1].padding == "valid" else [-(-n // 2) for n in size]
    model = Sequential([layers.Input(shape), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    count = int(random.integers(1, 12))
    options = {"lanes": int(random.choice([2, 4, 8, 16])), "sums": int(random.choice([8, 12, 24])), "gain": 1e9}
    if random.random() < OFTEN:
        options |= CHECKED
    batch, threads = int(random.integers(1, count + 1)), int(random.integers(1, 4))
    return drawn(model, random, options, seed, threads, batch, count, scale=None)


@pytest.mark.parametrize("first", range(0, 24, 6))
def test_networks_of_doubles(first):
    assert wrong(network, range(first, first + 6)) == {}


@pytest.mark.parametrize("first", range(100, 112, 6))
def test_networks_of_floats(first):
    assert wrong(network, range(first, first + 6), "float32") == {}


def ways(case, precision="float64"):
    """How the loop nests of a case are computed."""
    with settings(**case.options):
        native, _ = engines(case, precision)
        return [row.way for row in report.report(native.job, options_for(precision), 1, precision).rows]


def test_the_networks_use_them():
    assert sum("products for" in way for seed in range(24) for way in ways(network(seed))) > 100


def flat_images(count, size, channels):
    """Images of a few rectangles, each of one number: most of a pool's windows hold equal numbers."""
    random, images = np.random.default_rng(3), np.zeros((count, size, size, channels))
    for image in images:
        for _ in range(4):
            a, b, c, d = (int(n) for n in random.integers(0, size, 4))
            image[min(a, b) : max(a, b) + 1, min(c, d) : max(c, d) + 1] = random.normal(size=channels)
    return images


def test_the_first_of_equals_wins():
    """On flat images a max unpooling writes where the reference engine does; other algorithms make unequal what was
    equal, in the last place.
    """
    image = layers.Input((16, 16, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x, switches = layers.MaxPooling2D(2, return_switches=True)(layers.Conv2D(8, 3, padding="same")(x))
    model = Model(image, layers.MaxUnpooling2D(2)([x, switches]))
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    random, images = np.random.default_rng(0), [flat_images(24, 16, 1)]
    case = drawn(model, random, {"gain": 1e9}, batch=8, count=24, inputs=images)
    assert compare(case) == []
    assert "16 products for 2×2 results" in " ".join(ways(case))  # its gradient reads what stands at the winners


@pytest.mark.parametrize("options", [{}, {"gain": 1e9}, {"strips": 2}], ids=str)
@pytest.mark.parametrize("made", [layers.Conv2D, layers.Conv2DTranspose])
@pytest.mark.parametrize(("factor", "size"), [(2, 3), (2, 5), (3, 3)])
def test_equals_behind_upsampling_stay_equal(made, factor, size, options):
    """Around a repeated cell taps would be added up in other orders. What rounding leaves to chance is of no account
    to `compare`, so places are compared themselves.
    """
    image = layers.Input((8, 8, 3))
    x, switches = layers.MaxPooling2D(2, return_switches=True)(
        made(8, size, padding="same")(layers.UpSampling2D(factor)(image))
    )
    model = Model(image, layers.MaxUnpooling2D(2)([x, switches]))
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    case = drawn(model, np.random.default_rng(0), options, batch=8, count=24, inputs=[flat_images(24, 8, 3)])
    for precision in ("float64", "float32"):
        with settings(**options):
            found, wanted = (
                engine.predict([case.inputs[0].astype(precision)], 8, going)[0] for engine in engines(case, precision)
            )
        assert np.array_equal(found != 0, wanted != 0)


def test_the_report_tells():
    stack = [layers.Conv2D(16, 3, padding="same"), layers.Flatten(), layers.Dense(1)]
    model = Sequential([layers.Input((16, 16, 16)), *stack])
    model.compile("sgd", "mean_squared_error")
    told = str(model.engine_report())
    assert "36 products for 4×4 results" in told


def test_what_a_load_takes_decides_too():
    """One channel becomes many: with loads that take half as long more are worth their fewer products."""

    def case(options):
        stack = [layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)]
        model = Sequential([layers.Input((28, 28, 1)), *stack])
        model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
        return drawn(model, np.random.default_rng(0), options, count=5)

    for loading, way in ((0.8, "24 products for 2×2 results"), (0.4, "36 products for 2×4 results")):
        one = case({"loads": loading, "lanes": 16, "sums": 24})
        assert any(way in told for told in ways(one, "float32"))
        assert compare(one) == []


def test_kernel_gradients_of_both_forms():
    """Behind upsampling in registers, wide ones with the still side transposed."""
    narrow = [layers.UpSampling2D(2), layers.Conv2D(3, 3, padding="same")]
    wide = [layers.Conv2D(9, 3, padding="same"), layers.Conv2D(17, 3, padding="same")]
    for stack, told in ((narrow, "9 products for 1×1 positions"), (wide, "products for 4×4 positions")):
        model = Sequential([layers.Input((6, 6, 2)), *stack])
        model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
        options = {"lanes": 4, "sums": 12, "gain": 1e9, **CHECKED}
        case = drawn(model, np.random.default_rng(0), options, threads=1)
        assert compare(case) == []
        assert any(told in way for way in ways(case))


@pytest.mark.parametrize(
    ("size", "dilations", "parts"),
    [
        ((16, 12), (2, 4), {((2, 2),), ((4, 4),)}),
        ((24, 18), (3, 2), {((3, 3),), ((2, 2), (2, 2))}),
        ((16, 8), ((2, 1), (1, 4)), {((2, 1),), ((1, 4),)}),
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{}, CHECKED, CHECKED | {"large": 0}, CHECKED | {"strips": 2}], ids=str)
def test_dilated_convolutions(size, dilations, parts, more, monkeypatch):
    """Interleaved images, forwards and for both gradients; narrow and wide kernels."""
    found = set()

    def noted(*given, cut=engine_parts.cut):
        made = cut(*given)
        found.add(tuple((part.rows.apart, part.columns.apart) for part in made))
        return made

    monkeypatch.setattr(engine_parts, "cut", noted)
    stack = [layers.Conv2D(n, 3, padding="same", dilation_rate=d) for d, n in zip(dilations, (16, 9), strict=True)]
    model = Sequential([layers.Input((*size, 8)), *stack, layers.Conv2D(2, 3, padding="same", dilation_rate=2)])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    case = drawn(model, np.random.default_rng(0), {"lanes": 8, "sums": 12, "loads": 0.8, "gain": 1e9, **more})
    assert compare(case) == []
    assert parts <= found or "strips" in more
