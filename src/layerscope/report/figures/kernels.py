"""Kernels as pictures: what each filter looks for."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import SOFT, Array, Sheet

MOST = 32
"""Rows and columns that are drawn of a large kernel."""
CHANNELS = ("red", "green", "blue")


@dataclass
class Kernel:
    """A layer's kernel (height, width, channels in, filters), and what its title says."""

    values: Array
    title: str
    about: str
    colours: bool = False
    """Whether the channels in are red, green and blue."""
    rows: str = "channel in"
    columns: str = "filter"


def kernels(path: str | os.PathLike[str], asked: Kernel) -> None:
    """Write a kernel as a picture file: white is 0, blue above, red below; one scale for the whole kernel.

    A kernel of one channel in has its filters in a grid; another one a row for each channel in and a
    column for each filter, of which at most 32 each are drawn (and the picture says so).
    """
    height, width, channels, _ = asked.values.shape
    high = float(np.abs(asked.values).max()) or 1.0
    kept = asked.values[:, :, :MOST, : MOST if channels > 1 else 2 * MOST]
    down, across = _grid(kept.shape[2], kept.shape[3])
    tile = min(0.62, max(0.2, 8.5 / across), max(0.24, 5.5 / down))
    tall, wide = tile * min(1.0, height / width), tile * min(1.0, width / height)
    left, top = (0.75, 0.95) if channels > 1 else (0.2, 0.75)
    cut = _cut(asked, kept)
    total = max(left + across * wide + 0.75, 3.4, 0.095 * max(len(asked.about), len(cut)))
    with sheet.drawn(path, total, top + max(down * tall, 0.5) + 0.2 + (0.2 if cut else 0)) as page:
        page.text(0.2, 0.12, asked.title, 10, weight="bold")
        page.text(0.2, 0.36, asked.about, 8, SOFT)
        gap = max(1, round(0.12 * max(height, width)))
        scale = max(1, round(24 / max(height, width)))
        order = [kept[:, :, c, f] for c in range(kept.shape[2]) for f in range(kept.shape[3])]
        tiles = [_enlarged(sheet.coloured(one, sheet.SIGNED, -high, high), scale) for one in order]
        frame = page.picture(
            left, top, across * wide, down * tall, sheet.side_by_side(tiles, gap * max(1, scale // 3), across)
        )
        for side in frame.spines.values():
            side.set_visible(False)
        page.scale(left + across * wide + 0.1, top, 0.1, min(max(down * tall, 0.5), 2.4), sheet.SIGNED, -high, high)
        if channels > 1:
            _labels(page, asked, (left, top, wide, tall), kept.shape[2:])
        if cut:
            page.text(0.2, top + max(down * tall, 0.5) + 0.1, cut, 7, SOFT)


def _grid(channels: int, filters: int) -> tuple[int, int]:
    """Rows and columns of tiles."""
    if channels > 1:
        return channels, filters
    across = min(filters, 8 if filters <= 32 else 16)
    return -(-filters // across), across


def _cut(asked: Kernel, kept: Array) -> str:
    whole, part = asked.values.shape[2:], kept.shape[2:]
    words = [
        f"{shown} of {all} {name}s"
        for shown, all, name in zip(part, whole, (asked.rows, asked.columns), strict=True)
        if shown < all
    ]
    return "drawn: the first " + " and ".join(words).replace("channel ins", "channels in") if words else ""


def _enlarged(tile: Array, scale: int) -> Array:
    """Each cell as scale × scale pixels, so that gaps between tiles may be thinner than cells."""
    return tile.repeat(scale, axis=0).repeat(scale, axis=1)


def _labels(page: Sheet, asked: Kernel, place: tuple[float, float, float, float], counts: Sequence[int]) -> None:
    left, top, wide, tall = place
    for row in _ticks(counts[0], tall):
        words = CHANNELS[row] if asked.colours and counts[0] == 3 else str(row)
        page.text(left - 0.06, top + (row + 0.5) * tall, words, 6.5, SOFT, ha="right", va="center")
    for column in _ticks(counts[1], wide):
        page.text(left + (column + 0.5) * wide, top - 0.05, str(column), 6.5, SOFT, ha="center", va="bottom")
    page.text(left, top - 0.2, f"{asked.columns} →", 7, SOFT, va="bottom")
    page.text(0.2, top, f"{asked.rows} →", 7, SOFT, rotation=270)


def _ticks(count: int, room: float) -> range:
    """Numbers that fit beside tiles of that size."""
    return range(0, count, max(1, round(0.2 / room)))
