"""One grid as lines of text in a frame: numbers, a picture in shades, or a table of words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.lab.painting.cells import FADED, PALE, Tint
from layerscope.lab.painting.parts import PARTS
from layerscope.lab.painting.themes import Theme, ends, ink_on
from layerscope.lab.scene import Cell, Grid

ROLES = {"cropped": "/", "unread": "x", "winner": "*", "extra": "+", "changed": "!"}
"""Behind a number: what its cell is."""
AROUND = {"chosen": "[]", "stamp": "{}", "lit": "()"}
"""Around a number: what part its cell takes."""
MORE, LESS = " ░▒▓█", " -=%#"
"""Shades of values above and below zero."""
NO_BREAK = "\u00a0"
TALLEST, LONG, FEW, TITLE = 28, 4, 8, 18
"""Rows that are printed; letters of numbers that are too long for more than `FEW` columns; columns of a title."""


@dataclass(frozen=True)
class Asked:
    """What a frame is made for: its width at most, which cells take which part, colours or none, heads of columns,
    and how many rows it has at most.
    """

    width: int
    parts: dict[int, str]
    look: Theme | None
    heads: Sequence[str] = ()
    tall: int = TALLEST


def framed(grid: Grid, title: str, asked: Asked) -> list[str]:
    """Title and frame, all lines equally wide; a side at which cells are cut off is open."""
    longest = max((len(cell.text) for cell in grid.cells), default=0)
    if grid.scale == "plain" and longest > LONG + 1:
        rows, sides = _table(grid, asked), (False, False, False, False)
    elif longest == 0:
        rows, sides = _squares(grid, asked)
    elif longest >= LONG and grid.columns > FEW:
        rows, sides = _pixels(grid, asked), (False, False, False, False)
    else:
        rows, sides = _numbers(grid, asked)
    inner = max(columns(_bare(row)) for row in rows)
    start, stop = ("┊" if cut else "│" for cut in sides[:2])
    above, below = ("┈" if cut else "─" for cut in sides[2:])
    heads = folded(title, max(inner + 2, TITLE))
    lines = [f"┌{above * inner}┐", *(f"{start}{row}{stop}" for row in rows), f"└{below * inner}┘"]
    wide = max(inner + 2, *(columns(line) for line in heads))
    return [line + " " * (wide - columns(line)) for line in heads] + [
        line + " " * (wide - inner - 2) for line in lines
    ]


def printed(cell: Cell) -> str:
    """A number as it stands in a frame: zeros that are put in are dots."""
    return "·" if cell.role in ("zero", "padding") and cell.value == 0 else cell.text


def columns(line: str) -> int:
    """How many columns of a terminal a line takes: East Asian letters two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def folded(said: str, width: int) -> list[str]:
    """The words in lines of at most `width` columns."""
    lines: list[str] = []
    for word in said.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += " " + word
        elif word or not lines:
            lines.append(word)
    return [line.rstrip().replace(NO_BREAK, " ") for line in lines]


def _bare(line: str) -> str:
    """Without the codes of colours."""
    parts = line.split("\033[")
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])


def _window(grid: Grid, asked: Asked, most: int) -> tuple[range, range, tuple[bool, bool, bool, bool]]:
    """The rows and columns that are printed, around what is chosen; where something is cut off."""
    here = sorted((PARTS.index(part), number) for number, part in asked.parts.items())
    row, column = divmod(here[0][1] if here else 0, grid.columns)
    rows, across = _cut(grid.rows, asked.tall, row), _cut(grid.columns, max(most, 1), column)
    cut = (across.start > 0, across.stop < grid.columns, rows.start > 0, rows.stop < grid.rows)
    return rows, across, cut


def _cut(count: int, most: int, middle: int) -> range:
    first = min(max(middle - most // 2, 0), max(count - most, 0))
    return range(first, min(first + most, count))


def _numbers(grid: Grid, asked: Asked) -> tuple[list[str], tuple[bool, bool, bool, bool]]:
    digits = max([1, *(len(printed(cell)) for cell in grid.cells)])
    rows, across, cut = _window(grid, asked, (asked.width - 2) // (digits + 2))
    tint = None if asked.look is None else Tint(grid, asked.look)
    numbers = [[row * grid.columns + column for column in across] for row in rows]
    return [
        "".join(_cell(grid, number, asked.parts.get(number, ""), digits, tint) for number in row) for row in numbers
    ], cut


def _cell(grid: Grid, number: int, part: str, digits: int, tint: Tint | None) -> str:
    cell = grid.cells[number]
    open, close = AROUND.get(part, " " + ROLES.get(cell.role, " "))
    plain = f"{open}{printed(cell).rjust(digits)}{close}"
    if tint is None:
        return plain
    if cell.role in PALE or cell.role in FADED or grid.scale == "plain":
        return f"\033[{1 if part else 2}m{plain}\033[0m"
    behind = tint.colour(number)
    bold = "1;" if part else ""
    return f"\033[{bold}38;5;{_code(ink_on(behind))};48;5;{_code(behind)}m{plain}\033[0m"


def _squares(grid: Grid, asked: Asked) -> tuple[list[str], tuple[bool, bool, bool, bool]]:
    """A picture without numbers: two letters for each cell."""
    rows, across, cut = _window(grid, asked, (asked.width - 2) // 2)
    tint = None if asked.look is None else Tint(grid, asked.look)

    def square(number: int) -> str:
        mark = AROUND.get(asked.parts.get(number, ""), "")
        if tint is None:
            return mark or ("██" if grid.cells[number].value else " ·")
        behind = tint.colour(number)
        return f"\033[38;5;{_code(ink_on(behind))};48;5;{_code(behind)}m{mark or '  '}\033[0m"

    return ["".join(square(row * grid.columns + column) for column in across) for row in rows], cut


def _pixels(grid: Grid, asked: Asked) -> list[str]:
    """A picture of long numbers: a letter for each cell, two rows in a line; what is chosen is an X."""
    tint = None if asked.look is None else Tint(grid, asked.look)
    low, high = ends(grid)
    lines: list[str] = []
    for row in range(0, grid.rows, 2):
        line = ""
        for column in range(min(grid.columns, asked.width - 2)):
            pair = [r * grid.columns + column for r in (row, min(row + 1, grid.rows - 1))]
            if "chosen" in (asked.parts.get(number, "") for number in pair):
                line += "X"
            elif tint is None:
                mean = sum(grid.cells[number].value or 0.0 for number in pair) / 2
                share = abs(mean) / (max(-low, high) or 1.0)
                line += (LESS if mean < 0 else MORE)[min(round(share * 4), 4)]
            else:
                upper, lower = (_code(tint.colour(number)) for number in pair)
                line += f"\033[38;5;{upper};48;5;{lower}m▀\033[0m"
        lines.append(line)
    return lines


def _table(grid: Grid, asked: Asked) -> list[str]:
    """Words in columns, numbers to the right; a chosen row begins with >. The widest column gives way first."""
    texts = [
        [cell.text for cell in grid.cells[i : i + grid.columns]] for i in range(0, len(grid.cells), grid.columns)
    ]
    lines = [[*asked.heads], *texts] if asked.heads else texts
    widths = [max(columns(line[i]) for line in lines) for i in range(grid.columns)]
    while sum(widths) + 2 * len(widths) + 3 > asked.width and max(widths) > 6:
        widths[widths.index(max(widths))] -= 1
    right = [all(line[i][:1] in "0123456789−×" for line in texts if line[i]) for i in range(grid.columns)]
    chosen = {number // grid.columns for number, part in asked.parts.items() if part == "chosen"}
    made: list[str] = []
    for at, line in enumerate(lines, start=len(texts) - len(lines)):
        words = [_fitted(word, width, to) for word, width, to in zip(line, widths, right, strict=True)]
        made.append((">" if at in chosen else " ") + "  ".join(words) + " ")
    return made


def _fitted(word: str, width: int, right: bool) -> str:
    """The word in exactly that many columns."""
    if columns(word) > width:
        while columns(word) > width - 1:
            word = word[:-1]
        word += "…"
    space = " " * (width - columns(word))
    return space + word if right else word + space


def _code(colour: str) -> int:
    """A terminal's number of a colour, out of 6 × 6 × 6."""
    red, green, blue = (round(int(colour[i : i + 2], 16) / 51) for i in (1, 3, 5))
    return 16 + 36 * red + 6 * green + blue
