"""Putting values somewhere else: by switches, by repetition, on a bed of nails, shuffled, interpolated, padded."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.errors import DataError
from layerscope.core.sizes import Size, floor_div
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, only
from layerscope.engine.primitives.conv import Geometry

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


def _flat(switches: Array) -> Array:
    """Switches as flat indices into (batch × channels, plane), each image and channel a row."""
    return np.moveaxis(switches, -1, 1).reshape(switches.shape[0] * switches.shape[-1], -1)


@dataclass(frozen=True)
class Unpool(Primitive):
    """Each value at its switch in a plane of zeros; of colliding values the last stays."""

    plane: tuple[Size, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = types[0]
        return (TensorType((x.shape[0], *self.plane, x.shape[-1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, switches = arrays
        plane = frame.shape(self.plane)
        area = int(np.prod(plane))
        if switches.size and not 0 <= int(switches.min()) <= int(switches.max()) < area:
            raise DataError(f"max unpooling: a switch points outside the plane of {'×'.join(map(str, plane))}")
        rows = np.zeros((x.shape[0] * x.shape[-1], area), x.dtype)
        np.put_along_axis(rows, _flat(switches).astype(np.intp), _flat(x), axis=1)
        return (_planes(rows, x.shape[0], plane),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        mine = program.add(GatherLast(), only(gradients), inputs[1])[0]
        return [mine, None]


def _planes(rows: Array, batch: int, plane: Sequence[int]) -> Array:
    return np.ascontiguousarray(np.moveaxis(rows.reshape(batch, -1, *plane), 1, -1))


@dataclass(frozen=True)
class Gather(Primitive):
    """What stands at each switch of a plane."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(types[1].shape, types[0].dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        plane, switches = arrays
        found = np.take_along_axis(_flat(plane), _flat(switches).astype(np.intp), axis=1)
        return (_planes(found, switches.shape[0], switches.shape[1:-1]),)


@dataclass(frozen=True)
class GatherLast(Gather):
    """As `Gather`, but zero for values that a later one at the same switch has overwritten."""

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        plane, switches = arrays
        index = _flat(switches).astype(np.intp)
        order = np.broadcast_to(np.arange(index.shape[1], dtype=np.intp), index.shape)
        owner = np.empty((index.shape[0], int(np.prod(plane.shape[1:-1]))), np.intp)
        np.put_along_axis(owner, index, order, axis=1)
        stays = np.take_along_axis(owner, index, axis=1) == order
        found = np.where(stays, np.take_along_axis(_flat(plane), index, axis=1), 0)
        return (_planes(found.astype(plane.dtype), switches.shape[0], switches.shape[1:-1]),)


@dataclass(frozen=True)
class Repeat(Primitive):
    """Each spatial position `factor` times along its axis (nearest upsampling)."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_enlarged(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,) = arrays
        for axis, factor in enumerate(self.factors, 1):
            x = np.repeat(x, factor, axis=axis)
        return (x,)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(RepeatAdjoint(self.factors), only(gradients))[0]]


def _enlarged(x: TensorType, factors: Sequence[int]) -> TensorType:
    sizes = (n * f for n, f in zip(x.shape[1:-1], factors, strict=True))
    return TensorType((x.shape[0], *sizes, x.shape[-1]), x.dtype)


def _reduced(x: TensorType, factors: Sequence[int]) -> TensorType:
    sizes = (floor_div(n, f) for n, f in zip(x.shape[1:-1], factors, strict=True))
    return TensorType((x.shape[0], *sizes, x.shape[-1]), x.dtype)


@dataclass(frozen=True)
class RepeatAdjoint(Primitive):
    """The sum over each block of `factors` positions."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_reduced(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (g,) = arrays
        shape: list[int] = [g.shape[0]]
        for n, factor in zip(g.shape[1:-1], self.factors, strict=True):
            shape += [n // factor, factor]
        blocks = g.reshape(*shape, g.shape[-1])
        return (blocks.sum(axis=tuple(range(2, 2 * len(self.factors) + 1, 2))),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(Repeat(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class Nails(Primitive):
    """Each spatial position at the top-left of a block of zeros."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_enlarged(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,) = arrays
        out = np.zeros(frame.shape(_enlarged(TensorType(x.shape), self.factors).shape), x.dtype)
        out[(slice(None), *(slice(None, None, f) for f in self.factors))] = x
        return (out,)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(Nth(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class Nth(Primitive):
    """Every `factor`-th position, from the first: the adjoint of `Nails`."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_reduced(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        picked = arrays[0][(slice(None), *(slice(None, None, f) for f in self.factors))]
        return (np.ascontiguousarray(picked),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(Nails(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class PixelShuffle(Primitive):
    """Each position's channels as blocks of positions: channel c·∏factors + t is place t, row-major, of block c."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        large = _enlarged(types[0], self.factors).shape
        return (types[0].with_shape((*large[:-1], floor_div(large[-1], math.prod(self.factors)))),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,) = arrays
        rank = len(self.factors)
        split = x.reshape(*x.shape[:-1], x.shape[-1] // math.prod(self.factors), *self.factors)
        pairs = (axis for place in range(1, rank + 1) for axis in (place, rank + 1 + place))
        sizes = (n * f for n, f in zip(x.shape[1:-1], self.factors, strict=True))
        return (split.transpose(0, *pairs, rank + 1).reshape(x.shape[0], *sizes, split.shape[rank + 1]),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(PixelUnshuffle(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class PixelUnshuffle(Primitive):
    """Each block of positions as channels of one: the adjoint of `PixelShuffle`, and its inverse."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        small = _reduced(types[0], self.factors).shape
        return (types[0].with_shape((*small[:-1], small[-1] * math.prod(self.factors))),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (g,) = arrays
        rank = len(self.factors)
        sizes = [n // f for n, f in zip(g.shape[1:-1], self.factors, strict=True)]
        pairs = (part for both in zip(sizes, self.factors, strict=True) for part in both)
        split = g.reshape(g.shape[0], *pairs, g.shape[-1])
        order = (0, *range(1, 2 * rank, 2), 2 * rank + 1, *range(2, 2 * rank + 1, 2))
        return (split.transpose(order).reshape(g.shape[0], *sizes, g.shape[-1] * math.prod(self.factors)),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(PixelShuffle(self.factors), only(gradients))[0]]


@functools.lru_cache(maxsize=256)
def interpolation(n: int, factor: int) -> Array:
    """The matrix (n·factor, n) of linear interpolation with half-pixel centres, edges repeated."""
    matrix = np.zeros((n * factor, n))
    place = (np.arange(n * factor) + 0.5) / factor - 0.5
    below = np.floor(place).astype(int)
    for step, weight in ((0, 1 - (place - below)), (1, place - below)):
        np.add.at(matrix, (np.arange(n * factor), np.clip(below + step, 0, n - 1)), weight)
    return matrix


def _along_axes(x: Array, matrices: Sequence[Array]) -> Array:
    for axis, matrix in enumerate(matrices, 1):
        x = np.moveaxis(np.tensordot(x, matrix.astype(x.dtype), axes=(axis, 1)), -1, axis)
    return np.ascontiguousarray(x)


@dataclass(frozen=True)
class ResizeLinear(Primitive):
    """Linear interpolation with half-pixel centres, edges repeated."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_enlarged(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,) = arrays
        return (_along_axes(x, [interpolation(n, f) for n, f in zip(x.shape[1:-1], self.factors, strict=True)]),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(ResizeLinearAdjoint(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class ResizeLinearAdjoint(Primitive):
    """The transposed matrices of `ResizeLinear`."""

    factors: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_reduced(types[0], self.factors),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (g,) = arrays
        pairs = zip(g.shape[1:-1], self.factors, strict=True)
        return (_along_axes(g, [interpolation(n // f, f).T for n, f in pairs]),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(ResizeLinear(self.factors), only(gradients))[0]]


@dataclass(frozen=True)
class Pad(Primitive):
    """Zeros around the spatial axes; a negative pad crops."""

    pads: tuple[tuple[int, int], ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        sizes = (n + sum(pad) for n, pad in zip(x.shape[1:-1], self.pads, strict=True))
        return (TensorType((x.shape[0], *sizes, x.shape[-1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        ones = (1,) * len(self.pads)
        return (Geometry(ones, self.pads, ones, 1).padded(arrays[0]),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(Pad(tuple((-a, -b) for a, b in self.pads)), only(gradients))[0]]
