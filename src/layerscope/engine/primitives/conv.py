"""Convolution, its adjoint in the input (transposed convolution) and in the kernel.

The three close under differentiation: the adjoint of each is made of the other two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.sizes import Size, floor_div, numbers
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, chunks, only

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


@dataclass(frozen=True)
class Geometry:
    """How a kernel moves over the spatial axes; pads may be negative (crop)."""

    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def spans(self, kernel: Sequence[int]) -> tuple[int, ...]:
        return tuple(d * (k - 1) + 1 for k, d in zip(kernel, self.dilation, strict=True))

    def padded(self, x: Array) -> Array:
        """x with its pads (negative ones cut), contiguous."""
        if all(pad == (0, 0) for pad in self.pads):
            return np.ascontiguousarray(x)
        sizes = [n + a + b for n, (a, b) in zip(x.shape[1:-1], self.pads, strict=True)]
        frame = np.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
        put, take = _overlap(x.shape[1:-1], self.pads)
        frame[(slice(None), *put)] = x[(slice(None), *take)]
        return frame

    def unpadded(self, frame: Array, sizes: Sequence[int]) -> Array:
        """The adjoint of `padded`: the part of the frame that is the image."""
        if tuple(frame.shape[1:-1]) == tuple(sizes) and all(pad == (0, 0) for pad in self.pads):
            return frame
        x = np.zeros((frame.shape[0], *sizes, frame.shape[-1]), frame.dtype)
        put, take = _overlap(sizes, self.pads)
        x[(slice(None), *take)] = frame[(slice(None), *put)]
        return x

    def patches(self, frame: Array, kernel: Sequence[int], out: Sequence[int]) -> Iterator[tuple[slice, Array]]:
        """Slices of the batch with their patches (positions, groups, kernel area × channels)."""
        rank, count = len(kernel), frame.shape[-1]
        step = frame.strides
        view = np.lib.stride_tricks.as_strided(
            frame,
            (frame.shape[0], *out, *kernel, count),
            (
                step[0],
                *(s * step[a + 1] for a, s in enumerate(self.strides)),
                *(d * step[a + 1] for a, d in enumerate(self.dilation)),
                step[-1],
            ),
            writeable=False,
        )
        each = int(np.prod(view.shape[1:], dtype=np.int64)) * frame.itemsize
        for rows in chunks(frame.shape[0], each):
            part = view[rows]
            if self.groups > 1:
                part = part.reshape(*part.shape[:-1], self.groups, count // self.groups)
                part = np.moveaxis(part, -2, rank + 1)
            yield rows, np.ascontiguousarray(part).reshape(part.shape[0] * int(np.prod(out)), self.groups, -1)


def _overlap(sizes: Sequence[int], pads: Sequence[tuple[int, int]]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    put = tuple(slice(max(a, 0), n + a + min(b, 0)) for n, (a, b) in zip(sizes, pads, strict=True))
    take = tuple(slice(max(-a, 0), n + min(b, 0)) for n, (a, b) in zip(sizes, pads, strict=True))
    return put, take


def _grouped(kernel: Array, groups: int) -> Array:
    """(*k, C, F) → (groups, kernel area × C, F / groups)."""
    *window, count, filters = kernel.shape
    split = kernel.reshape(*window, count, groups, filters // groups)
    return np.ascontiguousarray(np.moveaxis(split, -2, 0)).reshape(groups, -1, filters // groups)


def _flipped(kernel: Array, groups: int) -> Array:
    """(*k, C/groups, F) → (*k, F/groups, C), mirrored along every spatial axis."""
    *window, count, filters = kernel.shape
    mirrored = kernel[(slice(None, None, -1),) * len(window)]
    split = np.moveaxis(mirrored.reshape(*window, count, groups, filters // groups), -1, -3)
    return np.ascontiguousarray(np.moveaxis(split, -1, -2)).reshape(*window, filters // groups, groups * count)


@dataclass(frozen=True)
class Conv(Primitive):
    """(batch, *n, C) with (*k, C/groups, F) → (batch, *m, F)."""

    geometry: Geometry

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, kernel = types
        g, window = self.geometry, numbers(kernel.shape[:-2])
        sizes: list[Size] = [
            floor_div(n + sum(pad) - span, s) + 1
            for n, pad, span, s in zip(x.shape[1:-1], g.pads, g.spans(window), g.strides, strict=True)
        ]
        return (TensorType((x.shape[0], *sizes, kernel.shape[-1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, kernel = arrays
        shape = frame.shape(self.out(TensorType(x.shape), TensorType(kernel.shape))[0].shape)
        out, matrices = np.empty(shape, x.dtype), _grouped(kernel, self.geometry.groups)
        padded = self.geometry.padded(x)
        for part, patches in self.geometry.patches(padded, kernel.shape[:-2], shape[1:-1]):
            if self.geometry.groups == 1:
                np.matmul(patches[:, 0], matrices[0], out=out[part].reshape(-1, shape[-1]))
            else:
                product = np.einsum("mgk,gkf->mgf", patches, matrices, optimize=True)
                out[part] = product.reshape(out[part].shape)
        return (out,)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        x, kernel = inputs
        g, wanted = only(gradients), program.differentiable
        back = ConvTranspose(self.geometry, tuple(x.type.shape[1:-1]))
        return [
            program.add(back, g, kernel)[0] if wanted(x) else None,
            program.add(ConvKernel(self.geometry, _window(kernel)), x, g)[0] if wanted(kernel) else None,
        ]


def _window(kernel: Value) -> tuple[int, ...]:
    return numbers(kernel.type.shape[:-2])


@dataclass(frozen=True)
class ConvTranspose(Primitive):
    """Adjoint of `Conv` in its input: (batch, *m, F) with (*k, C/groups, F) → (batch, *sizes, C)."""

    geometry: Geometry
    sizes: tuple[Size, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, kernel = types
        return (TensorType((x.shape[0], *self.sizes, kernel.shape[-2] * self.geometry.groups), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        y, kernel = arrays
        g, sizes = self.geometry, frame.shape(self.sizes)
        if all(s == 1 for s in g.strides):
            return Conv(self._forward(y, kernel, sizes)).run(frame, y, _flipped(kernel, g.groups))
        count = kernel.shape[-2]
        out = np.empty((y.shape[0], *sizes, count * g.groups), y.dtype)
        each = int(np.prod(out.shape[1:], dtype=np.int64)) * y.itemsize
        for rows in chunks(y.shape[0], each):
            out[rows] = self._stamped(np.ascontiguousarray(y[rows]), kernel, sizes)
        return (out,)

    def _forward(self, y: Array, kernel: Array, sizes: Sequence[int]) -> Geometry:
        """With stride 1 the adjoint is itself a convolution, with the flipped kernel."""
        pads: list[tuple[int, int]] = []
        spans = self.geometry.spans(kernel.shape[:-2])
        for n, m, span, (begin, _) in zip(sizes, y.shape[1:-1], spans, self.geometry.pads, strict=True):
            before = span - 1 - begin
            pads.append((before, n - m + span - 1 - before))
        return Geometry(self.geometry.strides, tuple(pads), self.geometry.dilation, self.geometry.groups)

    def _stamped(self, y: Array, kernel: Array, sizes: Sequence[int]) -> Array:
        """Every input stamps the kernel into a plane with the pads, which are then cut off."""
        g, (*window, count, filters) = self.geometry, kernel.shape
        stamps = [n + sum(pad) for n, pad in zip(sizes, g.pads, strict=True)]
        full = [(m - 1) * s + k for m, s, k in zip(y.shape[1:-1], g.strides, g.spans(window), strict=True)]
        plane = np.zeros(
            (y.shape[0], *(max(a, b) for a, b in zip(stamps, full, strict=True)), count * g.groups), y.dtype
        )
        flat = y.reshape(-1, filters)
        for tap in itertools.product(*(range(k) for k in window)):
            place = tuple(
                slice(d * t, d * t + (m - 1) * s + 1, s)
                for d, t, m, s in zip(g.dilation, tap, y.shape[1:-1], g.strides, strict=True)
            )
            plane[(slice(None), *place)] += self._stamp(flat, kernel[tap]).reshape(*y.shape[:-1], -1)
        return g.unpadded(plane[(slice(None), *(slice(0, n) for n in stamps))], sizes)

    def _stamp(self, flat: Array, kernel: Array) -> Array:
        groups = self.geometry.groups
        if groups == 1:
            return flat @ kernel.T
        count, filters = kernel.shape
        matrices = kernel.reshape(count, groups, filters // groups)
        return np.einsum("mgf,cgf->mgc", flat.reshape(-1, groups, filters // groups), matrices, optimize=True)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        y, kernel = inputs
        g, wanted = only(gradients), program.differentiable
        return [
            program.add(Conv(self.geometry), g, kernel)[0] if wanted(y) else None,
            program.add(ConvKernel(self.geometry, _window(kernel)), g, y)[0] if wanted(kernel) else None,
        ]


@dataclass(frozen=True)
class ConvKernel(Primitive):
    """Adjoint of `Conv` in its kernel: (batch, *n, C) with (batch, *m, F) → (*k, C/groups, F)."""

    geometry: Geometry
    window: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, y = types
        return (TensorType((*self.window, floor_div(x.shape[-1], self.geometry.groups), y.shape[-1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, y = arrays
        groups, filters = self.geometry.groups, y.shape[-1]
        count = x.shape[-1] // groups
        area = int(np.prod(self.window))
        total = np.zeros((groups, area * count, filters // groups), x.dtype)
        padded, y = self.geometry.padded(x), np.ascontiguousarray(y)
        for part, patches in self.geometry.patches(padded, self.window, y.shape[1:-1]):
            grad = y[part].reshape(-1, groups, filters // groups)
            if groups == 1:
                total[0] += patches[:, 0].T @ grad[:, 0]
            else:
                total += np.einsum("mgk,mgf->gkf", patches, grad, optimize=True)
        kernel = np.moveaxis(total.reshape(groups, *self.window, count, filters // groups), 0, -2)
        return (np.ascontiguousarray(kernel).reshape(*self.window, count, filters),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        x, y = inputs
        g, wanted = only(gradients), program.differentiable
        back = ConvTranspose(self.geometry, tuple(x.type.shape[1:-1]))
        return [
            program.add(back, y, g)[0] if wanted(x) else None,
            program.add(Conv(self.geometry), x, g)[0] if wanted(y) else None,
        ]
