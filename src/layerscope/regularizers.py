"""Regularizers with Keras 3's names, arguments and formulas: what weights, or outputs of layers, add to the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.named import chosen


@dataclass
class Regularizer:
    """Base: a number for an array of numbers."""

    names: ClassVar[tuple[str, ...]] = ()
    usual: ClassVar[dict[str, float]] = {}
    """Settings of one that is given by name alone."""
    """How it may be named in a layer's settings, beside its class."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "mode":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise SettingError(f"{type(self).__name__}: {one.name} must be a number of at least 0, not {value!r}")
            setattr(self, one.name, float(value))

    def lower(self, program: Builder, value: Value) -> Value:
        """The number for a weight, as primitives."""
        raise NotImplementedError

    def activity(self, program: Builder, value: Value) -> Value:
        """The number for what a layer puts out, (batch, ...), divided by the size of the batch."""
        raise SettingError(f"{type(self).__name__} is for weights, not for what a layer puts out")

    def to_json(self) -> dict[str, Any]:
        """Name and settings, for a saved graph."""
        return {
            "regularizer": type(self).__name__,
            "settings": {one.name: getattr(self, one.name) for one in fields(self)},
        }


class _Norms(Regularizer):
    """Sums of |x| and of x², each with a factor."""

    def _factors(self) -> tuple[float, float]:
        raise NotImplementedError

    def lower(self, program: Builder, value: Value) -> Value:
        """l1 · Σ|x| + l2 · Σx²."""
        return self._sum(program, value, lambda each: program.reduce("sum", each, range(each.type.rank)))

    def activity(self, program: Builder, value: Value) -> Value:
        """The mean over the batch of l1 · Σ|x| + l2 · Σx²."""

        def total(each: Value) -> Value:
            if each.type.rank > 1:
                each = program.reduce("sum", each, range(1, each.type.rank))
            return program.reduce("mean", each, (0,))

        return self._sum(program, value, total)

    def _sum(self, program: Builder, value: Value, total: Any) -> Value:
        found: list[Value] = []
        for factor, function in zip(self._factors(), ("abs", "square"), strict=True):
            if factor:
                found.append(program.map("scale", total(program.map(function, value)), factor=factor))
        if not found:  # with no factor at all it still is a number
            return program.map("scale", total(program.map("square", value)), factor=0.0)
        return found[0] if len(found) == 1 else program.map("add", *found)


@dataclass
class L1(_Norms):
    """l1 · Σ|x|."""

    l1: float = 0.01
    names = ("l1",)

    def _factors(self) -> tuple[float, float]:
        return self.l1, 0.0


@dataclass
class L2(_Norms):
    """l2 · Σx²."""

    l2: float = 0.01
    names = ("l2",)

    def _factors(self) -> tuple[float, float]:
        return 0.0, self.l2


@dataclass
class L1L2(_Norms):
    """l1 · Σ|x| + l2 · Σx²; by its name ("l1_l2") with 0.01 for both."""

    l1: float = 0.0
    l2: float = 0.0
    names = ("l1_l2", "l1l2")
    usual: ClassVar[dict[str, float]] = {"l1": 0.01, "l2": 0.01}

    def _factors(self) -> tuple[float, float]:
        return self.l1, self.l2


@dataclass
class OrthogonalRegularizer(Regularizer):
    """factor · the mean |cosine| between two rows (or columns) of a matrix."""

    factor: float = 0.01
    mode: str = "rows"
    names = ("orthogonal_regularizer", "orthogonalregularizer")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("rows", "columns"):
            raise SettingError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns', not {self.mode!r}")

    def lower(self, program: Builder, value: Value) -> Value:
        """factor · Σ|cosine of two rows| / number of pairs."""
        if value.type.rank != 2:
            raise SettingError(f"OrthogonalRegularizer is for matrices, not for a weight of shape {value.type}")
        if self.mode == "columns":
            value = program.permute(value, (1, 0))
        size = value.type.shape[0]
        assert isinstance(size, int)
        if size < 2:
            raise SettingError(f"OrthogonalRegularizer compares {self.mode}, but there is only one")
        square = program.reduce("sum", program.map("square", value), (1,), keep=True)
        unit = program.map("div", value, program.map("sqrt", square))
        cosines = program.map("abs", program.matmul(unit, program.permute(unit, (1, 0))))
        # those of each with itself are 1, and their gradient is 0: they are taken off again
        own = program.reduce("sum", program.map("square", unit), (0, 1))
        pairs = program.map("sub", program.reduce("sum", cosines, (0, 1)), own)
        return program.map("scale", pairs, factor=self.factor / (size * (size - 1)))


CLASSES: tuple[type[Regularizer], ...] = (L1, L2, L1L2, OrthogonalRegularizer)


def get(identifier: Any) -> Regularizer | None:
    """A regularizer from itself, its name ("l2"), or its form as data; None for None.

    Errors: UnknownNameError, SettingError.
    """
    return chosen(identifier, Regularizer, CLASSES, "regularizer")
