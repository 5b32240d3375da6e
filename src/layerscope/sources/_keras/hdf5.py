"""One text attribute of an HDF5 file's root, by seeking, without h5py: Keras keeps a model's configuration there.

Only what leads to it is read: the superblock, the root's header with its continuations, the attribute's message, and
the piece of the global heap that holds a text of any length. Everything else in the file stays unread, so size does
not matter, and damage elsewhere does no harm.

Source: HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from layerscope.core.dataclasses import dataclass

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ATTRIBUTE, CONTINUATION, ATTRIBUTE_INFO = 0x0C, 0x10, 0x15
STRING, VARIABLE = 3, 9
MOST_HEADER = 1 << 20
"""Bytes of the root's header that are read, all continuations together."""
MOST_BLOCKS = 256


class Damaged(Exception):
    """What in the file is not as it must be."""


@dataclass(frozen=True)
class _Layout:
    """Bytes of an address and of a length, where addresses begin, and where the root's header is."""

    address: int
    length: int
    base: int
    root: int


def text_attribute(file: IO[bytes], name: str, most: int) -> bytes | None:
    """The attribute of the root group with this name, at most so many bytes and one; None when there is none.

    Errors: Damaged says what is wrong, or that attributes are stored in a way that Keras does not use.
    """
    layout = _superblock(file)
    elsewhere = False
    for kind, data in _messages(file, layout):
        if kind == ATTRIBUTE:
            found = _attribute(file, layout, data, name.encode(), most)
            if found is not None:
                return found
        elif kind == ATTRIBUTE_INFO:
            elsewhere = elsewhere or _dense(data, layout)
    if elsewhere:
        raise Damaged("its attributes are stored densely, which Keras does not do")
    return None


def _read(file: IO[bytes], place: int, size: int) -> bytes:
    if place < 0 or place >= 1 << 62:
        raise Damaged(f"an address points to {place}")
    file.seek(place)
    data = file.read(size)
    if len(data) < size:
        raise Damaged(f"it ends within the {size} bytes at {place}")
    return data


def _number(data: bytes, place: int, size: int) -> int:
    if place + size > len(data):
        raise Damaged("a message ends too soon")
    return int.from_bytes(data[place : place + size], "little")


def _superblock(file: IO[bytes]) -> _Layout:
    head = _read(file, 0, 24)
    if not head.startswith(SIGNATURE):
        raise Damaged("the signature is not that of HDF5")
    version = head[8]
    if version in (0, 1):
        address, length, start = head[13], head[14], 24 + 4 * version
        entries = 4
    elif version in (2, 3):
        address, length, start = head[9], head[10], 12
        entries = 3
    else:
        raise Damaged(f"version {version} of the format is not known; 0 to 3 are")
    if address not in (2, 4, 8) or length not in (2, 4, 8):
        raise Damaged(f"addresses of {address} bytes and lengths of {length}")
    data = _read(file, start, (entries + 2) * address)
    base = _number(data, 0, address)
    root = _number(data, (5 if version < 2 else 3) * address, address)
    return _Layout(address, length, base, base + root)


# --- the header of the root ---


def _messages(file: IO[bytes], layout: _Layout) -> Iterator[tuple[int, bytes]]:
    """The kind and content of every message in the root's header."""
    head = _read(file, layout.root, 16)
    newer = head.startswith(b"OHDR")
    if newer:
        blocks, tail, order = _newer(file, layout.root, head)
    elif head[0] == 1:
        blocks, tail, order = [(layout.root + 16, _number(head, 8, 4))], 0, 0
    else:
        raise Damaged("there is no header of the root group where one should be")
    total, seen = 0, set[int]()
    while blocks:
        place, size = blocks.pop(0)
        total += size
        if place in seen or total > MOST_HEADER or len(seen) > MOST_BLOCKS:
            raise Damaged("the header of the root group has no end")
        seen.add(place)
        block = _read(file, place, size)
        if newer and len(seen) > 1:
            if not block.startswith(b"OCHK"):
                raise Damaged("a continuation of the header is not where it should be")
            block = block[4 : size - tail]
        for kind, data in _of_block(block, newer, order):
            if kind == CONTINUATION:
                where = _number(data, 0, layout.address) + layout.base
                blocks.append((where, _number(data, layout.address, layout.length)))
            yield kind, data


def _newer(file: IO[bytes], place: int, head: bytes) -> tuple[list[tuple[int, int]], int, int]:
    """The first block of a header of version 2, the bytes of a checksum, and of an order in each message."""
    flags = head[5]
    start = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = _number(_read(file, place + start, width), 0, width)
    return [(place + start + width, size)], 4, 2 if flags & 4 else 0


def _of_block(block: bytes, newer: bool, order: int) -> Iterator[tuple[int, bytes]]:
    place, head = 0, 4 + order if newer else 8
    while place + head <= len(block):
        kind = block[place] if newer else _number(block, place, 2)
        size = _number(block, place + (1 if newer else 2), 2)
        if place + head + size > len(block):
            raise Damaged("a message is longer than its block")
        yield kind, block[place + head : place + head + size]
        place += head + size


def _dense(data: bytes, layout: _Layout) -> bool:
    """Whether an attribute info message says that attributes are in a heap."""
    flags = _number(data, 1, 1)
    heap = _number(data, 2 + (2 if flags & 1 else 0), layout.address)
    return heap != (1 << (8 * layout.address)) - 1


# --- one attribute ---


def _attribute(file: IO[bytes], layout: _Layout, data: bytes, name: bytes, most: int) -> bytes | None:
    version = _number(data, 0, 1)
    if version not in (1, 2, 3):
        raise Damaged(f"an attribute of version {version}")
    lengths = [_number(data, place, 2) for place in (2, 4, 6)]
    place = 9 if version == 3 else 8
    parts: list[bytes] = []
    for length in lengths:
        parts.append(data[place : place + length])
        place += (length + 7) // 8 * 8 if version == 1 else length
    if parts[0].rstrip(b"\0") != name:
        return None
    kind, size = _number(parts[1], 0, 1) & 0x0F, _number(parts[1], 4, 4)
    if kind == STRING:
        return data[place : place + size].rstrip(b"\0")
    if kind != VARIABLE:
        raise Damaged(f"its {name.decode()} is no text")
    length = _number(data, place, 4)
    heap = _number(data, place + 4, layout.address) + layout.base
    return _heaped(file, layout, heap, _number(data, place + 4 + layout.address, 4), min(length, most + 1))


def _heaped(file: IO[bytes], layout: _Layout, heap: int, index: int, size: int) -> bytes:
    """So many bytes of an object of the global heap."""
    head = 8 + layout.length
    data = _read(file, heap, head)
    if not data.startswith(b"GCOL"):
        raise Damaged("a text is not where it should be")
    end = heap + _number(data, 8, layout.length)
    place = heap + head
    for _ in range(1 << 16):
        if place + 8 + layout.length > end:
            break
        entry = _read(file, place, 8 + layout.length)
        length = _number(entry, 8, layout.length)
        if _number(entry, 0, 2) == index:
            if length < size:
                raise Damaged("a text is longer than the place that it is in")
            return _read(file, place + 8 + layout.length, size)
        place += 8 + layout.length + (length + 7) // 8 * 8
    raise Damaged("a text is not where it should be")
