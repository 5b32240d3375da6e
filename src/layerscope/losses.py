"""Losses with Keras 3's names: the mean over the batch, lowered to primitives.

Each says which targets fit an output, and which values it takes, before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError, SettingError, ShapeError, UnknownNameError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, show

CLIP = 1e-7


def _all(value: Value) -> range:
    return range(value.type.rank)


def weighted(program: Builder, each: Value, weight: Value) -> Value:
    """The mean of numbers (batch, ...) times weights of as many axes or fewer, the first ones."""
    missing = each.type.rank - weight.type.rank
    if missing:
        weight = program.reshape(weight, (*weight.type.shape, *(1,) * missing))
    product = program.map("mul", each, weight)
    return program.reduce("mean", product, _all(product))


@dataclass
class Loss:
    """Base of all losses."""

    name: ClassVar[str] = ""

    def target_type(self, output: TensorType) -> TensorType:
        """The type of targets that fits this output."""
        return output

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """DataError when a value lies outside of what the loss takes."""

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """Each example's loss (and each position's), as primitives: shape (batch, ...), as Keras's `call`."""
        raise NotImplementedError

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        """The mean over everything, as primitives."""
        each = self.each(program, target, output)
        return program.reduce("mean", each, _all(each))

    def weighted(self, program: Builder, target: Value, output: Value, weight: Value) -> Value:
        """The mean over everything of each example's loss times its weight (batch,), or its positions'."""
        return weighted(program, self.each(program, target, output), weight)

    def to_json(self) -> str:
        """The name, for a saved model."""
        return self.name


@dataclass
class Elementwise(Loss):
    """Base of losses that compare number with number: each example's loss is the mean over the last axis."""

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        """The loss of each number, as primitives."""
        raise NotImplementedError

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        values = self.values(program, target, output)
        return values if values.type.rank == 1 else program.reduce("mean", values, (values.type.rank - 1,))

    def lower(self, program: Builder, target: Value, output: Value) -> Value:
        values = self.values(program, target, output)
        return program.reduce("mean", values, _all(values))  # one mean, not one of means


def _within(targets: NDArray[Any], name: str, low: float, high: float, what: str) -> None:
    least, most = float(targets.min()), float(targets.max())
    if least < low or most > high:
        advice = " Pixels of 0 to 255 want dividing by 255." if least >= 0 and 1 < most <= 255 else ""
        raise DataError(
            f"{name} takes {what} between {low:g} and {high:g}, but the targets lie between {least:g} and {most:g}."
            + advice
        )


@dataclass
class BinaryCrossentropy(Elementwise):
    """-(t·log p + (1-t)·log(1-p)), mean over all numbers.

    Computed from the logits when the output is a sigmoid; otherwise p is clipped to [1e-7, 1 - 1e-7].
    """

    from_logits: bool = False
    name = "binary_crossentropy"

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        _within(targets, self.name, 0, 1, "targets")

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        logits = output if self.from_logits else program.logits_of(output, "sigmoid")
        if logits is not None:
            # softplus(z) - t·z is the same and does not overflow
            each = program.map("sub", program.map("softplus", logits), program.map("mul", logits, target))
        else:
            p = program.map("clip", output, low=CLIP, high=1 - CLIP)
            q = program.map("shift", program.map("neg", p), offset=1.0)
            rest = program.map("shift", program.map("neg", target), offset=1.0)
            yes = program.map("mul", target, program.map("log", p))
            no = program.map("mul", rest, program.map("log", q))
            each = program.map("neg", program.map("add", yes, no))
        return each


def _log_softmax(program: Builder, logits: Value) -> Value:
    last = (logits.type.rank - 1,)
    top = program.map("constant", program.reduce("max", logits, last, keep=True))
    shifted = program.map("sub", logits, top)
    total = program.map("log", program.reduce("sum", program.map("exp", shifted), last, keep=True))
    return program.map("sub", shifted, total)


def _log_probabilities(program: Builder, output: Value, from_logits: bool) -> Value:
    logits = output if from_logits else program.logits_of(output, "softmax")
    if logits is not None:
        return _log_softmax(program, logits)
    total = program.reduce("sum", output, (output.type.rank - 1,), keep=True)
    return program.map("log", program.map("clip", program.map("div", output, total), low=CLIP, high=1 - CLIP))


@dataclass
class CategoricalCrossentropy(Loss):
    """-Σ t·log p over the last axis (one number a class), mean over the rest."""

    from_logits: bool = False
    name = "categorical_crossentropy"

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        _within(targets, self.name, 0, 1, "one-hot targets")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        logs = program.map("mul", target, _log_probabilities(program, output, self.from_logits))
        return program.map("neg", program.reduce("sum", logs, (output.type.rank - 1,)))


@dataclass
class SparseCategoricalCrossentropy(Loss):
    """-log p of the labelled class; targets are whole numbers from 0, without the last axis."""

    from_logits: bool = False
    name = "sparse_categorical_crossentropy"

    def target_type(self, output: TensorType) -> TensorType:
        return output.with_shape(output.shape[:-1])

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        classes = output.shape[-1]
        assert isinstance(classes, int)
        if targets.dtype.kind == "f" and (targets != np.floor(targets)).any():
            raise DataError(f"{self.name} takes whole-number labels, but the targets have fractions")
        least, most = int(targets.min()), int(targets.max())
        if least < 0 or most >= classes:
            raise DataError(
                f"{self.name}: the output has {classes} classes, so labels run from 0 to {classes - 1}, "
                f"but the targets run from {least} to {most}"
            )

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        classes = output.type.shape[-1]
        assert isinstance(classes, int)
        spread = program.reshape(target, (*target.type.shape, 1))
        chosen = program.map("one_hot", spread, depth=classes)
        logs = program.map("mul", chosen, _log_probabilities(program, output, self.from_logits))
        return program.map("neg", program.reduce("sum", logs, (output.type.rank - 1,)))


@dataclass
class MeanSquaredError(Elementwise):
    """(t - p)², mean over all numbers."""

    name = "mean_squared_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        return program.map("square", program.map("sub", output, target))


@dataclass
class MeanAbsoluteError(Elementwise):
    """|t - p|, mean over all numbers."""

    name = "mean_absolute_error"

    def values(self, program: Builder, target: Value, output: Value) -> Value:
        return program.map("abs", program.map("sub", output, target))


CLASSES: tuple[type[Loss], ...] = (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    MeanSquaredError,
    MeanAbsoluteError,
)
SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "bce": "binary_crossentropy"}


def get(identifier: object) -> Loss:
    """A loss from its name or itself; UnknownNameError names the nearest."""
    if isinstance(identifier, Loss):
        return identifier
    found = {cls.name: cls for cls in CLASSES} | {cls.__name__.lower(): cls for cls in CLASSES}
    if not isinstance(identifier, str):
        raise SettingError(f"a loss is a name or an object of layerscope.losses, not {identifier!r}")
    name = SHORT.get(identifier.lower(), identifier.lower())
    if name not in found:
        raise UnknownNameError("loss", identifier, {*(cls.name for cls in CLASSES), *SHORT})
    return found[name]()


def for_outputs(loss: Any, names: Sequence[str]) -> list[Any]:
    """One loss for each output: the same for all, a list, or a dictionary by name."""
    if isinstance(loss, dict):
        if set(loss) != set(names):
            raise SettingError(f"losses are given for {', '.join(loss)}, but the outputs are {', '.join(names)}")
        loss = [loss[name] for name in names]
    if not isinstance(loss, list | tuple):
        return [loss] * len(names)
    if len(loss) != len(names):
        raise SettingError(f"{len(loss)} losses for {len(names)} outputs ({', '.join(names)})")
    return list(loss)


def check_outputs(losses: Sequence[Loss], outputs: Sequence[TensorType]) -> None:
    """ShapeError where an output lacks the axis of classes that its loss needs."""
    for loss, output in zip(losses, outputs, strict=True):
        if output.rank == 1 and loss.target_type(output).rank == 0:
            raise ShapeError(f"{loss.name} needs an axis of classes, but the output is {output}")
        if loss.name.endswith("categorical_crossentropy") and output.shape[-1] == 1:
            raise ShapeError(
                f"{loss.name} compares classes along the last axis, but the output {output} has only one. "
                "Use binary_crossentropy with a sigmoid, or as many units as classes with a softmax."
            )


def fits(targets: Sequence[int], expected: TensorType) -> bool:
    """Whether targets of this shape (with the batch) fit, an axis of size 1 at the end being optional."""
    want = expected.shape[1:]
    have = tuple(targets[1:])
    return have == want or (want[-1:] == (1,) and have == want[:-1]) or have == (*want, 1)


def mismatch(loss: Any, targets: Sequence[int], output: TensorType, advice: str) -> ShapeError:
    """The error for targets that do not fit an output."""
    expected = loss.target_type(output)
    given = f"are {show(tuple(targets[1:]))} per example" if targets[1:] else "are one number per example"
    needed = show(expected.shape[1:]) if expected.shape[1:] else "one number"
    return ShapeError(
        f"the targets {given}, but {loss.name} needs {needed} for the output {show(output.shape[1:])}.{advice}"
    )
