"""Colours: light and dark. Blue is positive, red negative, zero neutral; amounts go through cividis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from layerscope.lab.scene import Grid


@dataclass(frozen=True)
class Theme:
    """`diverging` runs from the most negative to the most positive, `sequential` from the least to the most."""

    name: str
    paper: str
    ink: str
    faint: str
    line: str
    chosen: str
    stamp: str
    diverging: Sequence[str]
    sequential: Sequence[str]


NAMES = ("light", "dark")
DIVERGING = ("neg-4", "neg-3", "neg-2", "neg-1", "zero", "pos-1", "pos-2", "pos-3", "pos-4")
SEQUENTIAL = tuple(f"cividis-{step}" for step in range(6))


@cache
def tokens(name: str) -> dict[str, str]:
    """The colours of the pages (report/theme.css, lab/values.css), by their names, as they are in light or dark."""
    place = files("layerscope")
    css = place.joinpath("report", "theme.css").read_text("utf-8") + place.joinpath("lab", "values.css").read_text(
        "utf-8"
    )
    found = re.findall(r"--([\w-]+): (?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}));", css)
    return {token: one or (dark if name == "dark" else light) for token, light, dark, one in found}


@cache
def theme(name: str) -> Theme:
    """The theme of that name; auto is light, as paper is."""
    name = "light" if name == "auto" else name
    found = tokens(name)
    return Theme(
        name, found["paper"], found["ink"], found["soft"], found["rule"], found["accent"], found["stamp"],
        [found[token] for token in DIVERGING], [found[token] for token in SEQUENTIAL],
    )  # fmt: skip


def tone(scale: str, value: float | None, range: tuple[float, float], theme: Theme) -> str:
    """The colour of a value in a range, by a grid's scale."""
    if value is None or scale == "plain":
        return theme.paper
    low, high = range
    stops = theme.diverging if scale == "diverging" else theme.sequential
    return _between(stops, (value - low) / (high - low) if high > low else 0.5)


def ends(grid: Grid) -> tuple[float, float]:
    """The values that the two ends of the colours stand for; zero is always among them."""
    values = [cell.value for cell in grid.cells if cell.value is not None and abs(cell.value) != float("inf")]
    low, high = min([0.0, *values]), max([0.0, *values])
    if grid.scale == "diverging":
        most = max(-low, high)
        return -most, most
    return low, high


def mixed(first: str, second: str, share: float) -> str:
    """A colour between two: `share` of the second."""
    pairs = zip(_parts(first), _parts(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on the colour (contrast of WCAG 2)."""
    light = _luminance(colour)
    return "#000000" if (light + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def _between(stops: Sequence[str], place: float) -> str:
    whole = min(max(place, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(whole), len(stops) - 2)
    return mixed(stops[first], stops[first + 1], whole - first)


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _shares(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _shares(colour: str) -> list[float]:
    return [part / 255 for part in _parts(colour)]


def _parts(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
