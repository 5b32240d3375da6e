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

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
"""Of selu: SCALE · elu, below zero ALPHA times as much."""

NAMES = (
    *("linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "softmax", "softplus"),
    *("celu", "exponential", "gelu_tanh", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid"),
    *("log_softmax", "mish", "relu6", "selu", "silu", "soft_shrink", "softsign", "sparse_plus", "sparse_sigmoid"),
    *("squareplus", "tanh_shrink"),
)
"""Those that are computed here."""
OWN = ("gelu_tanh",)
"""What Keras says in another way: gelu(approximate=True)."""

DESCRIBED = ("glu", "sparsemax", "threshold")
"""The other ones of Keras 3."""
OTHER_NAMES = {"swish": "silu", "hard_swish": "hard_silu"}
KNOWN = (*NAMES, *DESCRIBED, *OTHER_NAMES)

INJECTIVE = (
    *("linear", "leaky_relu", "elu", "sigmoid", "tanh", "softplus"),
    *("celu", "exponential", "log_sigmoid", "selu", "softsign", "squareplus"),
)
"""Those that different numbers never bring to the same one."""
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
    if name in ("softmax", "log_softmax"):
        return define_softmax(x, -1, log=name == "log_softmax")
    scalar = SCALARS[str(name)]
    return np.array([scalar(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def define_softmax(x: Array, axis: int | tuple[int, ...], log: bool = False) -> Array:
    """exp(x) / Σ exp(x) over the axes, or its logarithm."""
    import numpy as np

    shifted = x - x.max(axis=axis, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=axis, keepdims=True)
    return shifted - np.log(total) if log else powers / total


def lower(program: Builder, name: str | None, x: Value) -> Value:
    """The function as primitives; sigmoid and softmax leave their logits to the losses."""
    if name in (None, "linear"):
        return x
    if name in ("softmax", "log_softmax"):
        return lower_softmax(program, x, (x.type.rank - 1,), log=name == "log_softmax")
    if name in COMPOSED:
        return COMPOSED[name](program, x)
    result = program.map(str(name), x)
    if name == "sigmoid":
        program.note_logits(result, "sigmoid", x)
    return result


def lower_softmax(program: Builder, x: Value, axes: tuple[int, ...], log: bool = False) -> Value:
    """Softmax over the axes as primitives; of the last axis alone it leaves its logits to the losses."""
    # A constant shift changes nothing, so the maximum takes no part in the gradient.
    shifted = program.map("sub", x, program.map("constant", program.reduce("max", x, axes, keep=True)))
    powers = program.map("exp", shifted)
    total = program.reduce("sum", powers, axes, keep=True)
    if log:
        return program.map("sub", shifted, program.map("log", total))
    result = program.map("div", powers, total)
    if axes == (x.type.rank - 1,):
        program.note_logits(result, "softmax", x)
    return result


def _hard_sigmoid(v: float) -> float:
    return min(max(v / 6 + 0.5, 0.0), 1.0)


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _softplus(v: float) -> float:
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def _elu(v: float) -> float:
    return v if v > 0 else math.expm1(v)


def _exp(v: float) -> float:
    try:
        return math.exp(v)
    except OverflowError:
        return math.inf


def _squareplus(v: float) -> float:
    return (v + math.sqrt(v * v + 4)) / 2 if v >= 0 else 2 / (math.sqrt(v * v + 4) - v)


def _sparse_plus(v: float) -> float:
    return 0.0 if v <= -1 else v if v >= 1 else (v + 1) ** 2 / 4


SCALARS: dict[str, Callable[[float], float]] = {
    "relu": lambda v: max(v, 0.0),
    "leaky_relu": lambda v: v if v >= 0 else SLOPE * v,
    "elu": _elu,
    "gelu": lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))),
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "softplus": _softplus,
    "celu": _elu,
    "exponential": _exp,
    "gelu_tanh": lambda v: 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "hard_shrink": lambda v: v if abs(v) > 0.5 else 0.0,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda v: v * _hard_sigmoid(v),
    "hard_tanh": lambda v: min(max(v, -1.0), 1.0),
    "log_sigmoid": lambda v: -_softplus(-v),
    "mish": lambda v: v * math.tanh(_softplus(v)),
    "relu6": lambda v: min(max(v, 0.0), 6.0),
    "selu": lambda v: SCALE * (v if v > 0 else ALPHA * math.expm1(v)),
    "silu": lambda v: v * _sigmoid(v),
    "soft_shrink": lambda v: math.copysign(max(abs(v) - 0.5, 0.0), v),
    "softsign": lambda v: v / (1 + abs(v)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda v: min(max((v + 1) / 2, 0.0), 1.0),
    "squareplus": _squareplus,
    "tanh_shrink": lambda v: v - math.tanh(v),
}
"""What each function makes of one number."""


def _lower_hard_sigmoid(p: Builder, x: Value) -> Value:
    return p.map("clip", p.map("shift", p.map("scale", x, factor=1 / 6), offset=0.5), low=0.0, high=1.0)


def _lower_sparse_plus(p: Builder, x: Value) -> Value:
    inner = p.map("square", p.map("shift", p.map("clip", x, low=-1.0, high=1.0), offset=1.0))
    return p.map("add", p.map("scale", inner, factor=0.25), p.map("relu", p.map("shift", x, offset=-1.0)))


COMPOSED: dict[str, Callable[[Builder, Value], Value]] = {
    "leaky_relu": lambda p, x: p.map("leaky_relu", x, slope=SLOPE),
    "celu": lambda p, x: p.map("elu", x),
    "exponential": lambda p, x: p.map("exp", x),
    "hard_shrink": lambda p, x: p.map("mul", x, p.map("above", p.map("abs", x), bound=0.5)),
    "hard_sigmoid": _lower_hard_sigmoid,
    "hard_silu": lambda p, x: p.map("mul", x, _lower_hard_sigmoid(p, x)),
    "hard_tanh": lambda p, x: p.map("clip", x, low=-1.0, high=1.0),
    "log_sigmoid": lambda p, x: p.map("neg", p.map("softplus", p.map("neg", x))),
    "relu6": lambda p, x: p.map("clip", p.map("relu", x), low=0.0, high=6.0),
    "selu": lambda p, x: p.map("scale", p.map("elu", x, alpha=ALPHA), factor=SCALE),
    "soft_shrink": lambda p, x: p.map("sub", x, p.map("clip", x, low=-0.5, high=0.5)),
    "sparse_plus": _lower_sparse_plus,
    "sparse_sigmoid": lambda p, x: p.map("clip", p.map("half", p.map("shift", x, offset=1.0)), low=0.0, high=1.0),
    "tanh_shrink": lambda p, x: p.map("sub", x, p.map("tanh", x)),
}
"""Functions that are made of several primitives, or of one with settings; all others are one of the same name."""
