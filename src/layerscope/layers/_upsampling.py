"""Upsampling without weights: a factor for each spatial axis."""

from __future__ import annotations

import itertools
import math
from typing import Any

from layerscope.core.contract import Array, Outputs
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Interpolate, Reads, Relation, Spread, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import Spatial, floating, per_axis

INTERPOLATIONS = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}
"""Keras's interpolations, and how many pixels to either side each reads at most."""


@dataclass(frozen=True, eq=False)
class Upsampling(Spatial):
    """Enlarges each spatial axis by a whole factor."""

    size: Any = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", per_axis(self.size, self.rank, f"{self.kind}: size"))

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = self.view(*types)
        sizes = (n * f for n, f in zip(x.shape[1:-1], self.size, strict=True))
        return (self.give((x.shape[0], *sizes, x.shape[-1]), floating(x)),)


class Enlarging(Upsampling):
    """Upsampling by repetition or interpolation; `interpolation` is nearest where its kinds have no such setting."""

    @property
    def support(self) -> int:
        """Pixels to either side that an output reads at most; 0: only the one that it repeats."""
        return INTERPOLATIONS[getattr(self, "interpolation", "nearest")]

    def operations(self, *types: TensorType) -> Operations | None:
        (out,) = self.out(*types)
        return Operations(pointwise=out.elements if self.support else 0)

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        def along(axis: int, factor: int) -> Relation:
            return Interpolate(axis, factor, self.support) if self.support else Spread(axis, factor, factor)

        middle = (along(axis, factor) for axis, factor in enumerate(self.size, 1))
        return (self.turn(Window(0), *middle, Window(self.rank + 1)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        made = (n * f for n, f in zip(x.shape[1:-1], self.size, strict=True))
        out = np.zeros((x.shape[0], *made, x.shape[-1]), x.dtype)
        for place in np.ndindex(out.shape[1:-1]):
            found = (self._read(o, f, n) for o, f, n in zip(place, self.size, x.shape[1:-1], strict=True))
            for cells in itertools.product(*found):
                share = math.prod(weight for _, weight in cells)
                out[(slice(None), *place)] += share * x[(slice(None), *(cell for cell, _ in cells))]
        return (out,), {}

    def _read(self, place: int, factor: int, size: int) -> list[tuple[int, float]]:
        """For `define`: the cells that a place along an axis reads, and their shares."""
        if not self.support:
            return [(place // factor, 1)]
        exact = (place + 0.5) / factor - 0.5
        below = math.floor(exact)
        return [(min(max(below + t, 0), size - 1), abs(1 - t - (exact - below))) for t in (0, 1)]

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        if self.support:
            return (program.resize_linear(values[0], self.size),)
        return (program.repeat(values[0], self.size),)
