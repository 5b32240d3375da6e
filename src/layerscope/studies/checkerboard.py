"""How much of an image is a pattern that repeats with the stride of the decoder that made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FLAT = 1e-12
"""Variance of a pixel below which an image counts as constant: what float32 makes of one number."""


def checkerboard(images: Array, period: Sequence[int] = (2, 2)) -> float:
    """The checkerboard energy: the share of images' variance at the frequencies k/s along an axis, k = 1 … s - 1.

    Along an axis of period s the part of an image that repeats every s cells is the mean over each phase (cells
    i, i + s, i + 2s, …), taken separately for each row or column across; without the mean over all phases this is
    what its Fourier transform holds at the frequencies k/s. The energy is the square of that part along the height
    or along the width, over the square of all but the image's mean. It is 0 for a constant image, and exactly 0 for
    what nearest or bilinear upsampling by s makes of anything periodic; 1 for rows, columns or a checkerboard of
    period s.

    Shapes: (n, height, width, C) → a number in 0 … 1, of all images and channels together. Rows and columns beyond a
    multiple of the period are left out.
    Source: the frequencies of Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts", Distill (2016);
    Sugawara, Shiota & Kiya, "Super-resolution using convolutional neural networks without any checkerboard
    artifacts" (2018), for why they are those.
    """
    energy = Energy(period)
    for start in range(0, len(images), 1024):
        energy.add(images[start : start + 1024])
    return energy.share


class Energy:
    """The checkerboard energy of images that come in parts."""

    def __init__(self, period: Sequence[int] = (2, 2)) -> None:
        self.period, self.found, self.total, self.count = period, 0.0, 0.0, 0

    def add(self, images: Array) -> None:
        """Some more images, (n, height, width, C)."""
        found, total = _energies(np.asarray(images, np.float64), self.period)
        self.found, self.total, self.count = self.found + found, self.total + total, self.count + images.size

    @property
    def share(self) -> float:
        """That of all images so far; see `checkerboard`."""
        return self.found / self.total if self.total > FLAT * self.count else 0.0


def _energies(images: Array, period: Sequence[int]) -> tuple[float, float]:
    """The squares of the repeating part and of all but the mean, summed."""
    sizes = [max(n // s, 1) * s if n >= s else n for n, s in zip(images.shape[1:3], period, strict=True)]
    x = images[:, : sizes[0], : sizes[1]]
    x = x - x.mean(axis=(1, 2), keepdims=True)
    down = _repeating(x, 1, period[0])
    across = _repeating(x, 2, period[1])
    both = _repeating(down, 2, period[1])
    return float(np.square(down).sum() + np.square(across).sum() - np.square(both).sum()), float(np.square(x).sum())


def _repeating(x: Array, axis: int, period: int) -> Array:
    """The part of x that repeats along an axis every `period` cells, without what is constant along it."""
    size = x.shape[axis]
    if period == 1 or size < period:
        return np.zeros_like(x)
    shape = x.shape
    folded = x.reshape(*shape[:axis], size // period, period, *shape[axis + 1 :])
    phases = folded.mean(axis=axis, keepdims=True)
    phases = phases - phases.mean(axis=axis + 1, keepdims=True)
    return np.broadcast_to(phases, folded.shape).reshape(shape)
