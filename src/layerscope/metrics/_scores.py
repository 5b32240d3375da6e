"""Metrics of classes: F scores, and how much areas overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import EPSILON, check_number, minus_from
from layerscope.losses._crossentropy import chosen
from layerscope.metrics._base import Metric, Result, Sums, one_of, summed

AVERAGES = (None, "micro", "macro", "weighted")


@dataclass
class _FScore(Metric):
    """Base: precision and recall of each class in one number."""

    def _settings(self) -> tuple[str | None, float, float | None]:
        """Average, beta, threshold."""
        given: Any = self
        return given.average, getattr(self, "beta", 1.0), given.threshold

    def __post_init__(self) -> None:
        super().__post_init__()
        average, beta, threshold = self._settings()
        one_of(self.name, "average", average, AVERAGES)
        check_number(self.name, beta, "beta", above=True)
        if threshold is not None:
            bad = isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1
            if bad:
                raise SettingError(f"{self.name}: threshold must be above 0 and at most 1, not {threshold!r}")

    def fits(self, output: TensorType) -> None:
        """ShapeError unless the output is one row of classes for each example."""
        if output.rank != 2:
            raise ShapeError(f"{self.name} needs one row of classes for each example, but the output is {output}")

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """For each class: true and false positives, false negatives, and all positives."""
        threshold = self._settings()[2]
        if threshold is None:
            largest = program.reduce("max", output, (1,), keep=True)
            marked = program.map("at_least", program.map("sub", output, largest), bound=0.0)
            marked = program.map("mul", marked, program.map("above", program.map("abs", output), bound=1e-9))
        else:
            marked = program.map("above", output, bound=float(threshold))
        rest, none = minus_from(program, 1.0, target), minus_from(program, 1.0, marked)
        parts = [(marked, target), (marked, rest), (none, target)]
        return [
            *(summed(program, program.map("mul", *part), weight, 1) for part in parts),
            summed(program, target, weight, 1),
        ]

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The score of each class, or their average."""
        average, beta, _ = self._settings()
        right, wrong, missed, all = (np.asarray(one, np.float64) for one in sums)
        if average == "micro":
            right, wrong, missed, all = (np.array([one.sum()]) for one in (right, wrong, missed, all))
        precision, recall = right / (right + wrong + EPSILON), right / (right + missed + EPSILON)
        score = precision * recall / (beta**2 * precision + recall + EPSILON) * (1 + beta**2)
        if average == "weighted":
            return float((score * (all / (all.sum() + EPSILON))).sum())
        return [float(one) for one in score] if average is None else float(score.mean())


@dataclass
class FBetaScore(_FScore):
    """(1 + beta²)·P·R / (beta²·P + R) of each class, from its precision P and recall R over the whole epoch.

    `average`: None gives a list, "macro" its mean, "weighted" that weighed by how frequent each class is, "micro" the
    score of all classes counted together. `threshold`: None marks the largest output of each example.
    """

    average: str | None = None
    beta: float = 1.0
    threshold: float | None = None
    key = "fbeta_score"


@dataclass
class F1Score(_FScore):
    """2·P·R / (P + R) of each class, from its precision P and recall R; settings as of FBetaScore."""

    average: str | None = None
    threshold: float | None = None
    key = "f1_score"


@dataclass
class _Overlap(Metric):
    """Base: intersection over union, from how often each class is meant, said, and both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if hasattr(self, "target_class_ids"):
            self.target_class_ids = tuple(self._wanted())
        count, wanted = self._classes(), self._wanted()
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise SettingError(f"{self.name}: num_classes must be a whole number from 1, not {count!r}")
        if any(isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < count for one in wanted):
            raise SettingError(f"{self.name}: classes run from 0 to {count - 1}, but target_class_ids is {wanted}")

    def _classes(self) -> int:
        return int(getattr(self, "num_classes", 2))

    def _wanted(self) -> list[int]:
        given = getattr(self, "target_class_ids", None)
        return list(range(self._classes())) if given is None else list(given)

    def _sparse(self) -> tuple[bool, bool]:
        """Whether targets and outputs are labels, not one number for each class."""
        return getattr(self, "sparse_y_true", False), getattr(self, "sparse_y_pred", True)

    def target_type(self, output: TensorType) -> TensorType:
        """That of the output; without its classes where only targets are labels."""
        truly, said = self._sparse()
        return output.with_shape(output.shape[:-1]) if truly and not said else output

    def fits(self, output: TensorType) -> None:
        """ShapeError where classes do not lie along the last axis; SettingError for another axis."""
        truly, said = self._sparse()
        if getattr(self, "axis", -1) not in (-1, output.rank - 1):
            raise SettingError(f"{self.name}: the classes must lie on the last axis (axis=-1)")
        if not said and output.shape[-1] != self._classes():
            raise ShapeError(f"{self.name} has {self._classes()} classes, but the output is {output}")
        if said and not truly:
            raise SettingError(f"{self.name}: outputs that are labels (sparse_y_pred) need targets that are, too")

    def _label(self, program: Builder, value: Value, sparse: bool) -> Value:
        return value if sparse else program.reduce("argmax", value, (value.type.rank - 1,))

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """For each class how often it is both meant and said, meant, and said."""
        truly, said = self._sparse()
        classes = self._classes()
        meant, told = (
            chosen(program, self._label(program, value, sparse), classes)
            for value, sparse in ((target, truly), (output, said))
        )
        ignored: int | None = getattr(self, "ignore_class", None)
        if ignored is not None:
            distance = program.map(
                "abs", program.map("shift", self._label(program, target, truly), offset=-float(ignored))
            )
            meant = program.map("mul", meant, self._wide(program, program.map("above", distance, bound=0.5)))
        last = (meant.type.rank - 1,)
        # What is no class on one side is left out on both.
        whole = [program.reduce("sum", one, last, keep=True) for one in (told, meant)]
        parts = [(meant, told), (meant, whole[0]), (told, whole[1])]
        return [summed(program, program.map("mul", *part), weight, 1) for part in parts]

    def _wide(self, program: Builder, value: Value) -> Value:
        return program.reshape(value, (*value.type.shape, 1))

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The mean over the wanted classes that occur."""
        both, meant, told = (np.asarray(one, np.float64)[self._wanted()] for one in sums)
        union = meant + told - both
        occurs = union > 1e-9
        return float(np.where(occurs, both / (union + EPSILON), 0.0).sum() / (occurs.sum() + EPSILON))


@dataclass
class IoU(_Overlap):
    """Intersection over union of areas, TP / (TP + FP + FN) of a class, mean over `target_class_ids` that occur.

    `sparse_y_true`, `sparse_y_pred`: whether targets and outputs are labels (the default, as in Keras) or one number
    for each class along the last axis. Positions whose target is `ignore_class` are left out.
    """

    num_classes: int
    target_class_ids: Sequence[int]
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1
    key = "io_u"


@dataclass
class MeanIoU(_Overlap):
    """Intersection over union of areas, mean over all classes that occur; settings as of IoU."""

    num_classes: int
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1
    key = "mean_io_u"


@dataclass
class OneHotIoU(_Overlap):
    """Intersection over union of areas for one-hot targets, mean over `target_class_ids` that occur."""

    num_classes: int
    target_class_ids: Sequence[int]
    ignore_class: int | None = None
    sparse_y_pred: bool = False
    axis: int = -1
    key = "one_hot_io_u"


@dataclass
class OneHotMeanIoU(_Overlap):
    """Intersection over union of areas for one-hot targets, mean over all classes that occur."""

    num_classes: int
    ignore_class: int | None = None
    sparse_y_pred: bool = False
    axis: int = -1
    key = "one_hot_mean_io_u"


@dataclass
class BinaryIoU(_Overlap):
    """Intersection over union of what lies at or beyond `threshold` and what does not; mean over both."""

    target_class_ids: Sequence[int] = (0, 1)
    threshold: float = 0.5
    key = "binary_io_u"

    def _sparse(self) -> tuple[bool, bool]:
        return True, True

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """As of two classes, 1 from the threshold on."""
        marked = program.map("at_least", output, bound=float(self.threshold))
        return super().lower(program, target, marked, weight)
