"""Activation functions under Keras's names: sizes and costs of all, definition and lowering of some."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from layerscope.core import sizes
from layerscope.core.contract import describe_only
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import replace
from layerscope.core.errors import SettingError, ShapeError, UnknownNameError
from layerscope.core.reach import EVERYTHING, Everything, Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType

if TYPE_CHECKING:
    from layerscope.core.contract import Array, Layer
    from layerscope.core.lowering import Builder, Value

SLOPE = 0.2
"""Keras's negative slope of `leaky_relu` as an activation."""

NAMES = ("linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "softmax", "softplus")
"""Those that are computed here."""

KEPT = ("celu", "exponential", "log_sigmoid", "selu", "softsign", "squareplus")
"""Of the others, those that different numbers never bring to the same one."""
DESCRIBED = (
    *("glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "log_softmax", "mish", "relu6", "silu"),
    *("soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "tanh_shrink", "threshold", *KEPT),
)
"""The other ones of Keras 3."""
OTHER_NAMES = {"swish": "silu", "hard_swish": "hard_silu"}
KNOWN = (*NAMES, *DESCRIBED, *OTHER_NAMES)

BY_OUTPUT = (
    *("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softmax"),
    *("relu6", "selu", "celu", "exponential", "log_softmax", "sparsemax"),
)
"""Functions whose derivative follows from their result."""
MIXING = ("softmax", "log_softmax", "sparsemax", "glu")
"""Functions of the last axis as a whole, which are not elementwise; glu halves it."""


def checked(activation: Any, layer: Layer | str) -> str | None:
    """The activation's name in lower case, None for none; a layer whose activation is not computed is only described.

    Of a layer that computes nothing anyway its kind is enough.
    Errors: SettingError for what is no name, UnknownNameError for a name that Keras does not know either.
    """
    if activation is None:
        return None
    if not isinstance(activation, str):
        kind = layer if isinstance(layer, str) else layer.kind
        raise SettingError(f"{kind}: activation must be a name ({', '.join(NAMES)}), not {activation!r}")
    name = OTHER_NAMES.get(activation.lower(), activation.lower())
    if name not in KNOWN:
        raise UnknownNameError("activation", activation, KNOWN)
    if name not in NAMES and not isinstance(layer, str):
        describe_only(
            layer,
            f"activation={name!r} can be traced, but not computed or trained; those that can: {', '.join(NAMES)}",
        )
    return name


def out(name: str | None, type: TensorType) -> TensorType:
    """The type of the result: glu halves the last axis; ShapeError where that is odd."""
    if name != "glu":
        return type
    last = type.shape[-1]
    half = sizes.floor_div(last, 2)
    if not sizes.equal(half * 2, last):
        raise ShapeError(f"activation='glu' halves the last axis, which must be even, but is {last}: {type}")
    return replace(type, shape=(*type.shape[:-1], half))


def reach(name: str | None, reads: Reads, rank: int) -> Reads:
    """How the input of a layer is read that ends with the function and whose result has this rank."""
    if name not in MIXING:
        return reads
    return tuple(EVERYTHING if not isinstance(one, Everything) and one.axis == rank - 1 else one for one in reads)


def operations(name: str | None, type: TensorType) -> Operations:
    """One elementwise result for each element that the function is put to, but for none and linear."""
    return NONE if name in (None, "linear") else Operations(pointwise=type.elements)


def saved(name: str | None, type: TensorType, inputs: tuple[int, ...] = ()) -> Saved:
    """What is kept of a layer that ends with the function, put to this type, and itself keeps these inputs."""
    if name in (None, "linear"):
        return Saved(inputs)
    return Saved(inputs, outputs=(0,)) if name in BY_OUTPUT else Saved(inputs, extra=(type,))


def workspace(name: str | None, type: TensorType) -> Size:
    """Bytes of what the function is put to: another tensor than its result where it reads a whole axis."""
    return type.bytes if name in MIXING else 0


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
