"""The figure of a document's journey as SVG, in a system's sans-serif font, fit for a paper."""

from __future__ import annotations

from layerscope.report import svg
from layerscope.report.document import Document
from layerscope.report.papers import paper

SUFFIXES = (".svg",)
ROWS = False


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """The journey, as wide as two columns of a paper. SettingError for a document that has none."""
    return svg.standing(paper(document))
