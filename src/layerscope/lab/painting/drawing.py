"""A drawing as a list of shapes in millimetres from the top left corner; painters turn it into a file's format."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rect:
    """A rectangle; `stroke` is drawn on its edge; a `crisp` one has no soft edges, so that neighbours meet."""

    x: float
    y: float
    width: float
    height: float
    fill: str = "none"
    stroke: str = "none"
    thick: float = 0.0
    dashed: bool = False
    crisp: bool = False


@dataclass(frozen=True)
class Line:
    """A straight line, with a head at its end where `arrow`."""

    x1: float
    y1: float
    x2: float
    y2: float
    stroke: str
    thick: float
    arrow: bool = False


@dataclass(frozen=True)
class Polygon:
    """A filled shape by its corners."""

    points: Sequence[tuple[float, float]]
    fill: str


@dataclass(frozen=True)
class Words:
    """A line of text: x, y is on its baseline, at its start, middle or end (`anchor`)."""

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: str = "start"
    bold: bool = False


Shape = Rect | Line | Polygon | Words


@dataclass(frozen=True)
class Drawing:
    """Shapes on paper, later ones above earlier ones; `title` and `about` say what it is to those who cannot see it.

    `silent` names the grids whose cells are too small for their numbers.
    """

    width: float
    height: float
    paper: str
    shapes: Sequence[Shape]
    title: str
    about: str
    link: str
    silent: Sequence[str] = ()


def wide(words: str, size: float) -> float:
    """About how many millimetres a line takes: letters of a common sans-serif, East Asian ones a square each."""
    return size * sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else _share(letter) for letter in words)


def _share(letter: str) -> float:
    if letter in " .,:;'|il()[]·":
        return 0.36
    return 0.84 if letter in "mwMW−+=→×∞" else 0.64


def wrapped(words: str, width: float, size: float) -> list[str]:
    """The words in lines of at most that width; a word that is longer has a line of its own."""
    lines: list[str] = []
    for paragraph in words.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and wide(longer, size) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines
