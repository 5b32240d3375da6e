"""A document's facts as one JSON object."""

from __future__ import annotations

import json

from layerscope.report.document import Document

SUFFIXES = (".json",)
ROWS = False


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """Indented JSON; its keys are described in docs/definitions.md."""
    return json.dumps(document.data(), indent=2, ensure_ascii=False)
