"""`lower` against `define`: the same values, and gradients that are the slopes of `define`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.types import TensorType

from .cases import (
    SMALL,
    define,
    elements,
    executable_examples,
    fixed,
    inputs_for,
    is_float,
    seed_of,
    small_examples,
    title,
    weights_for,
)
from .running import run_layer
from .settings import NAMES, RANDOM, Drawn, pooling

EXAMPLES = pytest.mark.parametrize("case", executable_examples(), ids=title)
RANDOMLY = pytest.mark.parametrize("kind", RANDOM)
STEP = 1e-5
DIRECTIONS = 3
EACH = 60
"""Elements up to which the slope along every single one is taken."""


def check_values(case, **options):
    arrays, weights = inputs_for(case), weights_for(case)
    made = run_layer(case, arrays, weights, **options).outputs
    for got, wanted in zip(made, define(case.layer, arrays, weights), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


@EXAMPLES
@pytest.mark.parametrize("open_batch", [False, True], ids=["batch known", "batch open"])
def test_values_are_those_of_define(case, open_batch):
    check_values(case, open_batch=open_batch)


@RANDOMLY
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_values_of_random_settings_are_those_of_define(kind, data):
    check_values(RANDOM[kind](Drawn(data)), open_batch=data.draw(st.booleans()))


def slope(case, arrays, weights, cotangent, shifts):
    """The central difference of <define, cotangent> when every array moves along its shift."""

    def value(sign):
        moved = [a if d is None else fixed(a + sign * STEP * d) for a, d in zip(arrays, shifts[0], strict=True)]
        heavy = {name: fixed(w + sign * STEP * shifts[1][name]) for name, w in weights.items()}
        return float((define(case.layer, moved, heavy)[0] * cotangent).sum())

    return (value(1) - value(-1)) / (2 * STEP)


def still(arrays, weights, case):
    return [np.zeros_like(a) if is_float(t) else None for a, t in zip(arrays, case.inputs, strict=True)], {
        name: np.zeros_like(w) for name, w in weights.items()
    }


def check_gradients(case, directions=DIRECTIONS):
    arrays, weights = inputs_for(case), weights_for(case)
    rng = np.random.default_rng(seed_of(case) + 2)
    cotangent = fixed(rng.normal(size=case.outputs[0].shape))
    ran = run_layer(case, arrays, weights, cotangent)
    gradients = {("input", n): g for n, g in enumerate(ran.inputs) if g is not None}
    gradients |= {("weight", name): g for name, g in ran.weights.items()}
    each = EACH if elements(*case.inputs) <= SMALL else 0
    sources = {("input", n): a for n, a in enumerate(arrays)} | {("weight", n): w for n, w in weights.items()}
    for key, gradient in gradients.items():
        source = sources[key]
        assert gradient.shape == source.shape
        for direction in along(rng, source, directions, each):
            shifts = still(arrays, weights, case)
            shifts[0 if key[0] == "input" else 1][key[1]] = direction
            wanted = slope(case, arrays, weights, cotangent, shifts)
            scale = float(np.abs(gradient * direction).sum()) + float(np.abs(direction).max())
            np.testing.assert_allclose((gradient * direction).sum(), wanted, rtol=0, atol=2e-7 * scale, err_msg=key)


def along(rng, source, count, each):
    """Random directions, and for few elements each one alone."""
    yield from (rng.normal(size=source.shape) for _ in range(count))
    if source.size <= each:
        yield from np.eye(source.size).reshape(-1, *source.shape)


@EXAMPLES
def test_gradients_are_the_slopes_of_define(case):
    check_gradients(case, directions=2)


@pytest.mark.parametrize("case", small_examples(), ids=title)
def test_gradients_of_small_inputs_are_the_slopes_of_define(case):
    check_gradients(case)


@RANDOMLY
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_gradients_of_random_settings_are_the_slopes_of_define(kind, data):
    check_gradients(RANDOM[kind](Drawn(data)))


@EXAMPLES
def test_gradients_with_an_open_batch_are_the_same(case):
    arrays, weights = inputs_for(case), weights_for(case)
    cotangent = fixed(np.random.default_rng(3).normal(size=case.outputs[0].shape))
    known = run_layer(case, arrays, weights, cotangent)
    opened = run_layer(case, arrays, weights, cotangent, open_batch=True)
    for one, two in zip(known.inputs, opened.inputs, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)
    for name, one in known.weights.items():
        np.testing.assert_allclose(one, opened.weights[name], rtol=1e-12, atol=1e-13)


@EXAMPLES
def test_single_precision_stays_single_and_near(case):
    arrays, weights = inputs_for(case, "float32"), weights_for(case, "float32")
    cotangent = np.random.default_rng(4).normal(size=case.outputs[0].shape).astype("float32")
    ran = run_layer(case, arrays, weights, cotangent, dtype="float32")
    double = [a.astype("float64") if is_float(t) else a for a, t in zip(arrays, case.inputs, strict=True)]
    heavy = {name: w.astype("float64") for name, w in weights.items()}
    wide = run_layer(case, double, heavy, cotangent.astype("float64"))
    pairs = list(zip(ran.outputs, wide.outputs, strict=True))
    pairs += [(a, b) for a, b in zip(ran.inputs, wide.inputs, strict=True) if a is not None]
    pairs += [(ran.weights[name], wide.weights[name]) for name in weights]
    for got, wanted in pairs:
        if got.dtype.kind == "f":
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("name", sorted({*NAMES} - {"exponential"}))  # which does grow beyond all numbers
def test_huge_numbers_stay_finite(name):
    """Softmax subtracts the largest first; exponentials of either sign do not overflow."""
    layer, x = ls.Activation(name), TensorType((3, 3))
    case = Example(layer, (x,), layer.out(x))
    large = fixed(np.array([[1e3, 0.0, -1e3], [710.0, 709.0, 1e3], [-800.0, -801.0, -1e3]]))
    ran = run_layer(case, [large], cotangent=np.ones((3, 3)))
    assert np.isfinite(ran.outputs[0]).all()
    assert np.isfinite(ran.inputs[0]).all()
    np.testing.assert_allclose(ran.outputs[0], define(layer, [large], {})[0], rtol=1e-12, atol=1e-300)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_ties_are_broken_as_define_breaks_them(data):
    """Few different values, so that most windows have several largest ones."""
    case = pooling(Drawn(data), ls.MaxPooling2D, return_switches=True)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-1, 1, case.inputs[0].shape).astype(float)
    values, switches = run_layer(case, [fixed(x)]).outputs
    wanted = define(case.layer, [x], {})
    assert np.array_equal(values, wanted[0])
    assert np.array_equal(switches, wanted[1])


def test_a_bias_or_weight_alone_wants_a_gradient():
    """The first layer of a network: its data want none, and that changes nothing for its weights."""
    layer, x = ls.Conv2D(2, 3, padding="same"), TensorType((2, 5, 4, 3))
    case = Example(layer, (x,), layer.out(x))
    arrays, weights = inputs_for(case), weights_for(case)
    ran = run_layer(case, arrays, weights, np.ones(case.outputs[0].shape))
    np.testing.assert_allclose(ran.weights["bias"], 2 * 5 * 4)
    assert elements(x) == ran.inputs[0].size


def test_the_gradient_check_can_fail():
    """Twice the right gradient does not pass."""

    class Wrong(ls.AveragePooling2D):
        def lower(self, program, *values, training=False, **weights):
            y = super().lower(program, *values, training=training, **weights)[0]
            return (program.map("add", y, program.map("sub", y, program.map("constant", y))),)

    layer, x = Wrong(2), TensorType((1, 4, 4, 1))
    case = Example(layer, (x,), layer.out(x))
    check_values(case)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_gradients(case)
