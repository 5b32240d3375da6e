"""Pooling: windows, strides and pads as in convolution, but no weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar

from layerscope.core.contract import Array, Outputs, check_data_format
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Share, Window
from layerscope.core.sizes import Size, number, numbers
from layerscope.core.types import TensorType
from layerscope.layers._spatial import Placement, Spatial, floating, padding_name, per_axis, places


@dataclass(frozen=True, eq=False)
class Pooling(Spatial):
    """Settings, sizes and reach that all windowed pools share."""

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
        check_data_format(self, self.data_format)

    def placements(self, type: TensorType) -> tuple[Placement, ...]:
        """Output size and pads of each spatial axis of an input with its channels last."""
        return places(type, self.pool_size, self.strides, self.padding)

    @property
    def linear(self) -> bool:
        return not self.maximum

    def pooled(self, *types: TensorType) -> TensorType:
        """The type of the pooled values."""
        x = self.view(*types)
        sizes = (p.out for p in self.placements(x))
        return self.give((x.shape[0], *sizes, x.shape[-1]), floating(x))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self.pooled(*types),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pooling=self.pooled(*types).elements * math.prod(self.pool_size))

    def saved(self, *types: TensorType) -> Saved | None:
        """The switches of a maximum; a mean needs nothing."""
        return Saved(extra=(TensorType(self.pooled(*types).shape, "int32"),)) if self.maximum else NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        found = self.placements(self.view(*types))
        steps = zip(self.strides, self.pool_size, found, strict=True)
        middle = (Window(axis, s, k, p.pads[0]) for axis, (s, k, p) in enumerate(steps, 1))
        return (self.turn(Window(0), *middle, Window(self.rank + 1)),)

    def windows(self, x: Array) -> Iterator[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]]:
        """For `define`: each output position with the input positions in its window, row-major."""
        found = self.placements(TensorType(x.shape))
        for position in itertools.product(*(range(number(p.out)) for p in found)):
            ranges = [
                range(max(o * s - p.pads[0], 0), min(o * s - p.pads[0] + k, n))
                for o, s, k, p, n in zip(position, self.strides, self.pool_size, found, x.shape[1:-1], strict=True)
            ]
            yield position, tuple(itertools.product(*ranges))

    def largest(self, x: Array) -> tuple[Array, Array]:
        """For `define`: the largest value of each window, and its flat index in the unpadded plane."""
        import numpy as np

        shape, plane = numbers(self.pooled(TensorType(x.shape)).shape), x.shape[1:-1]
        values, switches = np.empty(shape, x.dtype), np.empty(shape, np.int32)
        for position, window in self.windows(x):
            stack = np.stack([x[(slice(None), *cell)] for cell in window])
            flat = np.array([np.ravel_multi_index(cell, plane) for cell in window])
            values[(slice(None), *position)] = stack.max(axis=0)
            switches[(slice(None), *position)] = flat[stack.argmax(axis=0)]
        return values, switches

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        if self.maximum:
            return self.largest(x)[:1], {}
        out = np.empty(numbers(self.pooled(TensorType(x.shape)).shape), x.dtype)
        for position, window in self.windows(x):
            out[(slice(None), *position)] = np.stack([x[(slice(None), *cell)] for cell in window]).mean(axis=0)
        return (out,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        settings = self.pool_size, self.strides, tuple(p.pads for p in self.placements(x.type))
        return program.pool_max(x, *settings)[:1] if self.maximum else (program.pool_mean(x, *settings),)


@dataclass(frozen=True, eq=False)
class GlobalPooling(Spatial):
    """One value for each channel, over all positions."""

    maximum: ClassVar[bool]
    data_format: str | None = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        check_data_format(self, self.data_format)

    @property
    def linear(self) -> bool:
        return not self.maximum

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = self.view(*types)
        if not self.keepdims:
            return (TensorType((x.shape[0], x.shape[-1]), floating(x)),)
        return (self.give((x.shape[0], *(1,) * self.rank, x.shape[-1]), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pooling=types[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        """The switches of a maximum; a mean needs nothing."""
        return Saved(extra=(TensorType(self.out(*types)[0].shape, "int32"),)) if self.maximum else NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        if self.keepdims:
            return (self.turn(Window(0), *(EVERYTHING,) * self.rank, Window(self.rank + 1)),)
        whole = (EVERYTHING,) * self.rank
        return ((Window(0), Window(1), *whole) if self.first else (Window(0), *whole, Window(1)),)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(1, self.rank + 1))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        (x,) = arrays
        pooled = x.max if self.maximum else x.mean
        return (pooled(axis=self.axes, keepdims=self.keepdims),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.reduce("max" if self.maximum else "mean", values[0], self.axes, keep=self.keepdims),)


@dataclass(frozen=True, eq=False)
class AdaptivePooling(Spatial):
    """A result of a fixed size: output o of m pools its share of the n cells of an axis.

    The share of o is floor(o·n / m) … ceil((o + 1)·n / m) - 1. Shares are of one size, or of two that differ by 1,
    and overlap where n is no multiple of m; where n is smaller than m, cells are read by several outputs.
    """

    maximum: ClassVar[bool]
    output_size: Any
    data_format: str | None = None

    def __post_init__(self) -> None:
        size = per_axis(self.output_size, self.rank, f"{self.kind}: output_size")
        object.__setattr__(self, "output_size", size)
        check_data_format(self, self.data_format)

    @property
    def linear(self) -> bool:
        return not self.maximum

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = self.view(*types)
        return (self.give((x.shape[0], *self.output_size, x.shape[-1]), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        """Cells of all shares; unknown while a pooled size is open."""
        x = self.view(*types)
        total: Size = x.shape[0] * x.shape[-1]
        for n, m in zip(x.shape[1:-1], self.output_size, strict=True):
            if not isinstance(n, int):
                return None
            # ceil(j·n / m) - floor(j·n / m) is 1 for each j in 1 … m - 1 but the gcd(n, m) - 1 of them that divide
            total = total * (n + m - math.gcd(n, m))
        return Operations(pooling=total)

    def saved(self, *types: TensorType) -> Saved | None:
        """The switches of a maximum; a mean needs nothing."""
        return Saved(extra=(TensorType(self.out(*types)[0].shape, "int32"),)) if self.maximum else NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        sizes = zip(self.view(*types).shape[1:-1], self.output_size, strict=True)
        middle = (Share(axis, n, m) if isinstance(n, int) else EVERYTHING for axis, (n, m) in enumerate(sizes, 1))
        return (self.turn(Window(0), *middle, Window(self.rank + 1)),)
