"""A document as text for a terminal: the columns that fit its width, the rest named."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from unicodedata import east_asian_width

from layerscope.report.document import Column, Document, TableRow

SUFFIXES = (".txt",)
GAP = "  "
BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"
AMPLE = 28
"""Characters to which names are shortened before a column of some use gives way."""
FAIR = 16
"""Characters to which other cells are shortened where that makes room for a column that gave way."""
USEFUL = 3
"""Up to this rank a column is worth names shorter than that."""
RETURNING = 7
"""Up to this rank a column that gave way comes back where wider ones, which went after it, left room."""
EXPRESSION = 40
"""Characters to which expressions of open sizes are cut where nothing else makes room."""
NARROW = 24
"""No text is wrapped to less."""
FIRST_WIDE = "\u1100"
"""No letter before this one takes two columns; … and ─ take one."""
MORE = re.compile(r"([\d,]+) more")
"""How a list says what it leaves out."""
UNIT = re.compile(r"(\d) (?=\w)")
"""A number and the word behind it stay together."""

Paint = Callable[[str, str], str]


def render(document: Document, width: int = 120, colour: bool = False) -> str:
    """Title, table, totals, notes and definitions, each line at most `width` wide where that is possible.

    Columns of rank 0 that do not fit beside each other stand below each other, each time with the first column.
    """

    def painted(text: str, code: str) -> str:
        return f"{code}{text}{PLAIN}" if colour and text else text

    width = max(width, NARROW)
    parts, hidden = _fitting(document, width)
    lines = [*_heading(document, width, painted), ""]
    for columns, spans in parts if document.rows else ():
        lines += _table(document, columns, spans, width, painted)
        lines += [""] if columns is not parts[-1][0] else []
    lines += _totals(document, width, painted)
    if document.notes:
        lines += ["", *_wrapped(document.notes, width, "note: ")]
    shown = [column.meaning for columns, _ in parts for column in columns if column.meaning]
    small = [*dict.fromkeys(shown), *document.definitions]
    if any(_cut(document, columns, spans) for columns, spans in parts):
        small.append(f"Long expressions are cut where {document.mark} stands; --format json has them whole.")
    if hidden:
        named = ", ".join(column.title for column in hidden)
        small.append(f"Not shown for want of width: {named} ({document.more}).")
    lines += ["", *(painted(line, DIM) for line in _wrapped(small, width))]
    return "\n".join(lines)


def _heading(document: Document, width: int, painted: Paint) -> list[str]:
    title, rest = document.title, f"{GAP}{document.subtitle}"
    if len(title) + len(rest) <= width:
        return [painted(title, BOLD) + painted(rest, DIM)]
    return [
        painted(shortened(title, width, mark=document.mark), BOLD),
        *(painted(line, DIM) for line in _wrapped([rest.strip()], width)),
    ]


def _table(
    document: Document, columns: Sequence[Column], spans: Sequence[int], width: int, painted: Paint
) -> list[str]:
    header = _line([column.title for column in columns], columns, spans)
    rule = painted("─" * min(width, _total(spans)), DIM)
    cells = _shortened(document, columns, spans)
    lines = [painted(header.rstrip(), BOLD), rule]
    for number, row in enumerate(document.rows):
        found = [cells[column.key][number] for column in columns]
        if row.sentence:
            lines += _told(row, found, columns, spans, width)
        else:
            lines.append(_line(found, columns, spans).rstrip())
    return [*lines, rule]


def _told(
    row: TableRow, cells: Sequence[str], columns: Sequence[Column], spans: Sequence[int], width: int
) -> list[str]:
    """A row that begins with a sentence, in place of the cells that it needs before the first number, or above."""
    numbers = next((place for place, column in enumerate(columns) if column.right), len(columns))
    for lead in range(1, numbers + 1):
        room = _total(spans[:lead])
        if wide(row.sentence) <= room:
            return [
                _line([row.sentence, *cells[lead:]], [columns[0], *columns[lead:]], [room, *spans[lead:]]).rstrip()
            ]
    line = _line(["", *cells[1:]], columns, spans).rstrip()
    return [*_wrapped([row.sentence], width), *([line] if line else [])]


def _totals(document: Document, width: int, painted: Paint) -> list[str]:
    label = max((len(name) for name, _ in document.totals), default=0)
    lines: list[str] = []
    for name, value in document.totals:
        room = max(NARROW // 2, width - label - len(GAP))
        kept = UNIT.sub("\\1\u00a0", value)
        parts = textwrap.wrap(_words(kept, room, document.mark), room, break_long_words=False, break_on_hyphens=False)
        first, *more = [part.replace("\u00a0", " ") for part in parts] or [""]
        lines.append(f"{name:<{label}}{GAP}{painted(first, BOLD)}")
        lines += [f"{'':<{label}}{GAP}{painted(part, BOLD)}" for part in more]
    return lines


def _wrapped(paragraphs: Sequence[str], width: int, lead: str = "") -> list[str]:
    return [
        line
        for text in paragraphs
        for line in textwrap.wrap(
            lead + _words(text, width - 2), width, subsequent_indent="  ", break_long_words=False
        )
    ]


def _words(text: str, width: int, mark: str = "…") -> str:
    """The text without words that are longer than a line: long names are shortened."""
    return " ".join(shortened(word, width, mark=mark) for word in text.split(" "))


def shortened(text: str, width: int, head: float = 0.4, mark: str = "…") -> str:
    """A text cut in the middle, where the mark stands; `head` is the share of what is kept before it."""
    kept, cut = max(width - len(mark), 0), text
    while kept >= 0 and wide(cut) > width:
        before = int(kept * head)
        cut = text[:before] + mark + text[len(text) - (kept - before) :]
        kept -= 1
    return cut


def _brief(text: str, width: int, head: float, column: Column, mark: str) -> str:
    """A cell cut in the middle; of a list the first parts, and how many more: first_block/add +2."""
    parts = text.split(column.joint) if column.joint else [text]
    if wide(text) <= width or len(parts) == 1:
        return shortened(text, width, head, mark)
    told = MORE.fullmatch(parts[-1])
    rest = int(told[1].replace(",", "")) - 1 if told else 0
    for kept in range(len(parts) - 1, 0, -1):
        brief = f"{column.joint.join(parts[:kept])} +{len(parts) - kept + rest}"
        if wide(brief) <= width:
            return brief
    count = f" +{len(parts) - 1 + rest}"
    return shortened(parts[0], width - len(count), head, mark) + count


def wide(text: str) -> int:
    """The columns that a text takes: a Chinese, Japanese or Korean letter takes two."""
    if text.isascii() or max(text) < FIRST_WIDE:
        return len(text)
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)


def _shortened(document: Document, columns: Sequence[Column], spans: Sequence[int]) -> dict[str, list[str]]:
    """The cells by column, cut where that leaves most of them different."""
    found: dict[str, list[str]] = {}
    for column, span in zip(columns, spans, strict=True):
        cells = [row.cells[column.key] for row in document.rows]
        if any(wide(cell) > span for cell in cells):
            ways = [
                [_brief(cell, span, head, column, document.mark) for cell in cells]
                for head in (0.4, 0.6, 0.2, 0.8, 0.0)
            ]
            cells = max(ways, key=lambda way: len(set(way)))
        found[column.key] = cells
    return found


def _cut(document: Document, columns: Sequence[Column], spans: Sequence[int]) -> bool:
    """Whether an expression does not fit its column."""
    return any(
        column.key in row.open and wide(row.cells[column.key]) > span
        for column, span in zip(columns, spans, strict=True)
        for row in document.rows
    )


def _spans(document: Document, columns: Sequence[Column], least: int | None, cut: int | None = None) -> list[int]:
    """The width of each column; with `least`, that of columns that may be shortened down to it; with `cut`, that of
    columns whose expressions are cut to it.
    """
    found: list[int] = []
    for column in columns:
        rows = [row for row in document.rows if column.right or not row.sentence]
        cells = [wide(row.cells[column.key]) for row in rows]
        if cut is not None:
            cells = [
                min(size, cut) if column.key in row.open else size for size, row in zip(cells, rows, strict=True)
            ]
        span = max([len(column.title), *cells])
        if least is not None and column.least:
            span = min(span, max(least, column.least, len(column.title)))
        found.append(span)
    return found


def _total(spans: Sequence[int]) -> int:
    return sum(spans) + len(GAP) * (len(spans) - 1)


Part = tuple[list[Column], list[int]]


def _fitting(document: Document, width: int) -> tuple[list[Part], list[Column]]:
    """The columns with their widths, in as many parts as it takes, and those that gave way."""
    columns, hidden = list(document.columns), list[Column]()
    room = width - len(GAP) - _spans(document, columns[:1], 0)[0] if columns else width
    cut = max(NARROW // 2, min(EXPRESSION, room))
    while columns:
        spare = [column for column in columns if column.rank]
        most = max((column.rank for column in spare), default=0)
        useful = most <= USEFUL
        spans = _spans(document, columns, 0 if useful else AMPLE, cut if useful else None)
        if _total(spans) <= width or not spare:
            break
        gone = next(column for column in reversed(spare) if column.rank == most)
        columns.remove(gone)
        hidden.append(gone)
    needed = cut if _total(_spans(document, columns, AMPLE)) > width else None
    for column in [one for one in reversed(hidden) if one.rank <= RETURNING]:
        more = [one for one in document.columns if one in columns or one is column]
        if _total([*_spans(document, more[:1], AMPLE), *_spans(document, more[1:], FAIR, needed)]) <= width:
            columns, hidden = more, [one for one in hidden if one is not column]
    parts = _parts(document, columns, width, cut)
    return [(part, _widened(document, part, width, cut)) for part in parts], hidden


def _parts(document: Document, columns: Sequence[Column], width: int, cut: int) -> list[list[Column]]:
    if _total(_spans(document, columns, 0, cut)) <= width:
        return [list(columns)]
    parts, part = list[list[Column]](), list[Column]()
    for column in columns:
        if len(part) > 1 and _total(_spans(document, [*part, column], AMPLE, cut)) > width:
            parts.append(part)
            part = [columns[0]]
        part.append(column)
    return [*parts, part]


def _widened(document: Document, columns: Sequence[Column], width: int, cut: int) -> list[int]:
    """Widths between the least and what cells would like, the first columns first."""
    wanted, spans = _spans(document, columns, None), _spans(document, columns, 0, cut)
    for place, want in enumerate(wanted):
        spans[place] = max(spans[place], min(want, spans[place] + width - _total(spans)))
    return spans


def _line(cells: Sequence[str], columns: Sequence[Column], spans: Sequence[int]) -> str:
    return GAP.join(
        " " * (span - wide(cell)) + cell if column.right else cell + " " * (span - wide(cell))
        for cell, column, span in zip(cells, columns, spans, strict=True)
    )
