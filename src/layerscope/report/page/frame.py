"""A page inside another one, such as a notebook: a frame that has no rights but to run its own script."""

from __future__ import annotations

from html import escape

from layerscope.report.document import Document
from layerscope.report.page.html import render

LEAST, MOST, ROW = 420, 780, 27
"""Heights in pixels: of the frame at least and at most, and of a row."""
REST = 470
"""What stands above and below the rows."""


def frame(document: Document) -> str:
    """The page as an <iframe>, as tall as its rows need within limits; it can be made taller by its corner."""
    height = min(MOST, max(LEAST, REST + ROW * len(document.rows)))
    return (
        (
            f'<iframe sandbox="allow-scripts" title="{escape(document.title)}" width="100%" height="{height}" '
            f'style="border: 0; resize: vertical" srcdoc="{escape(render(document))}"></iframe>'
        )
        .encode("ascii", "xmlcharrefreplace")
        .decode("ascii")
    )
