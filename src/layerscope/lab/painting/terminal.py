"""A scene as text: grids side by side in frames, what takes part marked, colours where the terminal has them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.lab.painting import words
from layerscope.lab.painting.themes import Theme, fill, ink_on, theme
from layerscope.lab.scene import Cell, Grid, Place, Scene, Text

ROLES = {"cropped": "/", "unread": "x", "winner": "*", "extra": "+", "changed": "!"}
"""Behind a number: what its cell is."""
AROUND = {"chosen": "[]", "stamp": "{}", "lit": "()"}
"""Around a number: what part its cell takes."""
TALLEST, GAP = 28, 3
"""Rows of a grid that are printed, around the chosen one; letters between grids."""


@dataclass(frozen=True)
class _Window:
    """The rows and columns of a grid that are printed."""

    grid: Grid
    rows: range
    columns: range
    digits: int

    @property
    def width(self) -> int:
        return (self.digits + 2) * len(self.columns) + 2


def render(scene: Scene, width: int = 80, colour: bool = False, lang: str = "en", explained: bool = True) -> str:
    """The scene in lines of at most `width` letters; `explained` adds why, and the same in three libraries.

    A grid that is wider, or higher than 28 rows, is cut to the part around what is chosen; its frame is open there.
    """
    look = theme(str(scene.settings.get("theme", "auto")))
    lit = parts(scene)
    blocks = [words.title(scene, lang), ""]
    for line in scene.layout:
        windows = [_window(next(g for g in scene.grids if g.id == name), lit, width) for name in line]
        for band in _bands(windows, width):
            blocks += _side_by_side([_block(window, lit, lang, look if colour else None) for window in band]) + [""]
    blocks += [line for line in (legend(scene, lit, lang),) if line]
    for said in (words.chosen(scene, lang), words.law(scene, lang)):
        blocks += folded(said, width) if said else []
    if explained:
        blocks += _explained(scene, width, lang)
    return "\n".join(line.rstrip() if not colour else line for line in blocks)


def parts(scene: Scene) -> dict[Place, str]:
    """Which cells take which part: chosen, stamp, lit."""
    found: dict[Place, str] = {}
    for link in scene.links:
        part = "stamp" if link.role == "stamp" else "lit"
        both = link.role in ("stamp", "copy", "switch")
        for place in (link.source, link.target) if both else (link.source,):
            if found.get(place) != "stamp":
                found[place] = part
    if scene.selected:
        found[scene.selected] = "chosen"
    return found


def legend(scene: Scene, lit: dict[Place, str], lang: str) -> str:
    """What the marks mean that are there."""
    there = {cell.role for grid in scene.grids for cell in grid.cells}
    shown = [(around[0] + around[1], part) for part, around in AROUND.items() if part in lit.values()]
    shown += [(mark, role) for role, mark in ROLES.items() if role in there]
    shown += [("·", role) for role in ("zero", "padding") if role in there and _dotted(scene, role)]
    return "   ".join(f"{mark} {words.say(Text(f'role.{role}'), lang)}" for mark, role in shown)


def _dotted(scene: Scene, role: str) -> bool:
    return any(cell.role == role and _printed(cell) == "·" for grid in scene.grids for cell in grid.cells)


def _printed(cell: Cell) -> str:
    return "·" if cell.role in ("zero", "padding") and cell.value == 0 else cell.text


def _window(grid: Grid, lit: dict[Place, str], width: int) -> _Window:
    digits = max([1, *(len(_printed(cell)) for cell in grid.cells)])
    fits = max((width - 2) // (digits + 2), 1)
    middle = _middle(grid, lit)
    return _Window(
        grid,
        _cut(grid.rows, TALLEST, middle // grid.columns),
        _cut(grid.columns, fits, middle % grid.columns),
        digits,
    )


def _middle(grid: Grid, lit: dict[Place, str]) -> int:
    here = sorted((list(AROUND).index(part), place[1]) for place, part in lit.items() if place[0] == grid.id)
    return here[0][1] if here else 0


def _cut(count: int, most: int, middle: int) -> range:
    first = min(max(middle - most // 2, 0), max(count - most, 0))
    return range(first, min(first + most, count))


def _bands(windows: Sequence[_Window], width: int) -> list[list[_Window]]:
    bands: list[list[_Window]] = []
    taken = 0
    for window in windows:
        if not bands or taken + GAP + window.width > width:
            bands.append([])
            taken = -GAP
        bands[-1].append(window)
        taken += GAP + window.width
    return bands


def _block(window: _Window, lit: dict[Place, str], lang: str, look: Theme | None) -> list[str]:
    """Title and frame of one grid, all lines equally wide; a side at which cells are cut off is open."""
    grid, inner = window.grid, window.width - 2
    left = "┊" if window.columns.start else "│"
    right = "┊" if window.columns.stop < grid.columns else "│"
    top = ("┈" if window.rows.start else "─") * inner
    bottom = ("┈" if window.rows.stop < grid.rows else "─") * inner
    lines = folded(words.say(grid.title, lang), max(window.width, 18))
    lines.append(f"┌{top}┐")
    for row in window.rows:
        numbers = [row * grid.columns + column for column in window.columns]
        cells = [_cell(grid, number, lit.get((grid.id, number), ""), window.digits, look) for number in numbers]
        lines.append(left + "".join(cells) + right)
    lines.append(f"└{bottom}┘")
    wide = max(window.width, *(columns(line) for line in lines[: -len(window.rows) - 2]))
    return [line + " " * (wide - (window.width if i >= len(lines) - len(window.rows) - 2 else columns(line)))
            for i, line in enumerate(lines)]  # fmt: skip


def _cell(grid: Grid, number: int, part: str, digits: int, look: Theme | None) -> str:
    cell = grid.cells[number]
    open, close = AROUND.get(part, " " + ROLES.get(cell.role, " "))
    plain = f"{open}{_printed(cell).rjust(digits)}{close}"
    if look is None:
        return plain
    pale = cell.role in ("padding", "zero", "empty", "cropped", "unread") or grid.scale == "plain"
    if pale:
        return f"\033[2m{plain}\033[0m" if part == "" else f"\033[1m{plain}\033[0m"
    behind = fill(grid, cell.value, look)
    bold = "1;" if part else ""
    return f"\033[{bold}38;5;{_code(ink_on(behind))};48;5;{_code(behind)}m{plain}\033[0m"


def _code(colour: str) -> int:
    """A terminal's number of a colour, out of 6 × 6 × 6."""
    red, green, blue = (round(int(colour[i : i + 2], 16) / 51) for i in (1, 3, 5))
    return 16 + 36 * red + 6 * green + blue


def _side_by_side(blocks: list[list[str]]) -> list[str]:
    """Blocks with their first rows of cells on one line: titles above grow upwards."""
    heads = [next(i for i, line in enumerate(block) if line.startswith("┌")) for block in blocks]
    padded = [[""] * (max(heads) - head) + block for head, block in zip(heads, blocks, strict=True)]
    wides = [columns(block[0]) for block in blocks]
    lines: list[str] = []
    for i in range(max(len(block) for block in padded)):
        row = [
            block[i] if i < len(block) and block[i] else " " * wide for block, wide in zip(padded, wides, strict=True)
        ]
        lines.append((" " * GAP).join(row))
    return lines


def _explained(scene: Scene, width: int, lang: str) -> list[str]:
    lines: list[str] = []
    for clamp in scene.clamped:
        lines += folded(f"{clamp.name}={clamp.asked}: {words.say(clamp.why, lang)}", width)
    for told in scene.why:
        lines += ["", *folded(words.say(told, lang), width)]
    names = {"keras": "Keras", "torch": "PyTorch", "numpy": "NumPy"}
    for name, code in scene.code.items():
        first, *rest = code.split("\n")
        lines += [""] if name == next(iter(scene.code)) else []
        lines += [f"{names.get(name, name):<9}{first}", *(" " * 9 + line for line in rest)]
    return lines


def columns(line: str) -> int:
    """How many columns of a terminal a line takes: East Asian letters two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def folded(said: str, width: int) -> list[str]:
    """The words in lines of at most `width` columns."""
    lines: list[str] = []
    for word in said.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
