"""Checks of settings that layers of several families share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import named
from layerscope.core.dataclasses import fields
from layerscope.core.errors import SettingError

FORMATS = (None, "channels_last", "channels_first")


def rate(value: Any, what: str) -> float:
    """A share of numbers that are dropped; SettingError when it is not in 0 … 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SettingError(f"{what} must be between 0 and 1, not {value!r}")
    return float(value)


def data_format(layer: Any) -> None:
    """SettingError unless the layer's data_format is one that there is."""
    if layer.data_format not in FORMATS:
        raise SettingError(
            f"{layer.kind}: data_format must be 'channels_last' or 'channels_first', not {layer.data_format!r}"
        )


def one_of(layer: Any, name: str, known: Sequence[str]) -> None:
    """SettingError unless the setting is one of the known names."""
    if getattr(layer, name) not in known:
        raise SettingError(f"{layer.kind}: {name} must be one of {', '.join(known)}, not {getattr(layer, name)!r}")


def factor(layer: Any, name: str, low: float, high: float) -> None:
    """SettingError unless the setting is a number within the bounds, or a pair of such."""
    value = getattr(layer, name)
    parts = cast(Sequence[Any], value if isinstance(value, tuple | list) else (value,))
    numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    if len(numbers) < len(parts) or len(parts) not in (1, 2) or min(parts) < low or max(parts) > high:
        raise SettingError(f"{layer.kind}: {name} must be a number from {low:g} to {high:g}, or two, not {value!r}")
    if len(parts) == 2:
        object.__setattr__(layer, name, tuple(parts))


def of_training(layer: Any) -> None:
    """UnknownNameError or SettingError unless all initializers, regularizers and constraints are some."""
    for one in fields(layer):
        if named.kind_of(one.name):
            named.check(one.name, getattr(layer, one.name), layer.kind)
