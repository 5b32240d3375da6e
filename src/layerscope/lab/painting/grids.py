"""A placed grid as shapes: cells one by one, a picture in runs of one colour, a table of words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

from layerscope.lab.painting import words
from layerscope.lab.painting.cells import Tint, draw_cell
from layerscope.lab.painting.sizing import HEIGHT, PADDING, WORD, Placed
from layerscope.lab.painting.themes import Theme
from layerscope.lab.scene import Grid, Scene, Text
from layerscope.report.drawing import NONE, Box, Mark, Words, line


def heads(scene: Scene, grid: Grid, lang: str) -> list[str]:
    """What stands above the columns of a table, where the screen says it (`columns` in its data)."""
    found = cast(Sequence[Any], scene.data.get("columns", ()))
    said = [words.say(text, lang) for text in found if isinstance(text, Text)]
    return said if grid.scale == "plain" and len(said) == grid.columns else []


def draw_grid(placed: Placed, look: Theme, above: Sequence[str] = ()) -> list[Mark]:
    """The shapes of all cells: what is filled first, then marks, then words."""
    if placed.kind == "picture":
        return _picture(placed, look)
    if placed.kind == "table":
        return _table(placed, look, above)
    tint = Tint(placed.grid, look)
    drawn = [draw_cell(tint, number, placed.box([number])) for number in range(len(placed.grid.cells))]
    return [shape for part in range(3) for shapes in drawn for shape in shapes[part]]


def _picture(placed: Placed, look: Theme) -> list[Mark]:
    """Neighbours of one colour are one rectangle."""
    grid, tint, shapes = placed.grid, Tint(placed.grid, look), list[Mark]()
    colours = [tint.colour(number) for number in range(len(grid.cells))]
    for row in range(grid.rows):
        numbers = range(row * grid.columns, (row + 1) * grid.columns)
        for colour, run in groupby(numbers, key=lambda number: colours[number]):
            box = placed.box(list(run))
            shapes.append(Box(box.left, box.top, box.width, box.height, colour, crisp=True))
    whole = placed.box([0, len(grid.cells) - 1])
    edge = Box(whole.left, whole.top, whole.width, whole.height, NONE, edge=look.line, thick=0.15)
    return [*shapes, *(_raster(placed, look) if not any(cell.text for cell in grid.cells) else []), edge]


def _raster(placed: Placed, look: Theme) -> list[Mark]:
    """Hairlines between the cells of a picture that has no numbers."""
    grid, left, right = placed.grid, placed.xs[0], placed.xs[-1]
    down = [placed.y + placed.cell * row for row in range(1, grid.rows)]
    return [
        *(line((left, y), (right, y), look.line, 0.08) for y in down),
        *(line((x, placed.y), (x, placed.bottom), look.line, 0.08) for x in placed.xs[1:-1]),
    ]


def _table(placed: Placed, look: Theme, above: Sequence[str]) -> list[Mark]:
    """Words in columns, lines between rows; numbers stand at the right of their column."""
    grid, shapes, size = placed.grid, list[Mark](), WORD * placed.scale
    right = [_numeric(grid, column) for column in range(grid.columns)]
    for column, word in enumerate(above):
        shapes.append(_word(placed, column, placed.y - HEIGHT, word, size, look.faint, right[column]))
    for number, cell in enumerate(grid.cells):
        row, column = divmod(number, grid.columns)
        if cell.text:
            y = placed.y + row * placed.cell
            shapes.append(_word(placed, column, y, cell.text, size, look.ink, right[column]))
    lines = [placed.y + row * placed.cell for row in range(grid.rows + 1)]
    return [*(line((placed.xs[0], y), (placed.xs[-1], y), look.line, 0.12) for y in lines), *shapes]


def _numeric(grid: Grid, column: int) -> bool:
    texts = [cell.text for cell in list(grid.cells)[column :: grid.columns] if cell.text]
    return bool(texts) and all(text[0] in "0123456789−×" for text in texts)


def _word(placed: Placed, column: int, top: float, text: str, size: float, ink: str, right: bool) -> Words:
    inset = PADDING * placed.scale
    x = placed.xs[column + 1] - inset if right else placed.xs[column] + inset
    return Words(x, top + 0.68 * HEIGHT, text, size, ink, "end" if right else "start")
