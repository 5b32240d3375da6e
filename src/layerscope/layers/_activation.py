"""Pointwise functions under Keras's names: their definition, and how they lower."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.types import TensorType

if TYPE_CHECKING:
    from layerscope.core.contract import Array
    from layerscope.core.lowering import Builder, Value

SLOPE = 0.2
"""Keras's negative slope of `leaky_relu` as an activation."""

NAMES = ("linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "softmax", "softplus")


def checked(activation: Any, what: str) -> str | None:
    """The activation's name in lower case; None for none."""
    if activation is None:
        return None
    if not isinstance(activation, str):
        raise SettingError(f"{what}: activation must be a name ({', '.join(NAMES)}), not {activation!r}")
    if activation.lower() not in NAMES:
        raise UnknownNameError("activation", activation, NAMES)
    return activation.lower()


BY_OUTPUT = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softmax")
"""Functions whose derivative follows from their result."""


def operations(name: str | None, type: TensorType) -> Operations:
    """One elementwise result for each element, but for none and linear."""
    return NONE if name in (None, "linear") else Operations(pointwise=type.elements)


def saved(name: str | None, type: TensorType, inputs: tuple[int, ...] = ()) -> Saved:
    """What is kept of a layer that ends with the function and itself keeps these inputs."""
    if name in (None, "linear"):
        return Saved(inputs)
    return Saved(inputs, outputs=(0,)) if name in BY_OUTPUT else Saved(inputs, extra=(type,))


def define(name: str | None, x: Array) -> Array:
    """The function in plain NumPy."""
    import numpy as np

    if name in (None, "linear"):
        return x
    if name == "softmax":
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    scalars: dict[str, Callable[[float], float]] = {
        "relu": lambda v: max(v, 0.0),
        "leaky_relu": lambda v: v if v >= 0 else SLOPE * v,
        "elu": lambda v: v if v > 0 else math.expm1(v),
        "gelu": lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))),
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)),
        "tanh": math.tanh,
        "softplus": lambda v: max(v, 0.0) + math.log1p(math.exp(-abs(v))),
    }
    scalar = scalars[str(name)]
    return np.array([scalar(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def lower(program: Builder, name: str | None, x: Value) -> Value:
    """The function as primitives; sigmoid and softmax leave their logits to the losses."""
    if name in (None, "linear"):
        return x
    if name == "softmax":
        last = (x.type.rank - 1,)
        # A constant shift changes nothing, so the maximum takes no part in the gradient.
        shifted = program.map("sub", x, program.map("constant", program.reduce("max", x, last, keep=True)))
        powers = program.map("exp", shifted)
        result = program.map("div", powers, program.reduce("sum", powers, last, keep=True))
        program.note_logits(result, "softmax", x)
        return result
    if name == "leaky_relu":
        return program.map("leaky_relu", x, slope=SLOPE)
    result = program.map(str(name), x)
    if name == "sigmoid":
        program.note_logits(result, "sigmoid", x)
    return result
