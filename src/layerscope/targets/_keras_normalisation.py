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
