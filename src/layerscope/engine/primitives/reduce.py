"""Sums, means and maxima over axes; and numbers repeated over axes, their adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.types import Shape, TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, only

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


@dataclass(frozen=True)
class Reduce(Primitive):
    """ "sum", "mean", "max" or "argmax" over axes; kept axes have size 1."""

    how: str
    axes: tuple[int, ...]
    keep: bool = False

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        shape = [
            1 if axis in self.axes else n
            for axis, n in enumerate(types[0].shape)
            if self.keep or axis not in self.axes
        ]
        return (types[0].with_shape(tuple(shape)),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (x,) = arrays
        if self.how == "argmax":
            return (x.argmax(axis=self.axes[0], keepdims=self.keep).astype(x.dtype),)
        result: Array = getattr(x, self.how)(axis=self.axes, keepdims=self.keep)
        return (np.asarray(result, x.dtype),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        (x,), g = inputs, only(gradients)
        if self.how == "argmax":
            return [None]
        if self.how == "max":
            return [program.add(ReduceMaxAdjoint(self.axes), g, x)[0]]
        return [program.add(Expand(x.type.shape, self.axes, mean=self.how == "mean"), g)[0]]


@dataclass(frozen=True)
class Expand(Primitive):
    """The adjoint of a sum (or mean) over axes: numbers repeated over them (and divided by their count)."""

    shape: Shape
    axes: tuple[int, ...]
    mean: bool = False

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[0].with_shape(self.shape),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        (g,), shape = arrays, frame.shape(self.shape)
        if self.mean:
            g = g / g.dtype.type(np.prod([shape[axis] for axis in self.axes]))
        kept = [1 if axis in self.axes else n for axis, n in enumerate(shape)]
        return (np.broadcast_to(g.reshape(kept), shape),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        how = "mean" if self.mean else "sum"
        summed = program.reduce(how, only(gradients), self.axes)
        return [program.reshape(summed, inputs[0].type.shape)]


@dataclass(frozen=True)
class ReduceMaxAdjoint(Primitive):
    """Each gradient goes to the first of the largest values."""

    axes: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[1],)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        g, x = arrays
        rest = tuple(axis for axis in range(x.ndim) if axis not in self.axes)
        rows = x.transpose(*rest, *self.axes)
        flat = np.zeros((int(np.prod(rows.shape[: len(rest)])), int(np.prod(rows.shape[len(rest) :]))), g.dtype)
        winner = rows.reshape(flat.shape).argmax(axis=1)
        flat[np.arange(flat.shape[0]), winner] = g.ravel()
        back = np.argsort((*rest, *self.axes))
        return (np.ascontiguousarray(flat.reshape(rows.shape).transpose(tuple(int(b) for b in back))),)
