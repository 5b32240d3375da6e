"""Metrics that count right answers."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import minus_from
from layerscope.losses._crossentropy import chosen
from layerscope.metrics._base import Mean


@dataclass
class Accuracy(Mean):
    """Share of numbers that equal their target."""

    key = "accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where both are equal."""
        return program.map("equal", output, target)


@dataclass
class BinaryAccuracy(Mean):
    """Share of numbers on the target's side of the threshold."""

    threshold: float = 0.5
    key = "binary_accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where both are on one side."""
        # Keras: prediction > threshold, so the threshold itself counts as 0
        return program.map("equal", program.map("above", output, bound=float(self.threshold)), target)


@dataclass
class CategoricalAccuracy(Mean):
    """Share of examples whose largest output is the largest target."""

    key = "categorical_accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where both have their largest number in one place."""
        last = (output.type.rank - 1,)
        return program.map("equal", program.reduce("argmax", output, last), program.reduce("argmax", target, last))


@dataclass
class _Labels(Mean):
    """Base: targets are labels, without the axis of classes."""

    def target_type(self, output: TensorType) -> TensorType:
        """The output without its classes."""
        return output.with_shape(output.shape[:-1])

    def fits(self, output: TensorType) -> None:
        """ShapeError without an axis of classes."""
        if output.rank == 1:
            raise ShapeError(f"{self.name} needs an axis of classes, but the output is {output}")


@dataclass
class SparseCategoricalAccuracy(_Labels):
    """Share of examples whose largest output stands at the label."""

    key = "sparse_categorical_accuracy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where the largest output stands at the label."""
        return program.map("equal", program.reduce("argmax", output, (output.type.rank - 1,)), target)


def _check_k(name: str, k: object) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise SettingError(f"{name}: k must be a whole number from 1, not {k!r}")


def _among_best(program: Builder, label: Value, output: Value, k: int) -> Value:
    """1 where fewer than k outputs are larger than that of the label."""
    classes, last = output.type.shape[-1], (output.type.rank - 1,)
    assert isinstance(classes, int)
    own = program.reduce("sum", program.map("mul", chosen(program, label, classes), output), last, keep=True)
    larger = program.reduce("sum", program.map("above", program.map("sub", output, own), bound=0.0), last)
    return minus_from(program, 1.0, program.map("at_least", larger, bound=float(k)))


@dataclass
class TopKCategoricalAccuracy(Mean):
    """Share of examples whose largest target is among the k largest outputs (all of equal ones are)."""

    k: int = 5
    key = "top_k_categorical_accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_k(self.name, self.k)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where the largest target is among the best."""
        label = program.reduce("argmax", target, (target.type.rank - 1,))
        return _among_best(program, label, output, self.k)


@dataclass
class SparseTopKCategoricalAccuracy(_Labels):
    """Share of examples whose label is among the k largest outputs (all of equal ones are)."""

    k: int = 5
    key = "sparse_top_k_categorical_accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_k(self.name, self.k)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 where the label is among the best."""
        return _among_best(program, target, output, self.k)
