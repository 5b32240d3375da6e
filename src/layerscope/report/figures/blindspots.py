"""Pairs of inputs that a network cannot tell apart, what it makes of them, and which pixels it sees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import SOFT, Array, Sheet

TILE, GAP, LABEL, TOP = 1.15, 0.1, 1.45, 0.62
"""Inches."""
FEW, ACROSS = 32, 4
"""Up to so many numbers, so many side by side, are printed in their cells."""


@dataclass
class Asked:
    """What is drawn: inputs (height, width, C) in rows for first, second and difference, outputs where they are
    images, the share of each pixel that is seen (height, width). `pixels`: inputs are images in 0 … 1.
    """

    title: str
    about: str
    first: Sequence[Array]
    second: Sequence[Array]
    outputs: Sequence[tuple[Array, ...]]
    captions: Sequence[str]
    seen: Array
    ink: bool
    pixels: bool


def blindspots(path: str | os.PathLike[str], asked: Asked) -> None:
    """Write the picture: a column for each pair, and at the right the map of what is seen."""
    height, width = asked.seen.shape
    tall = min(1.8, max(0.3, TILE * height / width))
    count = len(asked.first)
    lines = 3 + (2 if asked.outputs else 0) if count else 0
    left = LABEL + count * (TILE + GAP) + (0.75 if count else 0.1)
    with sheet.drawn(path, max(left + TILE + 0.75, 5.2), TOP + max(lines, 1) * (tall + GAP) + 0.45) as page:
        page.text(0.12, 0.1, asked.title, 10, weight="bold")
        page.text(0.12, 0.32, asked.about, 8, SOFT)
        if count:
            _pairs(page, asked, tall)
        most = float(asked.seen.max()) or 1.0
        page.picture(left, TOP, TILE, tall, sheet.coloured(asked.seen, sheet.AMOUNT, 0, most))
        page.scale(left + TILE + 0.06, TOP, 0.09, tall, sheet.AMOUNT, 0, most)
        page.text(left, TOP + tall + 0.05, "share of a change of one", 7, SOFT)
        one = "pixel" if asked.pixels else "number"
        page.text(left, TOP + tall + 0.17, f"{one} alone that is seen", 7, SOFT)


def _pairs(page: Sheet, asked: Asked, tall: float) -> None:
    differences = [(b - a).mean(axis=-1) for a, b in zip(asked.first, asked.second, strict=True)]
    most = max(float(np.abs(one).max()) for one in differences) or 1.0
    low = min(float(min(a.min(), b.min())) for a, b in zip(asked.first, asked.second, strict=True))
    high = max(float(max(a.max(), b.max())) for a, b in zip(asked.first, asked.second, strict=True))

    def shown(image: Array) -> Array:
        if asked.pixels:
            return sheet.shown(image[None], asked.ink)[0]
        return sheet.coloured(image.mean(axis=-1), sheet.AMOUNT, low, high)

    rows: list[tuple[str, list[Array]]] = [
        ("an input", [shown(one) for one in asked.first]),
        ("another input", [shown(one) for one in asked.second]),
        ("their difference", [sheet.coloured(one, sheet.SIGNED, -most, most) for one in differences]),
    ]
    if asked.outputs:
        rows.append(("output of the first", [shown(one) for one, _ in asked.outputs]))
        rows.append(("output of the second", [shown(one) for _, one in asked.outputs]))
    numbers = _numbers(asked, differences)
    for number, (name, tiles) in enumerate(rows):
        top = TOP + number * (tall + GAP)
        page.text(0.12, top + tall / 2, name, 8, SOFT, va="bottom" if number == 2 else "center")
        if number == 2:
            channels = asked.first[0].shape[-1]
            page.text(0.12, top + tall / 2 + 0.03, "blue: the other is larger", 7, SOFT)
            page.text(0.12, top + tall / 2 + 0.15, f"mean of {channels} channels" if channels > 1 else "", 7, SOFT)
        for column, tile in enumerate(tiles):
            place = page.picture(LABEL + column * (TILE + GAP), top, TILE, tall, tile)
            if number < len(numbers):
                _told(place, numbers[number][column], tile)
        if number == 2:
            page.scale(LABEL + len(tiles) * (TILE + GAP), top, 0.09, tall, sheet.SIGNED, -most, most)
    bottom = TOP + len(rows) * (tall + GAP)
    for column, words in enumerate(asked.captions):
        for line, part in enumerate(words.split("; ")):
            page.text(LABEL + column * (TILE + GAP) + TILE / 2, bottom + line * 0.13, part, 7, SOFT, ha="center")


def _numbers(asked: Asked, differences: Sequence[Array]) -> list[list[Array]]:
    """What stands in the cells of inputs and differences, where these are few numbers and no images."""
    if asked.pixels or asked.seen.size > FEW or asked.seen.shape[1] > ACROSS:
        return []
    return [[one.mean(axis=-1) for one in images] for images in (asked.first, asked.second)] + [list(differences)]


def _told(place: Any, values: Array, tile: Array) -> None:
    for (row, column), value in np.ndenumerate(values):
        light = float(tile[row, column] @ np.array([0.299, 0.587, 0.114]))
        words = sheet.figure(float(value))
        place.text(
            column, row, words, ha="center", va="center", fontsize=6.5, color="black" if light > 0.5 else "white"
        )
