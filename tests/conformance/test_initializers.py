"""Initial weights: fans, bounds and variances by Keras's formulas and by Keras itself; seeds, names, saved form.

Statistics of large arrays lie within six standard errors, so that a right generator fails one time in 10⁸;
the seeds are fixed besides.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.stats import truncnorm

import layerscope as ls
from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.initializers import (
    NAMED,
    TRUNCATION,
    Constant,
    Ones,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    fans,
)

from . import keras_oracle

LARGE = (3, 5, 70, 300)
"""A kernel of 315,000 numbers whose fans are 1,050 and 4,500."""
FACTORIES = ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")
MODES = ("fan_in", "fan_out", "fan_avg")
KURTOSIS = {"uniform": 9 / 5, "normal": 3.0, "truncated": float(truncnorm.stats(-2, 2, moments="k")) + 3}
"""Fourth moment over squared variance: it decides how far a sample's variance strays."""


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


def like_a_sample(values: np.ndarray, mean: float, deviation: float, shape: str) -> None:
    """Mean and variance within six standard errors."""
    count = values.size
    assert abs(values.mean() - mean) <= 6 * deviation / math.sqrt(count)
    stray = math.sqrt((KURTOSIS[shape] - 1) / count)
    assert abs(values.var() / deviation**2 - 1) <= 6 * stray


def fills(values: np.ndarray, low: float, high: float, density: float) -> None:
    """Within the bounds, and up to them: beyond the outermost number lies less than 30 of 1/count."""
    slack = 1e-6 * (high - low)  # float32
    assert low - slack <= values.min() <= low + 30 / (values.size * density)
    assert high + slack >= values.max() >= high - 30 / (values.size * density)


# --- fans ---

KERNELS = [
    # layer, input without batch, kernel, fan_in, fan_out
    (lambda: ls.layers.Dense(7), (5,), (5, 7), 5, 7),
    (lambda: ls.layers.Dense(7), (28, 28, 5), (5, 7), 5, 7),
    (lambda: ls.layers.Conv2D(7, 3), (9, 9, 5), (3, 3, 5, 7), 45, 63),
    (lambda: ls.layers.Conv2D(8, (2, 3), groups=2), (9, 9, 6), (2, 3, 3, 8), 18, 48),
    # Keras counts a transposed convolution's kernel (*k, out, in) as any other: the fans are swapped
    (lambda: ls.layers.Conv2DTranspose(7, 3), (9, 9, 5), (3, 3, 7, 5), 63, 45),
]


@pytest.mark.parametrize(("make", "given", "kernel", "fan_in", "fan_out"), KERNELS)
def test_fans_of_kernels(make, given, kernel, fan_in, fan_out):
    layer = make()
    model = ls.Sequential([ls.Input(given), layer])
    assert model.get_weights()[0].shape == kernel
    assert fans(kernel) == (fan_in, fan_out)
    limit = math.sqrt(6 / (fan_in + fan_out))
    weights = model.get_weights()[0]
    assert np.abs(weights).max() <= limit * (1 + 1e-6), "glorot_uniform"
    assert weights.std() == pytest.approx(limit / math.sqrt(3), rel=6 * math.sqrt(0.8 / weights.size) / 2 + 0.1)
    assert not model.get_weights()[1].any(), "the bias begins at zero"


@pytest.mark.parametrize("shape", [(), (6,), (1,), (5, 7), (3, 5, 7), (3, 2, 5, 7), (2, 3, 4, 5, 7)], ids=str)
def test_fans_are_kerass(shape, keras):
    from keras.src.initializers.random_initializers import compute_fans

    assert fans(shape) == compute_fans(shape)


def keras_draw(initializer, shape) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # Keras with NumPy 2
        return np.array(initializer(shape, dtype="float32")).astype("float64")


LAYERS = [("Dense", {"units": 90}), ("Conv2D", {"filters": 90}), ("Conv2DTranspose", {"filters": 90})]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras with NumPy 2
@pytest.mark.parametrize(("kind", "settings"), LAYERS)
def test_layers_draw_within_the_limits_of_kerass_layers(kind, settings, keras):
    """He's limit tells fan_in from fan_out."""
    settings = {**settings, "kernel_initializer": "he_uniform"} | ({} if kind == "Dense" else {"kernel_size": 3})
    ls.utils.set_random_seed(1)
    keras.utils.set_random_seed(1)
    mine = ls.Sequential([ls.Input((5, 5, 20)), getattr(ls.layers, kind)(**settings)]).get_weights()[0]
    theirs = keras.Sequential([keras.Input((5, 5, 20)), getattr(keras.layers, kind)(**settings)]).get_weights()[0]
    assert mine.shape == theirs.shape
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)


# --- distributions ---

FORMULAS = {
    # name: (scale, fan) of the variance scale / fan
    "glorot_uniform": (1.0, "fan_avg"),
    "glorot_normal": (1.0, "fan_avg"),
    "he_uniform": (2.0, "fan_in"),
    "he_normal": (2.0, "fan_in"),
    "lecun_uniform": (1.0, "fan_in"),
    "lecun_normal": (1.0, "fan_in"),
}


def test_every_name_is_tested():
    plain = {
        "zeros",
        "ones",
        "random_uniform",
        "random_normal",
        "truncated_normal",
        "uniform",
        "normal",
        "orthogonal",
    }
    assert set(NAMED) == set(FORMULAS) | plain


def drawn(name: str) -> np.ndarray:
    ls.utils.set_random_seed(17)
    found = ls.initializers.get(name)(LARGE)
    assert found.shape == LARGE
    assert found.dtype == np.float32
    return found.astype("float64")


def check_scaled(values: np.ndarray, variance: float, distribution: str) -> None:
    deviation = math.sqrt(variance)
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        like_a_sample(values, 0, deviation, "uniform")
        fills(values, -limit, limit, 1 / (2 * limit))
    elif distribution == "untruncated_normal":
        like_a_sample(values, 0, deviation, "normal")
        assert np.abs(values).max() > 4 * deviation, "not cut"
    else:
        like_a_sample(values, 0, deviation, "truncated")
        cut = 2 * deviation / TRUNCATION
        fills(values, -cut, cut, float(truncnorm.pdf(2, -2, 2)) * TRUNCATION / deviation)


@pytest.mark.parametrize("name", FORMULAS)
def test_scaled_names(name):
    scale, mode = FORMULAS[name]
    fan = {"fan_in": 1050, "fan_avg": 2775}[mode]
    check_scaled(drawn(name), scale / fan, "uniform" if name.endswith("uniform") else "truncated_normal")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling(mode, distribution):
    fan = {"fan_in": 1050, "fan_out": 4500, "fan_avg": 2775}[mode]
    values = VarianceScaling(3.0, mode, distribution, seed=1)(LARGE).astype("float64")
    check_scaled(values, 3.0 / fan, distribution)


def test_plain_names():
    assert not drawn("zeros").any()
    assert (drawn("ones") == 1).all()
    uniform = drawn("random_uniform")
    like_a_sample(uniform, 0, 0.1 / math.sqrt(12), "uniform")
    fills(uniform, -0.05, 0.05, 10)
    like_a_sample(drawn("random_normal"), 0, 0.05, "normal")
    assert np.abs(drawn("random_normal")).max() > 0.2
    cut = drawn("truncated_normal")
    like_a_sample(cut, 0, 0.05 * TRUNCATION, "truncated")
    fills(cut, -0.1, 0.1, float(truncnorm.pdf(2, -2, 2)) / 0.05)


def test_settings_shift_and_spread():
    like_a_sample(RandomUniform(2, 5, seed=1)(LARGE).astype("float64"), 3.5, 3 / math.sqrt(12), "uniform")
    like_a_sample(RandomNormal(2, 5, seed=1)(LARGE).astype("float64"), 2, 5, "normal")
    cut = TruncatedNormal(2, 5, seed=1)(LARGE).astype("float64")
    like_a_sample(cut, 2, 5 * TRUNCATION, "truncated")
    fills(cut, -8, 12, float(truncnorm.pdf(2, -2, 2)) / 5)
    assert (Constant(0.25)((2, 3)) == 0.25).all()


def test_the_cut_normals_deviation():
    assert pytest.approx(float(truncnorm.std(-2, 2)), rel=1e-12) == TRUNCATION


UNBOUNDED = ("random_normal", "normal", "orthogonal")


@pytest.mark.parametrize("name", NAMED)
def test_keras_draws_within_the_same_limits(name, keras):
    """Both draw from the same distribution: extremes, deviations and quantiles of 315,000 numbers each."""
    mine = drawn(name).ravel()
    keras.utils.set_random_seed(3)
    theirs = keras_draw(keras.initializers.get(name), LARGE).ravel()
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.2 if name in UNBOUNDED else 1e-3)
    assert mine.std() == pytest.approx(theirs.std(), rel=0.02)
    levels = np.linspace(0.01, 0.99, 25)
    away = np.abs(np.quantile(mine, levels) - np.quantile(theirs, levels)).max()
    assert away <= 0.03 * max(theirs.std(), 1e-9)


# --- seeds, saved form, names ---

SETTINGS = [
    Zeros(),
    Ones(),
    Constant(0.5),
    RandomUniform(-1, 2, seed=3),
    RandomNormal(1, 2, seed=3),
    TruncatedNormal(1, 2, seed=3),
    *(VarianceScaling(2.0, mode, "untruncated_normal", seed=3) for mode in MODES),
    *(getattr(ls.initializers, name)(seed=3) for name in FACTORIES),
]
RANDOM = [one for one in SETTINGS if hasattr(one, "seed")]


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
def test_a_seed_repeats(initializer):
    """Also a second call gives the same array, as in Keras."""
    first = initializer((4, 5))
    assert np.array_equal(initializer((4, 5)), first)
    other = ls.initializers.get({**initializer.to_json(), "settings": {**vars(initializer), "seed": 4}})
    assert not np.array_equal(other((4, 5)), first)


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"zeros", "ones"}))
def test_without_a_seed_set_random_seed_decides(name):
    def pair():
        ls.utils.set_random_seed(5)
        return ls.initializers.get(name)((4, 5)), ls.initializers.get(name)((4, 5))

    first, second = pair()
    assert not np.array_equal(first, second), "each weight gets numbers of its own"
    assert all(np.array_equal(a, b) for a, b in zip(pair(), (first, second), strict=True))


@pytest.mark.parametrize("initializer", SETTINGS + list(NAMED.values()), ids=repr)
def test_saved_form(initializer):
    again = ls.initializers.get(initializer.to_json())
    assert again == initializer
    assert type(again) is type(initializer)
    if getattr(initializer, "seed", 0) is not None:
        assert np.array_equal(again((4, 5)), initializer((4, 5)))


@pytest.mark.parametrize("name", NAMED)
def test_spellings(name, keras):
    """Keras's two: snake case and the class's name (uniform and normal are short for those of random_...)."""
    camel = (
        type(NAMED[name]).__name__ if name in ("uniform", "normal") else "".join(map(str.capitalize, name.split("_")))
    )
    assert ls.initializers.get(name) == ls.initializers.get(camel) == NAMED[name]
    assert type(keras.initializers.get(name)) is type(keras.initializers.get(camel)) is not None


@pytest.mark.parametrize("name", FACTORIES)
def test_factories_are_the_names(name):
    assert getattr(ls.initializers, name)() == ls.initializers.get(name)
    assert getattr(ls.initializers, name)(seed=2) == VarianceScaling(**{**vars(NAMED_AS[name]), "seed": 2})


NAMED_AS = {name: ls.initializers.get(name) for name in FACTORIES}
REFUSED = [
    ("he_norml", "unknown initializer 'he_norml'. Did you mean 'he_normal' or 'he_uniform' or 'normal'?"),
    ({"initializer": "Zeroes"}, "unknown initializer 'Zeroes'. Did you mean 'Zeros'?"),
    ({"initializer": "Zeros", "settings": {"seed": 1}}, "initializer Zeros: "),
    (0.5, "an initializer is a name or an object of layerscope.initializers, not 0.5"),
]


@pytest.mark.parametrize(("identifier", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_unknown_ones_are_refused(identifier, message):
    with pytest.raises((UnknownNameError, SettingError)) as caught:
        ls.initializers.get(identifier)
    assert str(caught.value).startswith(message)


def test_impossible_settings_are_refused():
    with pytest.raises(SettingError) as caught:
        VarianceScaling(mode="fan")
    assert str(caught.value) == "VarianceScaling: mode must be fan_in, fan_out or fan_avg, not 'fan'"
    with pytest.raises(SettingError) as caught:
        VarianceScaling(distribution="normal")
    assert str(caught.value) == (
        "VarianceScaling: distribution must be truncated_normal, untruncated_normal or uniform, not 'normal'"
    )
