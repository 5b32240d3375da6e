"""Reconstructions side by side with their errors, as a figure for lecture notes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.report.figures import sheet

Array = NDArray[Any]
INCH = 0.62
"""Width and height of an image in the figure."""
LABEL = 1.45
"""Width of the rows' names."""


def figure(
    originals: Array,
    rows: Sequence[tuple[str, str, Array]],
    path: str | os.PathLike[str],
    least: float = 0.1,
    ink: bool = True,
) -> None:
    """One row for the originals, and for each (name, caption, reconstructions): these, and their errors.

    Images are (n, height, width, C) in 0 … 1. An error is the reconstruction less the original (the mean over
    channels), from red (too small) over white to blue (too large), on one scale for all rows; `least` is its least
    end. The suffix of the path chooses the format (png, svg, pdf). With `ink`, 1 in a grey image is black on white
    paper, as in MNIST; without it, 1 is light, as in photographs.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count, height, width = originals.shape[:3]
    errors = [restored.mean(axis=-1) - originals.mean(axis=-1) for _, _, restored in rows]
    end = max(least, float(np.quantile(np.abs(errors), 0.995))) if errors else least
    tall = INCH * height / width
    size = (LABEL + 2 * INCH * count + 0.5, (len(rows) + 1) * (tall + 0.06) + 0.3)
    drawing = Figure(figsize=size, dpi=160, facecolor="white")
    FigureCanvasAgg(drawing)
    mapped: Any = None
    for line in range(len(rows) + 1):
        name, caption, images = rows[line - 1] if line else ("original", "", originals)
        bottom = size[1] - 0.2 - (line + 1) * (tall + 0.06)
        _named(drawing, name, caption, bottom + tall / 2, size)
        left: Any = _axes(drawing, (LABEL, bottom, INCH * count, tall), size)
        left.imshow(_strip(sheet.shown(images, ink)), interpolation="nearest", aspect="auto")
        if line:
            right: Any = _axes(drawing, (LABEL + INCH * count + 0.3, bottom, INCH * count, tall), size)
            shown = _strip(errors[line - 1])
            mapped = right.imshow(
                shown, cmap=sheet.SIGNED, vmin=-end, vmax=end, interpolation="nearest", aspect="auto"
            )
    if mapped is not None:
        _scale(drawing, mapped, (LABEL + INCH * count + 0.3, size[1] - 0.2 - tall / 2, INCH * count, 0.1), size)
    drawing.savefig(path, format=Path(path).suffix[1:] or "png")  # pyright: ignore[reportUnknownMemberType]


def _axes(drawing: Any, box: tuple[float, ...], size: tuple[float, float]) -> Any:
    """Axes without ticks in a box (left, bottom, width, height) in inches."""
    scaled = (box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1])
    axes = drawing.add_axes(scaled)
    axes.set_axis_off()
    return axes


def _named(drawing: Any, name: str, caption: str, middle: float, size: tuple[float, float]) -> None:
    up = 0.07 if caption else 0.0
    drawing.text(0.12 / size[0], (middle + up) / size[1], name, fontsize=9, va="center")
    drawing.text(0.12 / size[0], (middle - 0.09) / size[1], caption, fontsize=6, va="center", color="#555555")


def _scale(drawing: Any, mapped: Any, box: tuple[float, ...], size: tuple[float, float]) -> None:
    axes = _axes(drawing, box, size)
    axes.set_axis_on()
    bar = drawing.colorbar(mapped, cax=axes, orientation="horizontal")
    bar.ax.tick_params(labelsize=6, length=2)
    bar.outline.set_edgecolor("#cccccc")
    bar.ax.set_title("error: reconstruction − original", fontsize=7, pad=3, loc="left")


def _strip(images: Array) -> Array:
    """Images side by side, with a narrow gap that is drawn as nothing."""
    gap = max(1, images.shape[2] // 14)
    padded = np.pad(
        images.astype(np.float64),
        [(0, 0), (0, 0), (0, gap), *[(0, 0)] * (images.ndim - 3)],
        constant_values=np.nan if images.ndim == 3 else 1.0,
    )
    return np.concatenate(list(padded), axis=1)[:, :-gap]
