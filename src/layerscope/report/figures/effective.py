"""Effective receptive fields: how much each pixel matters, as maps side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import SERIES, SOFT, Array

Panel = tuple[str, Sequence[str], Array, tuple[int, int]]
"""Name, lines below it, the map (height, width) with the sum 1, and height and width of the part in its middle."""


def fields(path: str | os.PathLike[str], panels: Sequence[Panel], title: str, about: str) -> None:
    """Write the maps as a picture file: the root of each pixel's share over that of the largest, all of one size.

    Below each the shares of the columns, on one scale; the middle part is framed.
    """
    from matplotlib.patches import Rectangle

    side, wide = 2.6, 3.0
    end = max(float(values.sum(axis=0).max()) for _, _, values, _ in panels)
    with sheet.drawn(path, 0.25 + wide * len(panels) + 0.35, side + 2.3) as page:
        page.text(0.2, 0.12, title, 10, weight="bold")
        page.text(0.2, 0.36, about, 8, SOFT)
        for number, (name, below, values, (height, width)) in enumerate(panels):
            left = 0.3 + wide * number
            page.text(left, 0.66, name, 9, weight="bold")
            for line, words in enumerate(below):
                page.text(left, 0.84 + 0.14 * line, words, 7, SOFT)
            place: Any = page.axes(left, 1.18, side, side)
            place.imshow(np.sqrt(values / values.max()), cmap=sheet.AMOUNT, vmin=0, vmax=1, interpolation="nearest",
                         aspect="auto")  # fmt: skip
            rows, columns = values.shape
            corner = ((columns - width) / 2 - 0.5, (rows - height) / 2 - 0.5)
            place.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="white", linewidth=1.2))
            place.set_xticks([])
            place.set_yticks([])
            lower: Any = page.axes(left, 1.18 + side + 0.12, side, 0.62)
            lower.bar(np.arange(columns), values.sum(axis=0), width=1.0, color=SERIES[0])
            lower.set_xlim(-0.5, columns - 0.5)
            lower.set_ylim(0, end)
            lower.set_yticks([])
            lower.set_xticks([0, columns - 1], ["1", str(columns)])
            lower.set_xlabel("columns, and the share of each" if not number else "", fontsize=7, labelpad=-6)
