"""Each layer in PyTorch's modules and functions, channels first.

A function gets the writer, the node, its inputs, and the types of its outputs. What it calls on proxies becomes
the network's forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.targets._torch_functions import FUNCTIONS, MIXING, MODULES
from layerscope.targets.torch import Value, Writer, made_first

Form = Callable[..., Value | tuple[Value, ...]]
Out = tuple[TensorType, ...]
FORMS: dict[str, Form] = {}


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
        if value.order is not None:
            value = Value(value.type, writer.rows(value))
        made = getattr(nn, MIXING[str(name)])(dim=1 if value.type.rank == 4 or value.turned else -1)
        return value.like(value.type, writer.module(made, value.held, suffix=end))
    if name in FUNCTIONS:
        return value.like(value.type, FUNCTIONS[str(name)](value.held))
    return value.like(value.type, writer.module(MODULES[str(name)](nn), value.held, suffix=end))


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
            kernel = kernel.reshape(*order[1:], order[0], units)
            kernel = np.moveaxis(kernel, -2, 0).reshape(-1, units)
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


@form("Add")
def add(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """A sum, one after another."""
    proxies, first = _together(writer, values)
    total = proxies[0]
    for proxy in proxies[1:]:
        total = total + proxy
    return Value(out[0], first=total) if first else Value(out[0], total)


def _together(writer: Writer, values: Sequence[Value]) -> tuple[list[Any], bool]:
    """The proxies of all values in one layout, channels first where one is a sequence or a volume that lies so; and
    whether they do.
    """
    first = any(value.turned for value in values)
    return [value.first if first else writer.rows(value) for value in values], first


@form("Concatenate")
def concatenate(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """torch.cat, of channels at axis 1."""
    layer: Any = node.layer
    axis, rank = layer.axis % out[0].rank, out[0].rank
    proxies, first = _together(writer, values)
    dim = (0, *range(2, rank), 1)[axis] if rank == 4 or first else axis
    made = writer.torch.cat(proxies, dim=dim)
    return Value(out[0], first=made) if first else Value(out[0], made)


@form("Flatten")
def flatten(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PyTorch's own; that its order is another one is kept in mind until it matters."""
    if x.type.rank == 2:
        return x
    if x.type.rank == 1:
        return Value(out[0], x.proxy.unsqueeze(1))
    first = x.type.rank == 4 or x.turned
    if first and not all(isinstance(n, int) for n in x.type.shape[1:]):
        return Value(out[0], writer.native(x).flatten(1))
    proxy = writer.module(writer.torch.nn.Flatten(), x.held)
    if not first:
        return Value(out[0], proxy)
    *middle, channels = numbers(x.type.shape[1:])
    same = channels == 1 or prod(middle) == 1
    return Value(out[0], proxy, None if same else (channels, *middle))


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
        return made_first(out[0], writer.module(writer.torch.nn.Unflatten(1, x.order), x.proxy))
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
