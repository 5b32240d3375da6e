"""Cells added around the spatial axes, or cut off: begin and end of each, in the ways in which Keras takes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Array, Outputs
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import AXES, Spatial

FORMS = {
    1: "n or (begin, end)",
    2: "n, (rows, columns) or ((top, bottom), (left, right))",
    3: "n, (depth, rows, columns) or three pairs (begin, end)",
}
Ends = tuple[tuple[int, int], ...]


class Framing(Spatial):
    """Adds cells to the spatial axes or cuts them off; `ends` of its kinds says how many, negative to cut."""

    @property
    @abstractmethod
    def ends(self) -> Ends:
        """Cells added at the begin and the end of each spatial axis; negative ones are cut off."""

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = self.view(*types)
        batch, *middle, last = x.shape
        made = [n + sum(ends) for n, ends in zip(middle, self.ends, strict=True)]
        for axis, size, before, ends in zip(AXES[self.rank], made, middle, self.ends, strict=True):
            if sum(ends) < 0 and not sizes.at_least(size, 1):
                cropping = tuple((-a, -b) for a, b in self.ends)
                raise ShapeError(f"cropping {cropping} leaves nothing of the {axis}, which is {before}")
        return (self.give((batch, *made, last), x.dtype),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        middle = (Window(axis, before=begin) for axis, (begin, _) in enumerate(self.ends, 1))
        return (self.turn(Window(0), *middle, Window(self.rank + 1)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        made = (n + sum(ends) for n, ends in zip(x.shape[1:-1], self.ends, strict=True))
        out = np.zeros((x.shape[0], *made, x.shape[-1]), x.dtype)
        for place in np.ndindex(out.shape[1:-1]):
            source = tuple(i - begin for i, (begin, _) in zip(place, self.ends, strict=True))
            if all(0 <= i < n for i, n in zip(source, x.shape[1:-1], strict=True)):
                out[(slice(None), *place)] = x[(slice(None), *source)]
        return (out,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.pad(values[0], self.ends),)


def frame(value: Any, rank: int, what: str) -> Ends:
    """One number for all ends, one for each axis, or a pair for each axis, as pairs; of one axis, its pair."""
    if not isinstance(value, list | tuple):
        return (_ends(value, what),) * rank
    parts = cast(Sequence[Any], value)
    if rank == 1 and len(parts) == 2 and not any(isinstance(part, list | tuple) for part in parts):
        return (_ends(parts, what),)
    if len(parts) != rank:
        raise SettingError(f"{what} must be {FORMS[rank]}, not {value!r}")
    return tuple(_ends(part, what) for part in parts)


def _ends(part: Any, what: str) -> tuple[int, int]:
    if isinstance(part, list | tuple):
        ends = cast(Sequence[Any], part)
        if len(ends) != 2:
            raise SettingError(f"{what} needs a begin and an end for each axis, not {part!r}")
        return sizes.checked(ends[0], what, 0), sizes.checked(ends[1], what, 0)
    number = sizes.checked(part, what, 0)
    return number, number
