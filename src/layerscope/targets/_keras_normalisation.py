"""Normalization as Keras's layer, whose weights are no weights of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.graph import Node
from layerscope.core.types import TensorType


def normalization(writer: Any, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """What was adapted to data is part of the layer when it is finished."""
    layer: Any = node.layer
    told = writer.settings(layer) | {"axis": layer.axis or None}
    made = writer.layer(writer.keras.layers.Normalization, node, **told)
    if node.weights and not made.built:
        made.build(tuple(fed[0].shape))
        made.set_weights([writer.model._variables[id_].numpy() for id_ in node.weights.values()])
        made.finalize_state()
    return made(fed[0])


def layer_normalization(writer: Any, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """Of inner axes, which Keras on PyTorch (3.15.1) takes for the last ones, the same behind a Permute."""
    layer: Any = node.layer
    rank = types[0].rank
    places = [axis % rank for axis in layer.axes]
    if places == list(range(rank - len(places), rank)):
        return writer.same(node, fed)
    order = [place for place in range(1, rank) if place not in places] + places
    back = [order.index(place) + 1 for place in range(1, rank)]
    layers, told = writer.keras.layers, writer.settings(layer)
    turned = writer.layer(layers.Permute, node, "_last", dims=tuple(order))(fed[0])
    axis = -1 if len(places) == 1 else [*range(rank - len(places), rank)]
    made = writer.layer(layers.LayerNormalization, node, **told | {"axis": axis})
    made = writer.weighted(made, node, turned) if node.weights else made(turned)
    return writer.layer(layers.Permute, node, "_back", dims=tuple(back))(made)
