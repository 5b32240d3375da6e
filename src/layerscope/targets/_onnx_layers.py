"""Each layer in ONNX's operators. A function gets the writer, the node, its inputs, and the types of its outputs.

Which way round an image lies is said by the operator that makes it (`writer.put(..., first=True)`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.targets.onnx import Value, Writer, channels_first

Form = Callable[..., Value | tuple[Value, ...]]
Out = tuple[TensorType, ...]
FORMS: dict[str, Form] = {}


def form(kind: str) -> Callable[[Form], Form]:
    """Register the form of a layer."""

    def keep(function: Form) -> Form:
        FORMS[kind] = function
        return function

    return keep


def activated(writer: Writer, name: str | None, value: Value) -> Value:
    """A pointwise function behind a value, in the layout that this has."""
    from layerscope.targets import _onnx_pointwise  # which registers with this module

    return _onnx_pointwise.activated(writer, name, value)


@form("Dense")
def dense(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A product; on an image that lies channels first a 1×1 convolution, which is the same."""
    layer: Any = node.layer
    bias = [writer.weight(node, "bias")] if layer.use_bias else []
    if x.type.rank == 2:
        made = writer.put(out[0], writer.op("Gemm", writer.last(x), writer.weight(node, "kernel"), *bias), False)
    elif x.first is not None and x.last is None:
        ones = (1,) * (x.type.rank - 2)
        kernel = writer.weight(node, "kernel", 1, 0, shape=(layer.units, int(x.type.shape[-1]), *ones))  # pyright: ignore[reportArgumentType]
        made = writer.put(out[0], writer.op("Conv", x.first, kernel, *bias, kernel_shape=ones), True)
    else:
        name = writer.op("MatMul", writer.last(x), writer.weight(node, "kernel"))
        made = writer.put(out[0], writer.op("Add", name, *bias) if bias else name, False)
    return activated(writer, layer.activation, made)


@form("MaxUnpooling2D")
def max_unpooling2d(writer: Writer, node: Node, x: Value, switches: Value, *, out: Out) -> Value:
    """Values put to their places in a plane of zeros.

    Where windows overlap, several may claim one place and the last has it: each place learns the largest number of a
    value that claims it, and fetches that value; number -1, the last of the row, is a zero.
    """
    _, height, width, channels = out[0].shape
    plane: tuple[Size, ...] = (x.type.shape[0], channels, height * width)
    row = writer.whole(0, 0, -1)
    values = writer.op("Reshape", writer.first(x), row)
    places = writer.op("Reshape", writer.first(switches), row)
    if places_differ(switches.pool):
        places = writer.op("Cast", places, to=writer.onnx.TensorProto.INT64)
        zeros = writer.op("ConstantOfShape", writer.shape(*plane))
        flat = writer.op("ScatterElements", zeros, places, values, axis=2)
    else:
        flat = _claimed(writer, values, places, x, plane)
    return writer.put(out[0], writer.op("Reshape", flat, writer.shape(0, 0, height, width)), True)


def places_differ(pool: Node | None) -> bool:
    """Whether no two values of a channel can have the same switch: they are a pool's whose windows do not overlap."""
    layer: Any = pool.layer if pool else None
    return layer is not None and all(s >= k for s, k in zip(layer.strides, layer.pool_size, strict=True))


def _claimed(writer: Writer, values: str, places: str, x: Value, plane: Sequence[Size]) -> str:
    int64 = writer.onnx.TensorProto.INT64
    count = x.type.shape[1] * x.type.shape[2]
    if isinstance(count, int):
        numbers = writer.constant(np.arange(count, dtype=np.int64))
    else:
        zero, one = (writer.constant(np.int64(number)) for number in (0, 1))
        numbers = writer.op("Range", zero, writer.op("Squeeze", writer.size(count), writer.whole(0)), one)
    claims = writer.op("Expand", numbers, writer.op("Shape", places))
    nobody = writer.onnx.helper.make_tensor("nobody", int64, [1], [-1])
    start = writer.op("ConstantOfShape", writer.shape(*plane), value=nobody)
    places = writer.op("Cast", places, to=int64)
    owners = writer.op("ScatterElements", start, places, claims, axis=2, reduction="max")
    nothing = writer.op("ConstantOfShape", writer.shape(*plane[:2], 1))
    return writer.op("GatherElements", writer.op("Concat", values, nothing, axis=2), owners, axis=2)


@form("BedOfNails2D")
def bed_of_nails2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A transposed convolution of each channel with a 1×1 kernel of one."""
    layer: Any = node.layer
    return writer.put(out[0], _placed(writer, x, layer.size, int(out[0].shape[-1]), ones=True), True)  # pyright: ignore[reportArgumentType]


@form("PixelShuffle2D")
def pixel_shuffle2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """With two factors a transposed convolution whose kernel puts each channel of a block to its place."""
    layer: Any = node.layer
    rows, columns = layer.size
    if rows == columns:
        name = writer.op("DepthToSpace", writer.first(x), blocksize=rows, mode="CRD")
    else:
        name = _placed(writer, x, layer.size, int(out[0].shape[-1]), ones=False)  # pyright: ignore[reportArgumentType]
    return writer.put(out[0], name, True)


def _placed(writer: Writer, x: Value, size: tuple[int, int], channels: int, ones: bool) -> str:
    block = 1 if ones else size[0] * size[1]
    kernel = np.ones((channels, 1, 1, 1)) if ones else np.tile(np.eye(block), (channels, 1))
    shape = (1, 1) if ones else size
    held = writer.constant(kernel.reshape(channels * block, 1, *shape), dtype=np.float32)
    more = [s - k for s, k in zip(size, shape, strict=True)]
    told = {"kernel_shape": shape, "strides": size, "group": channels, "output_padding": more}
    return writer.op("ConvTranspose", writer.first(x), held, **told)


def _alike(writer: Writer, values: Sequence[Value]) -> tuple[list[str], bool]:
    """All values in one layout: channels first where one of them lies so."""
    first = values[0].image and any(value.first is not None for value in values)
    return [writer.first(value) if first else writer.last(value) for value in values], first


@form("Add")
def add(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """Add, one after another."""
    names, first = _alike(writer, values)
    total = names[0]
    for name in names[1:]:
        total = writer.op("Add", total, name)
    return writer.put(out[0], total, first)


@form("Concatenate")
def concatenate(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """Concat."""
    names, first = _alike(writer, values)
    layer: Any = node.layer
    axis = layer.axis % out[0].rank
    return writer.put(
        out[0], writer.op("Concat", *names, axis=channels_first(out[0].rank).index(axis) if first else axis), first
    )


@form("Flatten")
def flatten(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Flatten, of channels last."""
    return x if x.type.rank == 2 else writer.put(out[0], writer.op("Flatten", writer.last(x)), False)


@form("Reshape")
def reshape(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Reshape, of channels last; a 0 keeps the batch."""
    layer: Any = node.layer
    return writer.put(out[0], writer.op("Reshape", writer.last(x), writer.whole(0, *layer.target_shape)), False)
