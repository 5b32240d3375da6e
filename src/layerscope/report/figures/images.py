"""Images in rows: originals, reconstructions, and where they differ."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from layerscope.core.dataclasses import dataclass, field
from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT, Array, Sheet

ACROSS = 10
TITLE, GAP, RIGHT = 0.2, 0.07, 0.62
FEW = 30
"""Below so many scores each is a line of its own, not part of a histogram."""
LINES = 0.135
"""Height of a line of small text."""


@dataclass
class Row:
    """A title and images (n, height, width, C), or error maps (n, height, width) from 0 on."""

    title: str
    images: Array
    errors: bool = False


@dataclass
class Comparison:
    """Rows of as many images; what stands under each column; boxes (row, column, height, width) in error maps.

    `ink`: grey images are ink on paper. `levels` is the distribution in which `marks` are to be seen.
    """

    rows: Sequence[Row]
    captions: Sequence[Sequence[str]]
    ink: bool = False
    boxes: Sequence[Sequence[int]] = ()
    title: str = ""
    about: str = ""
    levels: Levels | None = None


@dataclass
class Levels:
    """Two distributions of one number: `usual` (grey) and `seen` (coloured), with their names."""

    usual: Array
    seen: Array
    names: tuple[str, str]
    label: str
    marks: Sequence[float] = field(default_factory=list[float])


def comparison(path: str | os.PathLike[str], asked: Comparison) -> None:
    """Write rows of images as a picture file: ten columns side by side, then a new band.

    All error maps have one scale, which a bar at the right gives.
    """
    first = asked.rows[0].images
    count, (height, width) = len(first), first.shape[1:3]
    across = min(count, ACROSS)
    tall = min(1.6, max(0.35, 0.9 * height / width))
    lines = max((len(caption) for caption in asked.captions), default=0)
    band = len(asked.rows) * (TITLE + tall + 0.04) + lines * LINES + 0.16
    bands = -(-count // across)
    head = 0.52 if asked.title else 0.08
    foot = 1.85 if asked.levels else 0.0
    total = max(across * (0.9 + GAP) + 0.2 + RIGHT, 4.2 if asked.levels else 2.4)
    with sheet.drawn(path, total, head + bands * band + foot) as page:
        page.text(0.12, 0.1, asked.title, 10, weight="bold")
        page.text(0.12, 0.32, asked.about, 8, SOFT)
        for number in range(bands):
            part = slice(number * across, min(count, (number + 1) * across))
            _band(page, asked, part, head + number * band, tall)
        if asked.levels:
            _levels(page, asked.levels, head + bands * band + 0.22, total)


def _band(page: Sheet, asked: Comparison, part: slice, top: float, tall: float) -> None:
    high = max((float(row.images.max()) for row in asked.rows if row.errors), default=0.0)
    step, start = 0.9 + GAP, int(part.start)
    for row in asked.rows:
        page.text(0.12, top + 0.03, row.title, 8, SOFT)
        top += TITLE
        for column, image in enumerate(row.images[part]):
            tile = (
                sheet.coloured(image, sheet.ERROR, 0, high) if row.errors else sheet.shown(image[None], asked.ink)[0]
            )
            place = page.picture(0.12 + column * step, top, 0.9, tall, tile)
            if row.errors and len(asked.boxes):
                _box(place, asked.boxes[start + column])
        if row.errors:
            page.scale(0.12 + len(row.images[part]) * step + 0.02, top, 0.09, tall, sheet.ERROR, 0, high)
        top += tall + 0.04
    for column, caption in enumerate(asked.captions[part]):
        for line, words in enumerate(caption):
            page.text(0.12 + column * step + 0.45, top + line * LINES, words, 7 if line else 7.5,
                      SOFT if line else INK, ha="center")  # fmt: skip


def _box(place: object, box: Sequence[int]) -> None:
    from matplotlib.patches import Rectangle

    row, column, height, width = (float(size) for size in box)
    frame = Rectangle((column - 0.5, row - 0.5), width, height, fill=False, edgecolor=SERIES[0], linewidth=1.1)
    getattr(place, "add_patch")(frame)  # noqa: B009


def _levels(page: Sheet, levels: Levels, top: float, total: float) -> None:
    place = page.axes(0.55, top + 0.1, total - 0.8, 0.95)
    both = np.concatenate([levels.usual, levels.seen])
    edges = _edges(both)
    few = len(levels.seen) < FEW and len(levels.usual) > 0
    for values, colour, name in zip((levels.usual, levels.seen), ("#9a9a9a", SERIES[1]), levels.names, strict=True):
        told = f"{name} ({len(values):,})"
        if few and values is levels.seen:
            place.plot([], [], color=colour, linewidth=1.2, label=told)
        elif len(values):
            share = np.full(len(values), 100 / len(values))
            place.hist(values, edges, weights=share, color=colour, alpha=0.6, label=told)
    for mark in levels.seen if few else levels.marks:
        place.axvline(mark, color=SERIES[1], linewidth=1.2 if few else 0.8, ymax=0.6 if few else 0.12)
    if edges[0] > 0:
        place.set_xscale("log")
        sheet.plain_ticks(place.xaxis)
    place.set_xlim(edges[0], edges[-1])
    place.set_xlabel(levels.label, fontsize=7.5)
    place.set_ylabel("% of images", fontsize=7.5)
    place.legend(
        frameon=False, fontsize=7, labelcolor=INK, loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2, borderpad=0
    )
    place.grid(axis="y", color=LINE, linewidth=0.4)
    place.set_axisbelow(True)


def _edges(values: Array, count: int = 48) -> Array:
    """Borders of bins: of equal ratio where all numbers are above 0 and differ by more than four times."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 4 * low:
        return np.geomspace(low * 0.98, high * 1.02, count + 1)
    room = (high - low) * 0.02 or abs(high) * 0.02 or 1e-6
    return np.linspace(low - room, high + room, count + 1)
