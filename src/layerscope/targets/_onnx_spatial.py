"""Convolutions, pools and their like, of one to three spatial axes, in ONNX's operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.targets._onnx_layers import Form, Out, activated, form
from layerscope.targets.onnx import Value, Writer

ENDLESS = (1 << 63) - 1


def _named(*stems: str, ranks: tuple[int, ...] = (1, 2, 3)) -> list[str]:
    return [stem.format(rank) for stem in stems for rank in ranks]


def _register(function: Form, *kinds: str) -> None:
    for kind in kinds:
        form(kind)(function)


def pads_of(node: Node, value: Value) -> dict[str, Any]:
    """The attribute for a layer's padding: numbers, or the rule where they depend on a size that is open."""
    layer: Any = node.layer
    found = layer.placements(value.type)
    if all(isinstance(end, int) for place in found for end in (place.begin, place.end)) and (
        layer.padding != "same"
        or all(s == 1 or isinstance(n, int) for s, n in zip(layer.strides, value.type.shape[1:-1], strict=True))
    ):
        return {"pads": [place.begin for place in found] + [place.end for place in found]}
    return {"auto_pad": "SAME_UPPER"}


# --- convolutions ---


def _channels_first(rank: int) -> tuple[int, ...]:
    """The order of a kernel's axes (*k, a, b) in ONNX: (b, a, *k)."""
    return (rank + 1, rank, *range(rank))


def _bias(writer: Writer, node: Node) -> list[str]:
    layer: Any = node.layer
    return [writer.weight(node, "bias")] if layer.use_bias else []


def _moved(writer: Writer, node: Node, x: Value, kernel: str, bias: list[str], groups: int) -> str:
    layer: Any = node.layer
    told = {"kernel_shape": layer.kernel_size, "strides": layer.strides, "dilations": layer.dilation_rate}
    return writer.op("Conv", writer.first(x), kernel, *bias, **told, group=groups, **pads_of(node, x))


def convolution(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Conv, its kernel channels first."""
    layer: Any = node.layer
    kernel = writer.weight(node, "kernel", *_channels_first(layer.rank))
    name = _moved(writer, node, x, kernel, _bias(writer, node), layer.groups)
    return activated(writer, layer.activation, writer.put(out[0], name, True))


def _deepened(writer: Writer, node: Node, x: Value, role: str, bias: list[str]) -> str:
    """As many groups as channels; the multiplier's kernels of one channel stand side by side."""
    layer: Any = node.layer
    count, rank = int(x.type.shape[-1]), layer.rank  # pyright: ignore[reportArgumentType]
    shape = (count * layer.depth_multiplier, 1, *layer.kernel_size)
    kernel = writer.weight(node, role, rank, rank + 1, *range(rank), shape=shape)
    return _moved(writer, node, x, kernel, bias, count)


def depthwise(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Conv in as many groups as there are channels."""
    layer: Any = node.layer
    name = _deepened(writer, node, x, "kernel", _bias(writer, node))
    return activated(writer, layer.activation, writer.put(out[0], name, True))


def separable(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Conv in as many groups as there are channels, and one with a kernel of 1."""
    layer: Any = node.layer
    deep = _deepened(writer, node, x, "depthwise_kernel", [])
    kernel = writer.weight(node, "pointwise_kernel", *_channels_first(layer.rank))
    name = writer.op("Conv", deep, kernel, *_bias(writer, node), kernel_shape=(1,) * layer.rank)
    return activated(writer, layer.activation, writer.put(out[0], name, True))


def transposed(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """What is cropped are ONNX's pads; a negative crop at the end is its output_padding."""
    layer: Any = node.layer
    crops = [place.pads for place in layer.placements(x.type)]
    kernel = writer.weight(node, "kernel", *_channels_first(layer.rank))
    name = writer.op(
        "ConvTranspose", writer.first(x), kernel, *_bias(writer, node),
        kernel_shape=layer.kernel_size, strides=layer.strides, dilations=layer.dilation_rate, group=layer.groups,
        pads=[begin for begin, _ in crops] + [max(end, 0) for _, end in crops],
        output_padding=[max(-end, 0) for _, end in crops],
    )  # fmt: skip
    return activated(writer, layer.activation, writer.put(out[0], name, True))


_register(convolution, *_named("Conv{}D"))
_register(depthwise, *_named("DepthwiseConv{}D", ranks=(1, 2)))
_register(separable, *_named("SeparableConv{}D", ranks=(1, 2)))
_register(transposed, *_named("Conv{}DTranspose"))


# --- pools ---


def max_pooling(writer: Writer, node: Node, x: Value, *, out: Out) -> tuple[Value, ...]:
    """ONNX's second output counts over the whole tensor, channels first; the remainder is the place in the plane."""
    layer: Any = node.layer
    told = {"kernel_shape": layer.pool_size, "strides": layer.strides, **pads_of(node, x)}
    if not getattr(layer, "return_switches", False):
        return (writer.put(out[0], writer.op("MaxPool", writer.first(x), **told), True),)
    name, index = writer.op("MaxPool", writer.first(x), outputs=2, **told)
    area = writer.size(x.type.shape[1] * x.type.shape[2])
    switches = writer.op("Cast", writer.op("Mod", index, area), to=writer.onnx.TensorProto.INT32)
    made = writer.put(out[1], switches, True)
    made.pool = node
    return writer.put(out[0], name, True), made


def average_pooling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """AveragePool, in which pads do not count."""
    layer: Any = node.layer
    name = writer.op(
        "AveragePool", writer.first(x), kernel_shape=layer.pool_size, strides=layer.strides, count_include_pad=0,
        **pads_of(node, x),
    )  # fmt: skip
    return writer.put(out[0], name, True)


def _whole(kind: str) -> Form:
    def pooled(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
        name = writer.op(kind, writer.first(x))
        layer: Any = node.layer
        if layer.keepdims:
            return writer.put(out[0], name, True)
        return writer.put(out[0], writer.op("Flatten", name), False)

    return pooled


_register(max_pooling, *_named("MaxPooling{}D"))
_register(average_pooling, *_named("AveragePooling{}D"))
_register(_whole("GlobalAveragePool"), *_named("GlobalAveragePooling{}D"))
_register(_whole("GlobalMaxPool"), *_named("GlobalMaxPooling{}D"))


# --- enlarged, framed ---


def up_sampling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Resize by whole factors."""
    layer: Any = node.layer
    scales = writer.constant(np.array([1, 1, *layer.size], np.float32))
    how: dict[str, Any]
    if layer.support:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    else:
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return writer.put(out[0], writer.op("Resize", writer.first(x), "", scales, **how), True)


def zero_padding(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Pad, in the layout that there is."""
    layer: Any = node.layer
    whole = ((0, 0), (0, 0), *layer.padding) if x.first is not None else ((0, 0), *layer.padding, (0, 0))
    begins, ends = zip(*whole, strict=True)
    held = x.first if x.first is not None else writer.last(x)
    return writer.put(out[0], writer.op("Pad", held, writer.whole(*begins, *ends)), x.first is not None)


def cropping(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Slice, in the layout that there is."""
    layer: Any = node.layer
    first = x.first is not None
    begins, ends = zip(*layer.cropping, strict=True)
    axes = range(2, 2 + layer.rank) if first else range(1, 1 + layer.rank)
    stops = (-end if end else ENDLESS for end in ends)
    held = x.first if x.first is not None else writer.last(x)
    name = writer.op("Slice", held, writer.whole(*begins), writer.whole(*stops), writer.whole(*axes))
    return writer.put(out[0], name, first)


_register(up_sampling, *_named("UpSampling{}D"))
_register(zero_padding, *_named("ZeroPadding{}D"))
_register(cropping, *_named("Cropping{}D"))
