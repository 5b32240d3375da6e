"""Every function of `Map`: its value against plain mathematics, its derivative against its slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from layerscope.engine.primitives.map import FUNCTIONS, Map

from .cases import fixed
from .running import run_primitive

STEP = 1e-6


@dataclass(frozen=True)
class Spec:
    """What a function is, as scalar mathematics, and where: ranges of its arguments, away from kinks."""

    value: Callable[..., float]
    ranges: tuple[tuple[float, float], ...] = ((-3, 3),)
    constants: dict[str, float] = field(default_factory=dict)
    kinks: tuple[float, ...] = ()
    rtol: float = 1e-12


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def normal(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def step(x: float) -> float:
    return float(x > 0)


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def mish(x: float) -> float:
    return x * math.tanh(math.log1p(math.exp(x)))


def slope_of(function: Callable[[float], float], x: float) -> float:
    """A central difference of the sixth order."""
    h, weights = 1e-2, (45, -9, 1)
    return sum(w * (function(x + n * h) - function(x - n * h)) for n, w in enumerate(weights, 1)) / (60 * h)


ANY, POSITIVE, APART = (-3, 3), (0.1, 4), (0.5, 3)
BOTH = (ANY, ANY)
SPECS = {
    "add": Spec(lambda x, y: x + y, BOTH),
    "sub": Spec(lambda x, y: x - y, BOTH),
    "mul": Spec(lambda x, y: x * y, BOTH),
    "div": Spec(lambda x, y: x / y, (ANY, APART)),
    "neg": Spec(lambda x: -x),
    "scale": Spec(lambda x, factor: factor * x, constants={"factor": -2.5}),
    "shift": Spec(lambda x, offset: x + offset, constants={"offset": 0.75}),
    "square": Spec(lambda x: x**2),
    "double": Spec(lambda x: 2 * x),
    "sqrt": Spec(math.sqrt, (POSITIVE,)),
    "half": Spec(lambda x: x / 2),
    "exp": Spec(math.exp),
    "log": Spec(math.log, (POSITIVE,)),
    "abs": Spec(abs, kinks=(0,)),
    "sign": Spec(lambda x: step(x) - step(-x), kinks=(0,)),
    "clip": Spec(lambda x, low, high: min(max(x, low), high), constants={"low": -1.0, "high": 1.5}, kinks=(-1, 1.5)),
    "clip_grad": Spec(
        lambda g, x, low, high: g if low <= x <= high else 0.0, BOTH, {"low": -1.0, "high": 1.5}, (-1, 1.5)
    ),
    "constant": Spec(lambda x: x),
    "above": Spec(lambda x, bound: float(x > bound), constants={"bound": 0.5}, kinks=(0.5,)),
    "at_least": Spec(lambda x, bound: float(x >= bound), constants={"bound": 0.5}, kinks=(0.5,)),
    "equal": Spec(lambda x, y: float(x == y), BOTH),
    "one_hot": Spec(lambda x: x),  # not scalar: tested below
    "floor": Spec(math.floor, kinks=tuple(range(-3, 4))),
    "power": Spec(lambda x, exponent: x**exponent, (POSITIVE,), {"exponent": 1.7}),
    "power_grad": Spec(lambda g, x, exponent: g * exponent * x ** (exponent - 1), (ANY, POSITIVE), {"exponent": 1.7}),
    "relu": Spec(lambda x: max(x, 0.0), kinks=(0,)),
    "relu_grad": Spec(lambda g, r: g if r > 0 else 0.0, BOTH, kinks=(0,)),
    "leaky_relu": Spec(lambda x, slope: x if x > 0 else slope * x, constants={"slope": 0.3}, kinks=(0,)),
    "leaky_relu_grad": Spec(lambda g, x, slope: g if x > 0 else slope * g, BOTH, {"slope": 0.3}, (0,)),
    "elu": Spec(lambda x: x if x > 0 else math.expm1(x)),
    "elu_grad": Spec(lambda g, x: g if x > 0 else g * math.exp(x), BOTH),
    "gelu": Spec(lambda x: x * normal(x)),
    "gelu_grad": Spec(lambda g, x: g * (normal(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)), BOTH),
    "sigmoid": Spec(sigmoid),
    "sigmoid_grad": Spec(lambda g, r: g * r * (1 - r), BOTH),
    "tanh": Spec(math.tanh),
    "tanh_grad": Spec(lambda g, r: g * (1 - r**2), BOTH),
    "softplus": Spec(lambda x: math.log1p(math.exp(x))),
    "gelu_tanh": Spec(gelu_tanh),
    "gelu_tanh_grad": Spec(lambda g, x: g * slope_of(gelu_tanh, x), BOTH, rtol=1e-8),
    "silu": Spec(lambda x: x * sigmoid(x)),
    "silu_grad": Spec(lambda g, x: g * (sigmoid(x) + x * sigmoid(x) * sigmoid(-x)), BOTH),
    "mish": Spec(mish),
    "mish_grad": Spec(lambda g, x: g * slope_of(mish, x), BOTH, rtol=1e-8),
    "softsign": Spec(lambda x: x / (1 + abs(x))),
    "softsign_grad": Spec(lambda g, x: g / (1 + abs(x)) ** 2, BOTH),
    "squareplus": Spec(lambda x: (x + math.sqrt(x * x + 4)) / 2),
    "squareplus_grad": Spec(lambda g, x: g * (1 + x / math.sqrt(x * x + 4)) / 2, BOTH),
    "maximum": Spec(max, BOTH),
    "minimum": Spec(min, BOTH),
    "maximum_grad": Spec(lambda g, x, y: g * (step(x - y) + 1 - step(y - x)) / 2, (ANY, ANY, ANY)),
}
NAMES = pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "one_hot"])
DERIVED = pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.grads])


def test_every_function_is_specified():
    """A new function without a row above fails here."""
    assert set(SPECS) == set(FUNCTIONS)


def mapped(name: str) -> Map:
    return Map(name, tuple(sorted(SPECS[name].constants.items())))


def arguments(name: str, shapes, seed: int = 0) -> list[np.ndarray]:
    spec, rng = SPECS[name], np.random.default_rng(seed)
    made = []
    for (low, high), shape in zip(spec.ranges, shapes, strict=True):
        x = rng.uniform(low, high, size=shape)
        for kink in spec.kinks:  # a central difference across a kink is no slope
            x = np.where(np.abs(x - kink) < 0.01, kink + 0.05, x)
        made.append(fixed(x))
    return made


def same_shapes(name: str):
    return [(4, 5)] * len(SPECS[name].ranges)


@NAMES
def test_value(name):
    arrays = arguments(name, same_shapes(name))
    made = run_primitive(mapped(name), arrays)[0][0]
    spec = SPECS[name]
    wanted = [
        spec.value(*map(float, row), **spec.constants) for row in zip(*(a.ravel() for a in arrays), strict=True)
    ]
    np.testing.assert_allclose(made.ravel(), wanted, rtol=spec.rtol, atol=spec.rtol / 100)


@NAMES
def test_single_precision_stays_single(name):
    arrays = [a.astype(np.float32) for a in arguments(name, same_shapes(name))]
    assert FUNCTIONS[name].run(*arrays, **SPECS[name].constants).dtype == np.float32


def check_slopes(name, shapes):
    arrays, rng = arguments(name, shapes), np.random.default_rng(1)
    wanted = tuple(n for n, rule in enumerate(FUNCTIONS[name].grads) if rule)
    shape = np.broadcast_shapes(*shapes)
    cotangent = fixed(rng.normal(size=shape))
    _, gradients, _ = run_primitive(mapped(name), arrays, cotangent, wanted)
    assert wanted
    for number in wanted:
        assert gradients[number].shape == arrays[number].shape
        for place in np.ndindex(*arrays[number].shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[number][place] += sign * STEP
                values.append(float((run_primitive(mapped(name), moved)[0][0] * cotangent).sum()))
            slope = (values[0] - values[1]) / (2 * STEP)
            np.testing.assert_allclose(gradients[number][place], slope, rtol=1e-6, atol=1e-7)


@DERIVED
def test_derivative(name):
    check_slopes(name, same_shapes(name))


@pytest.mark.parametrize("shapes", [((3, 4), (4,)), ((), (2, 3)), ((2, 1, 3), (4, 1)), ((2, 3), (1, 1))], ids=str)
@pytest.mark.parametrize("name", [name for name, f in FUNCTIONS.items() if len(f.grads) == 2])
def test_derivative_with_broadcasting(name, shapes):
    """What was repeated is summed again."""
    check_slopes(name, shapes)
    check_slopes(name, shapes[::-1])


@pytest.mark.parametrize("name", [name for name, f in FUNCTIONS.items() if not f.grads])
def test_functions_without_a_derivative_pass_no_gradient(name):
    count = len(SPECS[name].ranges) if name != "equal" else 2
    arrays = [fixed(np.ones((2, 2)))] * count
    primitive = Map("one_hot", (("depth", 2),)) if name == "one_hot" else mapped(name)
    with pytest.raises(AssertionError, match="has no gradient of input 0"):
        run_primitive(primitive, arrays, fixed(np.ones((2, 2))), (0,))


@pytest.mark.parametrize(
    ("name", "at", "wanted"),
    [
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 1.0),  # TensorFlow and PyTorch say the slope: see docs/disagreements.md
        ("elu", 0.0, 1.0),
        ("abs", 0.0, 0.0),
        ("softsign", 0.0, 1.0),
        ("squareplus", 0.0, 0.5),
        ("clip", -1.0, 1.0),
        ("clip", 1.5, 1.0),
    ],
)
def test_derivative_at_a_kink_is_this_one(name, at, wanted):
    _, gradients, _ = run_primitive(mapped(name), [fixed(np.array([at]))], fixed(np.ones(1)), (0,))
    assert gradients[0].tolist() == [wanted]


@pytest.mark.parametrize(
    "name", ["sigmoid", "softplus", "elu", "gelu", "tanh", "silu", "mish", "gelu_tanh", "squareplus"]
)
def test_huge_arguments_stay_finite(name):
    x = fixed(np.array([-1e4, -800.0, 800.0, 1e4]))
    outputs, gradients, _ = run_primitive(mapped(name), [x], fixed(np.ones(4)), (0,))
    limits = {
        "sigmoid": [0, 0, 1, 1],
        "softplus": [0, 0, 800, 1e4],
        "elu": [-1, -1, 800, 1e4],
        "gelu": [0, 0, 800, 1e4],
        "tanh": [-1, -1, 1, 1],
    }
    bounded = name in ("sigmoid", "tanh")
    near = 2e-3 if name == "squareplus" else 1e-12  # 1 / |x| from its ends
    np.testing.assert_allclose(outputs[0], limits.get(name, [0, 0, 800, 1e4]), rtol=1e-5, atol=near)
    np.testing.assert_allclose(gradients[0], [0] * 4 if bounded else [0, 0, 1, 1], atol=max(near**2, 1e-12))


def test_bounds_belong_to_at_least_and_not_to_above():
    at = fixed(np.array([0.5]))
    assert run_primitive(mapped("at_least"), [at])[0][0].tolist() == [1]
    assert run_primitive(mapped("above"), [at])[0][0].tolist() == [0]


def test_one_hot():
    classes = fixed(np.array([[2.0], [0.0]]))
    made = run_primitive(Map("one_hot", (("depth", 3),)), [classes])[0][0]
    assert made.tolist() == [[0, 0, 1], [1, 0, 0]]
