"""Numbers by epoch, as lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT, Sheet

PREFIX = "val_"
LOGARITHMIC = 4.0
"""From this ratio of the largest to the smallest number on, the axis is logarithmic."""


def curves(
    path: str | os.PathLike[str], epochs: Sequence[int], history: Mapping[str, Sequence[float]], title: str
) -> None:
    """Write the numbers of each epoch as a picture file, one panel for each loss or metric.

    `history` holds a list for each name; "val_loss" is drawn beside "loss". A loss whose largest number is more
    than four times its smallest has a logarithmic axis. The best validation is marked. A title that is wider than the
    panels stands in two lines.
    """
    names = [name for name in history if not name.startswith(PREFIX) or name[len(PREFIX) :] not in history]
    wide, tall = 4.4, 2.7
    width = 0.2 + len(names) * wide
    lines = sheet.wrapped(title, width - 0.4, 10, "bold")
    lower = 0.18 * (len(lines) - 1)
    with sheet.drawn(path, width, tall + 1.05 + lower) as page:
        for number, line in enumerate(lines):
            page.text(0.2, 0.12 + 0.18 * number, line, 10, weight="bold")
        for number, name in enumerate(names):
            place = page.axes(0.75 + number * wide, 0.65 + lower, wide - 1.0, tall - 0.1)
            _panel(page, place, name, epochs, history)


def _panel(page: Sheet, place: Any, name: str, epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    found = {"training": history[name]}
    if PREFIX + name in history:
        found["validation"] = history[PREFIX + name]
    for (title, values), colour in zip(found.items(), (SERIES[0], SERIES[1]), strict=False):
        marker = "o" if len(values) < 3 else None
        place.plot(epochs, values, color=colour, linewidth=1.5, label=title, marker=marker, markersize=4)
    place.set_title(name.replace("_", " "), loc="left", fontsize=9, color=INK)
    place.set_xlabel("epoch")
    place.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) == 1:
        place.set_xlim(epochs[0] - 1, epochs[0] + 1)
    whole = [value for values in found.values() for value in values]
    if name == "loss" and min(whole) > 0 and max(whole) > LOGARITHMIC * min(whole):
        place.set_yscale("log")
        sheet.plain_ticks(place.yaxis)
    place.grid(color=LINE, linewidth=0.4, which="both")
    place.set_axisbelow(True)
    _best(place, name, epochs, found)
    place.legend(frameon=False, fontsize=7.5, labelcolor=INK, loc="best")


def _best(place: Any, name: str, epochs: Sequence[int], found: Mapping[str, Sequence[float]]) -> None:
    """A ring around the best epoch of the validation, with its number."""
    title, values = list(found.items())[-1]
    up = "accuracy" in name
    at = max(range(len(values)), key=lambda n: (values[n] if up else -values[n], -n))
    place.plot([epochs[at]], [values[at]], "o", color=SERIES[len(found) - 1], fillstyle="none", markersize=7)
    words = f"best {title}: {sheet.figure(values[at])}, epoch {epochs[at]}"
    place.text(1.0, 1.03, words, transform=place.transAxes, ha="right", fontsize=7, color=SOFT)
