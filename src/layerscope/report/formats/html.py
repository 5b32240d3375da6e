"""A document as one page of HTML that needs nothing else: sortable tables, figures, two languages, light and dark."""

from __future__ import annotations

from layerscope.report import page
from layerscope.report.document import Document

SUFFIXES = (".html", ".htm")


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """The page, in ASCII (right in every encoding). It runs its own script by its hash, and loads nothing."""
    return page.render(document)
