"""Named sizes of a graph put to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import Graph
from layerscope.core.types import BATCH, TensorType


def names(graph: Graph) -> list[str]:
    """The names of the graph's open sizes, those of its inputs first, the batch left out."""
    order = [*graph.inputs, *(n for n in range(len(graph.nodes)) if n not in set(graph.inputs))]
    found: dict[str, None] = {}
    for number in order:
        layer = graph.nodes[number].layer
        for size in _sizes([getattr(layer, f.name) for f in fields(layer) if f.init]):
            found |= dict.fromkeys(sorted(sizes.names(size) - {BATCH}))
    return list(found)


def bind(graph: Graph, values: Mapping[str, int]) -> Graph:
    """The graph in which these named sizes are numbers, wherever a layer's settings or stated types have them.

    Units: sizes by name. Shared layers stay shared; the batch of the inputs stays as it is (`propagate.types`
    takes it).
    Errors: SizeError for a number below 1, UnknownNameError for a name that the graph does not have.
    """
    known = names(graph)
    for name, value in values.items():
        sizes.checked(value, f"the size {name}")
        if name not in (*known, BATCH):
            hint = "" if known else "All its sizes are numbers, but for the batch."
            raise UnknownNameError("size", name, [*known, BATCH], hint)
    made: dict[int, Layer] = {}
    nodes = tuple(replace(node, layer=_bound(node.layer, values, made)) for node in graph.nodes)
    return replace(graph, nodes=nodes)


def _bound(layer: Layer, values: Mapping[str, int], made: dict[int, Layer]) -> Layer:
    if id(layer) not in made:
        told = {f.name: getattr(layer, f.name) for f in fields(layer) if f.init}
        changed = {key: _put(value, values) for key, value in told.items() if next(_sizes(value), None) is not None}
        changed = {key: value for key, value in changed.items() if value != told[key]}
        made[id(layer)] = replace(layer, **changed) if changed else layer
    return made[id(layer)]


def _sizes(value: Any) -> Any:
    """The open sizes in a setting."""
    if isinstance(value, sizes.Expression):
        yield value
    elif isinstance(value, TensorType):
        yield from _sizes((value.shape, value.plane or ()))
    elif isinstance(value, list | tuple):
        for part in cast(Sequence[Any], value):
            yield from _sizes(part)


def _put(value: Any, values: Mapping[str, int]) -> Any:
    if isinstance(value, sizes.Expression):
        return sizes.bind(value, values)
    if isinstance(value, TensorType):
        return value.bind(values)
    if isinstance(value, list | tuple):
        return tuple(_put(part, values) for part in cast(Sequence[Any], value))
    return value
