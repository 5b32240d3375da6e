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


def _erf(x: Array) -> Array:
    from scipy.special import erf  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    result: Array = erf(x)
    return result


def _sigmoid(x: Array) -> Array:
    from scipy.special import expit  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    result: Array = expit(x)
    return result


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1 + _erf(x * 0.5**0.5))


def _gelu_grad(g: Array, x: Array) -> Array:
    density = np.exp(-0.5 * x * x) / (2 * np.pi) ** 0.5
    return g * (0.5 * (1 + _erf(x * 0.5**0.5)) + x * density)


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
    "scale": Function(lambda x, factor: x * x.dtype.type(factor), (_call("scale", "g", factor="@factor"),)),
    "shift": Function(lambda x, offset: x + x.dtype.type(offset), (_same,)),
    "square": Function(np.square, (_chain(("mul", "g", "x"), ("double", "t")),)),
    "double": Function(lambda x: x + x, (_call("double", "g"),)),
    "sqrt": Function(np.sqrt, (_chain(("div", "g", "r"), ("half", "t")),)),
    "half": Function(lambda x: x * x.dtype.type(0.5), (_call("half", "g"),)),
    "exp": Function(np.exp, (_call("mul", "g", "r"),)),
    "log": Function(np.log, (_call("div", "g", "x"),)),
    "abs": Function(np.abs, (_chain(("sign", "x"), ("mul", "g", "t")),)),
    "sign": Function(np.sign),
    "clip": Function(
        lambda x, low, high: np.clip(x, x.dtype.type(low), x.dtype.type(high)),
        (_call("clip_grad", "g", "x", low="@low", high="@high"),),
    ),
    "clip_grad": Function(lambda g, x, low, high: np.where((x >= low) & (x <= high), g, 0)),
    "constant": Function(lambda x: x),
    "above": Function(lambda x, bound: (x > bound).astype(x.dtype)),
    "at_least": Function(lambda x, bound: (x >= bound).astype(x.dtype)),
    "equal": Function(lambda x, y: (x == y).astype(x.dtype)),
    "one_hot": Function(lambda x, depth: (x.astype(np.int64) == np.arange(int(depth))).astype(x.dtype)),
    "relu": Function(lambda x: np.maximum(x, 0), (_call("relu_grad", "g", "r"),)),
    "relu_grad": Function(lambda g, r: g * (r > 0)),
    "leaky_relu": Function(
        lambda x, slope: np.where(x >= 0, x, x * x.dtype.type(slope)),
        (_call("leaky_relu_grad", "g", "x", slope="@slope"),),
    ),
    "leaky_relu_grad": Function(lambda g, x, slope: np.where(x >= 0, g, g * g.dtype.type(slope))),
    "elu": Function(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), (_call("elu_grad", "g", "x"),)),
    "elu_grad": Function(_elu_grad),
    "gelu": Function(_gelu, (_call("gelu_grad", "g", "x"),)),
    "gelu_grad": Function(_gelu_grad),
    "sigmoid": Function(_sigmoid, (_call("sigmoid_grad", "g", "r"),)),
    "sigmoid_grad": Function(lambda g, r: g * r * (1 - r)),
    "tanh": Function(np.tanh, (_call("tanh_grad", "g", "r"),)),
    "tanh_grad": Function(lambda g, r: g * (1 - r * r)),
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
