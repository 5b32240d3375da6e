"""Numbers by epoch as lines, with round marks on the axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10

from layerscope.report.drawing import Dot, Drawing, Mark, Stroke, Words, extent
from layerscope.report.scenes import Curves, Line

ROLES = ("one", "two", "three", "four", "five", "six", "seven")
WIDTH, HEIGHT = 460.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 12.0, 34.0, 38.0
TEXT = 11.0
LOGARITHMIC = 4.0
"""From this ratio of the largest to the smallest number of a falling curve on, the axis is logarithmic."""
MOST_MARKS = 6
DASHES = 2
"""Lines up to so many are told apart by dashes too."""


def curves(scene: Curves) -> Drawing:
    """One panel, in pixels."""
    values = [value for line in scene.lines for value in line.values if isfinite(value)]
    axis = _Axis(values or [0.0, 1.0], scene.rising)
    first, last = scene.epochs[0], scene.epochs[-1]

    def across(epoch: float) -> float:
        span = last - first
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - first) / span if span else 0.5)

    marks: list[Mark] = [Words(0, 14, scene.title, TEXT + 1, bold=True, said=True)]
    for value in axis.marks:
        height = axis.place(value)
        marks.append(Stroke([(LEFT, height), (WIDTH - RIGHT, height)], "rule", 1.0))
        marks.append(Words(LEFT - 6, height + 0.36 * TEXT, _short(value), TEXT, "soft", "end"))
    marks += [
        Words(across(epoch), HEIGHT - BOTTOM + 16, str(epoch), TEXT, "soft", "middle")
        for epoch in _whole(first, last)
    ]
    marks.append(Words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "epoch", TEXT, "soft", "middle", said=True))
    for number, line in enumerate(scene.lines):
        points = [(across(e), axis.place(v)) for e, v in zip(scene.epochs, line.values, strict=False) if isfinite(v)]
        role = ROLES[number % len(ROLES)]
        if len(points) > 1:
            marks.append(Stroke(points, role, 1.75, dashed=number % DASHES == 1 and len(scene.lines) == DASHES))
        elif points:
            marks.append(Dot(*points[0], 2.5, role, 1.75))
        if line.name == scene.best and points:
            marks += _best(scene, line, points, role)
    marks += _names(scene.lines)
    return Drawing(WIDTH, HEIGHT, "px", scene.title, words(scene), marks)


def words(scene: Curves) -> str:
    """What the curves say: each line's first and last value."""
    told = [
        f"{line.name} {_short(line.values[0])} → {_short(line.values[-1])}" for line in scene.lines if line.values
    ]
    return f"{scene.title}: {'; '.join(told)}"


class _Axis:
    """An upright axis, linear or logarithmic, with marks at round numbers."""

    def __init__(self, values: Sequence[float], rising: bool) -> None:
        low, high = min(values), max(values)
        self.logarithmic = not rising and low > 0 and high > LOGARITHMIC * low
        if self.logarithmic:
            self.low, self.high = low / 1.08, high * 1.08
            self.marks = [mark for mark in _decades(low, high) if self.low <= mark <= self.high]
        else:
            pad = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
            self.low, self.high = low - pad, high + pad
            self.marks = _round(self.low, self.high)

    def place(self, value: float) -> float:
        """The height of a value, from the top."""
        if self.logarithmic:
            part = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            part = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)


def _decades(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, …, or only powers of 10 where these are many."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [mark for mark in fine if low / 1.08 <= mark <= high * 1.08]
    return inside if len(inside) <= MOST_MARKS + 2 else [10.0**power for power in powers]


def _round(low: float, high: float) -> list[float]:
    """At most MOST_MARKS multiples of 1, 2 or 5 times a power of 10."""
    rough = (high - low) / MOST_MARKS
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(n * step, 12) for n in range(ceil(low / step), floor(high / step) + 1)]


def _whole(first: int, last: int) -> list[int]:
    """Epochs at which there is a mark: whole numbers, not many."""
    if first == last:
        return [first]
    step = next(f * 10**p for p in range(12) for f in (1, 2, 5) if (last - first) / (f * 10**p) <= MOST_MARKS)
    return sorted({first, *(n for n in range(step, last + 1, step) if n >= first + step / 2)})


def _best(scene: Curves, line: Line, points: Sequence[tuple[float, float]], role: str) -> list[Mark]:
    finite = [value for value in line.values if isfinite(value)]
    at = finite.index(max(finite) if scene.rising else min(finite))
    epoch = scene.epochs[[n for n, value in enumerate(line.values) if isfinite(value)][at]]
    note = f"best {line.name}: {_short(finite[at])}, epoch {epoch}"
    return [Dot(*points[at], 4.5, role, 1.5), Words(WIDTH - RIGHT, 14, note, TEXT, "soft", "end", said=True)]


def _names(lines: Sequence[Line]) -> list[Mark]:
    """Which line is which, in a row above the panel."""
    marks: list[Mark] = []
    left = LEFT
    for number, line in enumerate(lines):
        dashed = number % DASHES == 1 and len(lines) == DASHES
        marks.append(Stroke([(left, 26), (left + 18, 26)], ROLES[number % len(ROLES)], 1.75, dashed=dashed))
        marks.append(Words(left + 23, 30, line.name, TEXT, "soft", said=True))
        left += 23 + extent(line.name, TEXT) + 14
    return marks


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if isfinite(value) else "not finite"
