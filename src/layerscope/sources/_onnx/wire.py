"""The wire format of protocol buffers, read by seeking: a message is its fields, and what nobody asks for is skipped.

A message is a span of bytes. A short one is read at once; of a long one only the heads of its fields are read, so
that a payload of gigabytes costs nothing. Everything is checked against the file: SourceError names the place.
Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Protocol

from layerscope.core.errors import SourceError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WHOLE = 1 << 16
"""Messages of at most so many bytes are read at once."""
LONGEST_TEXT = 1 << 20


class Store(Protocol):
    """Bytes that can be read at any place."""

    name: str
    size: int

    def get(self, start: int, stop: int) -> bytes:
        """The bytes from start to stop; fewer where the store ends."""
        ...


class Memory:
    """Bytes in memory."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.size, self.name = data, len(data), name

    def get(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]


class Disk:
    """An open file; one block is kept, since heads of fields lie close together."""

    def __init__(self, file: int, name: str) -> None:
        self.file, self.name = file, name
        self.size = os.fstat(file).st_size
        self.start, self.block = 0, b""

    def get(self, start: int, stop: int) -> bytes:
        if not (self.start <= start and stop <= self.start + len(self.block)):
            os.lseek(self.file, start, os.SEEK_SET)
            self.start, self.block = start, os.read(self.file, max(stop - start, 4096))
        return self.block[start - self.start : stop - self.start]


class Span:
    """Part of a store. `data` has its bytes, from `base` on, where they were read already."""

    __slots__ = ("base", "data", "start", "stop", "store")

    def __init__(self, store: Store, start: int, stop: int, data: bytes | None = None, base: int = 0) -> None:
        self.store, self.start, self.stop, self.data, self.base = store, start, stop, data, base

    @property
    def size(self) -> int:
        return self.stop - self.start

    def bytes(self) -> bytes:
        """All of it."""
        if self.data is not None:
            return self.data[self.start - self.base : self.stop - self.base]
        found = self.store.get(self.start, self.stop)
        if len(found) < self.size:
            raise damaged(self.store, self.start, f"{self.size} bytes belong here, but the file ends")
        return found

    def text(self) -> str:
        """All of it as UTF-8."""
        if self.size > LONGEST_TEXT:
            raise damaged(self.store, self.start, f"a text of {self.size} bytes")
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise damaged(self.store, self.start, "a text that is not UTF-8") from None


def damaged(store: Store, place: int, what: str) -> SourceError:
    """The error for something impossible at a place of the file."""
    return SourceError(f"{store.name}: not a readable ONNX file: {what} (at byte {place})")


Field = tuple[int, int, int | Span]
"""(number, wire type, the integer or the span of the value)."""


def fields(span: Span) -> Iterator[Field]:
    """The fields of a message in order."""
    store, data, base, place, stop = span.store, span.data, span.base, span.start, span.stop
    if data is None and span.size <= WHOLE:
        data, base = span.bytes(), place
    kept = data
    while place < stop:
        if kept is None:
            data, base = store.get(place, min(place + 32, stop)), place
        assert data is not None
        key, place = _varint(store, data, base, place, stop)
        number, wire = key >> 3, key & 7
        if wire == BYTES:
            length, place = _varint(store, data, base, place, stop)
            if length > stop - place:
                raise damaged(
                    store, place, f"a field of {length} bytes where {stop - place} are left; it may be cut off"
                )
            end = place + length
            yield number, wire, Span(store, place, end, kept, base)
            place = end
        elif wire == VARINT:
            value, place = _varint(store, data, base, place, stop)
            yield number, wire, value
        elif wire in (FIXED32, FIXED64):
            width = 4 if wire == FIXED32 else 8
            if stop - place < width:
                raise damaged(store, place, "a number that is cut off")
            yield number, wire, Span(store, place, place + width, kept, base)
            place += width
        else:
            raise damaged(store, place, f"a field of wire type {wire}")
        if number == 0:
            raise damaged(store, place, "a field of number 0")


def _varint(store: Store, data: bytes, base: int, place: int, stop: int) -> tuple[int, int]:
    """An unsigned varint, and the place behind it."""
    if place < stop and place - base < len(data) and (byte := data[place - base]) < 128:
        return byte, place + 1  # as most are
    value = shift = 0
    while place < stop:
        offset = place - base
        if offset >= len(data):
            break
        byte = data[offset]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, place
        shift += 7
        if shift > 63:
            raise damaged(store, place, "a number of more than ten bytes")
    raise damaged(store, place, "a number that is cut off")


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def varints(field: Field, most: int, what: str) -> list[int]:
    """A repeated integer: one, or packed; at most `most`."""
    _, wire, value = field
    if wire == VARINT and isinstance(value, int):
        return [signed(value)]
    if wire != BYTES or not isinstance(value, Span):
        raise wrong(field, what)
    if value.size > 10 * most:
        raise damaged(value.store, value.start, f"{what}: more than {most} numbers")
    data, place, found = value.bytes(), value.start, list[int]()
    while place < value.stop:
        number, place = _varint(value.store, data, value.start, place, value.stop)
        found.append(signed(number))
    return found


def floats(field: Field, most: int, what: str, form: str = "f") -> list[float]:
    """A repeated float or double: one, or packed; at most `most`."""
    _, wire, value = field
    width = struct.calcsize(form)
    if wire not in (BYTES, FIXED32, FIXED64) or not isinstance(value, Span):
        raise wrong(field, what)
    if value.size % width or value.size > width * most:
        raise damaged(value.store, value.start, f"{what}: {value.size} bytes of numbers of {width} bytes")
    return list(struct.unpack(f"<{value.size // width}{form}", value.bytes()))


def integer(field: Field, what: str) -> int:
    """A single integer."""
    _, wire, value = field
    if wire != VARINT or not isinstance(value, int):
        raise wrong(field, what)
    return signed(value)


def span(field: Field, what: str) -> Span:
    """The span of a text, of bytes, or of a message within."""
    _, wire, value = field
    if wire != BYTES or not isinstance(value, Span):
        raise wrong(field, what)
    return value


def wrong(field: Field, what: str) -> SourceError:
    """The error for a field whose wire type is not that of its kind."""
    number, wire, value = field
    if isinstance(value, Span):
        return damaged(value.store, value.start, f"{what} (field {number}) has the wire type {wire}")
    return SourceError(f"not a readable ONNX file: {what} (field {number}) has the wire type {wire}")
