"""Convolutions, pools and their like, of one to three spatial axes, as PyTorch's modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.sizes import number
from layerscope.targets._torch_layers import Form, Out, activated, form
from layerscope.targets.torch import Value, Writer, made_first

INFINITY = float("inf")
Pads = Sequence[tuple[int, int]]


def _named(*stems: str, ranks: tuple[int, ...] = (1, 2, 3)) -> list[str]:
    return [stem.format(rank) for stem in stems for rank in ranks]


def _register(function: Form, *kinds: str) -> None:
    for kind in kinds:
        form(kind)(function)


def padded(writer: Writer, proxy: Any, pads: Pads, value: float = 0.0, suffix: str = "_pad") -> Any:
    """Pads (negative ones crop) around the spatial axes; PyTorch lists the last axis first."""
    sides = tuple(end for pair in reversed(pads) for end in pair)
    if not any(sides):
        return proxy
    nn, rank = writer.torch.nn, len(pads)
    made = getattr(nn, f"ConstantPad{rank}d")(sides, value) if value else getattr(nn, f"ZeroPad{rank}d")(sides)
    return writer.module(made, proxy, suffix=suffix)


# --- convolutions ---


def _first(kernel: Any) -> Any:
    """A kernel (*k, a, b) as PyTorch's (b, a, *k)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _deep(kernel: Any) -> Any:
    """A kernel of single channels (*k, C, m) as PyTorch's (C·m, 1, *k)."""
    *window, count, each = kernel.shape
    return _first(kernel.reshape(*window, 1, count * each))


def _module(
    writer: Writer, node: Node, name: str, channels: tuple[int, int], turn: Any, role: str = "kernel",
    bias: bool = True, **settings: Any,
) -> Any:  # fmt: skip
    """A module of PyTorch with the layer's weights; `turn` brings the kernel into its order."""
    layer: Any = node.layer
    cls, bias = getattr(writer.torch.nn, f"{name}{layer.rank}d"), bias and layer.use_bias
    found = writer.torch.nn.utils.skip_init(cls, *channels, bias=bias, **settings)
    found.weight = writer.parameter(node, role, turn, f"convolution {turn.__name__}")
    if bias:
        found.bias = writer.parameter(node, "bias")
    return found


def _moved(writer: Writer, node: Node, x: Value, make: Any, suffix: str = "") -> Any:
    """The proxy of a module that moves over an image, which `make` makes.

    Pads are the module's where they are alike at both ends, and for each use of the layer. Others stand before it.
    """
    layer: Any = node.layer
    pads = [place.pads for place in layer.placements(x.type)]
    both = tuple(begin for begin, _ in pads)
    proxy = x.first
    if any(begin != end for begin, end in pads) or any(
        layer.placements(*types) != layer.placements(x.type) for types in writer.fed(node)
    ):
        proxy, both = padded(writer, proxy, pads), (0,) * layer.rank
    told = {"stride": layer.strides, "dilation": layer.dilation_rate, "padding": both}
    return writer.weighted(node, lambda: make(kernel_size=layer.kernel_size, **told), proxy, suffix=suffix)


def _count(x: Value) -> int:
    return int(x.type.shape[-1])  # pyright: ignore[reportArgumentType]


def convolution(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A Conv."""
    layer: Any = node.layer

    def make(**told: Any) -> Any:
        return _module(writer, node, "Conv", (_count(x), layer.filters), _first, groups=layer.groups, **told)

    return activated(writer, layer.activation, made_first(out[0], _moved(writer, node, x, make)))


def depthwise(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A Conv of as many groups as there are channels."""
    layer: Any = node.layer

    def make(**told: Any) -> Any:
        channels = _count(x), _count(x) * layer.depth_multiplier
        return _module(writer, node, "Conv", channels, _deep, groups=_count(x), **told)

    return activated(writer, layer.activation, made_first(out[0], _moved(writer, node, x, make)))


def separable(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A Conv of as many groups as there are channels, and one with a kernel of 1."""
    layer: Any = node.layer
    count = _count(x)
    deep = count * layer.depth_multiplier

    def make(**told: Any) -> Any:
        told |= {"role": "depthwise_kernel", "bias": False}
        return _module(writer, node, "Conv", (count, deep), _deep, groups=count, **told)

    def mix() -> Any:
        return _module(writer, node, "Conv", (deep, layer.filters), _first, "pointwise_kernel", kernel_size=1)

    proxy = writer.weighted(node, mix, _moved(writer, node, x, make, "_depthwise"), suffix="_pointwise")
    return activated(writer, layer.activation, made_first(out[0], proxy))


def transposed(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PyTorch crops p before and p - output_padding behind; what more is to go behind is cropped afterwards."""
    layer: Any = node.layer
    crops = [place.pads for place in layer.placements(x.type)]
    told = {
        "kernel_size": layer.kernel_size, "stride": layer.strides, "dilation": layer.dilation_rate,
        "padding": tuple(begin for begin, _ in crops),
        "output_padding": tuple(max(begin - end, 0) for begin, end in crops),
    }  # fmt: skip

    def make() -> Any:
        channels = _count(x), layer.filters
        return _module(writer, node, "ConvTranspose", channels, _first, groups=layer.groups, **told)

    rest = [(0, -max(end - begin, 0)) for begin, end in crops]
    proxy = padded(writer, writer.weighted(node, make, x.first), rest, suffix="_crop")
    return activated(writer, layer.activation, made_first(out[0], proxy))


_register(convolution, *_named("Conv{}D"))
_register(depthwise, *_named("DepthwiseConv{}D", ranks=(1, 2)))
_register(separable, *_named("SeparableConv{}D", ranks=(1, 2)))
_register(transposed, *_named("Conv{}DTranspose"))


# --- pools ---


def _windows(x: Value, layer: Any) -> tuple[Pads, dict[str, Any] | None]:
    """Pads of each axis, and the settings by which PyTorch's pools have the same windows, if there are any."""
    found = layer.placements(x.type)
    pads = tuple(place.pads for place in found)
    begin = tuple(pair[0] for pair in pads)
    for ceil in (False, True):
        fits = True
        for n, k, s, place in zip(x.type.shape[1:-1], layer.pool_size, layer.strides, found, strict=True):
            if layer.padding == "valid" and not ceil:
                continue
            fits &= (
                2 * place.pads[0] <= k and isinstance(n, int) and _pooled(n, k, s, place.pads[0], ceil) == place.out
            )
            fits &= layer.rank < 3 or layer.maximum or n >= k  # AvgPool3d wants that even with pads
        if fits:
            return pads, {"stride": layer.strides, "padding": begin, "ceil_mode": ceil}
    return pads, None


def _pooled(n: int, window: int, stride: int, pad: int, ceil: bool) -> int:
    """The size that PyTorch gives a pooled axis."""
    rest = n + 2 * pad - window
    out = (-(-rest // stride) if ceil else rest // stride) + 1
    return out - 1 if ceil and (out - 1) * stride >= n + pad else out


def max_pooling(writer: Writer, node: Node, x: Value, *, out: Out) -> tuple[Value, ...]:
    """Where PyTorch has not these windows, over an image framed with -inf; its switches are brought back."""
    layer: Any = node.layer
    pads, told = _windows(x, layer)
    proxy, framed, switches = x.first, told is None, getattr(layer, "return_switches", False)
    if told is None:
        proxy = padded(writer, proxy, pads, -INFINITY)
        told = {"stride": layer.strides}
    cls = getattr(writer.torch.nn, f"MaxPool{layer.rank}d")
    made = writer.module(cls(layer.pool_size, return_indices=switches, **told), proxy)
    if not switches:
        return (made_first(out[0], made),)
    values, index = made[0], made[1]
    if framed:
        width = number(x.type.shape[2])
        (top, _), (left, right) = pads
        wide = left + width + right
        rows = writer.torch.div(index, wide, rounding_mode="floor") - top
        index = rows * width + (index % wide - left)
    return Value(out[0], values), Value(out[1], index, pool=node)


def average_pooling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Where PyTorch has not these windows, the mean over the frame, corrected by that of ones."""
    layer: Any = node.layer
    pads, told = _windows(x, layer)
    nn, functional = writer.torch.nn, writer.torch.nn.functional
    if told is not None:
        made = getattr(nn, f"AvgPool{layer.rank}d")(layer.pool_size, count_include_pad=False, **told)
        return made_first(out[0], writer.module(made, x.first))
    sides = tuple(end for pair in reversed(pads) for end in pair)

    def mean(proxy: Any) -> Any:
        pool = getattr(functional, f"avg_pool{layer.rank}d")
        return pool(functional.pad(proxy, sides), layer.pool_size, layer.strides)

    return made_first(out[0], mean(x.first) / mean(writer.torch.ones_like(x.first)))


def _whole(name: str) -> Form:
    def pooled(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
        nn, layer = writer.torch.nn, node.layer
        proxy = writer.module(getattr(nn, f"{name}{getattr(layer, 'rank', 2)}d")(1), x.first)
        if getattr(layer, "keepdims", False):
            return made_first(out[0], proxy)
        return Value(out[0], writer.module(nn.Flatten(), proxy, suffix="_flatten"))

    return pooled


_register(max_pooling, *_named("MaxPooling{}D"))
_register(average_pooling, *_named("AveragePooling{}D"))
_register(_whole("AdaptiveAvgPool"), *_named("GlobalAveragePooling{}D"))
_register(_whole("AdaptiveMaxPool"), *_named("GlobalMaxPooling{}D"))


# --- enlarged, framed ---


def up_sampling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Upsample."""
    layer: Any = node.layer
    how = {"mode": "bilinear", "align_corners": False} if layer.support else {"mode": "nearest"}
    scale = tuple(float(factor) for factor in layer.size)
    return made_first(out[0], writer.module(writer.torch.nn.Upsample(None, scale, **how), x.first))


def zero_padding(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """ZeroPad."""
    layer: Any = node.layer
    return made_first(out[0], padded(writer, x.first, layer.padding, suffix=""))


def cropping(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Pads below zero crop."""
    layer: Any = node.layer
    return made_first(out[0], padded(writer, x.first, [(-a, -b) for a, b in layer.cropping], suffix=""))


_register(up_sampling, *_named("UpSampling{}D"))
_register(zero_padding, *_named("ZeroPadding{}D"))
_register(cropping, *_named("Cropping{}D"))
