"""A scene laid out on paper of a given width: grids in their rows, what takes part, arrows, legend, formula, law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from layerscope.lab.painting import words
from layerscope.lab.painting.cells import MARKED, READABLE, Tint, swatch
from layerscope.lab.painting.grids import draw_grid, heads
from layerscope.lab.painting.parts import ends, rows
from layerscope.lab.painting.sizing import GAP, HEIGHT, Placed, place, unit, width
from layerscope.lab.painting.themes import Theme, theme
from layerscope.lab.scene import Grid, Link, Scene, Text
from layerscope.lab.state import spell
from layerscope.report.drawing import NONE, Box, Drawing, Mark, Stroke, Words, extent, line, wrapped

MARGIN, LEAD = 2.0, 1.35
"""Millimetres around everything; lines of text to their letters' size."""
TITLE, BODY = 3.2, 2.35
NO_BREAK = "\u00a0"
LINES = 5
"""Of a formula; what is longer is shortened in its middle."""
CARRIED = ("copy", "switch", "stamp")
"""Links that an arrow shows wherever they lead; where a cell reads others, only between neighbours."""


@dataclass
class _Sheet:
    scene: Scene
    width: float
    theme: Theme
    lang: str
    y: float = MARGIN
    shapes: list[Mark] = field(default_factory=list[Mark])
    placed: dict[str, Placed] = field(default_factory=dict[str, Placed])
    order: list[list[str]] = field(default_factory=list[list[str]])

    @property
    def inner(self) -> float:
        return self.width - 2 * MARGIN

    def lines(self, said: Sequence[str], size: float, colour: str, x: float = MARGIN, bold: bool = False) -> None:
        for text in said:
            self.shapes.append(Words(x, self.y + size, text, size, colour, bold=bold))
            self.y += size * LEAD


def paint(
    scene: Scene, width: float = 174.0, theme_name: str = "light", lang: str = "en", bare: bool = False
) -> Drawing:
    """The scene as a drawing `width` millimetres wide; `bare` leaves out title, formula and law, for a caption."""
    scene = words.summed(scene, lang)
    sheet = _Sheet(scene, width, theme(theme_name), lang)
    if not bare:
        sheet.lines(
            wrapped(words.title(scene, lang), TITLE, sheet.inner, whole=True), TITLE, sheet.theme.ink, bold=True
        )
        sheet.y += 1.5
    lines = rows(scene)
    size = unit(lines, sheet.inner)
    for beside in lines:
        for part in _fitting(beside, sheet, size):
            _row(sheet, part, size, len(beside))
    _lit(sheet)
    _legend(sheet)
    told = [part for part in (words.chosen(scene, lang), words.law(scene, lang)) if part]
    if not bare:
        for part in told:
            sheet.lines(_cut(_broken_at_equals(part, sheet.inner)), BODY, sheet.theme.ink)
    link = spell(scene.screen, scene.settings)
    height = sheet.y + MARGIN
    silent = [
        words.say(placed.grid.title, lang)
        for placed in sheet.placed.values()
        if placed.kind != "table"
        and any(cell.text for cell in placed.grid.cells)
        and Tint(placed.grid, sheet.theme).letters(placed.box([0])) < READABLE
    ]
    title = words.title(scene, lang)
    return Drawing(
        width, height, "mm", title, " ".join(told) or link, sheet.shapes, lang, link, sheet.theme.paper, silent
    )


def _broken_at_equals(said: str, width: float) -> list[str]:
    """Lines that end before an equals sign where there is room for it."""
    kept = said.replace(" ", NO_BREAK).replace(f"{NO_BREAK}={NO_BREAK}", f" ={NO_BREAK}")
    lines = wrapped(kept, BODY, width, whole=True)
    if any(extent(line, BODY) > width for line in lines):
        lines = wrapped(said, BODY, width, whole=True)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= LINES else [*lines[: LINES - 2], "…", lines[-1]]


def _broad(grid: Grid, sheet: _Sheet, size: float, beside: int) -> float:
    """The width that a grid takes with its title above."""
    said = words.say(grid.title, sheet.lang)
    longest = max((extent(word, BODY) for word in said.split(" ")), default=0.0)
    own = width(grid, size, sheet.inner, beside, heads(sheet.scene, grid, sheet.lang))
    return min(max(own, min(extent(said, BODY), 24.0), longest), sheet.inner)


def _fitting(grids: list[Grid], sheet: _Sheet, size: float) -> Iterator[list[Grid]]:
    """The grids of a line, as many side by side as fit."""
    part: list[Grid] = []
    taken = 0.0
    for grid in grids:
        need = _broad(grid, sheet, size, len(grids)) + (GAP if part else 0.0)
        if part and taken + need > sheet.inner + 0.01:
            yield part
            part, taken, need = [], 0.0, need - GAP
        part.append(grid)
        taken += need
    if part:
        yield part


def _row(sheet: _Sheet, grids: list[Grid], size: float, beside: int) -> None:
    broad = [_broad(grid, sheet, size, beside) for grid in grids]
    titles = [
        wrapped(words.say(grid.title, sheet.lang), BODY, room + 0.01, whole=True)
        for grid, room in zip(grids, broad, strict=True)
    ]
    top = sheet.y + max(len(title) for title in titles) * BODY * LEAD
    x, bottom = MARGIN, top
    for grid, title, room in zip(grids, titles, broad, strict=True):
        start = top - len(title) * BODY * LEAD
        sheet.shapes += [
            Words(x, start + (i + 0.8) * BODY * LEAD, line, BODY, sheet.theme.faint) for i, line in enumerate(title)
        ]
        above = heads(sheet.scene, grid, sheet.lang)
        placed = place(grid, x, top + (HEIGHT if above else 0.0), size, sheet.inner, beside, above)
        sheet.placed[grid.id] = placed
        sheet.shapes += draw_grid(placed, sheet.theme, above)
        x += room + GAP
        bottom = max(bottom, placed.bottom)
    sheet.order.append([grid.id for grid in grids])
    sheet.y = bottom + 3.0


def _lit(sheet: _Sheet) -> None:
    """Borders of the cells that take part, then arrows, then the chosen cell above all."""
    scene, placed, look = sheet.scene, sheet.placed, sheet.theme
    groups: dict[tuple[str, str, str], list[Link]] = {}
    for link in scene.links:
        groups.setdefault((link.source[0], link.target[0], link.role), []).append(link)
    for (source, target, role), links in groups.items():
        colour = look.stamp if role == "stamp" else look.chosen
        for name, number in sorted({end for link in links for end in ends(link, scene)}):
            box = placed[name].box([number], 0.15)
            thick = min(0.45, 0.2 * placed[name].cell)
            sheet.shapes.append(Box(box.left, box.top, box.width, box.height, NONE, edge=colour, thick=thick))
        carried = role in CARRIED and not _broken(sheet, source, target)
        instead = any((source, target, other) in groups for other in CARRIED)
        if carried or (role == "read" and not instead and _beside(sheet, source, target)):
            froms, tos = [link.source[1] for link in links], [link.target[1] for link in links]
            sheet.shapes.append(_arrow(placed[source].box(froms), placed[target].box(tos), colour))
    if scene.selected and scene.selected[0] in placed:
        at = placed[scene.selected[0]]
        row = scene.selected[1] // at.grid.columns * at.grid.columns
        whole = [row, row + at.grid.columns - 1] if at.kind == "table" else [scene.selected[1]]
        box = at.box(whole)
        thick = min(0.8, 0.35 * at.cell)
        for colour, stroke in ((look.paper, 1.9 * thick), (look.chosen, thick)):  # readable on any colour
            sheet.shapes.append(Box(box.left, box.top, box.width, box.height, NONE, edge=colour, thick=stroke))


def _beside(sheet: _Sheet, source: str, target: str) -> bool:
    return any((source, target) in pairwise(line) for line in sheet.order)


def _broken(sheet: _Sheet, source: str, target: str) -> bool:
    """Whether the paper is too narrow for two grids of one row; an arrow would cross what lies between."""
    together = any({source, target} <= set(line) for line in sheet.scene.layout)
    return together and not any({source, target} <= set(line) for line in sheet.order)


def _arrow(a: Box, b: Box, colour: str) -> Stroke:
    """From edge to edge, along the line between the middles."""
    ax, ay = a.left + a.width / 2, a.top + a.height / 2
    bx, by = b.left + b.width / 2, b.top + b.height / 2
    dx, dy = bx - ax, by - ay
    start, stop = _leaving(a, dx, dy), _leaving(b, dx, dy)
    return line((ax + dx * start, ay + dy * start), (bx - dx * stop, by - dy * stop), colour, 0.35, arrow=True)


def _leaving(box: Box, dx: float, dy: float) -> float:
    """The share of a line from the middle of a box at which it leaves the box."""
    return min(
        box.width / 2 / abs(dx) if dx else 1.0,
        box.height / 2 / abs(dy) if dy else 1.0,
        0.45,
    )


def _legend(sheet: _Sheet) -> None:
    """What the marks of cells mean; only those that are there."""
    scene = sheet.scene
    roles = ["chosen"] if scene.selected else []
    seen = any(cell.role == "lit" for grid in scene.grids for cell in grid.cells)
    roles += ["lit"] if any(link.role != "stamp" for link in scene.links) else []
    roles += ["seen"] if seen else []
    roles += ["stamp"] if any(link.role == "stamp" for link in scene.links) else []
    roles += [role for role in MARKED if any(cell.role == role for grid in scene.grids for cell in grid.cells)]
    x, size, side = MARGIN, BODY, 3.0
    for role in roles:
        said = words.say(Text(f"role.{role}"), sheet.lang)
        need = side + 1.0 + extent(said, size) + 3.0
        if x > MARGIN and x + need > sheet.width:
            x, sheet.y = MARGIN, sheet.y + side + 1.2
        sheet.shapes += swatch(role, Box(x, sheet.y, side, side, NONE), sheet.theme)
        sheet.shapes.append(Words(x + side + 1.0, sheet.y + side * 0.78, said, size, sheet.theme.faint))
        x += need
    sheet.y += side + 2.0 if x > MARGIN else 0.0
