"""Metrics of numbers that are more than the mean of a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses import CosineSimilarity
from layerscope.losses._base import EPSILON, within
from layerscope.metrics._base import Mean, Metric, Result, Sums, one_of, summed


@dataclass
class RootMeanSquaredError(Mean):
    """The root of the mean of (t - p)² over all numbers of the epoch."""

    key = "root_mean_squared_error"
    falls = True

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """(t - p)²."""
        return program.map("square", program.map("sub", output, target))

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The root of the mean."""
        found = super().result(sums, count)
        assert isinstance(found, float)
        return found**0.5


AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


@dataclass
class R2Score(Metric):
    """1 - Σ (t - p)² / Σ (t - mean of t)² of each number of the output: 1 is perfect, 0 as good as the mean.

    `class_aggregation`: their mean ("uniform_average"), that weighed by variance ("variance_weighted_average"), or
    None, a list. `num_regressors` above 0 adjusts it: 1 - (1 - R²)·(n - 1) / (n - num_regressors - 1), n being
    how many numbers there are, as Keras takes it.
    """

    class_aggregation: str | None = "uniform_average"
    num_regressors: int = 0
    key = "r2_score"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.name, "class_aggregation", self.class_aggregation, AGGREGATIONS)
        count = self.num_regressors
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise SettingError(f"{self.name}: num_regressors must be a whole number from 0, not {count!r}")

    def fits(self, output: TensorType) -> None:
        """ShapeError unless the output is one row of numbers for each example."""
        if output.rank != 2:
            raise ShapeError(f"{self.name} needs one row of numbers for each example, but the output is {output}")

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """Of each number Σ t, Σ t², Σ (t - p)²; where weights are given, theirs, too."""
        error = program.map("square", program.map("sub", target, output))
        parts = (target, program.map("square", target), error)
        found = [summed(program, part, weight, 1) for part in parts]
        return found if weight is None else [*found, summed(program, weight)]

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """R² of the epoch."""
        plain, squares, errors = (np.asarray(one, np.float64) for one in sums[:3])
        weight = float(sums[3]) if len(sums) > 3 else count
        total = squares - plain * (plain / weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = 1 - errors / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        found: Sums = scores
        if self.class_aggregation == "uniform_average":
            found = scores.mean()
        elif self.class_aggregation is not None:
            found = (total * scores).sum() / total.sum()
        samples = count * plain.size
        if self.num_regressors and samples - self.num_regressors - 1 > 0:
            found = 1 - (1 - found) * (samples - 1) / (samples - self.num_regressors - 1)
        return [float(one) for one in found] if self.class_aggregation is None else float(found)


def _centred(program: Builder, value: Value, axis: int) -> tuple[Value, Value, Value]:
    """The value without its mean along an axis, its variance, and the mean."""
    mean = program.reduce("mean", value, (axis,), keep=True)
    centred = program.map("sub", value, mean)
    return centred, program.reduce("mean", program.map("square", centred), (axis,), keep=True), mean


@dataclass
class PearsonCorrelation(Mean):
    """The correlation of t and p along `axis`, mean over the rest: cov(t, p) / (s(t)·s(p))."""

    axis: int = -1
    key = "pearson_correlation"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The correlation of each row."""
        axis = within(self.axis, output.type, CosineSimilarity(name=self.name))
        unit: list[Value] = []
        for value in (target, output):
            centred, variance, _ = _centred(program, value, axis)
            unit.append(program.map("div", centred, program.map("sqrt", variance)))
        return program.reduce("mean", program.map("mul", *unit), (axis,))


@dataclass
class ConcordanceCorrelation(Mean):
    """2·cov(t, p) / (var(t) + var(p) + (mean t - mean p)² + 1e-7) along `axis`, mean over the rest (Lin 1989)."""

    axis: int = -1
    key = "concordance_correlation"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The concordance of each row."""
        axis = within(self.axis, output.type, CosineSimilarity(name=self.name))
        (a, v, m), (b, w, n) = (_centred(program, value, axis) for value in (target, output))
        apart = program.map("square", program.map("sub", m, n))
        whole = program.map("shift", program.map("add", program.map("add", v, w), apart), offset=EPSILON)
        both = program.reduce("mean", program.map("mul", a, b), (axis,), keep=True)
        found = program.map("div", program.map("double", both), whole)
        return program.reduce("mean", found, (axis,))
