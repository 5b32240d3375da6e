"""What a report says, with its units and without its looks. Formats turn it into text, JSON, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass, field, replace
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType
from layerscope.report.letters import spelled
from layerscope.report.scenes import Field, Scene


@dataclass(frozen=True)
class Column:
    """One column; `rank` says how soon it gives way when there is no room (0: never).

    `least`: cells may be shortened in the middle, but not below so many characters (0: never).
    `meaning`: a sentence that is printed where the column is. `joint` stands between the parts of a cell that is a
    list: shortened, it shows the first ones and how many more there are. `said`: its cells are words of the report,
    which may be translated, not names. `optional`: a page shows it when it is asked for.
    """

    key: str
    title: str
    right: bool = False
    rank: int = 0
    least: int = 0
    meaning: str = ""
    joint: str = ""
    said: bool = False
    optional: bool = False


@dataclass(frozen=True)
class TableRow:
    """Cells by the columns' keys; a `sentence` stands in place of the first cells, as far as there is room.

    `open` has the keys of cells with expressions of open sizes, which may be cut where there is no room for them.
    `order`: the numbers by which a column's cells stand in order, where the cell does not say them. `within`: the
    place of the row that sums this one up. `fields`: what it sees of each of the document's planes.
    """

    cells: Mapping[str, str]
    sentence: str = ""
    open: frozenset[str] = frozenset()
    order: Mapping[str, float] = field(default_factory=dict[str, float])
    within: int | None = None
    fields: Sequence[Field] = ()


@dataclass(frozen=True)
class Document:
    """A table with a title, totals, notes and definitions; `data` gives the same facts as plain data.

    `records` gives rows of plain data, where there are others than the cells. `more` says how to get at columns
    for which there is no room. `mark` stands where a cell is cut. `scenes` are what is drawn of it. `whole` is the
    same with every column and every row that others sum up. `parts` are further tables below this one. `heading`:
    what the rows of the table are.
    """

    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    totals: Sequence[tuple[str, str]]
    notes: Sequence[str]
    definitions: Sequence[str]
    data: Callable[[], Mapping[str, Any]] = dict[str, Any]
    records: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    more: str = "a wider terminal or --format json has all"
    mark: str = "…"
    scenes: Callable[[], Sequence[Scene]] = tuple[Scene, ...]
    whole: Callable[[], Document] | None = None
    parts: Sequence[Document] = ()
    heading: str = "Table"

    def without_legend(self) -> Document:
        """The same, but nothing says what columns and words mean."""
        return replace(self, definitions=[], columns=[replace(column, meaning="") for column in self.columns])

    def spelled(self, encoding: str) -> Document:
        """The same in letters that an encoding has."""

        def say(text: str) -> str:
            return spelled(text, encoding)

        return replace(
            self,
            title=say(self.title),
            subtitle=say(self.subtitle),
            columns=[replace(one, title=say(one.title), meaning=say(one.meaning)) for one in self.columns],
            rows=[
                replace(row, cells={key: say(cell) for key, cell in row.cells.items()}, sentence=say(row.sentence))
                for row in self.rows
            ],
            totals=[(say(name), say(value)) for name, value in self.totals],
            notes=list(map(say, self.notes)),
            definitions=list(map(say, self.definitions)),
            more=say(self.more),
            mark=say(self.mark),
        )


def count(size: Size | None) -> str:
    """A number with thousands separators; an open size as its expression."""
    if size is None:
        return "unknown"
    return f"{size:,}" if isinstance(size, int) else str(size)


def shape(type: TensorType) -> str:
    """28 × 28 × 1, without an open batch; (height - 2) × 8."""
    parts = list(type.shape)
    if parts and parts[0] == sizes.named(BATCH):
        parts = parts[1:]
    return " × ".join(map(_factor, parts)) if parts else "1 number"


def _factor(size: Size) -> str:
    """A size as it stands in a product: a sum in parentheses."""
    return f"({size})" if not isinstance(size, int) and len(size.terms) > 1 else str(size)
