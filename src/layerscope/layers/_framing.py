"""Begin and end of each spatial axis, in the three ways in which Keras takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.errors import SettingError


def frame(value: Any, what: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """n, (rows, columns) or ((top, bottom), (left, right)) as the last of these."""
    if isinstance(value, list | tuple):
        parts = cast(Sequence[Any], value)
        if len(parts) == 2:
            first, second = (_ends(part, what) for part in parts)
            return first, second
        raise SettingError(f"{what} must be n, (rows, columns) or ((top, bottom), (left, right)), not {value!r}")
    return _ends(value, what), _ends(value, what)


def _ends(part: Any, what: str) -> tuple[int, int]:
    if isinstance(part, list | tuple):
        ends = cast(Sequence[Any], part)
        if len(ends) != 2:
            raise SettingError(f"{what} needs a begin and an end for each axis, not {part!r}")
        return sizes.checked(ends[0], what, 0), sizes.checked(ends[1], what, 0)
    number = sizes.checked(part, what, 0)
    return number, number
