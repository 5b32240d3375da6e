"""How a cell looks: its value as a colour and a number, its role as a pattern or a border besides."""

from __future__ import annotations

from layerscope.lab.painting.themes import Theme, ends, ink_on, mixed, tone
from layerscope.lab.scene import Grid
from layerscope.report.drawing import NONE, Area, Box, Mark, Words, extent, line

MARKED = ("padding", "zero", "cropped", "unread", "winner", "extra", "changed")
"""Roles that have a mark, in the legend's order."""
READABLE = 1.25
"""Millimetres of the smallest letters that are drawn."""
BORDERS = {"chosen": 0.8, "lit": 0.4, "stamp": 0.4}
"""Millimetres of the borders of what is chosen, takes part, or is being stamped."""
PALE = ("padding", "zero", "empty")
FADED = ("cropped", "unread")


class Tint:
    """The colours of one grid in a theme: what depends on all its cells is found once."""

    def __init__(self, grid: Grid, look: Theme) -> None:
        roles = {cell.role for cell in grid.cells}
        self.grid, self.look, self.range = grid, look, ends(grid)
        self._zeros, self._lit = "zero" in roles, "lit" in roles
        self._longest = max((extent(cell.text, 1.0) for cell in grid.cells), default=1.0)

    def colour(self, number: int) -> str:
        """What a cell is filled with."""
        cell, look = self.grid.cells[number], self.look
        if cell.role == "lit":
            return mixed(look.stamp, look.paper, 0.45)
        if self.pale(number) or (self._lit and not cell.text):
            return look.paper
        colour = tone(self.grid.scale, cell.value, self.range, look)
        return mixed(colour, look.paper, 0.72) if cell.role in FADED else colour

    def pale(self, number: int) -> bool:
        """Whether a cell holds no value of its own; where zeros are put in between, a zero is nothing's place."""
        cell = self.grid.cells[number]
        return cell.role in PALE or (cell.role == "changed" and cell.value == 0 and self._zeros)

    def ink(self, number: int) -> str:
        """What a cell's number is written with."""
        faded = self.pale(number) or self.grid.cells[number].role in FADED
        return self.look.faint if faded else ink_on(self.colour(number))

    def letters(self, box: Box) -> float:
        """The size of the letters in cells like this box: one for all, so that the longest number fits."""
        return min(0.52 * box.height, 2.7, (box.width - 0.7) / max(self._longest, 1.2))


def draw_cell(tint: Tint, number: int, box: Box) -> tuple[list[Mark], list[Mark], list[Mark]]:
    """The shapes of one cell: its square, its marks, its number."""
    cell, look, colour = tint.grid.cells[number], tint.look, tint.colour(number)
    thin = 0.12 if box.width > 2 else 0.05
    square = Box(box.left, box.top, box.width, box.height, colour, edge=look.line, thick=thin)
    size = tint.letters(box)
    if not cell.text or size < READABLE:
        return [square], marks(cell.role, box, look, colour), []
    x, y = box.left + box.width / 2, box.top + box.height / 2 + 0.36 * size
    return [square], marks(cell.role, box, look, colour), [Words(x, y, cell.text, size, tint.ink(number), "middle")]


def marks(role: str, box: Box, look: Theme, colour: str) -> list[Mark]:
    """What tells a role without colours."""
    x, y, right, bottom = box.left, box.top, box.left + box.width, box.top + box.height
    thin, ink = min(0.18, 0.06 * box.width), ink_on(colour)
    match role:
        case "padding":
            inset = 0.12 * box.width
            inner = box.width - 2 * inset
            return [Box(x + inset, y + inset, inner, inner, NONE, dashed=True, edge=look.line, thick=thin)]
        case "zero":
            dot = 0.07 * box.width
            return [Box(right - 3 * dot, y + dot, 2 * dot, 2 * dot, look.line)]
        case "cropped":
            return [line((x, bottom), (right, y), look.faint, thin)]
        case "unread":
            rising = line((x, bottom), (right, y), look.faint, thin)
            return [rising, line((x, y), (right, bottom), look.faint, thin)]
        case "winner":
            side = 0.3 * box.width
            return [Area([(x, y), (x + side, y), (x, y + side)], ink)]
        case "extra":
            inset = 0.09 * box.width
            inner = box.width - 2 * inset
            return [Box(x + inset, y + inset, inner, inner, NONE, dashed=True, edge=ink, thick=1.3 * thin)]
        case "changed":
            side = 0.3 * box.width
            return [Area([(right, bottom), (right - side, bottom), (right, bottom - side)], ink)]
    return []


def swatch(role: str, box: Box, look: Theme) -> list[Mark]:
    """A cell of that role for the legend."""
    x, y, side = box.left, box.top, box.width
    if role in BORDERS:
        colour, thick = (look.stamp if role == "stamp" else look.chosen), BORDERS[role]
        inner = side - thick
        return [Box(x + thick / 2, y + thick / 2, inner, inner, look.paper, edge=colour, thick=thick)]
    if role == "seen":
        return [Box(x, y, side, side, mixed(look.stamp, look.paper, 0.45), edge=look.line, thick=0.12)]
    colour = look.paper if role in PALE else mixed(look.diverging[6], look.paper, 0.5)
    return [Box(x, y, side, side, colour, edge=look.line, thick=0.12), *marks(role, box, look, colour)]
