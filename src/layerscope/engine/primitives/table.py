"""Numbers that are part of the program: the weights of a window, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value


@dataclass(frozen=True)
class Table(Primitive):
    """The same numbers whenever the program runs, in row-major order; no gradient."""

    numbers: tuple[float, ...]
    shape: tuple[int, ...]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(self.shape),)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        return (np.array(self.numbers, frame.dtype).reshape(self.shape),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return []
