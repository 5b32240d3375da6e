"""How documents look. Each module of this folder has `render(document, width, colour)`.

`ROWS = False` in it says that it needs the document's data or records only; `SUFFIXES` are the ends of such files.
"""

from __future__ import annotations

import re
from importlib import import_module
from json import dumps
from types import ModuleType

from layerscope.core.errors import UnknownNameError
from layerscope.core.files import modules
from layerscope.report.document import Document
from layerscope.report.letters import spelled


def names() -> list[str]:
    """All formats: the files of this folder."""
    return modules(__file__)


def suffixes() -> dict[str, str]:
    """The formats by the ends of their files' names: .md, .html, ..."""
    return {suffix: name for name in names() for suffix in _module(name).SUFFIXES}


def needs_rows(format: str) -> bool:
    """Whether a format shows the document's rows, and not only its data; UnknownNameError as in `render`."""
    return getattr(_module(format), "ROWS", True)


def _module(format: str) -> ModuleType:
    if format not in names():
        raise UnknownNameError("format", format, names())
    return import_module(f"{__name__}.{format}")


def render(document: Document, format: str, width: int = 120, colour: bool = False, encoding: str = "utf-8") -> str:
    """The document in a format; UnknownNameError names the nearest.

    `encoding` is of whatever the text is written to: a terminal's table has letters that it takes, JSON escapes.
    """
    terminal = format == "terminal"
    shown = document.spelled(encoding) if terminal else document  # first, for cells to be as wide as they will be
    text: str = _module(format).render(shown, width, colour)
    if terminal:
        return spelled(text, encoding)
    if format == "json" and spelled(text, encoding) != text:
        text = re.sub(r"[^\x00-\x7f]", lambda found: dumps(found[0])[1:-1], text)
    return text
