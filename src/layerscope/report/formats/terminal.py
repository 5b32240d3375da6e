"""A document as text for a terminal: the columns that fit its width, the rest named."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from layerscope.report.document import Column, Document

GAP = "  "
BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"


def render(document: Document, width: int = 120, colour: bool = False) -> str:
    """Title, table, totals, notes and definitions, each line at most `width` wide where that is possible."""
    columns, hidden = _fitting(document, width)
    spans = _spans(document, columns)

    def painted(text: str, code: str) -> str:
        return f"{code}{text}{PLAIN}" if colour else text

    header = _line([column.title for column in columns], columns, spans)
    rule = "─" * min(width, max(len(header), _total(spans)))
    lines = [painted(document.title, BOLD) + painted(f"  {document.subtitle}", DIM), ""]
    lines += [painted(header, BOLD), painted(rule, DIM)]
    lines += [_line([row[column.key] for column in columns], columns, spans).rstrip() for row in document.rows]
    lines.append(painted(rule, DIM))
    label = max(len(name) for name, _ in document.totals)
    lines += [f"{name:<{label}}  {painted(value, BOLD)}" for name, value in document.totals]
    if document.notes:
        lines += ["", *_wrapped(document.notes, width, "note: ")]
    small = list(document.definitions)
    if hidden:
        named = ", ".join(column.title for column in hidden)
        small.append(f"Not shown for want of width: {named}. A wider terminal or --format json has all.")
    lines += ["", *(painted(line, DIM) for line in _wrapped(small, width))]
    return "\n".join(lines)


def _wrapped(paragraphs: Sequence[str], width: int, lead: str = "") -> list[str]:
    return [
        line
        for text in paragraphs
        for line in textwrap.wrap(lead + text, max(40, width), subsequent_indent="  ", break_long_words=False)
    ]


def _spans(document: Document, columns: Sequence[Column]) -> list[int]:
    return [max([len(c.title), *(len(row[c.key]) for row in document.rows)]) for c in columns]


def _total(spans: Sequence[int]) -> int:
    return sum(spans) + len(GAP) * (len(spans) - 1)


def _fitting(document: Document, width: int) -> tuple[list[Column], list[Column]]:
    columns, hidden = list(document.columns), list[Column]()
    while _total(_spans(document, columns)) > width:
        spare = [column for column in columns if column.rank]
        if not spare:
            break
        gone = max(spare, key=lambda column: column.rank)
        columns.remove(gone)
        hidden.append(gone)
    return columns, hidden


def _line(cells: Sequence[str], columns: Sequence[Column], spans: Sequence[int]) -> str:
    return GAP.join(
        cell.rjust(span) if column.right else cell.ljust(span)
        for cell, column, span in zip(cells, columns, spans, strict=True)
    )
