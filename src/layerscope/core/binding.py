"""Putting numbers for named sizes, in a whole network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import fields, replace
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import Graph
from layerscope.core.types import BATCH, TensorType

MOST = 24
"""Open sizes that a message names."""


def names(graph: Graph) -> list[str]:
    """The names of the graph's open sizes, those of its inputs first; not the batch's."""
    order = [*graph.inputs, *(number for number in range(len(graph.nodes)) if number not in graph.inputs)]
    found: dict[str, None] = {}
    for number in order:
        layer = graph.nodes[number].layer
        for size in _open([getattr(layer, field.name) for field in fields(layer)]):
            found |= dict.fromkeys(sorted(sizes.names(size) - {BATCH}))
    return list(found)


def _open(value: Any) -> Iterator[sizes.Expression]:
    if isinstance(value, sizes.Expression):
        yield value
    elif isinstance(value, TensorType):
        yield from _open([*value.shape, *(value.plane or ())])
    elif isinstance(value, tuple | list):
        for part in cast(Sequence[Any], value):
            yield from _open(part)


def put(graph: Graph, values: Mapping[str, int]) -> Graph:
    """As `bind`, of a user's numbers. SizeError for one below 1, UnknownNameError for a name that no size has."""
    known = names(graph)
    for name, value in values.items():
        sizes.checked(value, f"the size {name}")
        if name not in (*known, BATCH):
            raise _unknown(name, known)
    return bind(graph, values)


def _unknown(name: str, known: Sequence[str]) -> UnknownNameError:
    """It lists what is open, the nearest names apart."""
    if not known:
        return UnknownNameError("size", name, [BATCH], "All its sizes are numbers, but for the batch.")
    names = [*known, BATCH]
    error = UnknownNameError("size", name, names)
    if not error.nearest and len(names) <= MOST:
        return error
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    return UnknownNameError("size", name, names, f"Open sizes: {', '.join(names[:MOST])}{more}.")


def bind(graph: Graph, values: Mapping[str, int]) -> Graph:
    """The graph in which named sizes, in inputs and in settings such as a shape to reshape to, are these numbers.

    A layer that is used twice stays one layer.
    """
    made: dict[int, Layer] = {}
    for node in graph.nodes:
        if id(node.layer) not in made:
            made[id(node.layer)] = _layer(node.layer, values)
    return replace(graph, nodes=tuple(replace(node, layer=made[id(node.layer)]) for node in graph.nodes))


def _layer(layer: Layer, values: Mapping[str, int]) -> Layer:
    changed: dict[str, Any] = {}
    for field in fields(layer):
        before = getattr(layer, field.name)
        after = _value(before, values)
        if after is not before:
            changed[field.name] = after
    return replace(layer, **changed) if changed else layer


def _value(value: Any, values: Mapping[str, int]) -> Any:
    """The setting with its open sizes bound; the same object where there are none."""
    if isinstance(value, sizes.Expression):
        return sizes.bind(value, values) if sizes.names(value) & values.keys() else value
    if isinstance(value, TensorType):
        bound = value.bind(values)
        return value if bound == value else bound
    if isinstance(value, tuple | list):
        before = cast(Sequence[Any], value)
        after = [_value(part, values) for part in before]
        return tuple(after) if any(a is not b for a, b in zip(after, before, strict=True)) else before
    return value
