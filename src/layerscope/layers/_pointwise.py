"""Layers whose output element depends on the input element at its own place, and whose shape stays."""

from __future__ import annotations

import numbers
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.errors import SettingError
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating, one_input


class Pointwise(Layer):
    """One function put to every element by itself."""

    @property
    def elementwise(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        return (TensorType(x.shape, floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=one_input(types).elements)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)


class Passing(Pointwise):
    """At inference its output is its input; what it does, it does while training."""

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def shares(self, *types: TensorType) -> int | None:
        return 0


def real(value: Any, what: str, low: float, high: float | None = None) -> float:
    """A number between two ends, both allowed; SettingError naming `what` otherwise."""
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        number = float(value)
        if number >= low and (high is None or number <= high):
            return number
    ends = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
    raise SettingError(f"{what} must be a number {ends}, not {value!r}")
