"""Upsampling without weights: a factor for each spatial axis."""

from __future__ import annotations

from typing import Any

from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
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
