"""A document's figure on paper: how wide, and of what."""

from __future__ import annotations

from layerscope.core.errors import SettingError
from layerscope.report.document import Document
from layerscope.report.drawing import Drawing
from layerscope.report.layouts.down import COLUMNS_FROM, down
from layerscope.report.scenes import Journey

LEAST, USUAL, MOST = 70.0, 174.0, 1000.0
"""Millimetres: below the least nothing can be read; one column of a paper has about 84, two have about 174."""
PAGE = 240.0
"""Millimetres of a page's height, for what is printed on it."""


def checked(width: float | None) -> float:
    """A figure's width in millimetres, the usual one for None; SettingError for one that no figure has."""
    wide = USUAL if width is None else width
    if isinstance(wide, bool) or not LEAST <= wide <= MOST:
        raise SettingError(
            f"a figure is {LEAST:,.0f} to {MOST:,.0f} mm wide, not {wide:g}; one column of a paper has about 84"
        )
    return wide


def paper(document: Document, width: float | None = None) -> Drawing:
    """The journey as a drawing of `width` millimetres (174).

    Errors: SettingError for a document without a journey, for a width that no figure has, and for a column that
    would be longer than a page.
    """
    wide = checked(width)
    journey = next((scene for scene in document.scenes() if isinstance(scene, Journey)), None)
    if journey is None:
        raise SettingError(f"there is no figure of {document.title}; write a table: .html, .md, .tex or .csv")
    drawing = down(journey, wide)
    if wide < COLUMNS_FROM and drawing.height > PAGE:
        raise SettingError(
            f"the figure would be {drawing.height:.0f} mm high, but a page has about {PAGE:.0f}: at a width of "
            f"{COLUMNS_FROM:.0f} mm or more it has two columns (--width-mm {USUAL:.0f}); fewer rows help too "
            "(--depth 1, --top 40)"
        )
    return drawing
