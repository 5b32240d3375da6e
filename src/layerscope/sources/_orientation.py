"""Which axis of an input holds channels, where its source does not say: told by the first layer that has channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from layerscope.core.dataclasses import replace
from layerscope.core.graph import Graph, Node
from layerscope.core.reach import Window
from layerscope.core.types import TensorType
from layerscope.layers.input_layer import InputLayer

Channels = Callable[[Node, Sequence[TensorType]], int | None]


def oriented(found: Graph, has_channels: Channels) -> Graph:
    """The graph whose inputs know their axis of channels: the one that the first layer with channels takes for it.

    `has_channels` says of a node which axis of its first input is the channels' (True: axis 1), if it knows. The axis
    is followed through what keeps axes apart (elementwise operators, Transpose, Pad, Cast, ...); inputs of fewer than
    three axes, and those that no such layer reads, keep the last axis.
    """
    places: dict[int, int] = {}
    types: list[tuple[TensorType, ...]] = []
    wanted = {n for n in found.inputs if found.nodes[n].layer.out()[0].rank > 2}
    seen: list[dict[int, dict[int, int]]] = []
    for number, node in enumerate(found.nodes):
        if places.keys() >= wanted:
            break
        fed = [types[source][output] for source, output in node.inputs]
        types.append(node.layer.out(*fed))
        maps: dict[int, dict[int, int]] = (
            {number: {a: a for a in range(types[number][0].rank)}} if number in wanted else {}
        )
        arriving = [seen[source] for source, _ in node.inputs]
        channels = has_channels(node, fed) if node.inputs else None
        if channels is not None and channels is not False:
            for origin, axes in arriving[0].items():
                if channels in axes.values():
                    places.setdefault(origin, next(a for a, b in axes.items() if b == channels))
        elif any(there.keys() - places.keys() for there in arriving):
            for reads, there in zip(node.layer.reach(0, *fed), arriving, strict=True):
                goes = {n: way.axis for n, way in enumerate(reads or ()) if isinstance(way, Window)}
                for origin, axes in there.items():
                    maps.setdefault(origin, {a: goes[b] for a, b in axes.items() if b in goes})
        seen.append(maps)
    nodes = list(found.nodes)
    for number, axis in places.items():
        layer = nodes[number].layer
        if isinstance(layer, InputLayer):
            nodes[number] = replace(nodes[number], layer=replace(layer, channel_axis=axis))
    return replace(found, nodes=tuple(nodes))
