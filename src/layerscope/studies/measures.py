"""How wrong a reconstruction is: an error map, a number, and the place where it is worst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import UnknownNameError

Array = NDArray[Any]
GREY_LEVEL = 1 / 255
"""One step of an eight-bit pixel."""


def maps(images: Array, restored: Array) -> Array:
    """Squared differences, mean over channels: (n, height, width, C) → (n, height, width); (n, D) → (n, D)."""
    squares = np.square(np.asarray(images, np.float64) - restored)
    return squares.mean(axis=-1) if squares.ndim == 4 else squares


def squared(images: Array, errors: Array) -> Array:
    """Mean squared error of each image: the mean of its error map."""
    return errors.reshape(len(errors), -1).mean(axis=1)


def relative(images: Array, errors: Array) -> Array:
    """Mean squared error ÷ the image's own variance: the share of it that the network does not explain.

    0 is a perfect reconstruction, 1 what painting the image's mean over it would give (R² = 1 − this). The
    variance is that of all numbers of the image, plus that of one grey level, (1/255)², so that empty images
    have a score too.
    """
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    return squared(images, errors) / (flat.var(axis=1) + GREY_LEVEL**2)


SCORES: dict[str, Callable[[Array, Array], Array]] = {"squared": squared, "relative": relative}
"""Scores by name: functions of images and error maps."""


def checked(name: str) -> str:
    """`name`; UnknownNameError unless it is a score's."""
    if name not in SCORES:
        raise UnknownNameError("score", name, SCORES)
    return name


def regions(errors: Array) -> Array:
    """The worst region of each error map (n, height, width): rows of (row, column, height, width), in pixels from 0.

    The map is smoothed by a mean over w × w pixels, w = the shorter side ÷ 16, odd and at least 3. The region
    is the box around those pixels that are connected (by sides or corners) with the largest smoothed error and
    have at least half of it.
    """
    from scipy import ndimage

    tools: Any = ndimage  # whose types are not known well
    side = max(3, min(errors.shape[1:]) // 16 | 1)
    smooth = tools.uniform_filter(errors, (0, side, side), mode="nearest")
    found = np.empty((len(errors), 4), np.int64)
    for number, plane in enumerate(smooth):
        peak = np.unravel_index(int(plane.argmax()), plane.shape)
        pieces, _ = tools.label(plane >= plane[peak] / 2, np.ones((3, 3)))
        (rows, columns) = np.nonzero(pieces == pieces[peak])
        top, left = rows.min(), columns.min()
        found[number] = top, left, rows.max() - top + 1, columns.max() - left + 1
    return found
