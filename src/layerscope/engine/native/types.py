"""Values of LLVM IR, names of their types, and arrays with known extents."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import NamedTuple

REAL_BYTES = {"float": 4, "double": 8}
ITEM_BYTES = {**REAL_BYTES, "half": 2, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8}


class Value(NamedTuple):
    """An LLVM value: its name (or constant) and its type."""

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


Index = int | Value
"""An i64 that is known now, or when the code runs."""


def scalar(type: str) -> str:
    """The element type: "float" of "<16 x float>"."""
    return type.split(" x ")[1][:-1] if type.startswith("<") else type


def lanes(type: str) -> int:
    """How many elements: 16 of "<16 x float>"; 1 of a scalar."""
    return int(type[1:].split(" x ")[0]) if type.startswith("<") else 1


def vector(item: str, count: int) -> str:
    """The type of `count` items; the item itself for one."""
    return item if count == 1 else f"<{count} x {item}>"


def like(item: str, type: str) -> str:
    """A type of other items with as many lanes."""
    return vector(item, lanes(type))


def bytes_of(type: str) -> int:
    """The size of one value of a type."""
    return lanes(type) * ITEM_BYTES[scalar(type)]


def literal(number: float, item: str) -> str:
    """A constant as LLVM writes it exactly."""
    if item in REAL_BYTES or item == "half":
        code = {"float": "f", "half": "e", "double": "d"}[item]
        value = struct.unpack(code, struct.pack(code, number))[0]
        return "0x" + struct.pack(">d", value).hex().upper()
    return str(int(number))


@dataclass(frozen=True)
class Array:
    """Memory that a function may touch: items of one type, counted from `pointer`.

    Items from `first` on, `extent` of them, exist: a pointer may stand inside of a buffer with a margin.
    """

    pointer: Value
    item: str
    extent: int
    first: int = 0

    def of(self, item: str) -> Array:
        """The same memory as smaller or larger items."""
        old, new = bytes_of(self.item), bytes_of(item)
        first, end = -(-self.first * old // new), (self.first + self.extent) * old // new
        return replace(self, item=item, extent=end - first, first=first)
