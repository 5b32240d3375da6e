"""Constraints with Keras 3's names, arguments and formulas: what weights are kept to after each update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.named import chosen

EPSILON = 1e-7


@dataclass
class Constraint:
    """Base: a weight's new numbers, brought within bounds."""

    names: ClassVar[tuple[str, ...]] = ()
    usual: ClassVar[dict[str, float]] = {}
    """Settings of one that is given by name alone."""
    """How it may be named in a layer's settings, beside its class."""

    def lower(self, program: Builder, weight: Value) -> Value:
        """The weight within its bounds, as primitives."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Name and settings, for a saved graph."""
        return {
            "constraint": type(self).__name__,
            "settings": {one.name: getattr(self, one.name) for one in fields(self)},
        }


@dataclass
class NonNeg(Constraint):
    """Numbers below 0 become 0."""

    names = ("non_neg", "nonneg")

    def lower(self, program: Builder, weight: Value) -> Value:
        """max(w, 0)."""
        return program.map("relu", weight)


@dataclass
class _Norm(Constraint):
    """Base of those that bring the norm along an axis (or several) to something else."""

    def _norm(self, program: Builder, weight: Value, axis: int | Sequence[int]) -> Value:
        axes = [axis] if isinstance(axis, int) else list(axis)
        rank = weight.type.rank
        if any(not -rank <= one < rank for one in axes):
            raise SettingError(f"{type(self).__name__}: a weight of {rank} axes has no axis {axis}")
        square = program.map("square", weight)
        return program.map("sqrt", program.reduce("sum", square, sorted({one % rank for one in axes}), keep=True))

    def _scaled(self, program: Builder, weight: Value, norm: Value, wanted: Value) -> Value:
        return program.map("mul", weight, program.map("div", wanted, program.map("shift", norm, offset=EPSILON)))

    def _number(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise SettingError(f"{type(self).__name__}: {name} must be a number of at least 0, not {value!r}")
        setattr(self, name, float(value))


@dataclass
class MaxNorm(_Norm):
    """Norms along `axis` are at most `max_value`; 0 is the axis of a Dense kernel's inputs."""

    max_value: float = 2.0
    axis: Any = 0
    names = ("max_norm", "maxnorm")

    def __post_init__(self) -> None:
        self._number("max_value")

    def lower(self, program: Builder, weight: Value) -> Value:
        """w · min(norm, max_value) / (norm + 1e-7)."""
        norm = self._norm(program, weight, self.axis)
        return self._scaled(program, weight, norm, program.map("clip", norm, low=0.0, high=self.max_value))


@dataclass
class UnitNorm(_Norm):
    """Norms along `axis` are 1."""

    axis: Any = 0
    names = ("unit_norm", "unitnorm")

    def lower(self, program: Builder, weight: Value) -> Value:
        """w / (norm + 1e-7)."""
        norm = self._norm(program, weight, self.axis)
        return program.map("div", weight, program.map("shift", norm, offset=EPSILON))


@dataclass
class MinMaxNorm(_Norm):
    """Norms along `axis` go towards the range from `min_value` to `max_value`, at `rate` = 1 into it at once."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Any = 0
    names = ("min_max_norm", "minmaxnorm")

    def __post_init__(self) -> None:
        for name in ("min_value", "max_value", "rate"):
            self._number(name)

    def lower(self, program: Builder, weight: Value) -> Value:
        """w · (rate · clipped norm + (1 - rate) · norm) / (norm + 1e-7)."""
        norm = self._norm(program, weight, self.axis)
        wanted = program.map("clip", norm, low=self.min_value, high=self.max_value)
        if self.rate != 1:
            rest = program.map("scale", norm, factor=1 - self.rate)
            wanted = program.map("add", program.map("scale", wanted, factor=self.rate), rest)
        return self._scaled(program, weight, norm, wanted)


CLASSES: tuple[type[Constraint], ...] = (NonNeg, MaxNorm, UnitNorm, MinMaxNorm)


def get(identifier: Any) -> Constraint | None:
    """A constraint from itself, its name ("non_neg"), or its form as data; None for None.

    Errors: UnknownNameError, SettingError.
    """
    return chosen(identifier, Constraint, CLASSES, "constraint")
