"""How documents look. Each module of this folder has `render(document, width, colour)`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from layerscope.core.errors import UnknownNameError
from layerscope.report.document import Document


def names() -> list[str]:
    """All formats: the files of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def render(document: Document, format: str, width: int = 120, colour: bool = False) -> str:
    """The document in a format; UnknownNameError names the nearest."""
    if format not in names():
        raise UnknownNameError("format", format, names())
    return import_module(f"{__name__}.{format}").render(document, width, colour)
