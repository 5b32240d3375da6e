"""A document's rows as comma-separated values, as in RFC 4180: plain numbers, nothing for what is unknown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, cast

from layerscope.core.types import show
from layerscope.report.document import Document

SUFFIXES = (".csv",)
ROWS = False


def render(document: Document, width: int = 0, colour: bool = False) -> str:
    """A header of the columns' names, and a row for each record. Lines end with CR LF, the last one, too."""
    records = document.records() if document.records else [row.cells for row in document.rows]
    page = io.StringIO()
    writer = csv.writer(page)
    names = [column.key for column in document.columns]
    keys = list(records[0]) if records else names
    writer.writerow(keys)
    writer.writerows([_cell(record[key]) for key in keys] for record in records)
    return page.getvalue()


def _cell(value: Any) -> str:
    """A list of shapes as "(1, 2); (3,)", fields of several inputs as "a: (1, 1); b: (3, 3)"."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return show(tuple("-" if part is None else part for part in cast(tuple[Any, ...], value)))
    if isinstance(value, list):
        return "; ".join(map(_cell, cast(list[Any], value)))
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_cell(part)}" for name, part in cast(Mapping[str, Any], value).items())
    return str(value)
