"""Products with a matrix, and the product of a tensor's rows that is its adjoint; products of each example's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive, only
from layerscope.engine.primitives.shape import Permute

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


@dataclass(frozen=True)
class MatMul(Primitive):
    """(..., n) and (n, m) → (..., m); with `transposed`, (..., n) and (m, n) → (..., m)."""

    transposed: bool = False

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, matrix = types
        return (TensorType((*x.shape[:-1], matrix.shape[0 if self.transposed else 1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, matrix = arrays
        flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
        return ((flat @ (matrix.T if self.transposed else matrix)).reshape(*x.shape[:-1], -1),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        x, matrix = inputs
        g, wanted = only(gradients), program.differentiable
        rows = (g, x) if self.transposed else (x, g)
        return [
            program.add(MatMul(not self.transposed), g, matrix)[0] if wanted(x) else None,
            program.add(RowProduct(), *rows)[0] if wanted(matrix) else None,
        ]


@dataclass(frozen=True)
class RowProduct(Primitive):
    """(..., n) and (..., m) → (n, m): the sum of outer products over all other axes."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, y = types
        return (TensorType((x.shape[-1], y.shape[-1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, y = (np.ascontiguousarray(a).reshape(-1, a.shape[-1]) for a in arrays)
        return (x.T @ y,)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        (x, y), g = inputs, only(gradients)
        return [program.add(MatMul(transposed=True), y, g)[0], program.add(MatMul(), x, g)[0]]


@dataclass(frozen=True)
class Dots(Primitive):
    """(batch, m, k) and (batch, n, k) → (batch, m, n): every row of one with every row of the other, by example."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, y = types
        return (TensorType((*x.shape[:2], y.shape[1]), x.dtype),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        x, y = arrays
        return (np.matmul(x, y.transpose(0, 2, 1)),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        (x, y), g, wanted = inputs, only(gradients), program.differentiable

        def turned(value: Value) -> Value:
            return program.add(Permute((0, 2, 1)), value)[0]

        return [
            program.add(Dots(), g, turned(y))[0] if wanted(x) else None,
            program.add(Dots(), turned(g), turned(x))[0] if wanted(y) else None,
        ]
