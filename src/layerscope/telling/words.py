"""Shapes, weights, receptive fields and ratios in words, and as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from layerscope.analyses.journey import Extent
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.report.document import shape

Fields = Mapping[int, tuple[Extent | None, ...]]
MOST = 4
"""Names, shapes or weights in a cell; more are counted."""


def plain(size: Size | None) -> int | str | None:
    """A size as data: a number, or an open one as its expression."""
    return size if size is None or isinstance(size, int) else str(size)


def number(value: Fraction) -> int | float:
    """A fraction as data."""
    return value.numerator if value.denominator == 1 else real(value)


def real(value: Fraction) -> int | float:
    """A fraction as a floating-point number; beyond all of these the nearest whole number."""
    try:
        return float(value)
    except OverflowError:
        return round(value)


def listed(parts: Sequence[str], joint: str = ", ") -> str:
    """The parts, of many the first ones and how many follow."""
    if len(parts) <= MOST:
        return joint.join(parts)
    return joint.join(parts[: MOST - 1]) + f"{joint}{len(parts) - MOST + 1} more"


def shapes(types: Sequence[TensorType]) -> str:
    """28 × 28 × 1 + switches."""
    return listed(["switches" if type.plane else shape(type) for type in types], " + ")


def shape_data(types: Sequence[TensorType]) -> Any:
    """A tuple of sizes with the batch; of several tensors a list of these."""
    found = [tuple(plain(size) for size in type.shape) for type in types]
    return found[0] if len(found) == 1 else found or None


def weights(found: Mapping[str, tuple[int, ...]]) -> str:
    """kernel 3×3×1×16, bias 16."""
    return listed([f"{role} {'×'.join(map(str, dims)) or '1'}" for role, dims in found.items()])


def extent(part: Extent | None) -> str:
    """5, 46–54, ≤ 120 or "all"."""
    if part is None:
        return "all"
    if not part.exact:
        return f"≤ {part.max:,}"
    return f"{part.min:,}" if part.min == part.max else f"{part.min:,}–{part.max:,}"


def extent_data(part: Extent | None) -> int | str:
    """5, "46-54", "<=120" or "all"."""
    if part is None:
        return "all"
    if not part.exact:
        return f"<={part.max}"
    return part.min if part.min == part.max else f"{part.min}-{part.max}"


def start(value: int | None) -> str:
    """0, −8 in the padding; "–" where there is none."""
    return "–" if value is None else str(value).replace("-", "−")


def jump(value: int | float) -> str:
    """2, or 0.5 behind an upsampling."""
    return f"{value:.4g}"


def field(fields: Fields, inputs: Sequence[str]) -> str:
    """Of each input that the layer depends on; one input's name is left out."""
    return _by_input(fields, inputs, extent, "everything") or "nothing"


def axes(fields: Fields, inputs: Sequence[str], say: Callable[[Extent], str]) -> str:
    """Something of each axis, where the layer does not see everything of it."""
    return _by_input(fields, inputs, lambda part: "–" if part is None else say(part), "")


def _by_input(fields: Fields, inputs: Sequence[str], say: Callable[[Extent | None], str], everything: str) -> str:
    words: list[str] = []
    for source, parts in fields.items():
        text = everything if all(part is None for part in parts) else " × ".join(map(say, parts))
        if text:
            words.append(text if len(inputs) == 1 else f"{inputs[source]}: {text}")
    return listed(words)


def axes_data(fields: Fields, inputs: Sequence[str], say: Callable[[Extent | None], Any], everything: Any) -> Any:
    """A tuple with something of each axis; of several inputs a dictionary by their names."""
    found = {
        inputs[source]: everything if all(part is None for part in parts) else tuple(map(say, parts))
        for source, parts in fields.items()
    }
    if len(inputs) > 1:
        return found or None
    return next(iter(found.values()), None)


def ratio(value: Fraction | None) -> str:
    """ "condense ÷4", "enrich ×16", "=" for as many numbers as before, or "nothing" for none."""
    if value is None:
        return ""
    if value == 0:
        return "nothing"
    if value == 1:
        return "="
    return f"condense ÷{_short(1 / value)}" if value < 1 else f"enrich ×{_short(value)}"


def _short(value: Fraction) -> str:
    if value.denominator == 1:
        return f"{value.numerator:,}"
    if value >= 1000:
        return f"{round(value):,}"
    digits = 4
    while value != 1 and float(f"{float(value):.{digits}g}") == 1 and digits < 12:
        digits += 1
    return f"{float(value):.{digits}g}"
