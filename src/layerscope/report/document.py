"""What a report says, with its units and without its looks. Formats turn it into text, JSON, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layerscope.core import sizes
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType


@dataclass(frozen=True)
class Column:
    """One column; `rank` says how soon it gives way when there is no room (0: never)."""

    key: str
    title: str
    right: bool = False
    rank: int = 0


@dataclass(frozen=True)
class Document:
    """A table with a title, totals, notes and definitions; `data` holds the same facts as plain data."""

    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, str]]
    totals: Sequence[tuple[str, str]]
    notes: Sequence[str]
    definitions: Sequence[str]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


def count(size: Size | None) -> str:
    """A number with thousands separators; an open size as its expression."""
    if size is None:
        return "unknown"
    return f"{size:,}" if isinstance(size, int) else str(size)


def shape(type: TensorType) -> str:
    """28 × 28 × 1, without an open batch."""
    parts = list(type.shape)
    if parts and parts[0] == sizes.named(BATCH):
        parts = parts[1:]
    return " × ".join(map(str, parts)) if parts else "1 number"
