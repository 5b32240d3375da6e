"""A drawing of 28 × 28 pixels with 16 levels: as letters of a link, and brought to where MNIST puts digits.

All of it is whole numbers, so that the page (web/src/drawing.ts) comes to the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

SIDE = 28
FULL = 15
"""The level of full ink; 0 is paper."""
BOX = 20
"""MNIST's digits are as large as a box of 20 × 20 lets them be; their centre of mass is in the middle."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PAPER, INK = 16, 48
"""Letters from number 16 on stand for 2 to 33 pixels of paper, those from 48 on for 2 to 17 of full ink; the first
16 for one pixel of a level."""

Pixels = list[int]
"""Levels, row by row."""


def written(pixels: Sequence[int]) -> str:
    """The pixels as letters of base64url, at most one a pixel; paper at the end is left out (a blank one is "A")."""
    count = max((n + 1 for n, level in enumerate(pixels) if level), default=1)
    letters, at = "", 0
    while at < count:
        level, run = pixels[at], 1
        first, most = (PAPER, 33) if level == 0 else (INK, 17)
        while run < most and at + run < count and pixels[at + run] == level:
            run += 1
        if run == 1 or level not in (0, FULL):
            letters, at = letters + LETTERS[level], at + 1
        else:
            letters, at = letters + LETTERS[first + run - 2], at + run
    return letters


def read(letters: str) -> Pixels | None:
    """The pixels of such letters; None where they are no drawing: another letter, or more pixels than there are."""
    pixels: Pixels = []
    for letter in letters:
        number = LETTERS.find(letter)
        if number < 0 or len(pixels) >= SIDE * SIDE:
            return None
        if number >= INK:
            pixels += [FULL] * (number - INK + 2)
        else:
            pixels += [number] if number < PAPER else [0] * (number - PAPER + 2)
    if len(pixels) > SIDE * SIDE:
        return None
    return pixels + [0] * (SIDE * SIDE - len(pixels))


def fitted(pixels: Sequence[int]) -> Pixels:
    """As MNIST was made: the ink's box enlarged or made smaller to 20 × 20 (its sides keep their ratio; pixels are
    averaged by area), then moved by whole pixels until its centre of mass is in the middle.
    """
    inked = [divmod(n, SIDE) for n, level in enumerate(pixels) if level]
    if not inked:
        return [0] * (SIDE * SIDE)
    top, bottom = min(row for row, _ in inked), max(row for row, _ in inked) + 1
    left, right = min(column for _, column in inked), max(column for _, column in inked) + 1
    height, width = bottom - top, right - left
    longest = max(height, width)
    high, wide = (max(1, (2 * BOX * side + longest) // (2 * longest)) for side in (height, width))
    small = [
        _mean(pixels, (row, top, height, high), (column, left, width, wide))
        for row in range(high)
        for column in range(wide)
    ]
    return _centred(small, high, wide)


def shifted(pixels: Sequence[int], right: int, down: int) -> Pixels:
    """The pixels moved over the sheet; what leaves it is lost."""
    moved = [0] * (SIDE * SIDE)
    for n, level in enumerate(pixels):
        row, column = n // SIDE + down, n % SIDE + right
        if 0 <= row < SIDE and 0 <= column < SIDE:
            moved[row * SIDE + column] = level
    return moved


def _mean(pixels: Sequence[int], rows: tuple[int, ...], columns: tuple[int, ...]) -> int:
    """The mean level under one new pixel, halves upwards. An axis is (new index, begin, old size, new size)."""
    total = sum(
        a * b * pixels[row * SIDE + column] for row, a in _overlaps(*rows) for column, b in _overlaps(*columns)
    )
    area = rows[2] * columns[2]
    return (2 * total + area) // (2 * area)


def _overlaps(index: int, begin: int, old: int, new: int) -> list[tuple[int, int]]:
    """Which old pixels a new one covers, and how much of each, where an old one is `new` long and a new one `old`."""
    start, stop = index * old, (index + 1) * old
    first, last = start // new, -(-stop // new)
    return [(begin + n, min(stop, (n + 1) * new) - max(start, n * new)) for n in range(first, last)]


def _centred(small: Sequence[int], high: int, wide: int) -> Pixels:
    """The small image on a sheet, its centre of mass as near the middle as whole pixels let it be."""
    mass = sum(small)
    if mass == 0:  # ink so thin that no level is left of it
        return [0] * (SIDE * SIDE)
    down = sum(level * (n // wide) for n, level in enumerate(small))
    right = sum(level * (n % wide) for n, level in enumerate(small))
    top, left = ((SIDE * mass - 2 * moment) // (2 * mass) for moment in (down, right))
    sheet = [0] * (SIDE * SIDE)
    for n, level in enumerate(small):
        row, column = n // wide + top, n % wide + left
        if 0 <= row < SIDE and 0 <= column < SIDE:
            sheet[row * SIDE + column] = level
    return sheet
