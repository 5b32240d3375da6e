"""Reconstruction: images beside what a trained network makes of them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core import sizes
from layerscope.core.errors import DataError
from layerscope.core.types import show
from layerscope.models import Model
from layerscope.report import pictures
from layerscope.studies import measures, parts
from layerscope.studies.opened import Own, PathLike, Wishes, opened
from layerscope.studies.pictured import compared, titled

Array = NDArray[Any]


@dataclass
class Reconstructions:
    """Images (n, height, width, C) beside what the network makes of them, and the mean squared error of each.

    `names` say where own images come from; `ink`: grey images are drawn as ink on paper;
    `skipped` names files that could not be read, with the reason.
    """

    originals: Array
    restored: Array
    errors: Array
    names: list[str] = field(default_factory=list[str])
    ink: bool = True
    skipped: Sequence[tuple[str, str]] = ()

    @property
    def rows(self) -> list[tuple[str, Array]]:
        """What is drawn: titles and images."""
        found = ("originals", self.originals), ("reconstructions", self.restored)
        return [(titled(title, some), some) for title, some in found]

    @property
    def unread(self) -> str:
        """Which files could not be read, in a sentence; "" when all could."""
        return parts.unread(self.skipped, len(self.errors))

    @property
    def maps(self) -> Array:
        """Squared differences, mean over channels: (n, height, width)."""
        return measures.maps(self.originals, self.restored)

    def save(self, path: str | os.PathLike[str], maps: bool = True) -> None:
        """Write the picture; the numbers under it are mean squared errors. `maps`: with a row of error maps."""
        compared(self, path, maps)

    def terminal(self, width: int, colour: bool) -> str:
        """The same as text."""
        return pictures.terminal(self.rows, width, colour)


def reconstruct(
    run: Any,
    images: Own | None = None,
    count: int = 10,
    data: PathLike | None = None,
    folder: PathLike | None = None,
    *,
    size: str | int | Sequence[int] | None = None,
    fit: str | None = None,
    colour: str | None = None,
    out: PathLike | None = None,
) -> Reconstructions:
    """Images and their reconstructions: own ones, or the first validation images of the run (or of `data`).

    Where images lie in order of their classes, some of each are taken.

    `run` is a run folder or what `train` returned; `images` a folder, files, an array file, the name of a
    known data set, or an array (n, height, width, C) of uint8 or of floats within 0 … 1; at most `count` are taken.
    `size`, `fit` and `colour` are as in `train`. `out` is the picture.
    Errors: SourceError for what is no run; DataError when the network does not give images back, and for
    images that cannot be used; OutputError.
    """
    count = sizes.checked(count, "count")
    if out is not None:
        from layerscope.studies import runs

        runs.writable(out)
    trained = opened(run)
    trained.rebuilds("reconstruct")
    part = trained.chosen(images, Wishes(folder, size, fit, colour, count), data)
    rows = part.rows_shown(count)
    found = reconstructions(trained.model, part.source.read(rows))
    found.ink = trained.ink(images, data)
    found.skipped = part.skipped
    if images is not None:
        found.names = [part.names[int(row)] for row in rows]
    if out is not None:
        found.save(out)
    return found


def reconstructions(model: Model, images: Array) -> Reconstructions:
    """What a model makes of images of its own size, or of vectors, which are shown as squares or lines."""
    if images.ndim == 2:
        side = math.isqrt(images.shape[1])
        images = images.reshape(len(images), *((side, side) if side**2 == images.shape[1] else (1, -1)), 1)
    shape = model.input_shape[1:]
    if None not in shape and images[0].size != int(np.prod([size or 1 for size in shape])):
        raise DataError(f"the network takes {show(shape)}, but the images are {show(images.shape[1:])}")
    fed = images if None in shape else images.reshape(-1, *(size or 1 for size in shape))
    restored = model.predict(fed).reshape(images.shape)
    return Reconstructions(images, restored, measures.squared(images, measures.maps(images, restored)))
