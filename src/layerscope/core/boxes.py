"""Boxes of positions of a tensor: one set of indices for each axis, and how a layer carries them to and fro.

Where branches meet, two boxes need not make one box: a position that lies in neither, but in the smallest box
around both, must not be followed on. So what goes through a network is a *region*, a few boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.errors import ShapeError
from layerscope.core.indices import Indices
from layerscope.core.reach import Everything, Fixed, Reads
from layerscope.core.types import TensorType

Box = tuple[Indices, ...]
"""All combinations of indices, one from each axis."""
Region = tuple[Box, ...]
"""The union of boxes."""
MOST_BOXES = 24
"""Of more than so many boxes two are put into one that holds both, so the cost of a layer is bounded."""


def whole(type: TensorType) -> Box:
    """All positions of a tensor; ShapeError where a size is open."""
    return tuple(_all(size) for size in type.shape)


def single(position: Sequence[int]) -> Box:
    """One position."""
    return tuple(Indices(((n, n),)) for n in position)


def _all(size: object) -> Indices:
    return Indices(((0, _known(size) - 1),))


def _known(size: object) -> int:
    if isinstance(size, int):
        return size
    raise ShapeError(f"the size {size} is open; give it a number, by sizes= in Python or --set on the command line")


def pull(reads: Reads | None, box: Box, type: TensorType) -> Box | None:
    """The box of an input of this type on which a box of the output depends; None for nothing."""
    if reads is None or not all(box):
        return None
    pulled: list[Indices] = []
    for relation, size in zip(reads, type.shape, strict=True):
        if isinstance(relation, Fixed):
            pulled.append(Indices(((relation.index, relation.index),)))
        elif isinstance(relation, Everything):
            pulled.append(_all(size))
        else:
            pulled.append(relation.pull(box[relation.axis]).clip(_known(size)))
        if not pulled[-1]:
            return None
    return tuple(pulled)


def push(reads: Reads | None, box: Box, type: TensorType) -> Box | None:
    """The box of an output of this type that depends on a box of the input; None for nothing."""
    if reads is None or not all(box):
        return None
    pushed = list(whole(type))
    for relation, indices in zip(reads, box, strict=True):
        if isinstance(relation, Fixed):
            if not indices & Indices(((relation.index, relation.index),)):
                return None
        elif not isinstance(relation, Everything):
            axis = relation.axis
            pushed[axis] = pushed[axis] & relation.push(indices).clip(_known(type.shape[axis]))
            if not pushed[axis]:
                return None
    return tuple(pushed)


def around(region: Region) -> Box:
    """The smallest box that holds a region; exact along each axis by itself."""
    first, *rest = region
    for box in rest:
        first = tuple(a | b for a, b in zip(first, box, strict=True))
    return first


def union(one: Region, other: Region) -> Region:
    """Both regions, in as few boxes as is plain: none within another, none that differ along one axis only."""
    found = list(one)
    for box in other:
        _add(found, box)
    while len(found) > MOST_BOXES:
        _add(found, around((found.pop(), found.pop())))
    return tuple(found)


def _add(found: list[Box], box: Box) -> None:
    for number, other in enumerate(found):
        both = around((other, box))
        different = [axis for axis, part in enumerate(both) if part != other[axis]]
        if not different:
            return
        if len(different) == 1 and all(other[n] == part for n, part in enumerate(box) if n not in different):
            del found[number]
            return _add(found, both)
        if both == box:
            del found[number]
            return _add(found, box)
    found.append(box)
