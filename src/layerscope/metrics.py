"""Metrics with Keras 3's names: means over examples, lowered to primitives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses import Loss, MeanAbsoluteError, MeanSquaredError, SparseCategoricalCrossentropy, weighted


@dataclass
class Metric:
    """Base of all metrics."""

    name: ClassVar[str] = ""

    def target_type(self, output: TensorType) -> TensorType:
        """The type of targets that fits this output."""
        return output

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """Each example's number (and each position's), as primitives: shape (batch, ...)."""
        raise NotImplementedError

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        """The mean over the batch, as primitives."""
        each = self.each(program, target, output)
        return program.reduce("mean", each, range(each.type.rank))

    def weighted(self, program: Builder, target: Value, output: Value, weight: Value) -> Value:
        """The mean over the batch of each example's number times its weight."""
        return weighted(program, self.each(program, target, output), weight)


@dataclass
class BinaryAccuracy(Metric):
    """Share of numbers on the target's side of the threshold."""

    threshold: float = 0.5
    name = "binary_accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        right = self._right(program, target, output)
        return right if right.type.rank == 1 else program.reduce("mean", right, (right.type.rank - 1,))

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        right = self._right(program, target, output)
        return program.reduce("mean", right, range(right.type.rank))

    def _right(self, program: Builder, target: Value, output: Value) -> Value:
        # Keras: prediction > threshold, so the threshold itself counts as 0
        above = program.map("above", output, bound=self.threshold)
        return program.map("equal", above, target)


@dataclass
class CategoricalAccuracy(Metric):
    """Share of examples whose largest output is the largest target."""

    name = "categorical_accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        last = (output.type.rank - 1,)
        return program.map("equal", program.reduce("argmax", output, last), program.reduce("argmax", target, last))


@dataclass
class SparseCategoricalAccuracy(Metric):
    """Share of examples whose largest output stands at the label."""

    name = "sparse_categorical_accuracy"

    def target_type(self, output: TensorType) -> TensorType:
        return output.with_shape(output.shape[:-1])

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        return program.map("equal", program.reduce("argmax", output, (output.type.rank - 1,)), target)


NAMED = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
}


def get(identifier: object, loss: object, output: TensorType) -> tuple[str, Metric | Loss]:
    """Name in the logs, and the metric. "accuracy" becomes the one that suits loss and output, as in Keras."""
    if isinstance(identifier, Metric | MeanSquaredError | MeanAbsoluteError):
        return identifier.name, identifier
    if not isinstance(identifier, str):
        raise SettingError(f"a metric is a name or an object of layerscope.metrics, not {identifier!r}")
    name = identifier.lower()
    if name in ("accuracy", "acc"):
        if isinstance(loss, SparseCategoricalCrossentropy):
            return name, SparseCategoricalAccuracy()
        return name, BinaryAccuracy() if output.shape[-1] == 1 else CategoricalAccuracy()
    if name not in NAMED:
        raise UnknownNameError("metric", identifier, {*NAMED, "accuracy"})
    return name, NAMED[name]()
