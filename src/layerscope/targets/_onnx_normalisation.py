"""Normalising layers in ONNX's operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.targets._onnx_layers import Out, form
from layerscope.targets._onnx_pointwise import either, moved, number, shortened, turned
from layerscope.targets.onnx import Value, Writer


def _weight(writer: Writer, node: Node, role: str, x: Value, first: bool) -> str:
    """A weight in a shape that meets the input."""
    layer: Any = node.layer
    shape = [int(n) for n in layer.beside(x.type)]
    held = writer.model._variables[node.weights[role]].array.astype(np.float32).reshape(shape)
    if first:
        return writer.constant(turned(held, x.type.rank), f"{node.weights[role]}:first")
    return writer.constant(held, node.weights[role] if shape == [held.size] else f"{node.weights[role]}:beside")


def _scaled(writer: Writer, node: Node, y: str, x: Value, first: bool, roles: Sequence[tuple[str, str, bool]]) -> str:
    for kind, role, has in roles:
        if has:
            y = writer.op(kind, y, _weight(writer, node, role, x, first))
    return y


def _affine(layer: Any) -> list[tuple[str, str, bool]]:
    return [("Mul", "gamma", layer.scale), ("Add", "beta", layer.center)]


def _root(writer: Writer, variance: str, epsilon: float) -> str:
    return writer.op("Sqrt", writer.op("Add", variance, number(writer, epsilon)))


def _away(writer: Writer, x: str, axes: Sequence[int]) -> tuple[str, str]:
    """x less its mean over axes, and its variance."""
    over = writer.whole(*axes)
    away = writer.op("Sub", x, writer.op("ReduceMean", x, over, keepdims=1))
    return away, writer.op("ReduceMean", writer.op("Mul", away, away), over, keepdims=1)


@form("BatchNormalization")
def batch_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """At inference: the channels of ONNX's are the second axis. Of other axes a product and a sum."""
    layer: Any = node.layer
    (axis,), (count,) = layer.places(x.type), layer.along(x.type)
    image = axis == x.type.rank - 1 > 1 and (x.type.rank == 4 or x.first is not None)
    if image or axis == 1:
        ones = np.ones(count, np.float32)
        gamma = writer.weight(node, "gamma") if layer.scale else writer.constant(ones)
        beta = writer.weight(node, "beta") if layer.center else writer.constant(0 * ones)
        moving = [writer.weight(node, f"moving_{name}") for name in ("mean", "variance")]
        fed = writer.first(x) if image else writer.last(x)
        made = writer.op("BatchNormalization", fed, gamma, beta, *moving, epsilon=float(layer.epsilon))
        return writer.put(out[0], made, image)
    name, first = either(writer, x)
    mean, variance = (_weight(writer, node, f"moving_{name_}", x, first) for name_ in ("mean", "variance"))
    y = writer.op("Div", writer.op("Sub", name, mean), _root(writer, variance, layer.epsilon))
    return writer.put(out[0], _scaled(writer, node, y, x, first, _affine(layer)), first)


@form("LayerNormalization")
def layer_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """LayerNormalization of the last axis of a tensor that lies as in the network; else by its definition."""
    layer: Any = node.layer
    places = layer.places(x.type)
    if places == (x.type.rank - 1,) and layer.scale and not layer.rms_scaling:
        bias = [writer.weight(node, "beta")] if layer.center else []
        told = {"axis": -1, "epsilon": float(layer.epsilon)}
        made = writer.op("LayerNormalization", writer.last(x), writer.weight(node, "gamma"), *bias, **told)
        return writer.put(out[0], made, False)
    name, first = either(writer, x)
    away, variance = _away(writer, name, moved(places, first, x.type.rank))
    y = writer.op("Div", name if layer.rms_scaling else away, _root(writer, variance, layer.epsilon))
    roles = [("Mul", "gamma", True)] if layer.rms_scaling else _affine(layer)
    return writer.put(out[0], _scaled(writer, node, y, x, first, roles), first)


@form("GroupNormalization")
def group_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """InstanceNormalization of the groups as channels: that operator means the same in every version."""
    layer: Any = node.layer
    (axis,), (count,) = layer.places(x.type), layer.along(x.type)
    groups = count if layer.groups == -1 else layer.groups
    image = x.type.rank == 4 and axis == 3
    rank = x.type.rank
    if image:
        fed, order = writer.first(x), None
    else:
        order = (0, axis, *(a for a in range(1, rank) if a != axis))
        fed = writer.last(x) if axis == 1 else writer.op("Transpose", writer.last(x), perm=order)
    rows = writer.op("Reshape", fed, writer.whole(0, groups, -1))
    ones = np.ones(groups, np.float32)
    told = [writer.constant(ones), writer.constant(0 * ones)]
    made = writer.op("InstanceNormalization", rows, *told, epsilon=float(layer.epsilon))
    made = writer.op("Reshape", made, writer.op("Shape", fed))
    if not image and axis != 1:
        assert order is not None
        made = writer.op("Transpose", made, perm=sorted(range(rank), key=order.__getitem__))
    return writer.put(out[0], _scaled(writer, node, made, x, image, _affine(layer)), image)


@form("RMSNormalization")
def rms_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """By its definition: the operator came with opset 23."""
    layer: Any = node.layer
    name, first = either(writer, x)
    over = writer.whole(*moved(layer.places(x.type), first, x.type.rank))
    mean = writer.op("ReduceMean", writer.op("Mul", name, name), over, keepdims=1)
    y = writer.op("Div", name, _root(writer, mean, layer.epsilon))
    return writer.put(out[0], writer.op("Mul", y, _weight(writer, node, "scale", x, first)), first)


@form("UnitNormalization")
def unit_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A quotient by the length."""
    layer: Any = node.layer
    name, first = either(writer, x)
    return writer.put(out[0], shortened(writer, name, moved(layer.places(x.type), first, x.type.rank), 1e-12), first)
