"""Operators that move data: they multiply nothing and, most of them, compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Everything, Fixed, Reads, Relation, Spread, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._operator import Operator

Way = Relation | Everything
SIZED = (
    "shape",
    "shapes",
    "starts",
    "ends",
    "begins",
    "repeats",
    "lengths",
    "depth",
    "k",
    "image_shape",
    "axes",
    "perm",
    "picks",
    "indices",
    "lists",
)
"""Settings that hold sizes, or whole numbers."""
ROWS = (": shapes", ": picks", ": lists")
"""Settings that hold rows of them."""


def _sizes(value: Any, what: str) -> Any:
    """Sizes (of ROWS, rows of them), or one size, as they are, those of JSON by name; else SettingError."""
    if isinstance(value, tuple | list):
        return tuple(_row(part, what) if what.endswith(ROWS) else _size(part, what) for part in _parts(value))
    return _size(value, what)


def _row(value: Any, what: str) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_size(part, what) for part in _parts(value))
    return _size(value, what)


def _parts(value: Any) -> Sequence[Any]:
    return cast(Sequence[Any], value)


def _size(value: Any, what: str) -> Any:
    if value is None or isinstance(value, sizes.Expression):
        return value
    if isinstance(value, str):
        return sizes.from_json(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingError(f"{what} must be whole numbers or sizes, not {value!r}")
    return value


@dataclass(frozen=True, eq=False)
class Moving(Operator):
    """Base of the operators that move data."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in SIZED:
            if hasattr(self, name):
                object.__setattr__(self, name, _sizes(getattr(self, name), f"{self.kind}: {name}"))

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED


@dataclass(frozen=True, eq=False)
class View(Moving):
    """Base of those that give the same numbers in the same order with other axes, and need no memory."""

    def viewed(self, *types: TensorType) -> int | None:
        return 0 if self.slots[0] is None else None

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = operands[0]
        assert x is not None
        (y,) = self.infer(*operands)
        return (regrouped(x.shape, y.shape), *without_elements(operands[1:]))


def without_elements(operands: Sequence[TensorType | None]) -> tuple[Reads | None, ...]:
    """Operands that say how, not what: they are read whole."""
    return tuple(None if x is None else (EVERYTHING,) * x.rank for x in operands)


def regrouped(before: Sequence[Size], after: Sequence[Size]) -> Reads:
    """How the axes of a tensor are read that is reshaped, in row-major order.

    Axes that stay are read at their own index; where axes of size 1 are all that goes, these at 0. Where axes are
    merged, the outermost one is read at floor(o / inner); where one is split, a block of it belongs to each index of
    the outermost part. All else is read whole: other axes of size 1, inner ones, groups of several axes that become
    several others, and what is flattened to rows of features.
    """
    ways: list[Way] = [EVERYTHING] * len(before)
    low, high, shift = 0, len(before), len(after) - len(before)
    while low < high and low < high + shift and before[low] == after[low]:
        ways[low] = Window(low)
        low += 1
    while high > low and high + shift > low and before[high - 1] == after[high - 1 + shift]:
        high -= 1
        ways[high] = Window(high + shift)
    mine = [axis for axis in range(low, high) if before[axis] != 1]
    theirs = [axis for axis in range(low, high + shift) if after[axis] != 1]
    if [before[axis] for axis in mine] == [after[axis] for axis in theirs] and 1 in before[low:high]:
        for axis in set(range(low, high)) - set(mine):
            ways[axis] = Fixed(0)
    for left, right in _groups(before, after, mine, theirs):
        inner_left = sizes.product(tuple(before[axis] for axis in left[1:]))
        inner_right = sizes.product(tuple(after[axis] for axis in right[1:]))
        if len(after) <= 2 and len(left) > 1:
            continue  # nothing has a position any more
        if len(right) == 1 and isinstance(inner_left, int) and inner_left > 0:
            ways[left[0]] = Spread(right[0], inner_left, inner_left) if inner_left > 1 else Window(right[0])
        elif len(left) == 1 and isinstance(inner_right, int) and inner_right > 0:
            ways[left[0]] = Window(right[0], inner_right, inner_right)
    return tuple(ways)


def _groups(
    before: Sequence[Size], after: Sequence[Size], mine: list[int], theirs: list[int]
) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes of the one and of the other that have as many elements."""
    found: list[tuple[list[int], list[int]]] = []
    left: list[int] = []
    right: list[int] = []
    many: Size = 1
    few: Size = 1
    mine, theirs = list(mine), list(theirs)
    while mine or theirs:
        if left and right and many == few:
            found.append((left, right))
            left, right, many, few = [], [], 1, 1
        take = bool(mine) and (not left or not theirs or (bool(right) and sizes.upper_bound(many - few) < 0))
        if take:
            left.append(mine.pop(0))
            many = many * before[left[-1]]
        elif theirs:
            right.append(theirs.pop(0))
            few = few * after[right[-1]]
        else:
            break
    if left and right and many == few:
        found.append((left, right))
    return found
