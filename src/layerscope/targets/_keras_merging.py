"""Sums of tensors of different shapes as Keras's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.graph import Node
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._merging import widened


def summed(writer: Any, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """An Add or Average. Where Keras on TensorFlow (3.15.1) could take a term for a bias along another axis, the
    same with Subtract, of the term times -1.
    """
    wide = max(type.rank for type in types)
    shapes = [widened(type, wide) for type in types]
    whole, mistaken = shapes[0], False
    for shape in shapes[1:]:
        mistaken = mistaken or _mistaken(whole, shape)
        whole = tuple(n if m == 1 else m for m, n in zip(whole, shape, strict=True))
    if not mistaken:
        return writer.same(node, fed)
    layers = writer.keras.layers
    made = fed[0]
    for number, term in enumerate(fed[1:], 1):
        turned = writer.layer(layers.Rescaling, node, f"_term_{number}", scale=-1.0)(term)
        last = node.layer.kind == "Add" and number == len(fed) - 1
        made = writer.layer(layers.Subtract, node, "" if last else f"_sum_{number}")([made, turned])
    return made if node.layer.kind == "Add" else writer.layer(layers.Rescaling, node, scale=1 / len(fed))(made)


def _mistaken(whole: Sequence[Size], term: Sequence[Size]) -> bool:
    """Whether `keras.ops.add` on TensorFlow may add a term along another axis than its own.

    It takes what has one size above 1 for a bias, if that is the first tensor's last or second one; the batch, too.
    """
    wide = [place for place, size in enumerate(term) if place and size != 1]
    if not wide:
        return any(size != 1 for size in whole[1:])
    (place, *more), ends = wide, (whole[-1], whole[1])
    if more or term[place] not in ends:
        return False
    return place != (len(whole) - 1 if ends[0] == term[place] else 1)
