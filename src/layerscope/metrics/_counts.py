"""Metrics of yes and no: how many numbers beyond a threshold are right, and what is made of these counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import check_share, minus_from
from layerscope.metrics._base import Metric, Result, Sums, summed

LOWEST = -1e10
"""Below every output; the threshold of `top_k`, as in Keras."""


def per(over: Sums, under: Sums) -> Sums:
    """over / under, 0 where nothing is below."""
    whole = np.asarray(under, np.float64)
    return np.divide(over, whole, out=np.zeros_like(whole), where=whole != 0)


def bins(program: Builder, output: Value, count: int) -> Value:
    """Outputs within 0 and 1 as one-hot numbers of the thresholds n / (count - 1), on a new last axis.

    The last threshold below the output is marked, or the first where there is none.
    """
    within = program.map("clip", output, low=0.0, high=1.0)
    ceiling = program.map("floor", program.map("scale", within, factor=-float(count - 1)))
    place = program.map("relu", program.map("shift", program.map("neg", ceiling), offset=-1.0))
    return program.map("one_hot", program.reshape(place, (*place.type.shape, 1)), depth=count)


def positives(
    program: Builder, truth: Value, output: Value, thresholds: Sequence[float], weight: Value | None, labels: bool
) -> list[Value]:
    """For each threshold the sum of `truth` over outputs beyond it; with `labels` for each number of an example."""
    keep = int(labels)
    return [
        summed(program, program.map("mul", truth, program.map("above", output, bound=bound)), weight, keep)
        for bound in thresholds
    ]


def true(program: Builder, target: Value) -> Value:
    """1 where a target is not 0."""
    return program.map("above", program.map("abs", target), bound=0.0)


def one_class(program: Builder, value: Value, number: int) -> Value:
    """One number of the last axis, which stays, with size 1."""
    shape = value.type.shape
    classes = shape[-1]
    assert isinstance(classes, int)
    wide = program.reshape(value, (*shape, 1))
    around = (*((0, 0),) * (len(shape) - 2), (-number, number + 1 - classes))
    return program.reshape(program.pad(wide, around), (*shape[:-1], 1))


def _best(program: Builder, output: Value, k: int) -> Value:
    """1 at the k largest of the last axis, of equal ones the first."""
    classes, last = output.type.shape[-1], (output.type.rank - 1,)
    assert isinstance(classes, int)
    marked: Value | None = None
    for _ in range(min(k, classes)):
        largest = program.reduce("argmax", output, last)
        here = program.map("one_hot", program.reshape(largest, (*largest.type.shape, 1)), depth=classes)
        marked = here if marked is None else program.map("add", marked, here)
        output = program.map("sub", output, program.map("scale", here, factor=-2 * LOWEST))
    assert marked is not None
    return marked


@dataclass
class _Thresholds(Metric):
    """Base: sums of `parts` (tp, fp, tn, fn) beyond each threshold."""

    parts: ClassVar[tuple[str, ...]] = ()

    def _settings(self) -> tuple[tuple[float, ...], int | None, int | None]:
        """Thresholds, `top_k` and `class_id`."""
        given: Any = getattr(self, "thresholds", None)
        top = getattr(self, "top_k", None)
        if given is None:
            given = 0.5 if top is None else LOWEST
        found = given if isinstance(given, list | tuple) else (given,)
        return tuple(map(float, found)), top, getattr(self, "class_id", None)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = getattr(self, "thresholds", None)
        if given is not None:
            several = isinstance(given, list | tuple)
            for one in given if several else (given,):
                check_share(self.name, one, "a threshold")
            if several and not given:
                raise SettingError(f"{self.name}: thresholds must be numbers from 0 to 1, but there are none")
            self.thresholds = list(given) if several else given
        for what, least in (("top_k", 1), ("class_id", 0)):
            value = getattr(self, what, None)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise SettingError(f"{self.name}: {what} must be a whole number from {least}, not {value!r}")

    def fits(self, output: TensorType) -> None:
        """ShapeError for a class that there is not."""
        _, top, number = self._settings()
        classes = output.shape[-1] if output.rank > 1 else 1
        if number is not None and isinstance(classes, int) and number >= classes:
            raise ShapeError(
                f"{self.name} is of the class {number}, but the output {output} has {classes}, 0 to {classes - 1}"
            )
        if top is not None and isinstance(classes, int) and top > classes:
            raise ShapeError(f"{self.name} is of the best {top}, but the output {output} has {classes}")

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """For each part a sum for each threshold."""
        thresholds, top, number = self._settings()
        keep = None if top is None else _best(program, output, top)
        if number is not None:
            target, output = (one_class(program, value, number) for value in (target, output))
            keep = None if keep is None else one_class(program, keep, number)
        yes = true(program, target)
        truths = {"p": yes, "n": minus_from(program, 1.0, yes)}
        found: list[Value] = []
        for part in self.parts:
            # What is not marked counts: truly as a negative, falsely where the target is positive.
            marked = part in ("tp", "fp")
            truth = truths["p" if part in ("tp", "fn") else "n"]
            for bound in thresholds:
                beyond = program.map("above", output, bound=bound)
                beyond = beyond if keep is None else program.map("mul", beyond, keep)
                beyond = beyond if marked else minus_from(program, 1.0, beyond)
                found.append(summed(program, program.map("mul", truth, beyond), weight))
        return found

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """One number, or one for each of several thresholds."""
        each = len(sums) // len(self.parts)
        parts = [np.array([float(one) for one in sums[n * each : (n + 1) * each]]) for n in range(len(self.parts))]
        found = self.ratio(*parts)
        return float(found[0]) if each == 1 else [float(one) for one in found]

    def ratio(self, *parts: Sums) -> Sums:
        """What is made of the counts."""
        return parts[0]


@dataclass
class TruePositives(_Thresholds):
    """How many numbers lie beyond the threshold (0.5) and have a target of 1; a list for several thresholds."""

    thresholds: float | Sequence[float] | None = None
    key = "true_positives"
    parts = ("tp",)


@dataclass
class FalsePositives(_Thresholds):
    """How many numbers lie beyond the threshold (0.5) but have a target of 0; a list for several thresholds."""

    thresholds: float | Sequence[float] | None = None
    key = "false_positives"
    parts = ("fp",)
    falls = True


@dataclass
class TrueNegatives(_Thresholds):
    """How many numbers do not lie beyond the threshold (0.5) and have a target of 0; a list for several of them."""

    thresholds: float | Sequence[float] | None = None
    key = "true_negatives"
    parts = ("tn",)


@dataclass
class FalseNegatives(_Thresholds):
    """How many numbers do not lie beyond the threshold (0.5) but have a target of 1; a list for several of them."""

    thresholds: float | Sequence[float] | None = None
    key = "false_negatives"
    parts = ("fn",)
    falls = True


@dataclass
class Precision(_Thresholds):
    """Share of numbers beyond the threshold (0.5) whose target is 1: TP / (TP + FP), 0 of none.

    `top_k`: instead of a threshold (or beside it), only the k largest of the last axis. `class_id`: only that number
    of the last axis. A list for several thresholds.
    """

    thresholds: float | Sequence[float] | None = None
    top_k: int | None = None
    class_id: int | None = None
    key = "precision"
    parts = ("tp", "fp")

    def ratio(self, *parts: Sums) -> Sums:
        """TP / (TP + FP)."""
        return per(parts[0], parts[0] + parts[1])


@dataclass
class Recall(_Thresholds):
    """Share of numbers with a target of 1 that lie beyond the threshold (0.5): TP / (TP + FN), 0 of none.

    `top_k`, `class_id` and several thresholds: as of Precision.
    """

    thresholds: float | Sequence[float] | None = None
    top_k: int | None = None
    class_id: int | None = None
    key = "recall"
    parts = ("tp", "fn")

    def ratio(self, *parts: Sums) -> Sums:
        """TP / (TP + FN)."""
        return per(parts[0], parts[0] + parts[1])
