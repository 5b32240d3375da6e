"""What a screen of the lab shows, as plain data: grids of cells, links, formulas; painters give looks and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

VERSION = 1
Place = tuple[str, int]
"""A cell: the grid's id and its row-major number."""


@dataclass(frozen=True)
class Text:
    """A sentence by its key in `strings.json`, and what stands in its {braces}, which may be a text itself;
    painters put it into words.
    """

    key: str
    args: Mapping[str, str | int | float | Text] = field(default_factory=dict[str, "str | int | float | Text"])


@dataclass(frozen=True)
class Cell:
    """One cell: its value (None where there is none), what is printed in it, and its role.

    Roles: data, kernel, result; padding (added around), zero (inserted between), cropped (computed and cut away),
    unread (never read), winner (of a pooling window), extra (a row or column that output padding adds), changed
    (other than in the grid that it is compared with), lit (of the set that is shown), empty.
    """

    value: float | None
    text: str
    role: str = "data"


@dataclass(frozen=True)
class Grid:
    """Cells in rows, row by row. `scale`: how values become colours: diverging (zero neutral), sequential, plain.

    `select` names the setting that choosing a cell sets, if any: one of row and column, or a number, which becomes
    the cell's row-major number counted from 1. Further settings may follow, as in a link: "cell&filter=2".
    `summary` says in one sentence what a table would.
    """

    id: str
    title: Text
    rows: int
    columns: int
    cells: Sequence[Cell]
    scale: str = "diverging"
    select: str = ""
    summary: Text | None = None


@dataclass(frozen=True)
class Link:
    """An arrow or a lit pair: a cell and the one it leads to. Roles: read, multiply, add, copy, switch, stamp."""

    source: Place
    target: Place
    role: str = "read"


@dataclass(frozen=True)
class Token:
    """A piece of a formula. Kinds: number, operator, name; `cell` is where the number stands in a grid."""

    text: str
    kind: str = "number"
    cell: Place | None = None


@dataclass(frozen=True)
class Clamp:
    """A setting that could not be as asked: what was asked, what is used, and why."""

    name: str
    asked: str
    used: str
    why: Text


@dataclass(frozen=True)
class Scene:
    """Everything on a screen for one state.

    `layout` has ids of grids, one row of the screen after the other. `formula` says the selected cell with its
    numbers; `law` the shape law with its numbers; `code` the same in keras, torch and numpy; `why` the explanation.
    `step` of `steps` is where the step bar stands (0 steps: nothing to step through). `data` has what only one screen
    needs.
    """

    screen: str
    settings: Mapping[str, Any]
    title: Text
    grids: Sequence[Grid]
    layout: Sequence[Sequence[str]]
    links: Sequence[Link] = ()
    selected: Place | None = None
    formula: Sequence[Token] = ()
    law: Sequence[Token] = ()
    code: Mapping[str, str] = field(default_factory=dict[str, str])
    why: Sequence[Text] = ()
    step: int = 0
    steps: int = 0
    clamped: Sequence[Clamp] = ()
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """As plain data, for the page, for files, and for the comparison with the TypeScript twin."""
        return {"version": VERSION, **asdict(replace(self, grids=())), "grids": [_grid(grid) for grid in self.grids]}


def _grid(grid: Grid) -> dict[str, Any]:
    """As `asdict` would, which takes ten times as long for the thousands of cells of a picture."""
    cells = [{"value": cell.value, "text": cell.text, "role": cell.role} for cell in grid.cells]
    return {**asdict(replace(grid, cells=())), "cells": cells}
