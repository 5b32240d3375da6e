"""What all losses share: their reduction, the check of targets, and the words they are written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType

EPSILON = 1e-7
"""Keras's `backend.epsilon()`: what logarithms and divisions are kept away from zero by."""

MEANS = ("sum_over_batch_size", "mean")
REDUCTIONS = (*MEANS, "sum")


@dataclass
class Loss:
    """Base of all losses: `each` gives every example's loss, `reduction` says what becomes of them.

    `reduction`: "sum_over_batch_size" (the default) and "mean" are the mean over examples and positions, "sum" their
    sum. `name` is what messages call it.
    Errors: SettingError for another reduction; Keras's None, which leaves no number to train on, is refused, too.
    """

    key: ClassVar[str] = ""
    """The name by which `compile` and saved models know it: that of Keras's function."""

    reduction: str = field(default="sum_over_batch_size", kw_only=True)
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        self.name = self.name or self.key
        if self.reduction not in REDUCTIONS:
            raise SettingError(
                f"{self.name}: reduction must be one of {', '.join(REDUCTIONS)}, not {self.reduction!r}: "
                "training needs one number"
            )

    def target_type(self, output: TensorType) -> TensorType:
        """The type of targets that fits this output."""
        return output

    def fits(self, output: TensorType) -> None:
        """ShapeError where it cannot measure such an output."""

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """DataError when a value lies outside of what the loss takes."""

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """Each example's loss (and position's), as primitives: shape (batch, ...), what Keras's `call` returns."""
        raise NotImplementedError

    def mask(self, program: Builder, target: Value) -> Value | None:
        """1 where an example or position counts, 0 where it does not, (batch, ...); None where all count."""
        return None

    def by_example(self, output: TensorType) -> bool:
        """Whether `each` tells the batch's examples apart."""
        return True

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        """The mean, or the sum, over everything, as primitives."""
        return self._counted(program, target, self.each(program, target, output))

    def weighted(self, program: Builder, target: Value, output: Value, weight: Value) -> Value:
        """The same of each example's loss times its weight (batch,), or its positions' (batch, ...)."""
        each = self.each(program, target, output)
        if not self.by_example(output.type):
            mean = program.reduce("mean", weight, range(weight.type.rank))
            return program.map("mul", self.reduced(program, each), mean)
        return self._counted(program, target, weighed(program, each, weight))

    def _counted(self, program: Builder, target: Value, each: Value) -> Value:
        """One number from each example's loss; a mean is over those that count."""
        mask = self.mask(program, target)
        if mask is None or self.reduction == "sum":
            return self.reduced(program, each)
        total = program.reduce("sum", each, range(each.type.rank))
        count = program.reduce("sum", mask, range(mask.type.rank))
        return program.map("div", total, at_least(program, count, 1.0))

    def reduced(self, program: Builder, each: Value) -> Value:
        """One number from each example's loss."""
        if not each.type.rank:  # a loss of the batch as a whole
            return each
        axes = range(each.type.rank)
        if self.reduction == "sum":
            return program.reduce("sum", each, axes)
        if isinstance(each.type.shape[0], int):
            # The batch is summed up already: the engine divides by known sizes only.
            return program.map("scale", program.reduce("sum", each, axes), factor=1 / elements(each.type))
        return program.reduce("mean", each, axes)

    def to_json(self) -> dict[str, Any]:
        """Name and those settings that are not the usual ones, for a saved model."""
        return {"loss": type(self).key, "settings": unusual(self)}


def unusual(one: Any) -> dict[str, Any]:
    """The settings of a loss or metric that differ from the defaults."""
    usual = type(one)
    found: dict[str, Any] = {}
    for each in fields(one):
        value = getattr(one, each.name)
        plain = getattr(usual, "key", "") if each.name == "name" else each.default
        if value != plain:
            found[each.name] = list(value) if isinstance(value, tuple) else value
    return found


def elements(type: TensorType) -> int:
    """How many numbers a value without a batch has."""
    count = 1
    for size in type.shape:
        assert isinstance(size, int)
        count *= size
    return count


@dataclass
class Elementwise(Loss):
    """Base of losses that compare number with number: each example's loss is the mean over the last axis."""

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """The loss of each number, as primitives."""
        raise NotImplementedError

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The mean over the last axis (or the loss's own `axis`)."""
        values = self.values(program, target, output)
        axis = getattr(self, "axis", -1)
        return values if values.type.rank == 1 else program.reduce("mean", values, (within(axis, values.type, self),))

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        """One mean over all numbers, not one of means; a sum is over the last axis's means, as in Keras."""
        if self.reduction == "sum":
            return super().lower(program, target, output)
        values = self.values(program, target, output)
        return program.reduce("mean", values, range(values.type.rank))


def within(axis: int, type: TensorType, loss: Loss) -> int:
    """An axis counted from the front; SettingError where there is none such."""
    if isinstance(axis, bool) or not isinstance(axis, int) or not -type.rank < axis < type.rank or axis == 0:
        raise SettingError(f"{loss.name}: axis must be between 1 and {type.rank - 1} or -1, not {axis!r}")
    return axis % type.rank


def check_share(name: str, value: object, what: str) -> None:
    """SettingError unless a setting is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SettingError(f"{name}: {what} must be a number from 0 to 1, not {value!r}")


def check_number(name: str, value: object, what: str, least: float = 0.0, above: bool = False) -> None:
    """SettingError unless a setting is a number of at least `least` (or above it)."""
    good = not isinstance(value, bool) and isinstance(value, int | float) and value >= least
    if not good or (above and value == least):
        raise SettingError(f"{name}: {what} must be {'above' if above else 'at least'} {least:g}, not {value!r}")


def check_values(targets: NDArray[Any], name: str, low: float, high: float, what: str) -> None:
    """DataError unless all targets lie between two numbers."""
    least, most = float(targets.min()), float(targets.max())
    if least < low or most > high:
        advice = " Pixels of 0 to 255 want dividing by 255." if least >= 0 and 1 < most <= 255 else ""
        allowed = f"of at least {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        raise DataError(
            f"{name} takes {what} {allowed}, but the targets lie between {least:g} and {most:g}." + advice
        )


def check_classes(name: str, output: TensorType, axis: int = -1) -> None:
    """ShapeError unless there are several numbers along the axis of classes."""
    if output.rank > 1 and output.shape[axis] == 1:
        raise ShapeError(
            f"{name} compares classes along the last axis, but the output {output} has only one. "
            "Use binary_crossentropy with a sigmoid, or as many units as classes with a softmax."
        )


# --- words ---


def weighed(program: Builder, values: Value, weight: Value | None) -> Value:
    """Values times the weights of their examples or positions."""
    if weight is None:
        return values
    missing = values.type.rank - weight.type.rank
    wide = program.reshape(weight, (*weight.type.shape, *(1,) * missing)) if missing > 0 else weight
    return program.map("mul", values, wide)


def minus_from(program: Builder, one: float, value: Value) -> Value:
    """one - value."""
    return program.map("shift", program.map("neg", value), offset=one)


def at_least(program: Builder, value: Value, low: float) -> Value:
    """The larger of the value and a number."""
    return program.map("clip", value, low=low, high=float("inf"))


def power(program: Builder, value: Value, exponent: float) -> Value:
    """value^exponent for a value of at least 0."""
    if exponent == 1:
        return value
    return program.map("square", value) if exponent == 2 else program.map("power", value, exponent=float(exponent))


def total(program: Builder, values: Sequence[Value]) -> Value:
    """The sum of some values."""
    found = values[0]
    for value in values[1:]:
        found = program.map("add", found, value)
    return found
