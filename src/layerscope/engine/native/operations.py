"""The native engine's own operations, and what they are put to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.engine.native.taps import Axis, PairAxis
from layerscope.engine.primitives import pool
from layerscope.engine.program import Value


@dataclass(frozen=True)
class Correlate:
    """out[q·step + start, co] = Σ x[q·stride + offset, ci] · kernel[taps, ci, co], per group.

    `kernel` strides say where the element (tap, ci, co, group) of the kernel's array lies.
    """

    axes: tuple[Axis, ...]
    window: tuple[int, ...]
    groups: int
    inputs: int
    outputs: int
    strides: tuple[int, int, int, int]
    title: str


@dataclass(frozen=True)
class Pair:
    """G[tap, m, s] = Σ_q moving[q·stride + offset, m] · still[q, s], over the batch: the gradient of a kernel.

    Inputs are (moving, still). `strides` say where (tap, m, s, group) lies in the kernel's array.
    """

    axes: tuple[PairAxis, ...]
    window: tuple[int, ...]
    groups: int
    moving: int
    still: int
    strides: tuple[int, int, int, int]
    title: str


@dataclass(frozen=True)
class PairPooled:
    """A `Pair` of stride 1 whose still side is a pool's gradient: (moving, pooled gradient, winners)."""

    pair: Pair
    windows: pool.Windows


@dataclass(frozen=True)
class FromWinners:
    """out[q·step + start] = Σ g[q + offset] over the windows whose winner is the tap's cell: (g, winners). This is
    the adjoint of a max pool, of any windows.
    """

    axes: tuple[Axis, ...]
    window: tuple[int, ...]


@dataclass(frozen=True)
class Means:
    """Means of windows over an image of `sizes` without padding: (image); `back`: each window's gradient, over its
    number of cells, to them all: (g). The axes tell which cells, or windows, a result reads.
    """

    axes: tuple[Axis, ...]
    windows: pool.Windows
    sizes: tuple[int, ...]
    back: bool

    @property
    def title(self) -> str:
        """In words."""
        return "mean pooling's adjoint" if self.back else "mean pooling"


@dataclass(frozen=True)
class RowSums:
    """Sums over all axes of an image but rows and channels, which have size 1 then."""


@dataclass(frozen=True)
class Places:
    """Switches as flat places of the plane, from the winners of a pool."""

    windows: pool.Windows
    plane: tuple[int, ...]


@dataclass(frozen=True)
class AtWinner:
    """What stands at each window's winner: (plane, winners)."""

    windows: pool.Windows


@dataclass(frozen=True)
class Alive:
    """The value, with zeros for lanes that hold no example; with `once`, but for an example's first lane."""

    once: bool = False


@dataclass(frozen=True)
class Within:
    """The value, with zeros in rows of strips that are no rows of the example."""


@dataclass(frozen=True)
class ToStrips:
    """From the whole example in each of its lanes to a strip in each."""

    count: int


@dataclass(frozen=True)
class ToWhole:
    """From strips to the whole example in each of its lanes."""

    count: int


@dataclass(frozen=True)
class Share:
    """Numbers without a batch axis, divided by `count` and the examples of the batch."""

    count: int


@dataclass(frozen=True)
class Copy:
    """The same numbers in other memory."""


@dataclass(eq=False)
class Op:
    """An operation put to values. `ties`: where its results are equal decides where a gradient goes. `strips`: over
    how many lanes a sum or mean over an example goes, beside what lies in one; a fraction where the last hold less.
    """

    do: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    label: str = ""
    ties: bool = False
    strips: Fraction | int = 1


def fresh(type: TensorType) -> Value:
    """A new value."""
    return Value(-1, type)


def of_batch(value: Value) -> bool:
    """Whether the first axis is the batch."""
    shape = value.type.shape
    return bool(shape) and not isinstance(shape[0], int)


def rest(value: Value) -> tuple[int, ...]:
    """The shape without the batch."""
    return numbers(value.type.shape[1:] if of_batch(value) else value.type.shape)


def elements(shape: Iterable[int]) -> int:
    """How many elements a shape has."""
    return math.prod(shape)


def effort(op: Op) -> float:
    """About how many multiply–adds of registers an operation takes for a block of one group."""
    if isinstance(op.do, Correlate):
        taps = math.prod(sum(len(p.taps) * p.count for p in a.phases) / a.step for a in op.do.axes)
        return taps * op.do.inputs * op.do.outputs * op.do.groups
    if isinstance(op.do, Pair):
        taps = math.prod(len(axis.taps) * axis.count for axis in op.do.axes)
        return taps * op.do.moving * op.do.still * op.do.groups
    return 2.0 * sum(elements(rest(value)) for value in op.outputs if of_batch(value))
