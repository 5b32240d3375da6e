"""Numbers by distance, a line for each layer or network, in panels side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT

MARKS, NAMES = "osDv^P", 1.3
"""By line, in turn; inches of a name."""
Panel = tuple[str, str, Sequence[Sequence[float | None]]]
"""Title, what is below it, and a row of numbers for each name, from distance 0 on."""


def shifts(
    path: str | os.PathLike[str],
    names: Sequence[str],
    panels: Sequence[Panel],
    title: str,
    about: str,
    ordered: bool = False,
) -> None:
    """Write the panels as a picture file. `ordered`: the names are layers, dark to light from first to last."""
    rows = max(1, -(-len(names) // 24))
    tall = max(2.9, 0.17 * min(len(names), 24) + 0.1)
    width = 0.2 + 3.6 * len(panels) + 1.75 * rows
    with sheet.drawn(path, width, tall + 1.55) as page:
        words = f"{title}, when the image moves" if ordered else title
        page.text(0.2, 0.12, sheet.cut(words, width - 0.4, 10, "bold"), 10, weight="bold")
        page.text(0.2, 0.36, about, 8, SOFT)
        colours = _colours(len(names), ordered)
        place: Any = None
        for number, (name, below, values) in enumerate(panels):
            left = 0.65 + 3.6 * number
            page.text(left, 0.74, name, 9, weight="bold")
            page.text(left + 0.9, 0.755, below, 7.5, SOFT)
            place = page.axes(left, 1.0, 2.95, tall)
            for n, row in enumerate(values):
                ys = [np.nan if value is None else value for value in row]
                settings = {
                    "color": colours[n],
                    "label": sheet.cut(names[n], NAMES, 7),
                    "linewidth": 1.3,
                    "markersize": 3.5,
                    "clip_on": False,
                }
                place.plot(range(len(ys)), ys, marker=MARKS[n % len(MARKS)], **settings)
            if not number:
                place.set_ylabel("÷ the distance of two different images")
            place.set_xlabel("the image moves by … pixels")
            place.set_xticks(range(len(values[0])))
            place.set_ylim(bottom=0)
            place.grid(color=LINE, linewidth=0.4)
        place.legend(
            frameon=False, fontsize=7, labelcolor=INK, loc="center left", bbox_to_anchor=(1.02, 0.5), ncol=rows
        )


def _colours(count: int, ordered: bool) -> list[Any]:
    import matplotlib

    if not ordered and count <= len(SERIES):
        return list(SERIES[:count])
    scale = matplotlib.colormaps[sheet.AMOUNT]
    return [scale(0.9 * n / max(count - 1, 1)) for n in range(count)]
