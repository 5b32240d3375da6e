"""Each layer in ONNX's operators. A function gets the writer, the node, its inputs, and the types of its outputs.

Which way round an image lies is said by the operator that makes it (`writer.put(..., first=True)`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.targets.onnx import Value, Writer

Form = Callable[..., Value | tuple[Value, ...]]
Out = tuple[TensorType, ...]
FORMS: dict[str, Form] = {}
ENDLESS = (1 << 63) - 1


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


def pads_of(node: Node, value: Value) -> dict[str, Any]:
    """The attribute for a layer's padding: numbers, or the rule where they depend on a size that is open."""
    layer: Any = node.layer
    found = layer.placements(value.type)
    if all(isinstance(end, int) for place in found for end in (place.begin, place.end)) and (
        layer.padding == "valid"
        or all(s == 1 or isinstance(n, int) for s, n in zip(layer.strides, value.type.shape[1:3], strict=True))
    ):
        return {"pads": [place.begin for place in found] + [place.end for place in found]}
    return {"auto_pad": "SAME_UPPER"}


@form("Dense")
def dense(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A product; on an image that lies channels first a 1×1 convolution, which is the same."""
    layer: Any = node.layer
    bias = [writer.weight(node, "bias")] if layer.use_bias else []
    if x.type.rank == 2:
        made = writer.put(out[0], writer.op("Gemm", writer.last(x), writer.weight(node, "kernel"), *bias), False)
    elif x.first is not None and x.last is None:
        kernel = writer.weight(node, "kernel", 1, 0, shape=(layer.units, int(x.type.shape[-1]), 1, 1))  # pyright: ignore[reportArgumentType]
        made = writer.put(out[0], writer.op("Conv", x.first, kernel, *bias, kernel_shape=[1, 1]), True)
    else:
        name = writer.op("MatMul", writer.last(x), writer.weight(node, "kernel"))
        made = writer.put(out[0], writer.op("Add", name, *bias) if bias else name, False)
    return activated(writer, layer.activation, made)


@form("Conv2D")
def conv2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Conv, its kernel channels first."""
    layer: Any = node.layer
    bias = [writer.weight(node, "bias")] if layer.use_bias else []
    name = writer.op(
        "Conv", writer.first(x), writer.weight(node, "kernel", 3, 2, 0, 1), *bias,
        kernel_shape=layer.kernel_size, strides=layer.strides, dilations=layer.dilation_rate, group=layer.groups,
        **pads_of(node, x),
    )  # fmt: skip
    return activated(writer, layer.activation, writer.put(out[0], name, True))


@form("Conv2DTranspose")
def conv2d_transpose(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """What is cropped are ONNX's pads; a negative crop at the end is its output_padding."""
    layer: Any = node.layer
    crops = [place.pads for place in layer.placements(x.type)]
    bias = [writer.weight(node, "bias")] if layer.use_bias else []
    name = writer.op(
        "ConvTranspose", writer.first(x), writer.weight(node, "kernel", 3, 2, 0, 1), *bias,
        kernel_shape=layer.kernel_size, strides=layer.strides, dilations=layer.dilation_rate, group=layer.groups,
        pads=[begin for begin, _ in crops] + [max(end, 0) for _, end in crops],
        output_padding=[max(-end, 0) for _, end in crops],
    )  # fmt: skip
    return activated(writer, layer.activation, writer.put(out[0], name, True))


@form("MaxPooling2D")
def max_pooling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> tuple[Value, ...]:
    """ONNX's second output counts over the whole tensor, channels first; the remainder is the place in the plane."""
    layer: Any = node.layer
    told = {"kernel_shape": layer.pool_size, "strides": layer.strides, **pads_of(node, x)}
    if not layer.return_switches:
        return (writer.put(out[0], writer.op("MaxPool", writer.first(x), **told), True),)
    name, index = writer.op("MaxPool", writer.first(x), outputs=2, **told)
    area = writer.size(x.type.shape[1] * x.type.shape[2])
    switches = writer.op("Cast", writer.op("Mod", index, area), to=writer.onnx.TensorProto.INT32)
    return writer.put(out[0], name, True), replace(writer.put(out[1], switches, True), pool=node)


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


@form("AveragePooling2D")
def average_pooling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """AveragePool, in which pads do not count."""
    layer: Any = node.layer
    name = writer.op(
        "AveragePool", writer.first(x), kernel_shape=layer.pool_size, strides=layer.strides, count_include_pad=0,
        **pads_of(node, x),
    )  # fmt: skip
    return writer.put(out[0], name, True)


def _global(kind: str) -> Form:
    def pooled(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
        name = writer.op(kind, writer.first(x))
        layer: Any = node.layer
        if layer.keepdims:
            return writer.put(out[0], name, True)
        return writer.put(out[0], writer.op("Flatten", name), False)

    return pooled


FORMS["GlobalAveragePooling2D"] = _global("GlobalAveragePool")
FORMS["GlobalMaxPooling2D"] = _global("GlobalMaxPool")


@form("UpSampling2D")
def up_sampling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Resize by whole factors."""
    layer: Any = node.layer
    scales = writer.constant(np.array([1, 1, *layer.size], np.float32))
    how: dict[str, Any]
    if layer.interpolation == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return writer.put(out[0], writer.op("Resize", writer.first(x), "", scales, **how), True)


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


@form("ZeroPadding2D")
def zero_padding2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Pad."""
    layer: Any = node.layer
    (top, bottom), (left, right) = layer.padding
    first = x.first is not None
    begin, end = ([0, 0, top, left], [0, 0, bottom, right]) if first else ([0, top, left, 0], [0, bottom, right, 0])
    name = writer.op("Pad", x.first if x.first is not None else writer.last(x), writer.whole(*begin, *end))
    return writer.put(out[0], name, first)


@form("Cropping2D")
def cropping2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Slice."""
    layer: Any = node.layer
    first = x.first is not None
    begins, ends = zip(*layer.cropping, strict=True)
    name = writer.op(
        "Slice", x.first if x.first is not None else writer.last(x), writer.whole(*begins),
        writer.whole(*(-end if end else ENDLESS for end in ends)), writer.whole(*((2, 3) if first else (1, 2))),
    )  # fmt: skip
    return writer.put(out[0], name, first)


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
    return writer.put(out[0], writer.op("Concat", *names, axis=(0, 2, 3, 1)[axis] if first else axis), first)


@form("Flatten")
def flatten(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Flatten, of channels last."""
    return x if x.type.rank == 2 else writer.put(out[0], writer.op("Flatten", writer.last(x)), False)


@form("Reshape")
def reshape(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Reshape, of channels last; a 0 keeps the batch."""
    layer: Any = node.layer
    return writer.put(out[0], writer.op("Reshape", writer.last(x), writer.whole(0, *layer.target_shape)), False)
