"""Losses of numbers: how far an output is from its target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import (
    EPSILON,
    Elementwise,
    Loss,
    at_least,
    check_number,
    check_values,
    within,
)


@dataclass
class MeanSquaredError(Elementwise):
    """(t - p)², mean over all numbers."""

    key = "mean_squared_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """(t - p)²."""
        return program.map("square", program.map("sub", output, target))


@dataclass
class MeanAbsoluteError(Elementwise):
    """|t - p|, mean over all numbers."""

    key = "mean_absolute_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """|t - p|."""
        return program.map("abs", program.map("sub", output, target))


@dataclass
class MeanAbsolutePercentageError(Elementwise):
    """100·|t - p| / max(|t|, 1e-7), mean over all numbers."""

    key = "mean_absolute_percentage_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """100·|t - p| / max(|t|, 1e-7)."""
        size = at_least(program, program.map("abs", target), EPSILON)
        share = program.map("div", program.map("abs", program.map("sub", output, target)), size)
        return program.map("scale", share, factor=100.0)


@dataclass
class MeanSquaredLogarithmicError(Elementwise):
    """(log(1 + t) - log(1 + p))², mean over all numbers; what is below 1e-7 counts as that."""

    key = "mean_squared_logarithmic_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """(log(1 + t) - log(1 + p))²."""
        logs = [
            program.map("log", program.map("shift", at_least(program, value, EPSILON), offset=1.0))
            for value in (output, target)
        ]
        return program.map("square", program.map("sub", *logs))


@dataclass
class Huber(Elementwise):
    """e²/2 where |e| = |t - p| is at most `delta`, delta·|e| - delta²/2 beyond; mean of all numbers (Huber 1964)."""

    delta: float = 1.0
    key = "huber"

    def __post_init__(self) -> None:
        self.name = self.name or "huber_loss"
        super().__post_init__()
        check_number(self.name, self.delta, "delta", above=True)

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """c·(e - c/2), where c is e clipped to [-delta, delta]: both cases at once."""
        error = program.map("sub", output, target)
        near = program.map("clip", error, low=-float(self.delta), high=float(self.delta))
        return program.map("mul", near, program.map("sub", error, program.map("half", near)))


@dataclass
class LogCosh(Elementwise):
    """log(cosh(p - t)), mean over all numbers."""

    key = "log_cosh"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """e + softplus(-2e) - log 2, which is the same and does not overflow."""
        error = program.map("sub", output, target)
        bend = program.map("softplus", program.map("scale", error, factor=-2.0))
        return program.map("shift", program.map("add", error, bend), offset=-math.log(2))


@dataclass
class Poisson(Elementwise):
    """p - t·log(p + 1e-7), mean over all numbers: the negative log-likelihood of counts t at the rate p."""

    key = "poisson"

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Counts are not negative."""
        check_values(targets, self.name, 0, math.inf, "counts")

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """p - t·log(p + 1e-7)."""
        logs = program.map("log", program.map("shift", output, offset=EPSILON))
        return program.map("sub", output, program.map("mul", target, logs))


def cosine(program: Builder, target: Value, output: Value, axis: int) -> Value:
    """The cosine of the angle between target and output along an axis, as primitives."""

    def unit(value: Value) -> Value:
        squares = program.reduce("sum", program.map("square", value), (axis,), keep=True)
        return program.map("div", value, program.map("sqrt", at_least(program, squares, EPSILON**2)))

    return program.reduce("sum", program.map("mul", unit(target), unit(output)), (axis,))


@dataclass
class CosineSimilarity(Loss):
    """Minus the cosine of the angle between t and p along `axis`, mean over the rest: -1 where they point alike."""

    axis: int = -1
    key = "cosine_similarity"

    def fits(self, output: TensorType) -> None:
        """SettingError for an axis that there is not."""
        within(self.axis, output, self)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """-cos of each example and position."""
        return program.map("neg", cosine(program, target, output, within(self.axis, output.type, self)))
