"""The data's journey as pictures: what each layer makes of one example."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT, Array, Sheet

ACROSS, DOWN = 16, 2
"""Channels side by side, and rows of them, that are drawn of one layer."""
LEFT, SIDE, SINGLE = 2.45, 0.56, 1.2
"""Inches: where pictures start; the side of a channel; the side of a single one."""
BARS = 64
"""Vectors of up to so many numbers are bars, longer ones strips of cells."""


@dataclass
class Step:
    """What a layer put out for one example: (height, width, channels), or numbers in any other shape."""

    name: str
    kind: str
    values: Array
    picture: bool = False
    """Whether the values are an image in 0 … 1, to be drawn as it is."""
    shape: tuple[int, ...] | None = None
    """The shape in the network, where the values are drawn in another one."""


def journey(path: str | os.PathLike[str], steps: Sequence[Step], title: str, ink: bool) -> None:
    """Write all steps as a picture file, one below the other, each channel a tile.

    Colours run from 0 (dark) to the largest value of the layer (yellow) where none is negative, otherwise from
    red over white (0) to blue, alike for minus and plus; each layer has its own scale, which is printed.
    """
    heights = [_height(step) for step in steps]
    total = LEFT + ACROSS * (SIDE + 0.04) + 0.2
    with sheet.drawn(path, total, 0.55 + sum(heights)) as page:
        page.text(0.2, 0.12, title, 10, weight="bold")
        top = 0.5
        for step, height in zip(steps, heights, strict=True):
            _words(page, step, top)
            (_tiles if _spatial(step) else _vector)(page, step, top, ink)
            top += height


def _spatial(step: Step) -> bool:
    return step.values.ndim == 3


def _drawn(step: Step) -> int:
    """How many tiles are drawn; an image of three channels is one."""
    channels = step.values.shape[-1]
    return 1 if step.picture and channels in (1, 3) else min(channels, ACROSS * DOWN)


def _side(step: Step) -> tuple[float, float]:
    """Height and width of a tile in inches."""
    height, width = step.values.shape[:2]
    side = SINGLE if _drawn(step) == 1 else SIDE
    return side * min(1.0, height / width), side * min(1.0, width / height)


def _height(step: Step) -> float:
    if not _spatial(step):
        return 0.86 if step.values.size <= BARS else 0.74
    rows = -(-_drawn(step) // ACROSS)
    return max(0.74, rows * (_side(step)[0] + 0.04) + 0.16)


def _words(page: Sheet, step: Step, top: float) -> None:
    values = step.values
    shape = " × ".join(map(str, step.shape or values.shape))
    page.text(0.2, top, sheet.shortened(step.name, 30), 8.5, INK, weight="bold")
    told = f"{step.kind}   {shape}"
    size = next((size for size in (8, 7) if sheet.fits(told, LEFT - 0.3, size)), 6)
    page.text(0.2, top + 0.16, sheet.cut(told, LEFT - 0.3, size), size, SOFT)
    lines = [f"{sheet.figure(float(values.min()))} … {sheet.figure(float(values.max()))}"]
    if step.shape and step.shape != values.shape:
        lines.append(f"drawn as {' × '.join(map(str, values.shape))}")
    if _spatial(step) and not step.picture:
        channels = values.shape[-1]
        if _drawn(step) < channels:
            lines.append(f"first {_drawn(step)} of {channels} channels")
        silent = int((values == 0).all(axis=(0, 1)).sum())
        if silent:
            lines.append(f"{silent} of {channels} channels all 0")
    elif not _spatial(step) and (values == 0).any():
        lines.append(f"{int((values == 0).sum())} of {values.size} are 0")
    page.text(0.2, top + 0.31, "   ".join(lines[:1]), 7, SOFT)
    page.text(0.2, top + 0.43, "   ".join(lines[1:]), 7, SOFT)


def _range(values: Array) -> tuple[str, float, float]:
    """Colour map and its ends: amounts from 0, or values around 0."""
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        return sheet.AMOUNT, 0.0, high or 1.0
    most = max(-low, high)
    return sheet.SIGNED, -most, most


def _tiles(page: Sheet, step: Step, top: float, ink: bool) -> None:
    tall, wide = _side(step)
    if step.picture and step.values.shape[-1] in (1, 3):
        tiles = [sheet.shown(step.values[None], ink)[0]]
    else:
        colours, low, high = _range(step.values)
        tiles = [sheet.coloured(step.values[..., n], colours, low, high) for n in range(_drawn(step))]
    for number, tile in enumerate(tiles):
        row, column = divmod(number, ACROSS)
        page.picture(LEFT + column * (wide + 0.04), top + row * (tall + 0.04), wide, tall, tile)


def _vector(page: Sheet, step: Step, top: float, ink: bool) -> None:
    values = step.values.reshape(-1)
    room = ACROSS * (SIDE + 0.04)
    if values.size > BARS:
        colours, low, high = _range(values)
        width = -(-values.size // max(1, -(-values.size // 256)))
        rows = -(-values.size // width)
        cells = np.ones((rows * width, 3))
        cells[: values.size] = sheet.coloured(values, colours, low, high)
        page.picture(LEFT, top, room, min(0.5, 0.16 * rows + 0.14), cells.reshape(rows, width, 3))
        return
    place = page.axes(LEFT, top, min(room, 0.34 * values.size), 0.46)
    signs = [SERIES[0] if value >= 0 else SERIES[1] for value in values]
    place.bar(np.arange(values.size), values, 0.8, color=signs)
    place.axhline(0, color=LINE, linewidth=0.8)
    place.set_xlim(-0.6, values.size - 0.4)
    place.set_yticks([])
    place.spines["left"].set_visible(False)
    place.spines["bottom"].set_visible(False)
    place.set_xticks(range(0, values.size, 1 if values.size <= 32 else 4))
    place.tick_params(length=0, labelsize=6.5, pad=1)
