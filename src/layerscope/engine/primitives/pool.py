"""Pooling: the largest value of each window with its switch, and the mean; and their adjoints."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.sizes import Size, floor_div
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, chunks, only

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Where windows stand over the spatial axes."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    pads: Pads

    def out(self, type: TensorType) -> TensorType:
        sizes: list[Size] = [
            floor_div(n + sum(pad) - k, s) + 1
            for n, pad, k, s in zip(type.shape[1:-1], self.pads, self.window, self.strides, strict=True)
        ]
        return TensorType((type.shape[0], *sizes, type.shape[-1]), type.dtype)

    def padded(self, x: Array, value: float) -> Array:
        if all(pad == (0, 0) for pad in self.pads):
            return x
        return np.pad(x, ((0, 0), *self.pads, (0, 0)), constant_values=value)

    def taps(self, out: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Each cell of the window, row-major, with the slice of the padded plane that it reads."""
        for tap in itertools.product(*(range(k) for k in self.window)):
            places = (slice(t, t + (m - 1) * s + 1, s) for t, m, s in zip(tap, out, self.strides, strict=True))
            yield tap, (slice(None), *places)

    def flat(self, tap: Sequence[int], sizes: Sequence[int], out: Sequence[int]) -> Array:
        """Flat index into the unpadded plane of cell `tap` of every window, shaped (*out, 1)."""
        index = np.zeros((1,) * len(out), np.int32)
        for axis, (t, m, s, (begin, _)) in enumerate(zip(tap, out, self.strides, self.pads, strict=True)):
            row = (np.arange(m, dtype=np.int32) * s + t - begin).reshape(
                tuple(-1 if a == axis else 1 for a in range(len(out)))
            )
            index = index * sizes[axis] + row
        return index[..., None]


@dataclass(frozen=True)
class PoolMax(Primitive):
    """(batch, *n, C) → the largest of each window, padded with -inf, and its switch; first wins a tie."""

    windows: Windows

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        pooled = self.windows.out(types[0])
        return pooled, TensorType(pooled.shape, "int32", plane=types[0].shape[1:-1])

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,), w = arrays, self.windows
        out = frame.shape(w.out(TensorType(x.shape)).shape)
        values, switches = np.empty(out, x.dtype), np.empty(out, np.int32)
        first = w.flat((0,) * len(w.window), x.shape[1:-1], out[1:-1])
        spacing = [int(np.prod(x.shape[2 + axis : -1])) for axis in range(len(w.window))]
        offsets = np.array([np.dot(tap, spacing) for tap, _ in w.taps(out[1:-1])], np.int32)
        for rows in chunks(len(x), x[:1].nbytes):
            values[rows], winner = self._winners(w.padded(x[rows], -np.inf), out[1:-1])
            switches[rows] = first + offsets[winner]
        return values, switches

    def _winners(self, padded: Array, out: Sequence[int]) -> tuple[Array, Array]:
        """The largest value of each window, and the number of its cell."""
        places = [place for _, place in self.windows.taps(out)]
        best = padded[places[0]].copy()
        winner = np.zeros(best.shape, np.intp)
        for number, place in enumerate(places[1:], 1):
            value = padded[place]
            better = (value > best) | (np.isnan(value) & ~np.isnan(best))  # NaN wins, so that it is found in the loss
            np.copyto(best, value, where=better)
            winner[better] = number
        return best, winner

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        if gradients[0] is None:
            return [None]
        back = PoolMaxAdjoint(self.windows, tuple(inputs[0].type.shape[1:-1]))
        return [program.add(back, gradients[0], outputs[1])[0]]


@dataclass(frozen=True)
class PoolMaxAdjoint(Primitive):
    """Each gradient goes to its window's winner; windows that share a winner add up."""

    windows: Windows
    sizes: tuple[Size, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        g = types[0]
        return (TensorType((g.shape[0], *self.sizes, g.shape[-1]), g.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        g, switches = arrays
        w, sizes = self.windows, frame.shape(self.sizes)
        framed = [n + sum(p) for n, p in zip(sizes, w.pads, strict=True)]
        out = np.empty((g.shape[0], *sizes, g.shape[-1]), g.dtype)
        inner = tuple(slice(a, a + n) for n, (a, _) in zip(sizes, w.pads, strict=True))
        flats = [(w.flat(tap, sizes, g.shape[1:-1]), place) for tap, place in w.taps(g.shape[1:-1])]
        for rows in chunks(g.shape[0], out[:1].nbytes):
            plane = np.zeros((rows.stop - rows.start, *framed, g.shape[-1]), g.dtype)
            for flat, place in flats:
                plane[place] += g[rows] * (switches[rows] == flat)
            out[rows] = plane[(slice(None), *inner)]
        return (out,)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        from layerscope.engine.primitives.place import Gather

        return [program.add(Gather(), only(gradients), inputs[1])[0], None]


@dataclass(frozen=True)
class PoolMean(Primitive):
    """(batch, *n, C) → the mean of each window without its padding."""

    windows: Windows

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self.windows.out(types[0]),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,), w = arrays, self.windows
        padded = w.padded(x, 0)
        out = frame.shape(w.out(TensorType(x.shape)).shape)
        total = np.zeros(out, x.dtype)
        for _, place in w.taps(out[1:-1]):
            total += padded[place]
        return (total / counts(w, x.shape[1:-1], out[1:-1], x.dtype),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        back = PoolMeanAdjoint(self.windows, tuple(inputs[0].type.shape[1:-1]))
        return [program.add(back, only(gradients))[0]]


@dataclass(frozen=True)
class PoolMeanAdjoint(Primitive):
    """Each gradient, divided by its window's count, goes to every cell of the window."""

    windows: Windows
    sizes: tuple[Size, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        g = types[0]
        return (TensorType((g.shape[0], *self.sizes, g.shape[-1]), g.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (g,), w, sizes = arrays, self.windows, frame.shape(self.sizes)
        share = g / counts(w, sizes, g.shape[1:-1], g.dtype)
        plane = np.zeros(
            (g.shape[0], *(n + sum(p) for n, p in zip(sizes, w.pads, strict=True)), g.shape[-1]), g.dtype
        )
        for _, place in w.taps(g.shape[1:-1]):
            plane[place] += share
        inner = (slice(a, a + n) for n, (a, _) in zip(sizes, w.pads, strict=True))
        return (np.ascontiguousarray(plane[(slice(None), *inner)]),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(PoolMean(self.windows), only(gradients))[0]]


def counts(w: Windows, sizes: Sequence[int], out: Sequence[int], dtype: np.dtype[np.generic]) -> Array:
    """Real cells of each window, shaped (*out, 1)."""
    total = np.ones((1,) * len(out), dtype)
    for axis, (n, m, k, s, (begin, _)) in enumerate(zip(sizes, out, w.window, w.strides, w.pads, strict=True)):
        start = np.arange(m) * s - begin
        real = np.minimum(start + k, n) - np.maximum(start, 0)
        total = total * real.reshape(tuple(-1 if a == axis else 1 for a in range(len(out))))
    return total.astype(dtype)[..., None]
