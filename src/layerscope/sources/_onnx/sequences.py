"""Sequences and optional values: followed part by part while reading, so that only tensors are in the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core import sizes
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Symbolic
from layerscope.sources._onnx import rules
from layerscope.sources._onnx.frames import Entry, Frame, Listed, title
from layerscope.sources._onnx.site import Operand
from layerscope.sources._onnx.structures import Node

if TYPE_CHECKING:
    from layerscope.sources._onnx.reader import Reader

Special = Callable[["Reader", Node, Frame, Sequence[Entry]], list[Entry]]
"""Reads a node that is no layer: gives what its outputs stand for."""


def _sequence(node: Node, entries: Sequence[Entry], number: int = 0) -> Listed:
    entry = entries[number] if number < len(entries) else None
    if not isinstance(entry, Listed) or entry.absent:
        raise SourceError(f"{title(node)} takes a sequence, but operand {number} is none")
    return entry


def _tensor(node: Node, entries: Sequence[Entry], number: int) -> Operand:
    entry = entries[number] if number < len(entries) else None
    if not isinstance(entry, Operand):
        raise SourceError(f"{title(node)} takes a tensor as operand {number}, but is given none")
    return entry


def _position(node: Node, entries: Sequence[Entry], number: int, last: int, most: int) -> int:
    """A place in a sequence; without an operand the last one."""
    entry = entries[number] if number < len(entries) else None
    if entry is None:
        return last
    if not isinstance(entry, Operand) or entry.value is None or len(entry.value.items) != 1:
        raise SourceError(f"{title(node)}: the place in the sequence is known only when the network runs")
    place = sizes.number(entry.value.items[0])
    if not -most <= place <= most:
        raise SourceError(f"{title(node)}: place {place} of a sequence of {most}")
    return place


def _construct(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    return [Listed(tuple(_tensor(node, entries, number) for number in range(len(entries))))]


def _insert(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    parts = list(_sequence(node, entries).parts)
    parts.insert(_position(node, entries, 2, len(parts), len(parts)), _tensor(node, entries, 1))
    if len(parts) > 1024:
        raise SourceError(f"{title(node)}: a sequence of more than 1,024 tensors")
    return [Listed(tuple(parts))]


def _erase(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    parts = list(_sequence(node, entries).parts)
    place = _position(node, entries, 1, -1, len(parts))
    if not -len(parts) <= place < len(parts):
        raise SourceError(f"{title(node)}: place {place} of a sequence of {len(parts)}")
    del parts[place]
    return [Listed(tuple(parts))]


def _at(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    parts = _sequence(node, entries).parts
    place = _position(node, entries, 1, -1, len(parts))
    if not -len(parts) <= place < len(parts):
        raise SourceError(f"{title(node)}: place {place} of a sequence of {len(parts)}")
    return [parts[place]]


def _length(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    return [reader.value(len(_sequence(node, entries).parts))]


def _split(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    """SplitToSequence: a Split whose outputs are the parts."""
    operands = [entry for entry in entries if not isinstance(entry, Listed)]
    site = reader.site(node, frame, operands)
    try:
        call = reader.emit(site, rules.table()["SplitToSequence"](site), node, frame)
    except LayerscopeError as error:
        raise SourceError(f"{title(node)}: {error}") from None
    name = node.outputs[0]
    return [Listed(tuple(Operand(f"{name}/{n}", kind, Symbolic(call, n)) for n, kind in enumerate(call.types)))]


def _concat(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    return reader.plain(node, frame, _sequence(node, entries).parts)


def _optional(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    return [entries[0] if entries and entries[0] is not None else Listed((), absent=True)]


def _has(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    entry = entries[0] if entries else None
    present = entry is not None and not (isinstance(entry, Listed) and entry.absent)
    made = reader.value(int(present))
    return [Operand(made.name, type(made.type)((), "bool"), value=made.value)]


def _get(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    entry = entries[0] if entries else None
    if entry is None or (isinstance(entry, Listed) and entry.absent):
        raise SourceError(f"{title(node)} takes an optional value, which is absent here")
    return [entry]


def _empty(*_: Any) -> list[Entry]:
    return [Listed(())]


SPECIAL: dict[str, Special] = {
    "SequenceEmpty": _empty,
    "SequenceConstruct": _construct,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceAt": _at,
    "SequenceLength": _length,
    "SplitToSequence": _split,
    "ConcatFromSequence": _concat,
    "Optional": _optional,
    "OptionalHasElement": _has,
    "OptionalGetElement": _get,
}
