"""Images as a small picture in the terminal. Picture files are made by `figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SHADES = " ░▒▓█"
HALF = "▀"


def planes(images: Array) -> Array:
    """(n, height, width, C) in 0 … 1, clipped: three channels are colours, of any other number the mean is grey."""
    clipped = np.clip(np.asarray(images, np.float64), 0, 1)
    return clipped if clipped.shape[-1] == 3 else clipped.mean(axis=-1)


def terminal(rows: Sequence[tuple[str, Array]], width: int, colour: bool) -> str:
    """The same rows as text, at most `width` wide: as many images side by side as fit, then a new band."""
    count = max(len(images) for _, images in rows)
    shape = rows[0][1].shape[1:3]
    factor = max(1, -(-max(shape) // 14))
    cell = -(-shape[1] // factor)
    fits = max(1, min(count, (width + 1) // (cell + 1)))
    bands: list[str] = []
    for start in range(0, count, fits):
        for title, images in rows:
            bands.append(title if start == 0 else "")
            bands += _strip([_shrunk(image, factor) for image in planes(images[start : start + fits])], colour)
    return "\n".join(bands)


def _shrunk(image: Array, factor: int) -> Array:
    """Means over factor × factor cells; the height made even, for two rows in a line of text."""
    height, width = (-(-n // factor) * factor for n in image.shape[:2])
    height += factor * (height // factor % 2)
    framed = np.zeros((height, width, *image.shape[2:]))
    framed[: image.shape[0], : image.shape[1]] = image
    return framed.reshape(height // factor, factor, width // factor, factor, *image.shape[2:]).mean(axis=(1, 3))


def _strip(images: Sequence[Array], colour: bool) -> list[str]:
    lines: list[str] = []
    for line in range(0, len(images[0]), 2):
        parts = [_line(image[line], image[line + 1], colour) for image in images]
        lines.append(" ".join(parts).rstrip() if not colour else " ".join(parts))
    return lines


def _line(upper: Array, lower: Array, colour: bool) -> str:
    if not colour:
        if upper.ndim == 2:
            upper, lower = upper.mean(axis=-1), lower.mean(axis=-1)
        return "".join(SHADES[round(float(a + b) / 2 * (len(SHADES) - 1))] for a, b in zip(upper, lower, strict=True))
    codes = [(_code(a), _code(b)) for a, b in zip(upper, lower, strict=True)]
    return "".join(f"\033[38;5;{a};48;5;{b}m{HALF}" for a, b in codes) + "\033[0m"


def _code(value: Array) -> int:
    """A terminal's number of a grey (24 steps) or a colour (6 × 6 × 6)."""
    if not value.ndim:
        return 232 + round(float(value) * 23)
    red, green, blue = (round(float(part) * 5) for part in value)
    return 16 + 36 * red + 6 * green + blue
