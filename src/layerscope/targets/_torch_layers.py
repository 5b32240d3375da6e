"""Each layer in PyTorch's modules and functions, channels first.

A function gets the writer, the node, its inputs, and the types of its outputs. What it calls on proxies becomes
the network's forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core.graph import Node
from layerscope.core.sizes import number, numbers
from layerscope.core.types import TensorType
from layerscope.targets._torch_functions import FUNCTIONS, MIXING, MODULES
from layerscope.targets.torch import Value, Writer

Form = Callable[..., Value | tuple[Value, ...]]
Out = tuple[TensorType, ...]
FORMS: dict[str, Form] = {}
INFINITY = float("inf")
Pads = tuple[tuple[int, int], tuple[int, int]]


def form(kind: str) -> Callable[[Form], Form]:
    """Register the form of a layer."""

    def keep(function: Form) -> Form:
        FORMS[kind] = function
        return function

    return keep


def activated(writer: Writer, name: str | None, value: Value, suffix: bool = True) -> Value:
    """A pointwise function behind a value, as a module."""
    if name in (None, "linear"):
        return value
    nn, end = writer.torch.nn, f"_{name}" if suffix else ""
    if name in MIXING:
        made = getattr(nn, MIXING[str(name)])(dim=1 if value.type.rank == 4 else -1)
        return Value(value.type, writer.module(made, writer.rows(value), suffix=end))
    if name in FUNCTIONS:
        return Value(value.type, FUNCTIONS[str(name)](value.proxy), value.order)
    return Value(value.type, writer.module(MODULES[str(name)](nn), value.proxy, suffix=end), value.order)


def padded(writer: Writer, proxy: Any, pads: Any, value: float = 0.0, suffix: str = "_pad") -> Any:
    """Pads (negative ones crop) around height and width; PyTorch lists the last axis first."""
    (top, bottom), (left, right) = pads
    if not any((top, bottom, left, right)):
        return proxy
    sides, nn = (left, right, top, bottom), writer.torch.nn
    return writer.module(nn.ConstantPad2d(sides, value) if value else nn.ZeroPad2d(sides), proxy, suffix=suffix)


@form("Dense")
def dense(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A Linear; on an image a 1×1 convolution. Behind a Flatten its weights are put into PyTorch's order."""
    layer: Any = node.layer
    nn, units, given = writer.torch.nn, layer.units, x.type.shape[-1]
    alone = writer.alone(node)
    order = x.order if alone else None
    plane = x.type.rank == 4 and alone

    def turned(kernel: Any) -> Any:
        if order is not None:
            channels, height, width = order
            kernel = kernel.reshape(height, width, channels, units).transpose(2, 0, 1, 3).reshape(-1, units)
        return kernel.T[:, :, None, None] if plane else kernel.T

    def make() -> Any:
        cls, more = (nn.Conv2d, (1,)) if plane else (nn.Linear, ())
        found = nn.utils.skip_init(cls, given, units, *more, bias=layer.use_bias)
        found.weight = writer.parameter(node, "kernel", turned, "dense")
        if layer.use_bias:
            found.bias = writer.parameter(node, "bias")
        return found

    if x.type.rank == 4 and not alone:
        made = writer.turned(out[0], writer.weighted(node, make, writer.native(x)))
    else:
        made = Value(out[0], writer.weighted(node, make, x.proxy if order is not None else writer.rows(x)))
    return activated(writer, layer.activation, made)


def _convolution(writer: Writer, node: Node, cls: Any, x: Value, **settings: Any) -> Any:
    layer: Any = node.layer
    found = writer.torch.nn.utils.skip_init(
        cls, x.type.shape[-1], layer.filters, layer.kernel_size, stride=layer.strides, dilation=layer.dilation_rate,
        groups=layer.groups, bias=layer.use_bias, **settings,
    )  # fmt: skip
    found.weight = writer.parameter(node, "kernel", lambda kernel: kernel.transpose(3, 2, 0, 1), "convolution")
    if layer.use_bias:
        found.bias = writer.parameter(node, "bias")
    return found


@form("Conv2D")
def conv2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Pads that are alike at both ends are the module's; others stand before it."""
    layer: Any = node.layer
    pads = [place.pads for place in layer.placements(x.type)]
    both = tuple(begin for begin, _ in pads)
    proxy = x.proxy
    if any(begin != end for begin, end in pads) or any(
        layer.placements(*types) != layer.placements(x.type) for types in writer.fed(node)
    ):  # pads that are not alike at both ends, or not for each use of the layer
        proxy, both = padded(writer, proxy, pads), (0, 0)
    cls = writer.torch.nn.Conv2d
    proxy = writer.weighted(node, lambda: _convolution(writer, node, cls, x, padding=both), proxy)
    return activated(writer, layer.activation, Value(out[0], proxy))


@form("Conv2DTranspose")
def conv2d_transpose(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PyTorch crops p before and p - output_padding behind; what more is to go behind is cropped afterwards."""
    layer: Any = node.layer
    crops = [place.pads for place in layer.placements(x.type)]
    told = {
        "padding": tuple(begin for begin, _ in crops),
        "output_padding": tuple(max(begin - end, 0) for begin, end in crops),
    }
    cls = writer.torch.nn.ConvTranspose2d
    proxy = writer.weighted(node, lambda: _convolution(writer, node, cls, x, **told), x.proxy)
    rest = [(0, -max(end - begin, 0)) for begin, end in crops]
    return activated(writer, layer.activation, Value(out[0], padded(writer, proxy, rest, suffix="_crop")))


def _windows(x: Value, layer: Any) -> tuple[Pads, dict[str, Any] | None]:
    """Pads of each axis, and the settings by which PyTorch's pools have the same windows, if there are any."""
    found = layer.placements(x.type)
    pads = tuple(place.pads for place in found)
    begin = tuple(pair[0] for pair in pads)
    for ceil in (False, True):
        fits = True
        for n, k, s, place in zip(x.type.shape[1:3], layer.pool_size, layer.strides, found, strict=True):
            if layer.padding == "valid" and not ceil:
                continue
            fits &= (
                2 * place.pads[0] <= k and isinstance(n, int) and _pooled(n, k, s, place.pads[0], ceil) == place.out
            )
        if fits:
            return pads, {"stride": layer.strides, "padding": begin, "ceil_mode": ceil}
    return pads, None


def _pooled(n: int, window: int, stride: int, pad: int, ceil: bool) -> int:
    """The size that PyTorch gives a pooled axis."""
    rest = n + 2 * pad - window
    out = (-(-rest // stride) if ceil else rest // stride) + 1
    return out - 1 if ceil and (out - 1) * stride >= n + pad else out


@form("MaxPooling2D")
def max_pooling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> tuple[Value, ...]:
    """Where PyTorch has not these windows, over an image framed with -inf; its switches are brought back."""
    layer: Any = node.layer
    pads, told = _windows(x, layer)
    nn, proxy = writer.torch.nn, x.proxy
    if told is None:
        proxy = padded(writer, proxy, pads, -INFINITY)
        told, framed = {"stride": layer.strides}, True
    else:
        framed = False
    made = writer.module(nn.MaxPool2d(layer.pool_size, return_indices=layer.return_switches, **told), proxy)
    if not layer.return_switches:
        return (Value(out[0], made),)
    values, index = made[0], made[1]
    if framed:
        width = number(x.type.shape[2])
        (top, _), (left, right) = pads
        wide = left + width + right
        rows = writer.torch.div(index, wide, rounding_mode="floor") - top
        index = rows * width + (index % wide - left)
    return Value(out[0], values), Value(out[1], index, pool=node)


@form("MaxUnpooling2D")
def max_unpooling2d(writer: Writer, node: Node, x: Value, switches: Value, *, out: Out) -> Value:
    """PyTorch's own where no two values can have the same place; else the last one has it, as in the network.

    Then each place learns the largest number of a value that claims it, and fetches that value; one number more
    stands for a zero. So the gradient goes to that value alone.
    """
    layer: Any = node.layer
    torch, plane = writer.torch, numbers(out[0].shape[1:3])
    pool: Any = switches.pool.layer if switches.pool else None
    apart = pool is not None and all(s >= k for s, k in zip(pool.strides, pool.pool_size, strict=True))
    places, values = switches.proxy, x.proxy
    if apart and _takes(layer, x.type, plane):
        unpool = torch.nn.functional.max_unpool2d
        made = unpool(values, places, layer.pool_size, layer.strides, output_size=plane)
        return Value(out[0], made)
    places, values = places.flatten(2).to(torch.int64), values.flatten(2)
    batch, channels = places.size(0), places.size(1)
    area, count = plane[0] * plane[1], int(x.type.shape[1]) * int(x.type.shape[2])  # pyright: ignore[reportArgumentType]
    if apart:
        flat = values.new_zeros((batch, channels, area)).scatter(2, places, values)
    else:
        claims = places.new_ones((batch, channels, count)).cumsum(2) - 1
        owners = places.new_full((batch, channels, area), -1).scatter_reduce(2, places, claims, "amax")
        owners = owners % (count + 1)
        flat = torch.nn.functional.pad(values, (0, 1)).gather(2, owners)
    return Value(out[0], flat.unflatten(2, plane))


def _takes(layer: Any, x: TensorType, plane: tuple[int, ...]) -> bool:
    """Whether PyTorch's unpooling takes this plane: one within a stride of (n - 1)·s + k."""
    for n, k, s, wanted in zip(x.shape[1:3], layer.pool_size, layer.strides, plane, strict=True):
        usual = (int(n) - 1) * s + k  # pyright: ignore[reportArgumentType]
        if not usual - s < wanted < usual + s:
            return False
    return True


@form("AveragePooling2D")
def average_pooling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Where PyTorch has not these windows, the mean over the frame, corrected by that of ones."""
    layer: Any = node.layer
    pads, told = _windows(x, layer)
    nn, functional = writer.torch.nn, writer.torch.nn.functional
    if told is not None:
        made = nn.AvgPool2d(layer.pool_size, count_include_pad=False, **told)
        return Value(out[0], writer.module(made, x.proxy))
    (top, bottom), (left, right) = pads

    def mean(proxy: Any) -> Any:
        framed = functional.pad(proxy, (left, right, top, bottom))
        return functional.avg_pool2d(framed, layer.pool_size, layer.strides)

    return Value(out[0], mean(x.proxy) / mean(writer.torch.ones_like(x.proxy)))


def _global(name: str) -> Form:
    def pooled(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
        nn, layer = writer.torch.nn, node.layer
        proxy = writer.module(getattr(nn, name)(1), x.proxy)
        keeps = getattr(layer, "keepdims", False)
        return Value(out[0], proxy if keeps else writer.module(nn.Flatten(), proxy, suffix="_flatten"))

    return pooled


FORMS["GlobalAveragePooling2D"] = _global("AdaptiveAvgPool2d")
FORMS["GlobalMaxPooling2D"] = _global("AdaptiveMaxPool2d")


@form("UpSampling2D")
def up_sampling2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Upsample."""
    layer: Any = node.layer
    how = {"align_corners": False} if layer.interpolation == "bilinear" else {}
    scale = tuple(float(factor) for factor in layer.size)
    return Value(out[0], writer.module(writer.torch.nn.Upsample(None, scale, layer.interpolation, **how), x.proxy))


@form("BedOfNails2D")
def bed_of_nails2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """An axis of one cell behind each axis, filled up with zeros."""
    layer: Any = node.layer
    s, t = layer.size
    wide = writer.torch.nn.functional.pad(x.proxy.unsqueeze(3).unsqueeze(5), (0, t - 1, 0, 0, 0, s - 1))
    return Value(out[0], wide.flatten(4, 5).flatten(2, 3))


@form("PixelShuffle2D")
def pixel_shuffle2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PixelShuffle; with two factors its definition."""
    layer: Any = node.layer
    r, s = layer.size
    if r == s:
        return Value(out[0], writer.module(writer.torch.nn.PixelShuffle(r), x.proxy))
    blocks = x.proxy.unflatten(1, (-1, r, s)).permute(0, 1, 4, 2, 5, 3)
    return Value(out[0], blocks.flatten(4, 5).flatten(2, 3))


@form("ZeroPadding2D")
def zero_padding2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """ZeroPad2d."""
    layer: Any = node.layer
    return Value(out[0], padded(writer, x.proxy, layer.padding, suffix=""))


@form("Cropping2D")
def cropping2d(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Pads below zero crop."""
    layer: Any = node.layer
    return Value(out[0], padded(writer, x.proxy, [(-a, -b) for a, b in layer.cropping], suffix=""))


@form("Add")
def add(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """A sum, one after another."""
    total = writer.rows(values[0])
    for value in values[1:]:
        total = total + writer.rows(value)
    return Value(out[0], total)


@form("Concatenate")
def concatenate(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """torch.cat, of channels at axis 1."""
    layer: Any = node.layer
    axis = layer.axis % out[0].rank
    dim = (0, 2, 3, 1)[axis] if out[0].rank == 4 else axis
    return Value(out[0], writer.torch.cat([writer.rows(value) for value in values], dim=dim))


@form("Flatten")
def flatten(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PyTorch's own; that its order is another one is kept in mind until it matters."""
    if x.type.rank == 2:
        return x
    if x.type.rank == 1:
        return Value(out[0], x.proxy.unsqueeze(1))
    if x.type.rank == 4 and not all(isinstance(n, int) for n in x.type.shape[1:]):
        return Value(out[0], writer.native(x).flatten(1))
    proxy = writer.module(writer.torch.nn.Flatten(), x.proxy)
    if x.type.rank != 4:
        return Value(out[0], proxy)
    height, width, channels = numbers(x.type.shape[1:])
    return Value(out[0], proxy, None if alike(x.type) else (channels, height, width))


def alike(type: TensorType) -> bool:
    """Whether an image's numbers in a row are in the same order, channels first or last."""
    if type.rank != 4 or not all(isinstance(n, int) for n in type.shape[1:]):
        return False
    height, width, channels = numbers(type.shape[1:])
    return channels == 1 or height * width == 1


@form("Reshape")
def reshape(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Flatten and Unflatten; of channels last where the order of the numbers is another one."""
    layer: Any = node.layer
    target = layer.target_shape
    last = out[0].shape[-1:] + out[0].shape[1:-1]
    if x.order is not None and last == x.order:
        return Value(out[0], writer.module(writer.torch.nn.Unflatten(1, x.order), x.proxy))
    proxy = x.proxy if alike(x.type) else writer.native(x)
    if x.type.rank > 2:
        proxy = writer.module(writer.torch.nn.Flatten(), proxy, suffix="_flatten")
    elif x.type.rank == 1:
        proxy = proxy.unsqueeze(1)
    if not target:
        return Value(out[0], proxy.squeeze(1))
    if alike(out[0]):
        return Value(out[0], writer.module(writer.torch.nn.Unflatten(1, numbers(last)), proxy))
    if len(target) > 1:
        proxy = writer.module(writer.torch.nn.Unflatten(1, target), proxy)
    return writer.turned(out[0], proxy)


@form("Activation")
def activation(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """The function alone."""
    layer: Any = node.layer
    return activated(writer, layer.activation, x, suffix=False)
