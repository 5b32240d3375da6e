"""Losses of probabilities: cross-entropies and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import (
    EPSILON,
    Elementwise,
    Loss,
    check_classes,
    check_number,
    check_share,
    check_values,
    minus_from,
    power,
    within,
)


def _smoothed(program: Builder, target: Value, smoothing: float, share: float) -> Value:
    """Targets drawn towards a share of all classes alike."""
    if not smoothing:
        return target
    return program.map("shift", program.map("scale", target, factor=1 - smoothing), offset=smoothing * share)


def _binary(program: Builder, target: Value, probability: Value) -> Value:
    """-(t·log p + (1-t)·log(1-p)), p clipped to [1e-7, 1 - 1e-7]."""
    p = program.map("clip", probability, low=EPSILON, high=1 - EPSILON)
    yes = program.map("mul", target, program.map("log", p))
    no = program.map("mul", minus_from(program, 1.0, target), program.map("log", minus_from(program, 1.0, p)))
    return program.map("neg", program.map("add", yes, no))


@dataclass
class BinaryCrossentropy(Elementwise):
    """-(t·log p + (1-t)·log(1-p)), mean over all numbers.

    Computed from the logits when the output is a sigmoid; otherwise p is clipped to [1e-7, 1 - 1e-7].
    `label_smoothing` draws the targets towards 1/2.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    key = "binary_crossentropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.name, self.label_smoothing, "label_smoothing")

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are shares."""
        check_values(targets, self.name, 0, 1, "targets")

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """The cross-entropy of each number."""
        target = _smoothed(program, target, self.label_smoothing, 0.5)
        logits = output if self.from_logits else program.logits_of(output, "sigmoid")
        if logits is None:
            return _binary(program, target, output)
        # softplus(z) - t·z is the same and does not overflow
        return program.map("sub", program.map("softplus", logits), program.map("mul", logits, target))


@dataclass
class BinaryFocalCrossentropy(Elementwise):
    """(1 - q)^gamma times the binary cross-entropy, q = t·p + (1-t)·(1-p) being how sure the right answer is.

    What is easy counts less (Lin et al. 2017). With `apply_class_balancing` ones weigh `alpha` and zeros 1 - alpha.
    """

    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    key = "binary_focal_crossentropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.name, self.label_smoothing, "label_smoothing")
        check_share(self.name, self.alpha, "alpha")
        check_number(self.name, self.gamma, "gamma")

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are shares."""
        check_values(targets, self.name, 0, 1, "targets")

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """The weighted cross-entropy of each number."""
        target = _smoothed(program, target, self.label_smoothing, 0.5)
        p = program.map("sigmoid", output) if self.from_logits else output
        rest = minus_from(program, 1.0, target)
        sure = program.map(
            "add", program.map("mul", target, p), program.map("mul", rest, minus_from(program, 1.0, p))
        )
        found = _binary(program, target, p)
        if self.gamma:
            found = program.map("mul", power(program, minus_from(program, 1.0, sure), self.gamma), found)
        if self.apply_class_balancing:
            yes, no = (
                program.map("scale", target, factor=self.alpha),
                program.map("scale", rest, factor=1 - self.alpha),
            )
            found = program.map("mul", program.map("add", yes, no), found)
        return found


def _log_softmax(program: Builder, logits: Value, axis: int) -> Value:
    top = program.map("constant", program.reduce("max", logits, (axis,), keep=True))
    shifted = program.map("sub", logits, top)
    total = program.map("log", program.reduce("sum", program.map("exp", shifted), (axis,), keep=True))
    return program.map("sub", shifted, total)


def _softmax(program: Builder, logits: Value, axis: int) -> Value:
    top = program.map("constant", program.reduce("max", logits, (axis,), keep=True))
    powers = program.map("exp", program.map("sub", logits, top))
    return program.map("div", powers, program.reduce("sum", powers, (axis,), keep=True))


def _probabilities(program: Builder, output: Value, axis: int) -> Value:
    """The output divided by its sum, and clipped."""
    total = program.reduce("sum", output, (axis,), keep=True)
    return program.map("clip", program.map("div", output, total), low=EPSILON, high=1 - EPSILON)


def _log_probabilities(program: Builder, output: Value, from_logits: bool, axis: int) -> Value:
    last = axis == output.type.rank - 1
    logits = output if from_logits else program.logits_of(output, "softmax") if last else None
    if logits is not None:
        return _log_softmax(program, logits, axis)
    return program.map("log", _probabilities(program, output, axis))


@dataclass
class _OneHot(Loss):
    """Base: targets with a number for each class along `axis`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.name, getattr(self, "label_smoothing", 0.0), "label_smoothing")

    def fits(self, output: TensorType) -> None:
        """ShapeError for a single class."""
        check_classes(self.name, output, within(getattr(self, "axis", -1), output, self))

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are shares."""
        check_values(targets, self.name, 0, 1, "one-hot targets")

    def _target(self, program: Builder, target: Value, smoothing: float) -> Value:
        classes = target.type.shape[-1]
        assert isinstance(classes, int)
        return _smoothed(program, target, smoothing, 1 / classes)


@dataclass
class CategoricalCrossentropy(_OneHot):
    """-Σ t·log p over `axis`, the classes (one number a class); mean over the rest.

    Computed from the logits when the output is a softmax; otherwise p is divided by its sum and clipped to
    [1e-7, 1 - 1e-7]. `label_smoothing` draws the targets towards all classes alike.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    key = "categorical_crossentropy"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """-Σ t·log p of each example and position."""
        axis = within(self.axis, output.type, self)
        target = self._target(program, target, self.label_smoothing)
        logs = program.map("mul", target, _log_probabilities(program, output, self.from_logits, axis))
        return program.map("neg", program.reduce("sum", logs, (axis,)))


@dataclass
class CategoricalFocalCrossentropy(_OneHot):
    """-Σ alpha·(1 - p)^gamma·t·log p over `axis`, the classes; mean over the rest (Lin et al. 2017).

    `alpha`: one number, or one for each class. p is divided by its sum and clipped to [1e-7, 1 - 1e-7].
    """

    alpha: float | Sequence[float] = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    key = "categorical_focal_crossentropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.name, self.gamma, "gamma")
        if not isinstance(self.alpha, int | float):
            self.alpha = tuple(float(number) for number in self.alpha)

    def fits(self, output: TensorType) -> None:
        """SettingError unless there is one alpha, or one for each class."""
        super().fits(output)
        if isinstance(self.alpha, tuple) and (self.axis not in (-1, output.rank - 1)):
            raise SettingError(f"{self.name}: alpha for each class needs the classes on the last axis")
        if isinstance(self.alpha, tuple) and len(self.alpha) != output.shape[-1]:
            raise SettingError(
                f"{self.name}: alpha has {len(self.alpha)} numbers, but the output has {output.shape[-1]} classes"
            )

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The weighted cross-entropy of each example and position."""
        axis = within(self.axis, output.type, self)
        target = self._target(program, target, self.label_smoothing)
        p = _softmax(program, output, axis) if self.from_logits else output
        p = _probabilities(program, p, axis)
        found = program.map("mul", target, program.map("log", p))
        if self.gamma:
            found = program.map("mul", power(program, minus_from(program, 1.0, p), self.gamma), found)
        if isinstance(self.alpha, int | float):
            return program.map("scale", program.reduce("sum", found, (axis,)), factor=-float(self.alpha))
        weights = program.table([-number for number in self.alpha], (len(self.alpha),))
        return program.reduce("sum", program.map("mul", found, weights), (axis,))


def check_labels(
    targets: NDArray[Any], output: TensorType, name: str, axis: int = -1, ignored: int | None = None
) -> None:
    """DataError unless all targets are numbers of classes (or the ignored one)."""
    classes = output.shape[axis]
    assert isinstance(classes, int)
    if targets.dtype.kind == "f" and (targets != np.floor(targets)).any():
        raise DataError(f"{name} takes whole-number labels, but the targets have fractions")
    if ignored is not None:
        targets = targets[targets != ignored]
    least, most = (int(targets.min()), int(targets.max())) if targets.size else (0, 0)
    if least < 0 or most >= classes:
        raise DataError(
            f"{name}: the output has {classes} classes, so labels run from 0 to {classes - 1}, "
            f"but the targets run from {least} to {most}"
        )


def chosen(program: Builder, target: Value, classes: int) -> Value:
    """Labels as one-hot numbers on a new last axis."""
    return program.map("one_hot", program.reshape(target, (*target.type.shape, 1)), depth=classes)


@dataclass
class _Sparse(Loss):
    """Base: targets are labels, without the axis of classes."""

    def fits(self, output: TensorType) -> None:
        """ShapeError without an axis of classes, or with a single class."""
        if output.rank == 1:
            raise ShapeError(f"{self.name} needs an axis of classes, but the output is {output}")
        axis: int = getattr(self, "axis", -1)
        if axis not in (-1, output.rank - 1):
            raise SettingError(f"{self.name}: the classes must lie on the last axis (axis=-1), not {axis!r}")
        check_classes(self.name, output)

    def target_type(self, output: TensorType) -> TensorType:
        """The output without its classes."""
        return output.with_shape(output.shape[:-1])

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Labels are whole numbers of classes."""
        check_labels(targets, output, self.name, ignored=getattr(self, "ignore_class", None))


@dataclass
class SparseCategoricalCrossentropy(_Sparse):
    """-log p of the labelled class; targets are whole numbers from 0, without the last axis.

    Examples and positions labelled `ignore_class` are left out of the mean.
    """

    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1
    key = "sparse_categorical_crossentropy"

    def mask(self, program: Builder, target: Value) -> Value | None:
        """1 where a label counts, 0 where it is `ignore_class`; None where all count."""
        if self.ignore_class is None:
            return None
        distance = program.map("abs", program.map("shift", target, offset=-float(self.ignore_class)))
        return program.map("above", distance, bound=0.5)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """-log p of each label; 0 where it is ignored."""
        classes = output.type.shape[-1]
        assert isinstance(classes, int)
        logs = _log_probabilities(program, output, self.from_logits, output.type.rank - 1)
        found = program.reduce(
            "sum", program.map("mul", chosen(program, target, classes), logs), (output.type.rank - 1,)
        )
        mask = self.mask(program, target)
        return program.map("neg", found if mask is None else program.map("mul", mask, found))


@dataclass
class CategoricalGeneralizedCrossEntropy(_Sparse):
    """(1 - p^q) / q of the labelled class, whose probability is p: between cross-entropy and absolute error.

    It bears wrong labels better the larger q is (Zhang & Sabuncu 2018). Targets are whole numbers, as of
    sparse_categorical_crossentropy.
    """

    q: float = 0.5
    key = "categorical_generalized_cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.q, bool) or not isinstance(self.q, int | float) or not 0 < self.q < 1:
            raise SettingError(f"{self.name}: q must be a number above 0 and below 1, not {self.q!r}")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """(1 - p^q) / q of each label."""
        classes = output.type.shape[-1]
        assert isinstance(classes, int)
        p = program.reduce(
            "sum", program.map("mul", chosen(program, target, classes), output), (output.type.rank - 1,)
        )
        return program.map("scale", minus_from(program, 1.0, power(program, p, self.q)), factor=1 / self.q)


@dataclass
class KLDivergence(Loss):
    """Σ t·log(t/p) over the last axis, mean over the rest; both are clipped to [1e-7, 1] (Kullback, Leibler 1951)."""

    key = "kl_divergence"

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Targets are shares."""
        check_values(targets, self.name, 0, 1, "targets")

    def fits(self, output: TensorType) -> None:
        """ShapeError without an axis of classes."""
        if output.rank == 1:
            raise ShapeError(f"{self.name} needs an axis of classes, but the output is {output}")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """Σ t·log(t/p) of each example and position."""
        t, p = (program.map("clip", value, low=EPSILON, high=1.0) for value in (target, output))
        logs = program.map("log", program.map("div", t, p))
        return program.reduce("sum", program.map("mul", t, logs), (output.type.rank - 1,))
