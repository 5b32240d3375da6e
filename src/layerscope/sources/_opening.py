"""An open batch: a function is followed for two numbers of examples, and what grows with them is a multiple of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import fields, replace
from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph, Node
from layerscope.core.types import BATCH, TensorType
from layerscope.layers.input_layer import InputLayer
from layerscope.sources._asked import Asked

FEW, MANY = 11, 13
"""Sizes that a network would hardly have by itself, and of which none is a multiple of the other."""

NUMBERS = {"indices", "lists"}
"""Settings that say which numbers a tensor has; where they depend on the batch, nobody knows them."""


class _Unlike(Exception):
    """Where the two differ in a way that no batch explains."""


def followed(follow: Callable[[Asked], Graph], given: Asked) -> Graph:
    """The graph with an open batch. SourceError where a size or the network itself depends on it in another way."""
    few = follow(given.filled(FEW))
    many = follow(given.filled(MANY))
    alike = len(few.nodes) == len(many.nodes) and few.outputs == many.outputs and few.inputs == many.inputs
    if not alike or few.parameters != many.parameters:
        raise SourceError(f"for {FEW} and {MANY} examples it is not the same network; give a number for the batch")
    nodes: list[Node] = []
    for one, other in zip(few.nodes, many.nodes, strict=True):
        try:
            if type(one.layer) is not type(other.layer) or one.inputs != other.inputs:
                raise _Unlike("it is another layer")
            nodes.append(replace(one, layer=_layer(one.layer, other.layer)))
        except _Unlike as error:
            raise SourceError(
                f"{one.label} ({one.layer.kind}): for {FEW} and {MANY} examples {error}; give a number for the batch"
            ) from None
    return replace(few, nodes=tuple(nodes))


def _layer(one: Layer, other: Layer) -> Layer:
    changed: dict[str, Any] = {}
    for field in fields(one):
        if field.name != "name":
            before, after = getattr(one, field.name), getattr(other, field.name)
            if field.name in NUMBERS:
                made = before if before == after else field.default
            else:
                made = _joined(before, after, field.name)
            if made is not before:
                changed[field.name] = made
    if isinstance(one, InputLayer) and "batch_size" in changed:
        changed["batch_size"] = None
    return replace(one, **changed) if changed else one


def _joined(one: Any, other: Any, name: str) -> Any:
    """A setting in which what is a multiple of the number of examples is one of the open batch."""
    if isinstance(one, TensorType) and isinstance(other, TensorType):
        shape = _joined(one.shape, other.shape, name)
        return one if shape is one.shape else replace(one, shape=shape)
    if isinstance(one, Layer) and isinstance(other, Layer) and type(one) is type(other):
        return _layer(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list) and len(one) == len(other):
        pairs = zip(cast(Sequence[Any], one), cast(Sequence[Any], other), strict=True)
        parts = [_joined(a, b, name) for a, b in pairs]
        same = all(part is before for part, before in zip(parts, one, strict=True))
        return one if same else type(one)(parts)
    if isinstance(one, Mapping) or one == other:
        if one != other:
            raise _Unlike(f"its {name} is {one} and {other}")
        return one
    if isinstance(one, int) and isinstance(other, int) and one % FEW == 0 and other == one // FEW * MANY:
        return sizes.named(BATCH) * (one // FEW)
    raise _Unlike(f"its {name} is {one} and {other}")
