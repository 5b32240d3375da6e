"""A drawing: shapes and words at places. Painters make SVG, PNG and PDF of it; reports and the lab draw with it.

Places are counted from the top left, in the drawing's own unit (millimetres on paper, pixels on a page). What a shape
looks like is a role, which paper and pages colour in their own ways; on paper also a colour itself ("#2166ac"), which
is how values are shown, or "none".
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass, field

PAPER = {
    "paper": "#ffffff", "ink": "#1b1f24", "soft": "#5c6570", "rule": "#c9ced6", "flow": "#e7eaee", "bar": "#dbe4ee",
    "enrich": "#2166ac", "condense": "#b5482a", "keep": "#7a828c", "one": "#2166ac", "two": "#b5482a",
    "three": "#5b7a3d", "four": "#7a5195", "five": "#8c6d1f", "six": "#2d7f8c", "seven": "#7a828c",
}  # fmt: skip
"""What each role looks like on white paper; `theme.css` has the same for pages, and for dark ones."""
NORMAL = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
    60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
    63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
)  # fmt: skip
BOLD = (
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70,
    70, 70, 40, 40, 84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100, 84, 85,
    73, 85, 77, 72, 68, 81, 77, 110, 77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72,
    71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84,
)  # fmt: skip
"""Advances of the ASCII letters from the space on, in hundredths of the font's size: those of DejaVu Sans, the widest
of the usual sans-serif fonts, so that words fit in any of them.
"""
NONE = "none"
"""The role of what is not filled, or has no edge."""
NARROWEST = 0.27
"""The narrowest letter, in its size."""
OTHERS = {"–": 50, "·": 38, "…": 100, "−": 84, "×": 84, "→": 84, "∞": 84, "\u00a0": 32}
"""Those of other letters; of all that are named nowhere, WIDE."""
WIDE = 100


@dataclass(frozen=True)
class Box:
    """A rectangle; `hollow`: its outline alone, on paper. `edge`: the role of a line, `thick`, along its border, half
    of it outside. A `crisp` one has no soft edges, so that neighbours meet.
    """

    left: float
    top: float
    width: float
    height: float
    role: str
    hollow: bool = False
    dashed: bool = False
    edge: str = NONE
    thick: float = 0.0
    crisp: bool = False


@dataclass(frozen=True)
class Area:
    """A polygon."""

    points: Sequence[tuple[float, float]]
    role: str


@dataclass(frozen=True)
class Stroke:
    """A line through points; `bent`: a cubic curve whose second and third points pull it; `arrow`: with a head at its
    end.
    """

    points: Sequence[tuple[float, float]]
    role: str
    width: float
    bent: bool = False
    dashed: bool = False
    arrow: bool = False


@dataclass(frozen=True)
class Dot:
    """A circle's outline."""

    left: float
    top: float
    radius: float
    role: str
    width: float


@dataclass(frozen=True)
class Words:
    """A line of text whose baseline starts, has its middle or ends ("start", "middle", "end") at a place; `turned`
    reads upwards. `said`: words of the report's own, which a page may translate.
    """

    left: float
    top: float
    text: str
    size: float
    role: str = "ink"
    anchor: str = "start"
    bold: bool = False
    turned: bool = False
    said: bool = False


Mark = Box | Area | Stroke | Dot | Words


@dataclass(frozen=True)
class Group:
    """Marks that belong to one thing, whose place among its like is `key`; `title` names it."""

    key: int
    title: str
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Drawing:
    """Marks on a sheet of `width` × `height` units ("mm" or "px"), later ones above earlier ones.

    `title` names it, `words` say what it shows, in the language `lang`; `source` is what it was made from (a link),
    kept in the file. `paper`: the role of its ground. `silent`: parts whose words would be too small to be read.
    """

    width: float
    height: float
    unit: str
    title: str
    words: str
    marks: Sequence[Mark | Group] = field(default_factory=list[Mark | Group])
    lang: str = "en"
    source: str = ""
    paper: str = "paper"
    silent: Sequence[str] = ()


def colour(role: str) -> str:
    """What a role looks like on paper; what is no role is a colour itself."""
    return PAPER.get(role, role)


def line(
    start: tuple[float, float], stop: tuple[float, float], role: str, width: float, arrow: bool = False
) -> Stroke:
    """A straight line."""
    return Stroke((start, stop), role, width, arrow=arrow)


HEAD = 1.5
"""Of an arrow, in the drawing's unit."""


def head(mark: Stroke) -> Area:
    """The head of an arrow, whose tip is the line's end."""
    (x1, y1), (x2, y2) = mark.points[-2:]
    dx, dy = x2 - x1, y2 - y1
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy, size = dx / length, dy / length, min(HEAD, 0.6 * length)
    x, y = x2 - ux * size, y2 - uy * size
    return Area(
        [(x2, y2), (x - uy * size * 0.4, y + ux * size * 0.4), (x + uy * size * 0.4, y - ux * size * 0.4)], mark.role
    )


def extent(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is at most, in the unit of its size."""
    table = BOLD if bold else NORMAL
    total = 0
    for letter in text:
        place = ord(letter) - 32
        total += table[place] if 0 <= place < len(table) else OTHERS.get(letter, WIDE)
    return total * size / 100


def shortened(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text as it fits into so much room: of longer ones the beginning and the end, which tells names apart."""
    if extent(text, size, bold) <= room:
        return text
    most = int(room / (NARROWEST * size)) + 1
    for kept in range(min(len(text) - 1, most), 0, -1):
        before = (kept + 1) // 2
        cut = text[:before] + "…" + text[len(text) - (kept - before) :]
        if extent(cut, size, bold) <= room:
            return cut
    return "…"


def wrapped(text: str, size: float, room: float, whole: bool = False) -> list[str]:
    """The text in lines that fit into so much room; longer words are shortened, or `whole` on lines of their own."""
    lines: list[str] = []
    for paragraph in text.split("\n") if whole else [text]:
        begun = False
        for word in paragraph.split(" "):
            word = word if whole else shortened(word, size, room)
            if begun and extent(f"{lines[-1]} {word}", size) <= room:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
            begun = True
    return lines
