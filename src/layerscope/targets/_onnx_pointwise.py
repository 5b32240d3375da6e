"""Functions of single numbers, joints of tensors and moves in ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.types import TensorType
from layerscope.targets._onnx_layers import FORMS, Out, form
from layerscope.targets.onnx import Value, Writer


def either(writer: Writer, value: Value) -> tuple[str, bool]:
    """The value in the layout that it has; and whether that is channels first."""
    return (value.first, True) if value.first is not None else (writer.last(value), False)


def moved(axes: Sequence[int], first: bool, rank: int) -> list[int]:
    """Axes of ours in a layout: channels first, the last one is the second."""
    return [(0 if axis == 0 else 1 if axis == rank - 1 else axis + 1) if first else axis for axis in axes]


def turned(array: Any, rank: int) -> Any:
    """Numbers that meet a tensor of so many axes, as they meet it channels first."""
    held = np.asarray(array)
    return np.moveaxis(held.reshape((1,) * (rank - held.ndim) + held.shape), -1, 1)


def number(writer: Writer, value: float) -> str:
    """A constant number."""
    return writer.constant(np.float32(value))


# --- functions ---

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "elu": ("Elu", {"alpha": 1.0}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "softplus": ("Softplus", {}),
    "celu": ("Celu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "hard_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.0}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "mish": ("Mish", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
    "softsign": ("Softsign", {}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
}
"""Functions that are one operator."""
MIXING = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}
"""Operators that take the number of an axis."""


def _gelu(w: Writer, x: str) -> str:
    """x · (1 + erf(x / sqrt 2)) / 2."""
    grown = w.op("Add", w.op("Erf", w.op("Mul", x, number(w, 1 / sqrt(2)))), number(w, 1.0))
    return w.op("Mul", w.op("Mul", x, number(w, 0.5)), grown)


def _gelu_tanh(w: Writer, x: str) -> str:
    """x · sigmoid(2 · √(2/π) · (x + 0.044715 · x³)), which is its form with tanh."""
    cubic = w.op("Add", w.op("Mul", w.op("Mul", x, x), number(w, 0.044715)), number(w, 1.0))
    return w.op("Mul", x, w.op("Sigmoid", w.op("Mul", w.op("Mul", x, cubic), number(w, 2 * sqrt(2 / pi)))))


def _clip(w: Writer, x: str, low: float, high: float | None) -> str:
    return w.op("Clip", x, number(w, low), *([] if high is None else [number(w, high)]))


def _sparse_plus(w: Writer, x: str) -> str:
    inner = w.op("Add", _clip(w, x, -1.0, 1.0), number(w, 1.0))
    square = w.op("Mul", w.op("Mul", inner, inner), number(w, 0.25))
    return w.op("Add", square, w.op("Relu", w.op("Sub", x, number(w, 1.0))))


def _squareplus(w: Writer, x: str) -> str:
    root = w.op("Sqrt", w.op("Add", w.op("Mul", x, x), number(w, 4.0)))
    return w.op("Mul", w.op("Add", x, root), number(w, 0.5))


COMPOSED: dict[str, Callable[[Writer, str], str]] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_tanh": lambda w, x: _clip(w, x, -1.0, 1.0),
    "log_sigmoid": lambda w, x: w.op("Neg", w.op("Softplus", w.op("Neg", x))),
    "relu6": lambda w, x: _clip(w, x, 0.0, 6.0),
    "silu": lambda w, x: w.op("Mul", x, w.op("Sigmoid", x)),
    "sparse_plus": _sparse_plus,
    "squareplus": _squareplus,
    "tanh_shrink": lambda w, x: w.op("Sub", x, w.op("Tanh", x)),
}
"""All others that act on each number by itself."""


def activated(writer: Writer, name: str | None, value: Value) -> Value:
    """A pointwise function behind a value, in the layout that this has."""
    if name in (None, "linear"):
        return value
    x, first = either(writer, value)
    if name in MIXING:
        made = writer.op(MIXING[str(name)], x, axis=1 if first else -1)
    elif name in COMPOSED:
        made = COMPOSED[str(name)](writer, x)
    else:
        kind, settings = OPERATORS[str(name)]
        made = writer.op(kind, x, **settings)
    return writer.put(value.type, made, first)


@form("Activation")
def activation(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """The function alone."""
    layer: Any = node.layer
    return activated(writer, layer.activation, x)


@form("ReLU")
def relu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Relu, Clip, LeakyRelu; with a threshold by its definition."""
    layer: Any = node.layer
    name, first = either(writer, x)
    slope, most, threshold = layer.negative_slope, layer.max_value, layer.threshold
    if slope and most is None and not threshold:
        return writer.put(out[0], writer.op("LeakyRelu", name, alpha=float(slope)), first)
    if threshold:
        nothing, bound = number(writer, 0.0), number(writer, threshold)
        y = writer.op("Where", writer.op("Greater", name, bound), name, nothing)
    else:
        y = writer.op("Relu", name)
    if most is not None:
        y = _clip(writer, y, 0.0, float(most))
    if slope:
        below = writer.op("Relu", writer.op("Sub", number(writer, threshold), name))
        y = writer.op("Sub", y, writer.op("Mul", below, number(writer, slope)))
    return writer.put(out[0], y, first)


@form("LeakyReLU")
def leaky_relu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """LeakyRelu."""
    layer: Any = node.layer
    name, first = either(writer, x)
    return writer.put(out[0], writer.op("LeakyRelu", name, alpha=float(layer.negative_slope)), first)


@form("ELU")
def elu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Elu."""
    layer: Any = node.layer
    name, first = either(writer, x)
    return writer.put(out[0], writer.op("Elu", name, alpha=float(layer.alpha)), first)


@form("PReLU")
def prelu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PRelu, its slope in the layout of the image."""
    name, first = either(writer, x)
    last = x.type.rank - 2
    slope = writer.weight(node, "alpha", last, *range(last)) if first else writer.weight(node, "alpha")
    return writer.put(out[0], writer.op("PRelu", name, slope), first)


@form("Softmax")
def softmax(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Softmax along an axis; over several by its definition."""
    layer: Any = node.layer
    name, first = either(writer, x)
    axes = moved(layer.places(x.type), first, x.type.rank)
    if len(axes) == 1:
        return writer.put(out[0], writer.op("Softmax", name, axis=axes[0]), first)
    total = writer.op("ReduceLogSumExp", name, writer.whole(*axes), keepdims=1)
    return writer.put(out[0], writer.op("Exp", writer.op("Sub", name, total)), first)


@form("Rescaling")
def rescaling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Mul and Add."""
    layer: Any = node.layer
    name, first = either(writer, x)
    for kind, value in (("Mul", layer.scale), ("Add", layer.offset)):
        if kind == "Mul" or value != 0:
            name = writer.op(kind, name, given(writer, np.asarray(value), first, x.type.rank))
    return writer.put(out[0], name, first)


def given(writer: Writer, array: Any, first: bool, rank: int) -> str:
    """Numbers that meet a tensor: of an image with its channels first these have another place."""
    held = np.asarray(array, np.float32)
    if first and held.ndim:
        held = turned(held, rank)
    return writer.constant(held)


@form("Normalization")
def normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Sub and Div; Mul and Add back."""
    layer: Any = node.layer
    weights = {role: writer.model._variables[id].array for role, id in node.weights.items()}
    mean, root = layer.moments(x.type, weights)
    name, first = either(writer, x)
    held, away = (given(writer, array, first, x.type.rank) for array in (mean, root))
    if layer.invert:
        return writer.put(out[0], writer.op("Add", writer.op("Mul", name, away), held), first)
    return writer.put(out[0], writer.op("Div", writer.op("Sub", name, held), away), first)


# --- joints ---


def _alike(writer: Writer, values: Sequence[Value], out: TensorType) -> tuple[list[str], bool]:
    """All values in one layout, with as many axes: those that lack some get them behind the batch."""
    ranks = {value.type.rank for value in values}
    first = len(ranks) == 1 and any(value.first is not None for value in values)
    names = [writer.first(value) if first else writer.last(value) for value in values]
    for at, value in enumerate(values):
        if value.type.rank < out.rank:
            names[at] = writer.op("Unsqueeze", names[at], writer.whole(*range(1, 1 + out.rank - value.type.rank)))
    return names, first


def _joint(kind: str, pairs: bool) -> Any:
    def joined(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
        names, first = _alike(writer, values, out[0])
        if not pairs:
            return writer.put(out[0], writer.op(kind, *names), first)
        total = names[0]
        for name in names[1:]:
            total = writer.op(kind, total, name)
        return writer.put(out[0], total, first)

    return joined


FORMS["Subtract"] = _joint("Sub", pairs=True)
FORMS["Multiply"] = _joint("Mul", pairs=True)
FORMS["Average"] = _joint("Mean", pairs=False)
FORMS["Maximum"] = _joint("Max", pairs=False)
FORMS["Minimum"] = _joint("Min", pairs=False)


@form("Dot")
def dot(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """Einsum."""
    layer: Any = node.layer
    letters, spelled, names = iter("acdefghij"), list[str](), list[str]()
    for value, axis in zip(values, layer.places(tuple(v.type for v in values)), strict=True):
        spelled.append("b" + "".join("z" if a == axis else next(letters) for a in range(1, value.type.rank)))
        name = writer.last(value)
        names.append(shortened(writer, name, (axis,), 1e-7) if layer.normalize else name)
    left = "b" + "".join(spelled).replace("b", "").replace("z", "")
    made = writer.op("Einsum", *names, equation=f"{','.join(spelled)}->{left}")
    return writer.put(out[0], writer.op("Unsqueeze", made, writer.whole(1)) if len(left) == 1 else made, False)


def shortened(writer: Writer, x: str, axes: Sequence[int], epsilon: float) -> str:
    """x divided by its length along axes."""
    length = writer.op("ReduceL2", x, writer.whole(*axes), keepdims=1)
    return writer.op("Div", x, writer.op("Max", length, number(writer, epsilon)))


# --- moves, and what passes numbers through ---


@form("Permute")
def permute(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Transpose."""
    layer: Any = node.layer
    return writer.put(out[0], writer.op("Transpose", writer.last(x), perm=(0, *layer.dims)), False)


@form("RepeatVector")
def repeat_vector(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Unsqueeze and Expand."""
    layer: Any = node.layer
    wide = writer.op("Unsqueeze", writer.last(x), writer.whole(1))
    return writer.put(out[0], writer.op("Expand", wide, writer.whole(1, layer.n, 1)), False)


def _passed(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Passes its input through, as it does when a network is used."""
    return x


for _kind in ("ActivityRegularization", "Dropout", "Identity"):
    FORMS[_kind] = _passed
for _kind in ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"):
    FORMS[_kind] = _passed
for _kind in ("GaussianNoise", "GaussianDropout", "AlphaDropout"):
    FORMS[_kind] = _passed
