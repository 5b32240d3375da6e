"""The journey to the layer that does not fit, beside the journeys with what would mend it; or with warnings."""

from __future__ import annotations

import os
from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet, tensors
from layerscope.report.figures.sheet import INK, LINE, SOFT, Sheet
from layerscope.report.figures.tensors import ALERT, BAD, BAR, BEHIND, GOOD, PALE, Scale, Tensor

NAMES, LEFT, PANEL, BARS = 1.55, 0.2, 1.9, 0.95
"""Inches: layers' names; where they start; a journey; its longest bar."""
ROW, LINES = 0.27, 0.125
NOTES, INDENT = 3.7, 0.42
"""Inches: warnings beside a journey, and their identifiers before their words."""
COLOURS = {
    "": BAR, "same": PALE, "changed": GOOD, "edited": GOOD, "misfit": BAD, "feeds": BAD, "wanted": BAD, "met": GOOD,
}  # fmt: skip
TINTED = ("edited", "misfit", "wanted", "met")
"""By a cell's tone."""


@dataclass(frozen=True)
class Cell:
    """What a layer gives in one journey: a tensor, or words where there is none.

    tone: "" of the network as it is; "same" and "changed" in a mended one; "edited" where the change is; "misfit"
    where it does not fit, fed by "feeds"; "wanted", the target, and "met" where it is reached.
    """

    tensor: Tensor | None = None
    tone: str = ""
    words: str = ""


@dataclass(frozen=True)
class Row:
    """A layer: its name, its settings, a cell for each journey, and (identifier, words) of warnings about it.

    Without cells: words between two layers, such as how many are left out.
    """

    name: str
    said: str = ""
    cells: tuple[Cell, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Checked:
    """What is drawn: journeys with a title and lines below it each, and rows. `about`: what is wrong, in words.

    foot: what the bars mean. notes: warnings about the whole network.
    """

    title: str
    about: str
    panels: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    foot: str
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def warned(self) -> bool:
        """Whether there are warnings at layers."""
        return any(row.notes for row in self.rows)

    @property
    def width(self) -> float:
        """Inches."""
        return max(LEFT + NAMES + PANEL * len(self.panels) + (NOTES if self.warned else 0) + 0.15, 5.4)


def checked(path: str | os.PathLike[str], asked: Checked) -> None:
    """Write the picture: a row for each layer, a column for each journey."""
    wide = asked.width - 2 * LEFT
    about = sheet.lines(asked.about, wide, 8)
    heads = [sheet.lines(words, PANEL - 0.15, 6.5) for _, words in asked.panels]
    head = 0.42 + 0.14 * len(about)
    top = head + 0.02
    if any(title for title, _ in asked.panels):
        head += 0.1
        top = head + 0.18 + 0.115 * max(len(lines) for lines in heads)
    heights = [_height(row) for row in asked.rows]
    whole = [(id, sheet.lines(words, wide - INDENT, 7)) for id, words in asked.notes]
    foot = sheet.lines(asked.foot, wide, 7)
    lower = sum(LINES * len(words) + 0.05 for _, words in whole) + (0.12 if whole else 0)
    total = top + sum(heights) + lower + 0.12 * len(foot) + 0.24
    with sheet.drawn(path, asked.width, total) as page:
        page.text(LEFT, 0.12, sheet.cut(asked.title, wide, 10, "bold"), 10, weight="bold")
        for number, line in enumerate(about):
            page.text(LEFT, 0.35 + 0.14 * number, line, 8, SOFT)
        for number, ((title, _), lines) in enumerate(zip(asked.panels, heads, strict=True)):
            left = LEFT + NAMES + PANEL * number
            page.text(left, head, title, 8, weight="bold")
            for line, words in enumerate(lines):
                page.text(left, head + 0.16 + 0.115 * line, words, 6.5, GOOD if number else SOFT)
        scale = Scale.of((cell.tensor for row in asked.rows for cell in row.cells), BARS)
        place = top + 0.04
        for row, height in zip(asked.rows, heights, strict=True):
            _row(page, row, place, height, scale)
            place += height
        place += 0.1 if whole else 0.0
        for id, words in whole:
            _note(page, LEFT, place, id, words)
            place += LINES * len(words) + 0.05
        for number, line in enumerate(foot):
            page.text(LEFT, total - 0.1 - 0.12 * (len(foot) - number), line, 7, SOFT)


def _lines(row: Row) -> list[tuple[str, list[str]]]:
    return [(id, sheet.lines(words, NOTES - INDENT - 0.15, 7)) for id, words in row.notes]


def _height(row: Row) -> float:
    if not row.cells:
        return 0.2
    return max(ROW, sum(LINES * len(words) + 0.03 for _, words in _lines(row)) + 0.06)


def _row(page: Sheet, row: Row, top: float, height: float, scale: Scale) -> None:
    middle, left = top + ROW / 2, LEFT + NAMES
    if not row.cells:
        page.text(LEFT, top + 0.1, row.name, 7, SOFT, va="center")
        return
    if row.notes:
        page.box(LEFT - 0.06, top + 0.01, page.width - 2 * LEFT + 0.12, height - 0.02, BEHIND[ALERT])
    tensors.named(page, LEFT, middle, row.name, row.said, NAMES - 0.12)
    for number, cell in enumerate(row.cells):
        _cell(page, cell, left + PANEL * number, top, scale)
    place = top + 0.05
    for id, words in _lines(row):
        _note(page, left + PANEL * len(row.cells), place, id, words)
        place += LINES * len(words) + 0.03


def _cell(page: Sheet, cell: Cell, left: float, top: float, scale: Scale) -> None:
    colour, middle = COLOURS[cell.tone], top + ROW / 2
    if cell.tone in TINTED:
        page.box(left - 0.06, top + 0.01, PANEL - 0.04, ROW - 0.02, BEHIND[colour])
    if cell.tensor is not None:
        tensors.bar(page, left + BARS / 2, middle, cell.tensor, scale, colour, cell.tone in ("wanted", "met"))
        words = sheet.cut(cell.tensor.words, PANEL - BARS - 0.14, 6.5)
        page.text(left + BARS + 0.06, middle, words, 6.5, SOFT if cell.tone == "same" else INK, va="center")
    elif cell.words:
        weight = "bold" if cell.tone == "misfit" else "normal"
        page.text(left, middle, cell.words, 7, BAD if cell.tone == "misfit" else SOFT, va="center", weight=weight)
    else:
        page.line([(left, middle), (left + BARS, middle)], LINE, 0.6, dashed=True)


def _note(page: Sheet, left: float, top: float, id: str, words: Sequence[str]) -> None:
    page.text(left, top, id, 7, "#8a5a00", weight="bold")
    for number, line in enumerate(words):
        page.text(left + INDENT, top + LINES * number, line, 7, INK)
