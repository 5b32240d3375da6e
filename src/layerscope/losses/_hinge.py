"""Losses with a margin, as support vector machines have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import Elementwise, Loss, check_classes, check_values, minus_from


def check_sides(targets: NDArray[Any], name: str) -> None:
    """DataError unless targets are -1 and 1, or 0 and 1."""
    given = {float(number) for number in np.unique(targets)[:4]}
    if not (given <= {-1.0, 1.0} or given <= {0.0, 1.0}):
        told = ", ".join(f"{number:g}" for number in sorted(given)[:3])
        raise DataError(f"{name} takes targets of -1 and 1, or of 0 and 1, but they have {told}")


@dataclass
class Hinge(Elementwise):
    """max(1 - t·p, 0) for targets of -1 and 1 (0 counts as -1), mean over all numbers."""

    key = "hinge"

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are -1 and 1, or 0 and 1."""
        check_sides(targets, self.name)

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """max(1 - t·p, 0)."""
        side = program.map("shift", program.map("double", program.map("above", target, bound=0.0)), offset=-1.0)
        return program.map("relu", minus_from(program, 1.0, program.map("mul", side, output)))


@dataclass
class SquaredHinge(Hinge):
    """max(1 - t·p, 0)² for targets of -1 and 1 (0 counts as -1), mean over all numbers."""

    key = "squared_hinge"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """max(1 - t·p, 0)²."""
        return program.map("square", super().values(program, target, output))


@dataclass
class CategoricalHinge(Loss):
    """max(n - p + 1, 0) over the last axis: p = Σ t·o is the right class's output, n = max (1-t)·o the best other."""

    key = "categorical_hinge"

    def fits(self, output: TensorType) -> None:
        """ShapeError for a single class."""
        check_classes(self.name, output)

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are shares."""
        check_values(targets, self.name, 0, 1, "one-hot targets")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """max(n - p + 1, 0) of each example and position."""
        last = (output.type.rank - 1,)
        right = program.reduce("sum", program.map("mul", target, output), last)
        wrong = program.reduce("max", program.map("mul", minus_from(program, 1.0, target), output), last)
        return program.map("relu", program.map("shift", program.map("sub", wrong, right), offset=1.0))
