"""Pooling: windows, strides and pads as in convolution, but no weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from layerscope.core.contract import Array, Layer, refuse_channels_first
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import number
from layerscope.core.types import TensorType
from layerscope.layers._spatial import Placement, floating, one_input, padding_name, per_axis, places, spatial


@dataclass(frozen=True, eq=False)
class Pooling(Layer):
    """Settings, sizes and reach that all windowed pools share."""

    rank: ClassVar[int]
    maximum: ClassVar[bool]
    pool_size: Any = 2
    strides: Any = None
    padding: str = "valid"
    data_format: str | None = None

    def __post_init__(self) -> None:
        size = per_axis(self.pool_size, self.rank, f"{self.kind}: pool_size")
        strides = size if self.strides is None else per_axis(self.strides, self.rank, f"{self.kind}: strides")
        object.__setattr__(self, "pool_size", size)
        object.__setattr__(self, "strides", strides)
        object.__setattr__(self, "padding", padding_name(self.padding, f"{self.kind}: padding"))
        refuse_channels_first(self, self.data_format)

    def placements(self, type: TensorType) -> tuple[Placement, ...]:
        """Output size and pads of each spatial axis."""
        return places(type, self.pool_size, self.strides, self.padding)

    def pooled(self, *types: TensorType) -> TensorType:
        """The type of the pooled values."""
        x = one_input(types)
        sizes = (p.out for p in self.placements(x))
        return TensorType((x.shape[0], *sizes, x.shape[-1]), floating(x))

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pooling=self.pooled(*types).elements * math.prod(self.pool_size))

    def saved(self, *types: TensorType) -> Saved | None:
        """The switches of a maximum; a mean needs nothing."""
        return Saved(extra=(TensorType(self.pooled(*types).shape, "int32"),)) if self.maximum else NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        middle = (
            Window(axis, s, k, p.pads[0])
            for axis, (s, k, p) in enumerate(
                zip(self.strides, self.pool_size, self.placements(types[0]), strict=True), 1
            )
        )
        return ((Window(0), *middle, Window(self.rank + 1)),)

    def windows(self, x: Array) -> Iterator[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]]:
        """For `define`: each output position with the input positions in its window, row-major."""
        found = self.placements(TensorType(x.shape))
        for position in itertools.product(*(range(number(p.out)) for p in found)):
            ranges = [
                range(max(o * s - p.pads[0], 0), min(o * s - p.pads[0] + k, n))
                for o, s, k, p, n in zip(position, self.strides, self.pool_size, found, x.shape[1:-1], strict=True)
            ]
            yield position, tuple(itertools.product(*ranges))


@dataclass(frozen=True, eq=False)
class GlobalPooling(Layer):
    """One value for each channel, over all positions."""

    rank: ClassVar[int]
    maximum: ClassVar[bool]
    data_format: str | None = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        refuse_channels_first(self, self.data_format)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        spatial(x, self.rank)
        middle = (1,) * self.rank if self.keepdims else ()
        return (TensorType((x.shape[0], *middle, x.shape[-1]), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pooling=types[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        """The switches of a maximum; a mean needs nothing."""
        return Saved(extra=(TensorType(self.out(*types)[0].shape, "int32"),)) if self.maximum else NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        last = self.rank + 1 if self.keepdims else 1
        return ((Window(0), *(EVERYTHING,) * self.rank, Window(last)),)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(1, self.rank + 1))
