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


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _elu_grad(g: Array, x: Array) -> Array:
    return np.where(x > 0, g, g * np.exp(np.minimum(x, 0)))


def _call(name: str, *wires: str, **constants: Any) -> Derivative:
    """The derivative that puts `name` to some of g, r, x, y; constants named "@c" come from the call."""

    def derivative(p: Program, g: Value, r: Value, *inputs: Value, **given: float) -> Value:
        wired = {"g": g, "r": r, **dict(zip("xyz", inputs, strict=False))}
        filled = {k: given[v[1:]] if isinstance(v, str) else v for k, v in constants.items()}
        return p.map(name, *(wired[w] for w in wires), **filled)

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
    "elu": Function(_elu, (_call("elu_grad", "g", "x"),)),
    "elu_grad": Function(_elu_grad),
    "gelu": Function(_gelu, (_call("gelu_grad", "g", "x"),)),
    "gelu_grad": Function(_gelu_grad),
    "sigmoid": Function(_sigmoid, (_call("sigmoid_grad", "g", "r"),)),
    "sigmoid_grad": Function(_sigmoid_grad),
    "tanh": Function(np.tanh, (_call("tanh_grad", "g", "r"),)),
    "tanh_grad": Function(_tanh_grad),
    "softplus": Function(_softplus, (_chain(("sigmoid", "x"), ("mul", "g", "t")),)),
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
