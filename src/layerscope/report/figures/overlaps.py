"""The overlap of windows as maps, and the spectrum of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT, Array, Sheet

SIDE, EVEN, GAP, CELLS = 1.9, 0.32, 0.42, 12
"""Inches of a map, of one that is even, between two, and at least so many positions along each side of a map."""
PLAIN = "#eeeeee"
NUMBERED = 16
"""A map of at most so many positions a side has the counts in its cells."""
MARKS = ("-", "--")
Curves = tuple[Sequence[tuple[str, Array, Array]], int]
"""(name, frequencies, power) each, and the enlargement whose frequencies are marked."""


def overlaps(
    path: str | os.PathLike[str],
    rows: Sequence[tuple[str, Array | None, Array | None]],
    title: str,
    about: str,
    curves: Curves | None = None,
) -> None:
    """Write a row of maps for each (name, one period alone, one period so far) as a picture file; None: none to show.

    A map repeats its period; dark is nothing, bright the largest overlap; one that is even is a strip. Below them the
    spectra, where there are any.
    """
    width = 0.4 + 2 * (SIDE + 0.9) + 0.6
    top = 1.15 if about else 0.95
    heights = [(EVEN if _even(alone) and _even(far) else SIDE) + GAP for _, alone, far in rows]
    height = top + sum(heights) - GAP + (2.9 if curves else 0.1)
    with sheet.drawn(path, width, height + 0.1) as page:
        page.text(0.2, 0.12, sheet.wrapped(f"{title}: overlap", width - 0.4, 10, "bold")[0], 10, weight="bold")
        if about:
            page.text(0.2, 0.34, sheet.wrapped(about, width - 0.4, 7)[0], 7, SOFT)
        page.text(0.4, top - 0.5, "alone, behind an even input", 8, SOFT)
        page.text(0.4 + SIDE + 0.9, top - 0.5, "so far, behind all layers before it", 8, SOFT)
        upper = top
        for (name, alone, far), tall in zip(rows, heights, strict=True):
            page.text(0.4, upper - 0.19, name, 8, weight="bold")
            side = tall - GAP
            _map(page, 0.4, upper, side, alone, "changes nothing by itself" if far is not None else "")
            _map(page, 0.4 + SIDE + 0.9, upper, side, far, "not known")
            upper += tall
        if curves is not None:
            _spectra(page, 0.75, height - 2.1, width - 1.1, curves)


def _even(period: Array | None) -> bool:
    """Whether there is no pattern to show."""
    return period is None or bool(period.max() == period.min())


def _map(page: Sheet, left: float, top: float, tall: float, period: Array | None, otherwise: str) -> None:
    if period is None:
        page.text(left + 0.1, top + 0.1, otherwise, 7.5, SOFT)
        return
    if _even(period):
        page.box(left, top, SIDE, tall, PLAIN, LINE)
        page.text(
            left + SIDE / 2, top + tall / 2, f"{period.max():.0f} everywhere", 7.5, SOFT, ha="center", va="center"
        )
        page.text(left + SIDE + 0.08, top + 0.02, "even", 8)
        return
    repeats = [max(2 if n > 1 else 1, -(-CELLS // n)) for n in period.shape]
    values = np.tile(period, repeats)
    place = page.axes(left, top, SIDE, SIDE)
    place.imshow(values, cmap=sheet.AMOUNT, vmin=0, vmax=period.max(), interpolation="nearest", aspect="auto")
    place.set_xticks([])
    place.set_yticks([])
    if max(values.shape) <= NUMBERED and period.max() < 100:
        for (row, column), value in np.ndenumerate(values):
            colour = "black" if value > 0.6 * period.max() else "white"
            place.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=5.5, color=colour)
    page.text(left + SIDE + 0.08, top + 0.02, f"{period.max():.0f} : {period.min():.0f}", 8)
    page.text(left + SIDE + 0.08, top + 0.2, f"±{period.std() / period.mean():.1%}", 7.5, SOFT)


def _spectra(page: Sheet, left: float, top: float, width: float, curves: Curves) -> None:
    lines, period = curves
    page.text(left - 0.35, top - 0.25, "Power by frequency, along the width", 8, weight="bold")
    place: Any = page.axes(left, top, width, 1.55)
    for number, (name, frequencies, power) in enumerate(lines):
        shown = np.maximum(power[1:], 1e-9)
        place.plot(frequencies[1:], shown, MARKS[number % 2], color=SERIES[number], linewidth=1.3, label=name)
    for k in range(1, period // 2 + 1):
        place.axvline(k / period, color=SOFT, linewidth=0.8, linestyle=":")
    place.set_yscale("log")
    place.set_xlim(0, 0.505)
    place.set_xlabel(f"cycles per pixel; dotted: what repeats every {period} pixels")
    place.grid(color=LINE, linewidth=0.4)
    place.legend(frameon=False, fontsize=7, labelcolor=INK)
