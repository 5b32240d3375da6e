"""Upsampling without weights: a factor for each spatial axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from layerscope.core.contract import Layer
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating, one_input, per_axis, spatial


@dataclass(frozen=True, eq=False)
class Upsampling(Layer):
    """Enlarges each spatial axis by a whole factor."""

    rank: ClassVar[int]
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
        x = one_input(types)
        sizes = (n * f for n, f in zip(spatial(x, self.rank), self.size, strict=True))
        return (TensorType((x.shape[0], *sizes, x.shape[-1]), floating(x)),)
