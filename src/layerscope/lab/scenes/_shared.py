"""What several screens do alike: numbers that the user gave or that are drawn, clamps, laws as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from layerscope.lab.numbers import text, whole
from layerscope.lab.scene import Cell, Clamp, Text, Token

LARGEST = 999
"""Of the numbers that a user gives."""


def numbers_of(
    settings: dict[str, Any], name: str, count: int, range: tuple[int, int], seed: int, clamped: list[Clamp]
) -> list[float]:
    """`count` numbers: drawn where the setting is empty, all ones for "ones", else as given with commas between.

    Where they are not `count` whole numbers of at most three digits, they are drawn, and that is said.
    """
    given = str(settings[name])
    if given == "":
        return whole(count, *range, seed)
    if given == "ones":
        return [1.0] * count
    parts = given.split(",")
    if len(parts) == count and all(_whole(part) for part in parts):
        return [float(int(part)) for part in parts]
    clamped.append(Clamp(name, given, "", Text("clamp.numbers", {"count": count, "most": LARGEST})))
    settings[name] = ""
    return whole(count, *range, seed)


def _whole(word: str) -> bool:
    digits = word.removeprefix("-")
    return 0 < len(digits) <= len(str(LARGEST)) and digits.isascii() and digits.isdigit()


def at_most(settings: dict[str, Any], name: str, most: int, why: Text, clamped: list[Clamp]) -> int:
    """The setting, brought down to `most`, which is said."""
    if settings[name] > most:
        clamped.append(Clamp(name, str(settings[name]), str(most), why))
        settings[name] = most
    return settings[name]


def within(cell: Sequence[int], rows: int, columns: int) -> list[int]:
    """Row and column, brought into the grid."""
    return [min(max(cell[0], 0), rows - 1), min(max(cell[1], 0), columns - 1)]


def cells(values: Iterable[float], role: str = "data") -> list[Cell]:
    """Cells of one role with their values printed."""
    return [Cell(float(value), text(float(value)), role) for value in values]


def law(pattern: str, result: int, values: Mapping[str, int]) -> list[Token]:
    """A law in words, then with its numbers, then what comes out: "n · s" gives n · s = 4 · 2 = 8."""
    words = pattern.split(" ")
    named = [Token(word, _kind(word)) for word in words]
    numbered = [Token(text(values[word])) if word in values else Token(word, _kind(word)) for word in words]
    return [*named, Token("=", "operator"), *numbered, Token("=", "operator"), Token(text(result))]


def _kind(word: str) -> str:
    if word.isdigit():
        return "number"
    return "name" if word.isalpha() else "operator"


def summed(products: Sequence[tuple[Token, Token]], value: Token) -> list[Token]:
    """a · b + c · d = value; without products, 0 = value."""
    tokens: list[Token] = []
    for left, right in products:
        tokens += [Token("+", "operator")] if tokens else []
        tokens += [left, Token("·", "operator"), right]
    return [*(tokens or [Token("0")]), Token("=", "operator"), value]
