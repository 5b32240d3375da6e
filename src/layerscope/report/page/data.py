"""What a page's script reads: tables with their cells and the numbers by which these stand in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import dumps
from typing import Any

from layerscope.report import strings
from layerscope.report.document import Column, Document, TableRow
from layerscope.report.scenes import Journey, Plane

LEADING = re.compile(r"(?:[≥≤<] ?)?([−-]?[\d,]*\.?\d+(?:e[−+-]?\d+)?)")
"""The number that a cell begins with: ≥ 1,234; 0.012 ± 0.001; 36.7 %."""
SCRIPT = (
    "layers of {}", "Receptive field", "Unfold", "Fold", "{} rows", "{} of {} rows",
    "Point at a layer, or move through the rows with the arrow keys, to see what it sees of the input.",
    "Its middle position sees {} of the {} positions of {}.", "What is dashed lies in the padding.",
    "Nothing of it can be drawn.",
)  # fmt: skip
"""Texts that the script says by itself."""


class Data:
    """Collects tables, their texts once each, and the translations of those that are the report's own."""

    def __init__(self) -> None:
        self.tables: list[dict[str, Any]] = []
        self.korean: dict[str, str] = strings.known(iter(SCRIPT))
        self._places: dict[str, int] = {}

    def said(self, text: str) -> bool:
        """Whether a text has a translation, which the page will then know."""
        told = strings.korean(text)
        if told is not None and told != text:
            self.korean[text] = told
        return told is not None

    def add(self, document: Document, whole: Document) -> int:
        """A table with all that belongs to it, by the number that it gets."""
        columns, rows = list(whole.columns), list(whole.rows)
        journey = next((scene for scene in document.scenes() if isinstance(scene, Journey)), None)
        self.tables.append(
            {
                "columns": [self._column(number, column) for number, column in enumerate(columns)],
                "rows": [self._row(columns, row) for row in rows],
                "planes": [_plane(plane) for plane in journey.planes] if journey else [],
            }
        )
        return len(self.tables) - 1

    def written(self) -> str:
        """All as JSON that may stand in a script element: ASCII alone, no markup."""
        told = {"tables": self.tables, "texts": list(self._places), "korean": self.korean}
        return dumps(told, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")

    def _column(self, number: int, column: Column) -> dict[str, Any]:
        self.said(column.title)
        told: dict[str, Any] = {"i": number, "title": column.title}
        flags = {"r": column.right, "s": column.said, "o": column.optional}
        return told | {key: 1 for key, value in flags.items() if value}

    def _row(self, columns: Sequence[Column], row: TableRow) -> dict[str, Any]:
        cells, numbers = list[int](), dict[int, float]()
        for place, column in enumerate(columns):
            cell = row.cells.get(column.key, "")
            if column.said and cell:
                self.said(cell)
            cells.append(self._places.setdefault(cell, len(self._places)))
            number = row.order.get(column.key) if row.order else _leading(column, cell)
            if number is not None:
                numbers[place] = int(number) if number == int(number) else number
        told: dict[str, Any] = {"c": cells, "n": numbers}
        if row.sentence:
            self.said(row.sentence)
            told["t"] = row.sentence
        if row.within is not None:
            told["w"] = row.within
        if row.fields:
            told["f"] = [[one.plane, one.top, one.left, one.bottom, one.right] for one in row.fields]
        return told


def _plane(plane: Plane) -> dict[str, Any]:
    return {"name": plane.name, "height": plane.height, "width": plane.width}


def _leading(column: Column, cell: str) -> float | None:
    """The number that a cell of numbers begins with."""
    found = LEADING.match(cell) if column.right else None
    return float(found[1].replace(",", "").replace("−", "-")) if found else None
