"""Images as pictures: a figure file through matplotlib, and a small picture in the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SHADES = " ░▒▓█"
HALF = "▀"


def planes(images: Array) -> Array:
    """(n, height, width, C) in 0 … 1 → the same, clipped; one channel loses its axis, of two the mean is left."""
    clipped = np.clip(np.asarray(images, np.float64), 0, 1)
    return clipped.mean(-1) if clipped.shape[-1] < 3 else clipped[..., :3]


def figure(
    rows: Sequence[tuple[str, Array]], path: str | os.PathLike[str], captions: Sequence[str] = (), ink: bool = True
) -> None:
    """Rows of images, one above the other, with a title for each row, as a picture file.

    `captions` stand under the last row. The suffix of the path chooses the format (png, svg, pdf).
    With `ink`, 1 in a grey image is black on white paper, as in MNIST; without it, 1 is light, as in photographs.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = max(len(images) for _, images in rows)
    drawing = Figure(figsize=(0.95 * count + 0.4, 1.25 * len(rows) + 0.1), dpi=160, facecolor="white")
    FigureCanvasAgg(drawing)
    axes: Any = drawing.subplots(len(rows), count, squeeze=False)
    grey = "gray_r" if ink else "gray"
    for line, (title, images) in enumerate(rows):
        for column, image in enumerate(planes(images)):
            cell = axes[line][column]
            cell.imshow(image, cmap=grey if image.ndim == 2 else None, vmin=0, vmax=1, interpolation="nearest")
            cell.set_xticks([])
            cell.set_yticks([])
            for side in cell.spines.values():
                side.set_color("#cccccc")
        axes[line][0].set_title(title, loc="left", fontsize=9)
    for column, caption in enumerate(captions):
        axes[-1][column].set_xlabel(caption, fontsize=7, color="#555555")
    drawing.tight_layout(pad=0.4, h_pad=0.6, w_pad=0.3)
    suffix = Path(path).suffix[1:] or "png"
    drawing.savefig(path, format=suffix)  # pyright: ignore[reportUnknownMemberType]


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
    """Grey means over factor × factor cells; the height made even, for two rows in a line of text."""
    grey = image if image.ndim == 2 else image.mean(axis=-1)
    height, width = (-(-n // factor) * factor for n in grey.shape)
    height += factor * (height // factor % 2)
    framed = np.zeros((height, width))
    framed[: grey.shape[0], : grey.shape[1]] = grey
    return framed.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))


def _strip(images: Sequence[Array], colour: bool) -> list[str]:
    lines: list[str] = []
    for line in range(0, len(images[0]), 2):
        parts = [_line(image[line], image[line + 1], colour) for image in images]
        lines.append(" ".join(parts).rstrip() if not colour else " ".join(parts))
    return lines


def _line(upper: Array, lower: Array, colour: bool) -> str:
    if not colour:
        return "".join(SHADES[round(float(a + b) / 2 * (len(SHADES) - 1))] for a, b in zip(upper, lower, strict=True))
    codes = [(232 + round(float(a) * 23), 232 + round(float(b) * 23)) for a, b in zip(upper, lower, strict=True)]
    return "".join(f"\033[38;5;{a};48;5;{b}m{HALF}" for a, b in codes) + "\033[0m"
