"""Normalising layers as PyTorch's modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.targets._torch_layers import Out, form
from layerscope.targets._torch_pointwise import against
from layerscope.targets.torch import Value, Writer, dtype, made_first


def _affine(writer: Writer, node: Node, found: Any, count: int, turn: Callable[[Any], Any] = np.asarray) -> Any:
    """The module with gamma and beta; PyTorch's has both or none."""
    layer: Any = node.layer
    nn, torch, type = writer.torch.nn, writer.torch, dtype(writer.model, writer.torch)
    fixed = {"weight": torch.ones(count, dtype=type), "bias": torch.zeros(count, dtype=type)}
    for name, role, has in (("weight", "gamma", layer.scale), ("bias", "beta", layer.center)):
        if has:
            setattr(found, name, writer.parameter(node, role, turn))
        elif layer.scale or layer.center:
            setattr(found, name, nn.Parameter(fixed[name], requires_grad=False))
    return found


def _channels_second(
    writer: Writer, node: Node, x: Value, out: TensorType, axis: int, make: Callable[[], Any], flat: bool = False
) -> Value:
    """A module whose channels are the second axis, put to the axis of ours; `flat`: of three axes, whatever ours."""

    def made(proxy: Any) -> Any:
        if not flat:
            return writer.weighted(node, make, proxy)
        sizes = numbers(size for place, size in enumerate(x.type.shape) if place not in (0, axis))
        return writer.weighted(node, make, proxy.flatten(2)).unflatten(2, sizes)

    if x.type.rank > 2 and axis == x.type.rank - 1:
        return made_first(out, made(x.first))
    proxy = writer.native(x)
    if axis == 1:
        return writer.turned(out, made(proxy))
    return writer.turned(out, made(proxy.movedim(axis, 1)).movedim(1, axis))


@form("BatchNormalization")
def batch_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A BatchNorm, channels second; PyTorch's momentum is the share of the new value; statistics come along.

    Of four or five axes, one of size 1 among them, PyTorch (2.13, CPU) can mistake the order, and all gradients are
    wrong (docs/disagreements.md): there it is a BatchNorm1d of the positions in a row.
    """
    layer: Any = node.layer
    nn, (axis,), (count,) = writer.torch.nn, layer.places(x.type), layer.along(x.type)
    others = {size for place, size in enumerate(x.type.shape) if place not in (0, axis)}
    flat = x.type.rank > 3 and 1 in others and len(others) > 1 and count > 1
    rank = 3 if flat else x.type.rank
    cls = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[rank]

    def array(role: str) -> Any:
        return writer.torch.from_numpy(np.array(writer.model._variables[node.weights[role]].array))

    def make() -> Any:
        found = cls(count, eps=layer.epsilon, momentum=1 - layer.momentum, affine=layer.scale or layer.center)
        found.running_mean, found.running_var = array("moving_mean"), array("moving_variance")
        return _affine(writer, node, found, count)

    return _channels_second(writer, node, x, out[0], axis, make, flat)


@form("GroupNormalization")
def group_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A GroupNorm, channels second."""
    layer: Any = node.layer
    (axis,), (count,) = layer.places(x.type), layer.along(x.type)
    groups = count if layer.groups == -1 else layer.groups

    def make() -> Any:
        found = writer.torch.nn.GroupNorm(groups, count, eps=layer.epsilon, affine=layer.scale or layer.center)
        return _affine(writer, node, found, count)

    return _channels_second(writer, node, x, out[0], axis, make)


def _last(writer: Writer, node: Node, x: Value, out: TensorType, make: Callable[[tuple[int, ...]], Any]) -> Value:
    """A module of the last axes, put to the axes of ours."""
    layer: Any = node.layer
    places = tuple(sorted(layer.places(x.type)))
    ends = tuple(range(-len(places), 0))
    sizes = numbers(x.type.shape[place] for place in places)
    proxy, there = writer.native(x), places == tuple(range(x.type.rank - len(places), x.type.rank))
    made = writer.weighted(node, lambda: make(sizes), proxy if there else proxy.movedim(places, ends))
    return writer.turned(out, made if there else made.movedim(ends, places))


@form("LayerNormalization")
def layer_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A LayerNorm of the last axes; Keras's rms_scaling by its definition."""
    layer: Any = node.layer
    if layer.rms_scaling:
        dims = tuple((0, 2, 3, 1)[axis] if x.type.rank == 4 else axis for axis in layer.places(x.type))
        proxy, shape = writer.rows(x), layer.beside(x.type)
        weight = writer.parameter(node, "gamma", lambda a: against(writer, a.reshape(shape), x.type), "beside")
        variance = proxy.var(dim=dims, unbiased=False, keepdim=True)
        return Value(out[0], proxy * (variance + layer.epsilon).rsqrt() * writer.attribute("gamma", weight))

    def make(sizes: tuple[int, ...]) -> Any:
        affine, type = layer.scale or layer.center, dtype(writer.model, writer.torch)
        found = writer.torch.nn.LayerNorm(sizes, layer.epsilon, affine, layer.center, dtype=type)
        for name, role, has in (("weight", "gamma", layer.scale), ("bias", "beta", layer.center)):
            if has:
                setattr(found, name, writer.parameter(node, role, lambda a: a.reshape(sizes), "layer"))
        if layer.center and not layer.scale:
            found.weight.requires_grad_(False)
        return found

    return _last(writer, node, x, out[0], make)


@form("RMSNormalization")
def rms_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """An RMSNorm of the last axes."""
    layer: Any = node.layer

    def make(sizes: tuple[int, ...]) -> Any:
        found = writer.torch.nn.RMSNorm(sizes, layer.epsilon)
        found.weight = writer.parameter(node, "scale", lambda a: a.reshape(sizes), "layer")
        return found

    return _last(writer, node, x, out[0], make)


@form("UnitNormalization")
def unit_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A quotient by the length."""
    layer: Any = node.layer
    dims = tuple((0, 2, 3, 1)[axis] if x.type.rank == 4 else axis for axis in layer.places(x.type))
    proxy = writer.rows(x)
    if len(dims) == 1:
        return Value(out[0], writer.torch.nn.functional.normalize(proxy, dim=dims[0]))
    return Value(out[0], proxy / (proxy * proxy).sum(dim=dims, keepdim=True).sqrt().clamp(min=1e-12))
