"""How a cell looks: its value as a colour and a number, its role as a pattern or a border besides."""

from __future__ import annotations

from layerscope.lab.painting.drawing import Line, Polygon, Rect, Shape, Words, wide
from layerscope.lab.painting.themes import Theme, fill, ink_on, mixed
from layerscope.lab.scene import Grid

MARKED = ("padding", "zero", "cropped", "unread", "winner", "extra", "changed")
"""Roles that have a mark, in the legend's order."""
READABLE = 1.25
"""Millimetres of the smallest letters that are drawn."""
BORDERS = {"chosen": 0.8, "lit": 0.4, "stamp": 0.4}
"""Millimetres of the borders of what is chosen, takes part, or is being stamped."""
PALE = ("padding", "zero", "empty")


def draw_cell(grid: Grid, number: int, box: Rect, look: Theme) -> list[Shape]:
    """The shapes of one cell."""
    cell = grid.cells[number]
    colour = look.paper if cell.role in PALE else fill(grid, cell.value, look)
    if cell.role in ("cropped", "unread"):
        colour = mixed(colour, look.paper, 0.72)
    thin = 0.12 if box.width > 2 else 0.05
    shapes: list[Shape] = [Rect(box.x, box.y, box.width, box.height, colour, look.line, thin)]
    shapes += marks(cell.role, box, look, colour)
    size = letters(grid, box)
    if cell.text and size >= READABLE:
        ink = look.faint if cell.role in PALE or cell.role in ("cropped", "unread") else ink_on(colour)
        x, y = box.x + box.width / 2, box.y + box.height / 2 + 0.36 * size
        shapes.append(Words(x, y, cell.text, size, ink, "middle"))
    return shapes


def letters(grid: Grid, box: Rect) -> float:
    """The size of the letters in a grid's cells: one for all, so that the longest number fits."""
    longest = max((wide(cell.text, 1.0) for cell in grid.cells), default=1.0)
    return min(0.52 * box.height, 2.7, (box.width - 0.7) / max(longest, 1.2))


def marks(role: str, box: Rect, look: Theme, colour: str) -> list[Shape]:
    """What tells a role without colours."""
    x, y, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    thin, ink = min(0.18, 0.06 * box.width), ink_on(colour)
    match role:
        case "padding":
            inset = 0.12 * box.width
            inner = box.width - 2 * inset
            return [Rect(x + inset, y + inset, inner, inner, stroke=look.line, thick=thin, dashed=True)]
        case "zero":
            dot = 0.07 * box.width
            return [Rect(right - 3 * dot, y + dot, 2 * dot, 2 * dot, look.line)]
        case "cropped":
            return [Line(x, bottom, right, y, look.faint, thin)]
        case "unread":
            return [Line(x, bottom, right, y, look.faint, thin), Line(x, y, right, bottom, look.faint, thin)]
        case "winner":
            side = 0.3 * box.width
            return [Polygon([(x, y), (x + side, y), (x, y + side)], ink)]
        case "extra":
            inset = 0.09 * box.width
            inner = box.width - 2 * inset
            return [Rect(x + inset, y + inset, inner, inner, stroke=ink, thick=1.3 * thin, dashed=True)]
        case "changed":
            side = 0.3 * box.width
            return [Polygon([(right, bottom), (right - side, bottom), (right, bottom - side)], ink)]
    return []


def swatch(role: str, box: Rect, look: Theme) -> list[Shape]:
    """A cell of that role for the legend."""
    x, y, side = box.x, box.y, box.width
    if role in BORDERS:
        colour, thick = (look.stamp if role == "stamp" else look.chosen), BORDERS[role]
        inner = side - thick
        return [Rect(x + thick / 2, y + thick / 2, inner, inner, look.paper, colour, thick)]
    colour = look.paper if role in PALE else mixed(look.diverging[6], look.paper, 0.5)
    return [Rect(x, y, side, side, colour, look.line, 0.12), *marks(role, box, look, colour)]
