"""Pointwise functions with broadcasting; the derivative of each stands beside it.

A function is a row of `FUNCTIONS`: its NumPy form, and the gradient of each input as a call of
other functions (None: no gradient). In a derivative x, y are the inputs, r the result, g its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, only

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value

GELU_ROOT = (2 / np.pi) ** 0.5
GELU_CUBIC = 0.044715
"""Of the approximation of gelu: x / 2 · (1 + tanh(root · (x + cubic · x³)))."""

Derivative = Callable[..., "Value"]


@dataclass(frozen=True)
class Function:
    """What a name stands for; `grads[i](p, g, r, *inputs, **constants)` is the gradient of input i."""

    run: Callable[..., Array]
    grads: tuple[Derivative | None, ...] = ()


def _scale(x: Array, factor: float) -> Array:
    return x * x.dtype.type(factor)


def _shift(x: Array, offset: float) -> Array:
    return x + x.dtype.type(offset)


def _double(x: Array) -> Array:
    return x + x


def _half(x: Array) -> Array:
    return x * x.dtype.type(0.5)


def _clip(x: Array, low: float, high: float) -> Array:
    return np.clip(x, x.dtype.type(low), x.dtype.type(high))


def _clip_grad(g: Array, x: Array, low: float, high: float) -> Array:
    return np.where((x >= low) & (x <= high), g, 0)


def _constant(x: Array) -> Array:
    return x


def _above(x: Array, bound: float) -> Array:
    return (x > bound).astype(x.dtype)


def _at_least(x: Array, bound: float) -> Array:
    return (x >= bound).astype(x.dtype)


def _equal(x: Array, y: Array) -> Array:
    return (x == y).astype(x.dtype)


def _one_hot(x: Array, depth: float) -> Array:
    return (x.astype(np.int64) == np.arange(int(depth))).astype(x.dtype)


def _power(x: Array, exponent: float) -> Array:
    return x ** x.dtype.type(exponent)


def _power_grad(g: Array, x: Array, exponent: float) -> Array:
    return g * (x.dtype.type(exponent) * x ** x.dtype.type(exponent - 1))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _relu_grad(g: Array, r: Array) -> Array:
    return g * (r > 0)


def _leaky_relu(x: Array, slope: float) -> Array:
    return np.where(x >= 0, x, x * x.dtype.type(slope))


def _leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    return np.where(x >= 0, g, g * g.dtype.type(slope))


def _erf(x: Array) -> Array:
    from scipy.special import erf  # pyright: ignore[reportMissingTypeStubs]

    result: Array = erf(x)
    return result


def _sigmoid(x: Array) -> Array:
    from scipy.special import expit  # pyright: ignore[reportMissingTypeStubs]

    result: Array = expit(x)
    return result


def _sigmoid_slope(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return e / ((1 + e) * (1 + e))


def _sigmoid_grad(g: Array, r: Array) -> Array:
    return g * r * (1 - r)


def _tanh_grad(g: Array, r: Array) -> Array:
    return g * (1 - r * r)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1 + _erf(x * 0.5**0.5))


def _gelu_grad(g: Array, x: Array) -> Array:
    density = np.exp(-0.5 * x * x) / (2 * np.pi) ** 0.5
    return g * (0.5 * (1 + _erf(x * 0.5**0.5)) + x * density)


def _gelu_tanh(x: Array) -> Array:
    return x * _sigmoid(_tanh_argument(x))


def _gelu_tanh_grad(g: Array, x: Array) -> Array:
    x = np.clip(x, x.dtype.type(-99), x.dtype.type(99))  # beyond, the slope is 0 or 1, and powers may overflow
    argument = _tanh_argument(x)
    slope = x.dtype.type(2 * GELU_ROOT) + x.dtype.type(6 * GELU_ROOT * GELU_CUBIC) * (x * x)
    return g * (_sigmoid(argument) + x * _sigmoid_slope(argument) * slope)


def _tanh_argument(x: Array) -> Array:
    """(1 + tanh y) / 2 is the sigmoid of 2y."""
    return x * (x.dtype.type(2 * GELU_ROOT) + x.dtype.type(2 * GELU_ROOT * GELU_CUBIC) * (x * x))


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * x.dtype.type(alpha))


def _elu_grad(g: Array, x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, g, g * np.exp(np.minimum(x, 0)) * x.dtype.type(alpha))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _silu_grad(g: Array, x: Array) -> Array:
    return g * (_sigmoid(x) + _sigmoid_slope(x) * x)


def _tanh_of_softplus(x: Array) -> tuple[Array, Array, Array]:
    """Numerator and denominator of tanh(log(1 + e^x)), and e^-|x|, of which they are made."""
    e = np.exp(-np.abs(x))
    low = e * (e + 2)
    high = 1 + (e + e)
    return np.where(x > 0, high, low), np.where(x > 0, high + (e + e) * e, low + 2), e


def _mish(x: Array) -> Array:
    over, under, _ = _tanh_of_softplus(x)
    return x * (over / under)


def _mish_grad(g: Array, x: Array) -> Array:
    over, under, e = _tanh_of_softplus(x)
    slope = 4 * (e * (1 + e)) * np.where(x > 0, e, 1) / (under * under)
    return g * (over / under + x * slope)


def _softsign(x: Array) -> Array:
    return x / (1 + np.abs(x))


def _softsign_grad(g: Array, x: Array) -> Array:
    one = 1 + np.abs(x)
    return g / (one * one)


def _squareplus(x: Array) -> Array:
    root: Array = np.sqrt(x * x + 4)
    return np.where(x >= 0, (x + root) * x.dtype.type(0.5), 2 / (root + np.abs(x)))


def _squareplus_grad(g: Array, x: Array) -> Array:
    root: Array = np.sqrt(x * x + 4)
    return g * (_squareplus(x) / root)


def _maximum_grad(g: Array, x: Array, y: Array) -> Array:
    """What of a gradient goes to x: all of it where x is larger, half where both are equal."""
    half: Array = g * g.dtype.type(0.5)
    none: Array = np.zeros_like(g)
    shared: Array = np.where(x == y, half, none)
    return np.where(x > y, g, shared)


def _call(name: str, *wires: str, **constants: Any) -> Derivative:
    """The derivative that puts `name` to some of g, r, x, y; constants named "@c" come from the call."""

    def derivative(p: Program, g: Value, r: Value, *inputs: Value, **given: float) -> Value:
        wired = {"g": g, "r": r, **dict(zip("xyz", inputs, strict=False))}
        filled = {k: given[v[1:]] if isinstance(v, str) else v for k, v in constants.items()}
        return p.map(name, *(wired[w] for w in wires), **filled)

    return derivative


def _told(name: str, *wires: str) -> Derivative:
    """The derivative that puts `name`, with the function's own constants, to some of g, r, x, y."""

    def derivative(p: Program, g: Value, r: Value, *inputs: Value, **given: float) -> Value:
        wired = {"g": g, "r": r, **dict(zip("xyz", inputs, strict=False))}
        return p.map(name, *(wired[w] for w in wires), **given)

    return derivative


def _chain(*steps: tuple[str, ...]) -> Derivative:
    """Several functions in turn; "t" is the result of the step before."""

    def derivative(p: Program, g: Value, r: Value, *inputs: Value, **_: float) -> Value:
        wired = {"g": g, "r": r, **dict(zip("xyz", inputs, strict=False))}
        for name, *wires in steps:
            wired["t"] = p.map(name, *(wired[w] for w in wires))
        return wired["t"]

    return derivative


def _same(p: Program, g: Value, r: Value, *inputs: Value, **_: float) -> Value:
    return g


FUNCTIONS: dict[str, Function] = {
    "add": Function(np.add, (_same, _same)),
    "sub": Function(np.subtract, (_same, _call("neg", "g"))),
    "mul": Function(np.multiply, (_call("mul", "g", "y"), _call("mul", "g", "x"))),
    "div": Function(np.divide, (_call("div", "g", "y"), _chain(("mul", "g", "r"), ("div", "t", "y"), ("neg", "t")))),
    "neg": Function(np.negative, (_call("neg", "g"),)),
    "scale": Function(_scale, (_call("scale", "g", factor="@factor"),)),
    "shift": Function(_shift, (_same,)),
    "square": Function(np.square, (_chain(("mul", "g", "x"), ("double", "t")),)),
    "double": Function(_double, (_call("double", "g"),)),
    "sqrt": Function(np.sqrt, (_chain(("div", "g", "r"), ("half", "t")),)),
    "half": Function(_half, (_call("half", "g"),)),
    "exp": Function(np.exp, (_call("mul", "g", "r"),)),
    "log": Function(np.log, (_call("div", "g", "x"),)),
    "abs": Function(np.abs, (_chain(("sign", "x"), ("mul", "g", "t")),)),
    "sign": Function(np.sign),
    "clip": Function(_clip, (_call("clip_grad", "g", "x", low="@low", high="@high"),)),
    "clip_grad": Function(_clip_grad),
    "constant": Function(_constant),
    "above": Function(_above),
    "at_least": Function(_at_least),
    "equal": Function(_equal),
    "one_hot": Function(_one_hot),
    "floor": Function(np.floor),
    "power": Function(_power, (_call("power_grad", "g", "x", exponent="@exponent"),)),
    "power_grad": Function(_power_grad),
    "relu": Function(_relu, (_call("relu_grad", "g", "r"),)),
    "relu_grad": Function(_relu_grad),
    "leaky_relu": Function(_leaky_relu, (_call("leaky_relu_grad", "g", "x", slope="@slope"),)),
    "leaky_relu_grad": Function(_leaky_relu_grad),
    "elu": Function(_elu, (_told("elu_grad", "g", "x"),)),
    "elu_grad": Function(_elu_grad),
    "gelu": Function(_gelu, (_call("gelu_grad", "g", "x"),)),
    "gelu_grad": Function(_gelu_grad),
    "sigmoid": Function(_sigmoid, (_call("sigmoid_grad", "g", "r"),)),
    "sigmoid_grad": Function(_sigmoid_grad),
    "tanh": Function(np.tanh, (_call("tanh_grad", "g", "r"),)),
    "tanh_grad": Function(_tanh_grad),
    "softplus": Function(_softplus, (_chain(("sigmoid", "x"), ("mul", "g", "t")),)),
    "gelu_tanh": Function(_gelu_tanh, (_call("gelu_tanh_grad", "g", "x"),)),
    "gelu_tanh_grad": Function(_gelu_tanh_grad),
    "silu": Function(_silu, (_call("silu_grad", "g", "x"),)),
    "silu_grad": Function(_silu_grad),
    "mish": Function(_mish, (_call("mish_grad", "g", "x"),)),
    "mish_grad": Function(_mish_grad),
    "softsign": Function(_softsign, (_call("softsign_grad", "g", "x"),)),
    "softsign_grad": Function(_softsign_grad),
    "squareplus": Function(_squareplus, (_call("squareplus_grad", "g", "x"),)),
    "squareplus_grad": Function(_squareplus_grad),
    "maximum": Function(np.maximum, (_call("maximum_grad", "g", "x", "y"), _call("maximum_grad", "g", "y", "x"))),
    "minimum": Function(np.minimum, (_call("maximum_grad", "g", "y", "x"), _call("maximum_grad", "g", "x", "y"))),
    "maximum_grad": Function(_maximum_grad),
}


@dataclass(frozen=True)
class Map(Primitive):
    """One function of `FUNCTIONS` with its constants."""

    function: str
    constants: tuple[tuple[str, float], ...] = ()

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        longest = max(types, key=lambda t: t.rank)
        shape = list(longest.shape)
        for other in types:
            for back in range(1, other.rank + 1):
                if shape[-back] == 1:
                    shape[-back] = other.shape[-back]
        if self.function == "one_hot":
            shape[-1] = int(dict(self.constants)["depth"])
        return (TensorType(tuple(shape), types[0].dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        return (FUNCTIONS[self.function].run(*arrays, **dict(self.constants)),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        rows = FUNCTIONS[self.function].grads or (None,) * len(inputs)
        g, r = only(gradients), outputs[0]
        return [
            program.sum_to(rule(program, g, r, *inputs, **dict(self.constants)), value.type)
            if rule and program.differentiable(value)
            else None
            for rule, value in zip(rows, inputs, strict=True)
        ]
