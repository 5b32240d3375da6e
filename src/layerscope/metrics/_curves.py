"""Metrics of curves over thresholds: areas below them, and points on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import check_share, minus_from
from layerscope.metrics._base import Metric, Result, Sums, one_of, summed
from layerscope.metrics._counts import bins, one_class, per, positives, true


def _lower(
    program: Builder, target: Value, output: Value, count: int, weight: Value | None, keep: int
) -> list[Value]:
    """Two histograms over the thresholds n / (count - 1): of positive and of negative targets."""
    yes = true(program, target)
    place = bins(program, output, count)
    wide = [program.reshape(one, (*one.type.shape, 1)) for one in (yes, minus_from(program, 1.0, yes))]
    return [summed(program, program.map("mul", place, one), weight, keep) for one in wide]


def _beyond(histogram: Sums) -> Sums:
    """How much lies beyond each threshold: sums from the end of the last axis."""
    return np.flip(np.cumsum(np.flip(histogram, -1), -1), -1)


@dataclass
class Counts:
    """What lies beyond thresholds (the last axis): true and false positives and negatives."""

    tp: Sums
    fp: Sums
    tn: Sums
    fn: Sums

    @property
    def recall(self) -> Sums:
        """TP / (TP + FN), also called sensitivity."""
        return per(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> Sums:
        """TP / (TP + FP)."""
        return per(self.tp, self.tp + self.fp)

    @property
    def specificity(self) -> Sums:
        """TN / (TN + FP)."""
        return per(self.tn, self.tn + self.fp)


def _counts(yes: Sums, no: Sums, total_yes: Sums, total_no: Sums) -> Counts:
    return Counts(yes, no, np.asarray(total_no)[..., None] - no, np.asarray(total_yes)[..., None] - yes)


def _pr_area(at: Counts) -> Sums:
    """The area below precision over recall, with both counts linear between thresholds (Davis & Goadrich 2006)."""
    marked = at.tp + at.fp
    gained, more = at.tp[..., :-1] - at.tp[..., 1:], marked[..., :-1] - marked[..., 1:]
    slope = per(gained, np.maximum(more, 0))
    start = at.tp[..., 1:] - slope * marked[..., 1:]
    both = (marked[..., :-1] > 0) & (marked[..., 1:] > 0)
    ratio = np.where(both, per(marked[..., :-1], np.maximum(marked[..., 1:], 0)), 1.0)
    return per(slope * (gained + start * np.log(ratio)), np.maximum(at.tp[..., 1:] + at.fn[..., 1:], 0)).sum(-1)


def _points(at: Counts, curve: str) -> tuple[Sums, Sums]:
    """Abscissae and ordinates of a curve, from the smallest threshold to the largest."""
    if curve == "ROC":
        return per(at.fp, at.fp + at.tn), at.recall
    if curve == "PR":
        return at.recall, at.precision
    odds = per(at.tp + at.fn, at.tn + at.fp)
    recall = np.where(at.tp == 0, 0.0, 1 - odds * per(at.fn, at.tp))
    precision = np.where(at.tp == 0, 1.0, 1 - odds * per(at.fp, at.tp))
    return np.maximum(recall, 0.0), precision


CURVES = ("ROC", "PR", "PRGAIN")
HEIGHTS = ("interpolation", "minoring", "majoring")


@dataclass
class AUC(Metric):
    """The area below a curve, found from counts beyond `num_thresholds` thresholds.

    `curve`: "ROC" (true over false positive rate), "PR" (precision over recall) or "PRGAIN" (their gains, Flach &
    Kull 2015). `summation_method`: "interpolation" (trapezoids; of PR Davis & Goadrich's), "minoring" or "majoring".
    `thresholds`: other ones than those that share 0 to 1 alike. `multi_label`: the mean over the areas of each number
    of the last axis, weighed by `label_weights`; otherwise all numbers make one curve. `from_logits`: the sigmoid of
    outputs is taken.
    Errors: SettingError; ShapeError where multi_label or label_weights do not fit the output.
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    summation_method: str = "interpolation"
    thresholds: Sequence[float] | None = None
    multi_label: bool = False
    num_labels: int | None = None
    label_weights: Sequence[float] | None = None
    from_logits: bool = False
    key = "auc"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.curve, str):
            self.curve = self.curve.upper()
        one_of(self.name, "curve", self.curve, CURVES)
        if isinstance(self.summation_method, str):
            self.summation_method = self.summation_method.lower()
        one_of(self.name, "summation_method", self.summation_method, HEIGHTS)
        if self.thresholds is not None:
            self.thresholds = sorted(self.thresholds)
            for one in self.thresholds:
                check_share(self.name, one, "a threshold")
            self.num_thresholds = len(self.thresholds) + 2
        count = self.num_thresholds
        if isinstance(count, bool) or not isinstance(count, int) or count < 2:
            raise SettingError(f"{self.name}: num_thresholds must be a whole number from 2, not {count!r}")
        if self.label_weights is not None:
            self.label_weights = [float(one) for one in self.label_weights]
        if self.num_labels and not self.multi_label:
            raise SettingError(f"{self.name}: num_labels is for multi_label=True")

    def fits(self, output: TensorType) -> None:
        """ShapeError where labels do not fit the output."""
        if self.multi_label and output.rank != 2:
            raise ShapeError(f"{self.name}: multi_label needs one axis of labels, but the output is {output}")
        wanted = self.num_labels or (len(self.label_weights) if self.label_weights is not None else None)
        if wanted is not None and output.shape[-1] != wanted:
            raise ShapeError(f"{self.name} has {wanted} labels, but the output is {output}")

    def _by_label(self) -> bool:
        return self.multi_label or self.label_weights is not None

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """Histograms; of thresholds that were given, sums beyond each, and of all."""
        if self.from_logits:
            output = program.map("sigmoid", output)
        labels = int(self._by_label())
        if self.thresholds is None:
            return _lower(program, target, output, self.num_thresholds, weight, 1 + labels)
        yes = true(program, target)
        found: list[Value] = []
        for truth in (yes, minus_from(program, 1.0, yes)):
            found += positives(program, truth, output, self.thresholds, weight, bool(labels))
            found.append(summed(program, truth, weight, labels))
        return found

    def _found(self, sums: Sequence[Sums]) -> Counts:
        """What lies beyond each threshold, by label where asked; the first threshold has all beyond it."""
        if self.thresholds is None:
            yes, no = (_beyond(np.asarray(one, np.float64)) for one in sums)
        else:
            half = len(sums) // 2
            yes, no = (
                np.stack([part[-1], *part[:-1], np.zeros_like(part[-1])], -1)
                for part in (list(sums[:half]), list(sums[half:]))
            )
        if self.label_weights is not None and not self.multi_label:
            weights = np.array(self.label_weights)[:, None]
            yes, no = (yes * weights).sum(0), (no * weights).sum(0)
        return _counts(yes, no, yes[..., 0], no[..., 0])

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The area, or the (weighted) mean of those of the labels."""
        at = self._found(sums)
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _pr_area(at)
        else:
            x, y = _points(at, self.curve)
            left, right = y[..., :-1], y[..., 1:]
            heights = {
                "interpolation": (left + right) / 2,
                "minoring": np.minimum(left, right),
                "majoring": np.maximum(left, right),
            }[self.summation_method]
            areas = ((x[..., :-1] - x[..., 1:]) * heights).sum(-1)
        if not self.multi_label:
            return float(areas)
        if self.label_weights is None:
            return float(areas.mean())
        weights = np.array(self.label_weights)
        return float(per((areas * weights).sum(), weights.sum()))


@dataclass
class _At(Metric):
    """Base: the largest of one rate among the thresholds at which another is large enough."""

    def __post_init__(self) -> None:
        super().__post_init__()
        what, value = self._wanted()
        check_share(self.name, value, what)
        count = self._count()
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise SettingError(f"{self.name}: num_thresholds must be a whole number from 1, not {count!r}")

    def _wanted(self) -> tuple[str, float]:
        raise NotImplementedError

    def _count(self) -> int:
        return int(getattr(self, "num_thresholds", 200))

    def fits(self, output: TensorType) -> None:
        """ShapeError for a class that there is not."""
        number = getattr(self, "class_id", None)
        classes = output.shape[-1] if output.rank > 1 else 1
        if number is not None and isinstance(classes, int) and not 0 <= number < classes:
            raise ShapeError(
                f"{self.name} is of the class {number}, but the output {output} has {classes}, 0 to {classes - 1}"
            )

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """Sums of both kinds of targets, and of those beyond each threshold."""
        number: int | None = getattr(self, "class_id", None)
        if number is not None:
            target, output = (one_class(program, value, number) for value in (target, output))
        yes, count = true(program, target), self._count()
        truths = (yes, minus_from(program, 1.0, yes))
        totals = [summed(program, one, weight) for one in truths]
        if count == 1:
            return [*totals, *(positives(program, one, output, (0.5,), weight, False)[0] for one in truths)]
        # An output of 0 lies beyond no threshold; in the histogram it stands at the first.
        above = program.map("above", output, bound=0.0)
        beyond = [program.map("mul", one, above) for one in truths]
        place = bins(program, output, count)
        wide = [program.reshape(one, (*one.type.shape, 1)) for one in beyond]
        return [*totals, *(summed(program, program.map("mul", place, one), weight, 1) for one in wide)]

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The largest of one rate, 0 where the other is nowhere large enough."""
        yes, no = (np.atleast_1d(np.asarray(one, np.float64)) for one in sums[2:])
        if self._count() > 1:
            yes, no = _beyond(yes), _beyond(no)
        held, asked = self.rates(_counts(yes, no, sums[0], sums[1]))
        good = held >= self._wanted()[1]
        return float(asked[good].max()) if good.any() else 0.0

    def rates(self, at: Counts) -> tuple[Sums, Sums]:
        """The rate that must be large enough, and the one that is told."""
        raise NotImplementedError


@dataclass
class SensitivityAtSpecificity(_At):
    """The best sensitivity (TP / (TP + FN)) where specificity (TN / (TN + FP)) is at least a number."""

    specificity: float
    num_thresholds: int = 200
    class_id: int | None = None
    key = "sensitivity_at_specificity"

    def _wanted(self) -> tuple[str, float]:
        return "specificity", self.specificity

    def rates(self, at: Counts) -> tuple[Sums, Sums]:
        """Specificity; sensitivity."""
        return at.specificity, at.recall


@dataclass
class SpecificityAtSensitivity(_At):
    """The best specificity (TN / (TN + FP)) where sensitivity (TP / (TP + FN)) is at least a number."""

    sensitivity: float
    num_thresholds: int = 200
    class_id: int | None = None
    key = "specificity_at_sensitivity"

    def _wanted(self) -> tuple[str, float]:
        return "sensitivity", self.sensitivity

    def rates(self, at: Counts) -> tuple[Sums, Sums]:
        """Sensitivity; specificity."""
        return at.recall, at.specificity


@dataclass
class PrecisionAtRecall(_At):
    """The best precision (TP / (TP + FP)) where recall (TP / (TP + FN)) is at least a number."""

    recall: float
    num_thresholds: int = 200
    class_id: int | None = None
    key = "precision_at_recall"

    def _wanted(self) -> tuple[str, float]:
        return "recall", self.recall

    def rates(self, at: Counts) -> tuple[Sums, Sums]:
        """Recall; precision."""
        return at.recall, at.precision


@dataclass
class RecallAtPrecision(_At):
    """The best recall (TP / (TP + FN)) where precision (TP / (TP + FP)) is at least a number."""

    precision: float
    num_thresholds: int = 200
    class_id: int | None = None
    key = "recall_at_precision"

    def _wanted(self) -> tuple[str, float]:
        return "precision", self.precision

    def rates(self, at: Counts) -> tuple[Sums, Sums]:
        """Precision; recall."""
        return at.precision, at.recall
