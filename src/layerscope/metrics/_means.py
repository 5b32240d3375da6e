"""Metrics that are the mean of a loss over all examples, under Keras's names."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope import losses
from layerscope.core.lowering import Builder, Value
from layerscope.losses import Loss
from layerscope.losses._base import within
from layerscope.losses._regression import cosine
from layerscope.metrics._base import Mean, OfLoss


@dataclass
class MeanSquaredError(OfLoss):
    """The mean of (t - p)²."""

    key = "mean_squared_error"

    def objective(self) -> Loss:
        """`losses.MeanSquaredError`."""
        return losses.MeanSquaredError()


@dataclass
class MeanAbsoluteError(OfLoss):
    """The mean of |t - p|."""

    key = "mean_absolute_error"

    def objective(self) -> Loss:
        """`losses.MeanAbsoluteError`."""
        return losses.MeanAbsoluteError()


@dataclass
class MeanAbsolutePercentageError(OfLoss):
    """The mean of 100·|t - p| / max(|t|, 1e-7)."""

    key = "mean_absolute_percentage_error"

    def objective(self) -> Loss:
        """`losses.MeanAbsolutePercentageError`."""
        return losses.MeanAbsolutePercentageError()


@dataclass
class MeanSquaredLogarithmicError(OfLoss):
    """The mean of (log(1 + t) - log(1 + p))²."""

    key = "mean_squared_logarithmic_error"

    def objective(self) -> Loss:
        """`losses.MeanSquaredLogarithmicError`."""
        return losses.MeanSquaredLogarithmicError()


@dataclass
class LogCoshError(OfLoss):
    """The mean of log(cosh(p - t))."""

    key = "logcosh"

    def objective(self) -> Loss:
        """`losses.LogCosh`."""
        return losses.LogCosh()


@dataclass
class Poisson(OfLoss):
    """The mean of p - t·log(p + 1e-7)."""

    key = "poisson"

    def objective(self) -> Loss:
        """`losses.Poisson`."""
        return losses.Poisson()


@dataclass
class KLDivergence(OfLoss):
    """The mean of Σ t·log(t/p) over the last axis."""

    key = "kl_divergence"

    def objective(self) -> Loss:
        """`losses.KLDivergence`."""
        return losses.KLDivergence()


@dataclass
class Hinge(OfLoss):
    """The mean of max(1 - t·p, 0) for targets of -1 and 1 (0 counts as -1)."""

    key = "hinge"

    def objective(self) -> Loss:
        """`losses.Hinge`."""
        return losses.Hinge()


@dataclass
class SquaredHinge(OfLoss):
    """The mean of max(1 - t·p, 0)² for targets of -1 and 1 (0 counts as -1)."""

    key = "squared_hinge"

    def objective(self) -> Loss:
        """`losses.SquaredHinge`."""
        return losses.SquaredHinge()


@dataclass
class CategoricalHinge(OfLoss):
    """The mean of max(n - p + 1, 0): p the right class's output, n the best other one."""

    key = "categorical_hinge"

    def objective(self) -> Loss:
        """`losses.CategoricalHinge`."""
        return losses.CategoricalHinge()


@dataclass
class BinaryCrossentropy(OfLoss):
    """The mean of -(t·log p + (1-t)·log(1-p))."""

    from_logits: bool = False
    label_smoothing: float = 0.0
    key = "binary_crossentropy"

    def objective(self) -> Loss:
        """`losses.BinaryCrossentropy` with the same settings."""
        return losses.BinaryCrossentropy(self.from_logits, self.label_smoothing)


@dataclass
class CategoricalCrossentropy(OfLoss):
    """The mean of -Σ t·log p over `axis`, the classes."""

    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    key = "categorical_crossentropy"

    def objective(self) -> Loss:
        """`losses.CategoricalCrossentropy` with the same settings."""
        return losses.CategoricalCrossentropy(self.from_logits, self.label_smoothing, self.axis)


@dataclass
class SparseCategoricalCrossentropy(OfLoss):
    """The mean of -log p of the labelled class; those labelled `ignore_class` are left out.

    Without sample weights Keras's metric counts these as 0, unlike its loss.
    """

    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1
    key = "sparse_categorical_crossentropy"

    def objective(self) -> Loss:
        """`losses.SparseCategoricalCrossentropy` with the same settings."""
        return losses.SparseCategoricalCrossentropy(self.from_logits, self.ignore_class, self.axis)


@dataclass
class CosineSimilarity(Mean):
    """The mean cosine of the angle between t and p along `axis`: 1 where they point alike (the loss is minus it)."""

    axis: int = -1
    key = "cosine_similarity"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The cosine of each example and position."""
        return cosine(program, target, output, within(self.axis, output.type, losses.CosineSimilarity()))
