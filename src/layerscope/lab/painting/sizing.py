"""How large grids are on paper: cells with numbers that can be read, pictures, tables of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from layerscope.lab.painting.cells import READABLE
from layerscope.lab.scene import Grid
from layerscope.report.drawing import NONE, Box, extent

GAP = 5.0
"""Millimetres between grids."""
SMALLEST, LARGEST, TALL, TALLEST = 4.0, 7.5, 70.0, 110.0
"""Millimetres of a cell with numbers; of a grid's height, where cells can be smaller, and at all."""
PICTURE, THUMBNAIL = 3.0, 24.0
"""Millimetres of a cell at most, and of the whole grid at least, where no number is printed."""
FEW = 8
"""Columns up to which long numbers have wider cells; with more it is a picture."""
WORD, PADDING, HEIGHT = 2.2, 1.6, 4.2
"""Of a table: its letters, what is beside them, a row."""


@dataclass(frozen=True)
class Placed:
    """A grid on paper: where its columns begin and the last ends, its first row, the height of its rows.

    `scale` is what a table's words are made smaller by, so that it fits.
    """

    grid: Grid
    xs: Sequence[float]
    y: float
    cell: float
    kind: str
    scale: float = 1.0

    @property
    def width(self) -> float:
        return self.xs[-1] - self.xs[0]

    @property
    def bottom(self) -> float:
        return self.y + self.grid.rows * self.cell

    def box(self, numbers: Sequence[int], inset: float = 0.0) -> Box:
        """The smallest rectangle around these cells."""
        rows, columns = [n // self.grid.columns for n in numbers], [n % self.grid.columns for n in numbers]
        x, y = self.xs[min(columns)] + inset, self.y + min(rows) * self.cell + inset
        width = self.xs[max(columns) + 1] - self.xs[min(columns)] - 2 * inset
        return Box(x, y, width, (max(rows) - min(rows) + 1) * self.cell - 2 * inset, NONE)


def kind(grid: Grid, inner: float) -> str:
    """table: words in columns; picture: no numbers, or too many to be read; cells: a square for each number."""
    longest = max((len(cell.text) for cell in grid.cells), default=0)
    if grid.scale == "plain" and longest > 5:
        return "table"
    crowded = _need(grid) * grid.columns > inner or (_need(grid) > SMALLEST and grid.columns > FEW)
    return "picture" if longest == 0 or crowded else "cells"


def _need(grid: Grid) -> float:
    """Millimetres of a cell in which the longest number can just be read."""
    return 1.001 * READABLE * max((extent(cell.text, 1.0) for cell in grid.cells), default=0.0) + 0.7


def unit(lines: Sequence[Sequence[Grid]], inner: float) -> float:
    """One size of cell for all grids that can have it: as large as the widest line allows, but readable."""
    natural = [LARGEST]
    for line in lines:
        columns = sum(max(grid.columns, 3) for grid in line if kind(grid, inner) == "cells")
        taken = sum(width(grid, 0.0, inner, len(line)) for grid in line if kind(grid, inner) != "cells")
        if columns:
            natural.append((inner - GAP * (len(line) - 1) - taken) / columns)
    return max(min(natural), SMALLEST)


def width(grid: Grid, unit: float, inner: float, beside: int, heads: Sequence[str] = ()) -> float:
    """The width of a grid that shares a line with others, `beside` in all."""
    return place(grid, 0.0, 0.0, unit, inner, beside, heads).width


def place(
    grid: Grid, x: float, y: float, unit: float, inner: float, beside: int, heads: Sequence[str] = ()
) -> Placed:
    """A grid with its first cell there; `heads` are what stands above the columns of a table."""
    what = kind(grid, inner)
    if what == "table":
        widths = [_column(grid, column, heads) for column in range(grid.columns)]
        scale = min(1.0, inner / sum(widths))
        return Placed(grid, list(accumulate((w * scale for w in widths), initial=x)), y, HEIGHT, what, scale)
    tall = max(TALL / grid.rows, min(SMALLEST, TALLEST / grid.rows))
    cell = min(max(unit, min(_need(grid), LARGEST)), inner / grid.columns, tall)
    if what == "picture":
        cell = min(_pictured(grid, inner, beside), TALLEST / grid.rows)
    return Placed(grid, [x + cell * column for column in range(grid.columns + 1)], y, cell, what)


def _pictured(grid: Grid, inner: float, beside: int) -> float:
    """Long numbers are pixels of an image, which has its share of the line; short ones have as much as there is."""
    if 0 < _need(grid) <= SMALLEST and any(cell.text for cell in grid.cells):
        return min(PICTURE, inner / grid.columns)
    share = max((inner - GAP * (beside - 1)) / beside, THUMBNAIL)
    return min(PICTURE, max(share, THUMBNAIL) / grid.columns, inner / grid.columns)


def _column(grid: Grid, column: int, heads: Sequence[str]) -> float:
    texts = [*heads[column : column + 1], *(cell.text for cell in list(grid.cells)[column :: grid.columns])]
    return max((extent(text, WORD) for text in texts), default=0.0) + 2 * PADDING
