"""An encoder with the decoder that leads back, as a picture: which layers face each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

from layerscope.analyses.cost import cost
from layerscope.analyses.mirror import Mirrored
from layerscope.core import propagate
from layerscope.core.types import TensorType
from layerscope.report.document import count
from layerscope.report.figures.mirrored import Facing, Mirrors, Side
from layerscope.report.figures.tensors import MEANT, UNITS
from layerscope.studies.tensors_drawn import tensor, vectors
from layerscope.telling.mirrored import off
from layerscope.telling.written import layer_words

MOST = 5
"""Layers between two levels, beside each other; of more the first and the last are drawn."""


def mirror_picture(found: Mirrored) -> Mirrors:
    """What is drawn of a mirrored encoder."""
    types = [row[0] for row in propagate.types(found.graph)]
    units = vectors(types)
    rows = tuple(_rows(found, types, units))
    code = found.decoder - 1
    image = tensor(types[found.graph.inputs[0]]).words
    parameters = sum(
        row.parameters or 0 for row in cost(found.graph, propagate.types(found.graph, 1)).layers[found.decoder :]
    )
    extra = f"{len(found.extra)} ({', '.join(found.extra)})" if found.extra else "none"
    about = f"Decoder: {count(parameters)} parameters. Crops and pads: {extra}."
    if any(found.displaced):
        about += f" The enlarged image lies {off(found)} off its place, which the convolutions have to learn."
    foot = f"{UNITS if units else MEANT} =: equal shapes."
    if any(row.equal is False for row in rows):
        foot += " ≠: different ones."
    if found.extra:
        foot += " Orange: a layer that only crops or pads."
    title = f"Mirrored by {found.up}: {image} → {tensor(types[code]).words} → {image}"
    return Mirrors(title, about, rows, _side(found, types, code, units), foot)


def _rows(found: Mirrored, types: Sequence[TensorType], units: bool) -> Iterator[Facing]:
    """Level by level: the twins in one row, what leads from one level to the next below them, side by side."""
    code = found.decoder - 1
    levels = [*reversed(found.twins), (code, code)]
    for (encoder, decoder), (deeper, begin) in pairwise(levels):
        left = _side(found, types, encoder, units)
        if decoder == begin:
            yield Facing(left, Side("nothing: left out"))
        else:
            equal = types[encoder].shape == types[decoder].shape
            yield Facing(left, _side(found, types, decoder, units), equal)
        down = _between(found, types, range(encoder + 1, deeper), units)
        up = _between(found, types, range(decoder - 1, begin, -1), units)
        for one, other in zip_longest(down, up):
            yield Facing(one, other)


def _between(found: Mirrored, types: Sequence[TensorType], numbers: Sequence[int], units: bool) -> list[Side]:
    sides = [_side(found, types, number, units) for number in numbers]
    if len(sides) <= MOST:
        return sides
    return [*sides[:2], Side(f"… {len(sides) - 4} layers …"), *sides[-2:]]


def _side(found: Mirrored, types: Sequence[TensorType], number: int, units: bool) -> Side:
    node = found.graph.nodes[number]
    said = "input" if number in found.graph.inputs else layer_words(node)
    return Side(node.label, said, tensor(types[number], units=units), node.label in found.extra)
