"""A document as GitHub's Markdown: a table with its totals and notes as lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerscope.report.document import Document

SUFFIXES = (".md", ".markdown")
SPECIAL = re.compile(r"([\\`*\[\]|~$#])|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def escaped(text: str) -> str:
    """The text as it is, whatever Markdown would make of its characters. Underscores within words mean nothing."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(SPECIAL.sub(lambda found: "\\" + found[0], text).split())


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """All columns of the document, numbers to the right."""
    columns = document.columns
    lines = [f"**{escaped(document.title)}**, {escaped(document.subtitle)}", ""]
    lines.append(_row([escaped(column.title) for column in columns]))
    lines.append(_row(["---:" if column.right else "---" for column in columns]))
    for row in document.rows:
        cells = [row.cells[column.key] for column in columns]
        cells[0] = row.sentence or cells[0]
        lines.append(_row([escaped(cell) for cell in cells]))
    lines += ["", *(f"- {escaped(name)}: {escaped(value)}" for name, value in document.totals)]
    if document.notes:
        lines += ["", *(f"- note: {escaped(note)}" for note in document.notes)]
    meanings = [*dict.fromkeys(column.meaning for column in columns if column.meaning), *document.definitions]
    if meanings:
        lines += ["", *(f"- {escaped(text)}" for text in meanings)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
