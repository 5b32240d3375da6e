"""Arithmetic that many families share: axes by number, broadcasting, checks of operands."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.errors import ShapeError, SizeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show


def needed(operands: Sequence[TensorType | None], number: int, what: str) -> TensorType:
    """The operand of this number; ShapeError naming it where it is left out."""
    found = optional(operands, number)
    if found is None:
        raise ShapeError(f"needs its operand {number} ({what}), which is left out")
    return found


def optional(operands: Sequence[TensorType | None], number: int | None) -> TensorType | None:
    """The operand of this number, None where it is left out."""
    return operands[number] if number is not None and 0 <= number < len(operands) else None


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the start; ShapeError where there is no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} is not one of the {rank} axes of its input")
    return axis % rank


def known(size: Size, what: str) -> int:
    """A size that has to be a number; ShapeError naming it otherwise."""
    try:
        return sizes.number(size)
    except SizeError:
        raise ShapeError(f"needs to know {what}, but the size {size} is open") from None


def fits(left: Size, right: Size, what: str, other: str) -> None:
    """ShapeError where two sizes that have to be equal are not."""
    if not sizes.equal(left, right):
        raise ShapeError(f"{what} is {left}, but {other} is {right}")


def rank_of(type: TensorType, least: int, what: str = "its input", most: int | None = None) -> int:
    """The number of axes; ShapeError where there are fewer than `least` or more than `most`."""
    if type.rank < least or (most is not None and type.rank > most):
        wanted = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        raise ShapeError(f"{what} must have {wanted} axes, but has the shape {type}")
    return type.rank


def broadcast(*shapes: Sequence[Size]) -> tuple[Size, ...]:
    """The shape to which all of these stretch, aligned at the last axis; ShapeError where they do not."""
    rank = max((len(shape) for shape in shapes), default=0)
    found: list[Size] = []
    for back in range(rank, 0, -1):
        result: Size = 1
        for shape in shapes:
            if back <= len(shape):
                result = _stretched(result, shape[-back], shapes)
        found.append(result)
    return tuple(found)


def _stretched(one: Size, other: Size, shapes: Sequence[Sequence[Size]]) -> Size:
    if one == 1 or one == other:
        return other
    if other == 1:
        return one
    if not sizes.equal(one, other):
        listed = " and ".join(show(tuple(shape)) for shape in shapes)
        raise ShapeError(f"its operands {listed} do not broadcast: {one} against {other}")
    return one if isinstance(one, int) else other


def stretches(shape: Sequence[Size], to: Sequence[Size]) -> bool:
    """Whether a shape stretches to another one, aligned at the last axis."""
    if len(shape) > len(to):
        return False
    return all(n == 1 or sizes.equal(n, to[axis - len(shape)]) for axis, n in enumerate(shape))


def broadcast_reads(shape: Sequence[Size], out: Sequence[Size]) -> Reads:
    """How an operand of this shape is read where it stretches to `out`; a stretched axis is read whole."""
    shift = len(out) - len(shape)
    return tuple(
        EVERYTHING if size == 1 and out[axis + shift] != 1 else Window(axis + shift)
        for axis, size in enumerate(shape)
    )


def whole(type: TensorType | None) -> Reads | None:
    """All of an operand is read, whatever the output."""
    return None if type is None else (EVERYTHING,) * type.rank


def is_floating(dtype: str) -> bool:
    """Whether numbers of this dtype have gradients."""
    return dtype.startswith(("float", "bfloat", "complex"))
