"""Changes of shape that compute nothing; and numbers that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, only

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


@dataclass(frozen=True)
class Reshape(Primitive):
    """The same elements in row-major order."""

    shape: tuple[Size, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[0].with_shape(self.shape),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        return (arrays[0].reshape(frame.shape(self.shape)),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return [program.add(Reshape(inputs[0].type.shape), only(gradients))[0]]


@dataclass(frozen=True)
class Permute(Primitive):
    """The axes in another order."""

    order: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[0].with_shape(tuple(types[0].shape[axis] for axis in self.order)),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        return (arrays[0].transpose(self.order),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        back = sorted(range(len(self.order)), key=self.order.__getitem__)
        return [program.add(Permute(tuple(back)), only(gradients))[0]]


@dataclass(frozen=True)
class Concatenate(Primitive):
    """Side by side along one axis."""

    axis: int

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        shape = list(types[0].shape)
        shape[self.axis] = sum((t.shape[self.axis] for t in types[1:]), types[0].shape[self.axis])
        return (types[0].with_shape(tuple(shape)),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        return (np.concatenate(arrays, axis=self.axis),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        start: Size = 0
        parts: list[Value | None] = []
        for value in inputs:
            size = value.type.shape[self.axis]
            parts.append(program.add(Slice(self.axis, start, size), only(gradients))[0])
            start = start + size
        return parts


@dataclass(frozen=True)
class Slice(Primitive):
    """`size` indices of one axis, from `start`."""

    axis: int
    start: Size
    size: Size

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        shape = list(types[0].shape)
        shape[self.axis] = self.size
        return (types[0].with_shape(tuple(shape)),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        start, size = frame.shape((self.start, self.size))
        index = [slice(None)] * arrays[0].ndim
        index[self.axis] = slice(start, start + size)
        return (arrays[0][tuple(index)],)
