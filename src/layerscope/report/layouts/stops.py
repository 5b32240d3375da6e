"""What both layouts of a journey have in common: scales, roles, short numbers, and quiet layers put together."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from layerscope.core.dataclasses import replace
from layerscope.report.scenes import Stop

PREFIXES = ("", " k", " M", " G", " T", " P")
SHAPE = "Width: positions along an axis; height: numbers at each position; both on a logarithmic scale."


class Scale:
    """Sizes between `least` and `most` units, on a logarithmic scale from 1 to the largest value."""

    def __init__(self, values: Sequence[float], least: float, most: float) -> None:
        self.top = max([log2(1 + value) for value in values], default=1.0) or 1.0
        self.least, self.most = least, most

    def __call__(self, value: float) -> float:
        return self.least + (self.most - self.least) * log2(1 + value) / self.top


def role(stop: Stop) -> str:
    """What a layer does to the data: enrich, condense, or keep as many numbers (or nobody knows)."""
    if stop.change is None or stop.change == 1:
        return "keep"
    return "enrich" if stop.change > 1 else "condense"


def hollow(stop: Stop) -> bool:
    """Whether it has no parameters."""
    return stop.parameters == 0


def brief(number: int | None) -> str:
    """Three digits and a prefix: 160, 1.16 k, 102 M; nothing for zero, ? for what is unknown."""
    if number is None:
        return "?"
    if number == 0:
        return ""
    power, value = 0, float(number)
    while power < len(PREFIXES) - 1 and value >= 999.5:
        power, value = power + 1, value / 1000
    if power == 0:
        return str(number)
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}{PREFIXES[power]}"


def share(number: int | None, most: int) -> float:
    """The part of the largest number, 0 … 1."""
    return 0.0 if not number or not most else number / most


def most(numbers: Sequence[int | None]) -> int:
    """The largest of the numbers that are known."""
    return max((number for number in numbers if number), default=0)


def named(stop: Stop) -> str:
    """The stop's name; of several layers with how many they are."""
    return stop.name if stop.layers == 1 or stop.kind in stop.name else f"{stop.name} ({stop.kind})"


def merged(stops: Sequence[Stop]) -> list[Stop]:
    """Quiet layers put into the stop that they follow, which says how many these are: conv2d +2."""
    place: dict[int, int] = {}
    found: list[Stop] = []
    added: list[int] = []
    for at, stop in enumerate(stops):
        if stop.quiet and stop.reads[0] == at - 1 and at - 1 in place and found[place[at - 1]].layers == 1:
            place[at] = place[at - 1]
            last = found[place[at]]
            added[place[at]] += 1
            found[place[at]] = replace(
                last, parameters=_sum(last.parameters, stop.parameters), macs=_sum(last.macs, stop.macs)
            )
            continue
        place[at] = len(found)
        reads = tuple(sorted({place[source] for source in stop.reads}))
        found.append(replace(stop, reads=reads))
        added.append(0)
    return [
        replace(stop, name=f"{stop.name} +{more}" if more else stop.name)
        for stop, more in zip(found, added, strict=True)
    ]


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
