"""What PyTorch's functions of single numbers and of two tensors are as layers; and what drops numbers."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from layerscope.core.dataclasses import replace
from layerscope.sources._torch.normalisation import constants, counted, weighted
from layerscope.sources._torch.reader import Constant, Reader, Unsupported, Value, channels_first, registry

FUNCTIONS: dict[str, Callable[..., Any]] = {}


form = registry(FUNCTIONS)


def _put(reader: Reader, kind: str, settings: dict[str, Any], x: Value, positive: bool = False) -> Value:
    constants(x)
    return replace(x, tensor=reader.add(kind, settings, x)[0], positive=positive)


def _function(name: str, positive: bool, **wanted: Any) -> Callable[..., Value]:
    """An Activation, where PyTorch's settings are these."""

    def activated(reader: Reader, input: Any, *args: Any, **kwargs: Any) -> Value:
        told = dict(zip(wanted, args, strict=False)) | kwargs
        for key, value in wanted.items():
            if told.get(key, value) != value:
                raise Unsupported(f"its {key} is {told[key]!r}; that of {name} here is {value!r}")
        return _put(reader, "Activation", {"activation": name}, input, positive)

    return activated


ALONE: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "relu": ("relu", True, {}),
    "relu6": ("relu6", True, {}),
    "sigmoid": ("sigmoid", True, {}),
    "tanh": ("tanh", False, {}),
    "softplus": ("softplus", True, {"beta": 1, "threshold": 20}),
    "silu": ("silu", False, {}),
    "hardswish": ("hard_silu", False, {}),
    "hardsigmoid": ("hard_sigmoid", True, {}),
    "mish": ("mish", False, {}),
    "selu": ("selu", False, {}),
    "celu": ("celu", False, {"alpha": 1.0}),
    "softsign": ("softsign", False, {}),
    "logsigmoid": ("log_sigmoid", False, {}),
    "log_sigmoid": ("log_sigmoid", False, {}),
    "hardshrink": ("hard_shrink", False, {"lambd": 0.5}),
    "softshrink": ("soft_shrink", False, {"lambd": 0.5}),
    "tanhshrink": ("tanh_shrink", False, {}),
    "exp": ("exponential", True, {}),
}
"""Functions by PyTorch's name: ours, whether its results are never below zero, and the settings that it must have."""
for _name, (_ours, _positive, _wanted) in ALONE.items():
    FUNCTIONS.update(dict.fromkeys((_name, f"{_name}_"), _function(_ours, _positive, **_wanted)))


@form("gelu")
def gelu(reader: Reader, input: Any, approximate: str = "none") -> Value:
    """An Activation: gelu, or its approximation."""
    name = "gelu_tanh" if approximate == "tanh" else "gelu"
    return _put(reader, "Activation", {"activation": name}, input)


@form("leaky_relu", "leaky_relu_")
def leaky_relu(reader: Reader, input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """An Activation where the slope is Keras's; else a LeakyReLU."""
    if negative_slope == 0.2:
        return _put(reader, "Activation", {"activation": "leaky_relu"}, input)
    return _put(reader, "LeakyReLU", {"negative_slope": float(negative_slope)}, input)


@form("elu", "elu_")
def elu(reader: Reader, input: Any, alpha: float = 1.0, *_: Any, **__: Any) -> Value:
    """An Activation; an ELU of another alpha."""
    if alpha == 1:
        return _put(reader, "Activation", {"activation": "elu"}, input)
    return _put(reader, "ELU", {"alpha": float(alpha)}, input)


@form("hardtanh", "hardtanh_")
def hardtanh(reader: Reader, input: Any, min_val: float = -1.0, max_val: float = 1.0, *_: Any, **__: Any) -> Value:
    """hard_tanh, relu6, or a ReLU that ends."""
    return _clipped(reader, input, min_val, max_val)


@form("clamp", "clip", "clamp_", "clip_")
def clamp(reader: Reader, input: Any, min: Any = None, max: Any = None) -> Value:
    """As `hardtanh`."""
    return _clipped(reader, input, min, max)


def _clipped(reader: Reader, x: Any, low: Any, high: Any) -> Value:
    if (low, high) == (-1, 1):
        return _put(reader, "Activation", {"activation": "hard_tanh"}, x)
    if low == 0 and high == 6:
        return _put(reader, "Activation", {"activation": "relu6"}, x, True)
    if low == 0 and (high is None or isinstance(high, numbers.Real)):
        return _put(reader, "ReLU", {"max_value": high}, x, True) if high is not None else _put(
            reader, "Activation", {"activation": "relu"}, x, True
        )  # fmt: skip
    raise Unsupported(f"it keeps numbers within {low} … {high}; layers here have 0 … any number and -1 … 1")


@form("threshold", "threshold_")
def threshold(reader: Reader, input: Any, threshold: float, value: float, inplace: bool = False) -> Value:
    """A ReLU that begins later."""
    if value != 0 or threshold < 0:
        raise Unsupported(
            f"its threshold is {threshold} and its value {value}; ReLU here begins at 0 or above, with 0"
        )
    return _put(reader, "ReLU", {"threshold": float(threshold)}, input, True)


@form("prelu")
def prelu(reader: Reader, input: Any, weight: Any) -> Value:
    """A PReLU that shares its slope, or has one for each index of the axis that PyTorch has second."""
    constants(input, weight)
    rank = input.rank
    own = input.axes[1] if weight.tensor.numel() > 1 else 0
    if own and input.order is not None:
        raise Unsupported(
            "its slopes are of an image's numbers in a row in PyTorch's order, which is not the order here"
        )
    shared = tuple(axis for axis in range(1, rank) if axis != own)
    shape = tuple(-1 if axis == own else 1 for axis in range(1, rank))
    settings = {"shared_axes": shared or None}
    return weighted(reader, "PReLU", settings, input, {"alpha": weight}, lambda a: a.reshape(shape))


@form("softmax", "log_softmax")
def softmax(reader: Reader, input: Any, dim: Any = None, *_: Any, **__: Any) -> Value:
    """An Activation over our last axis, a Softmax over another."""
    constants(input)
    name = reader.step.name
    if dim is None:
        raise Unsupported(f"it does not say over which axis; {name} needs dim")
    if isinstance(input.order, tuple) and input.rank != 2:
        raise Unsupported("its input is an image's numbers in PyTorch's order")
    axis = counted(input, input.axes[dim])
    if axis == -1:
        return _put(reader, "Activation", {"activation": name}, input, name == "softmax")
    if name == "log_softmax":
        raise Unsupported(f"over the axis {dim}; log_softmax here is over the channels of an image, or the last axis")
    return _put(reader, "Softmax", {"axis": axis}, input, True)


# --- numbers and joints ---


Factor = float | tuple[float, ...]


def _number(value: Any, other: Any) -> Factor | None:
    """A number, if that is what it is; or one for each channel of the other, where these are not trained."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, Constant) or not isinstance(other, Value) or value.trainable or other.order is not None:
        return None
    held = value.tensor
    if held.numel() == 1:
        return float(held)
    shape = (1,) * (other.rank - held.dim()) + tuple(held.shape)
    last = other.axes.index(other.rank - 1)
    if held.dim() <= other.rank and shape[last] == held.numel() == other.ours[-1]:
        return tuple(held.flatten().tolist())
    return None


def _mapped(change: Callable[[float], float], given: Factor) -> Factor:
    return tuple(map(change, given)) if isinstance(given, tuple) else change(given)


def _scaled(reader: Reader, x: Value, scale: Factor, offset: Factor = 0.0) -> Value:
    low = (
        min((*scale,) if isinstance(scale, tuple) else (scale,)),
        min((*offset,) if isinstance(offset, tuple) else (offset,)),
    )
    return _put(reader, "Rescaling", {"scale": scale, "offset": offset}, x, x.positive and min(low) >= 0)


def joined(reader: Reader, kind: str, one: Any, other: Any, positive: bool = False) -> Value:
    """A layer of two tensors whose axes and orders lie alike."""
    if not isinstance(one, Value) or not isinstance(other, Value):
        what = "a parameter" if isinstance(one, Constant) or isinstance(other, Constant) else "something else"
        raise Unsupported(f"it joins {what}; {kind} here joins tensors that depend on the input")
    if one.order != other.order:
        raise Unsupported(
            "one is an image's numbers in a row, the other is not, so they stand in different orders here"
        )
    if one.rank != other.rank:
        raise Unsupported(f"it joins tensors of {one.rank} and {other.rank} axes; {kind} here wants as many")
    other = reader.arranged(other, one.axes) if other.axes != one.axes else other
    (made,) = reader.add(kind, {}, one, other)
    return replace(one, tensor=made, positive=positive)


@form("mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__")
def mul(reader: Reader, input: Any, other: Any) -> Value:
    """A Multiply; a Rescaling by a number."""
    for one, factor in ((input, _number(other, input)), (other, _number(input, other))):
        if factor is not None:
            return _scaled(reader, one, factor)
    positive = all(isinstance(v, Value) and v.positive for v in (input, other))
    return joined(reader, "Multiply", input, other, positive)


@form("div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__")
def div(reader: Reader, input: Any, other: Any, rounding_mode: Any = None) -> Value:
    """A Rescaling, by a number."""
    divisor = _number(other, input)
    parts = divisor if isinstance(divisor, tuple) else (divisor,)
    if divisor is None or not all(parts) or rounding_mode is not None:
        raise Unsupported("it divides by something else than numbers, and no layer here does")
    return _scaled(reader, input, _mapped(lambda n: 1 / n, divisor))


@form("neg", "neg_", "__neg__")
def neg(reader: Reader, input: Any) -> Value:
    """A Rescaling."""
    return _scaled(reader, input, -1.0)


@form("sub", "sub_", "subtract", "__sub__", "__isub__")
def sub(reader: Reader, input: Any, other: Any, alpha: Any = 1) -> Value:
    """A Subtract; a Rescaling of a number."""
    if alpha != 1:
        raise Unsupported(f"its alpha is {alpha}; Subtract here has none")
    if (number := _number(other, input)) is not None:
        return _scaled(reader, input, 1.0, _mapped(lambda n: -n, number))
    if (number := _number(input, other)) is not None:
        return _scaled(reader, other, -1.0, number)
    return joined(reader, "Subtract", input, other)


@form("rsub", "__rsub__")
def rsub(reader: Reader, input: Any, other: Any, alpha: Any = 1) -> Value:
    """The other way round."""
    return sub(reader, other, input, alpha)


@form("add", "add_", "__add__", "__radd__", "__iadd__")
def add(reader: Reader, input: Any, other: Any, alpha: Any = 1) -> Value:
    """An Add, of tensors whose axes and orders lie alike; a Rescaling of a number."""
    for one, number in ((input, _number(other, input)), (other, _number(input, other))):
        if number is not None and alpha == 1:
            return _scaled(reader, one, 1.0, number)
    if not isinstance(input, Value) or not isinstance(other, Value):
        what = "a parameter" if isinstance(input, Constant) or isinstance(other, Constant) else "a number"
        raise Unsupported(f"it adds {what}; Add here adds tensors that depend on the input")
    if alpha != 1:
        raise Unsupported(f"its alpha is {alpha}; Add here has none")
    if len(input.axes) != len(other.axes):
        raise Unsupported(f"it adds tensors of {len(input.axes)} and {len(other.axes)} axes; Add here wants as many")
    return joined(reader, "Add", input, other, input.positive and other.positive)


@form("maximum", "max")
def maximum(reader: Reader, input: Any, other: Any = None, *_: Any, **__: Any) -> Value:
    """A Maximum."""
    positive = any(isinstance(v, Value) and v.positive for v in (input, other))
    return joined(reader, "Maximum", input, other, positive)


@form("minimum", "min")
def minimum(reader: Reader, input: Any, other: Any = None, *_: Any, **__: Any) -> Value:
    """A Minimum."""
    positive = all(isinstance(v, Value) and v.positive for v in (input, other))
    return joined(reader, "Minimum", input, other, positive)


# --- what drops numbers, whether the module is in training or not ---


@form("dropout", "dropout_")
def dropout(reader: Reader, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """A Dropout."""
    return _put(reader, "Dropout", {"rate": p}, input, isinstance(input, Value) and input.positive)


@form("dropout1d", "dropout2d", "dropout3d", "feature_dropout", "feature_dropout_")
def feature_dropout(
    reader: Reader, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Value:
    """A SpatialDropout of channels; else a Dropout with one number for each index of the axis that is second."""
    constants(input)
    if input.rank in (3, 4, 5) and input.axes == channels_first(input.rank - 2):
        return _put(reader, f"SpatialDropout{input.rank - 2}D", {"rate": p}, input, input.positive)
    own = input.axes[1]
    shape = (None, *(None if axis == own else 1 for axis in range(1, input.rank)))
    return _put(reader, "Dropout", {"rate": p, "noise_shape": shape}, input, input.positive)


@form("alpha_dropout", "alpha_dropout_")
def alpha_dropout(reader: Reader, input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Value:
    """An AlphaDropout."""
    return _put(reader, "AlphaDropout", {"rate": p}, input)
