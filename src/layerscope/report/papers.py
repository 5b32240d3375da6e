"""A document's figure on paper: how wide, and of what."""

from __future__ import annotations

from layerscope.core.errors import SettingError
from layerscope.report.document import Document
from layerscope.report.drawing import Drawing
from layerscope.report.layouts.down import down
from layerscope.report.scenes import Journey

LEAST, USUAL, MOST = 70.0, 174.0, 2000.0
"""Millimetres: below the least nothing can be read; one column of a paper has about 84, two have about 174."""


def paper(document: Document, width: float | None = None) -> Drawing:
    """The journey as a drawing of `width` millimetres (174).

    Errors: SettingError for a document without a journey, and for a width that no figure has.
    """
    wide = USUAL if width is None else width
    if isinstance(wide, bool) or not LEAST <= wide <= MOST:
        raise SettingError(
            f"a figure is {LEAST:.0f} to {MOST:.0f} mm wide, not {width!r}; a paper's column has about 84"
        )
    journey = next((scene for scene in document.scenes() if isinstance(scene, Journey)), None)
    if journey is None:
        raise SettingError(f"there is no figure of {document.title}; write a table: .html, .md, .tex or .csv")
    return down(journey, wide)
