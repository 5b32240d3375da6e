"""Documents as files: what a file's name ends with says how."""

from __future__ import annotations

import os

from layerscope.core import files
from layerscope.core.files import replacing
from layerscope.report import formats, svg
from layerscope.report.document import Document
from layerscope.report.papers import paper

DRAWN = (".svg", ".png", ".pdf")
"""Figures, in millimetres; .svg needs no library, the others matplotlib."""
REPORT = "a report"
WIDTH = 120
"""Columns of a table in a text file."""


def suffixes() -> list[str]:
    """All endings of files that `write` knows."""
    return sorted({*formats.suffixes(), *DRAWN})


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's ending says; OutputError for another one."""
    ending = files.ended(path, suffixes(), REPORT).suffix.lower()
    return formats.suffixes().get(ending, ending[1:])


def writable(path: str | os.PathLike[str]) -> str:
    """The same, for a place that is shown to be writable before there is any work for it; OutputError."""
    files.writable(path, suffixes(), REPORT)
    return format_of(path)


def needs_rows(path: str | os.PathLike[str]) -> bool:
    """Whether such a file shows the document's rows; OutputError for an unknown ending."""
    format = format_of(path)
    return f".{format}" not in DRAWN and formats.needs_rows(format)


def write(document: Document, path: str | os.PathLike[str], width_mm: float | None = None) -> None:
    """Write a document as the file's ending says: a page, a table, data, or the figure of its journey.

    `width_mm` is that of a figure. The same document gives the same bytes.
    Errors: OutputError for an unknown ending or a place that cannot be written; SettingError as in `papers.paper`.
    """
    format = format_of(path)
    if format in ("png", "pdf"):
        from layerscope.report.figures import painted

        drawing = paper(document, width_mm)
        with replacing(path, folders=False) as aside:
            painted.painted(drawing, aside, format)
        return
    text = svg.standing(paper(document, width_mm)) if format == "svg" else formats.render(document, format, WIDTH)
    ended = text if text.endswith("\n") else text + "\n"
    with replacing(path, folders=False) as aside:
        aside.write_bytes(ended.encode())
