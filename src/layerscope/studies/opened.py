"""A trained run, opened to be looked at: its model, its validation images, and images of the user's own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import datasets
from layerscope.core.errors import DataError, ShapeError
from layerscope.core.types import show
from layerscope.models import Model, load_model
from layerscope.studies import runs
from layerscope.studies.images import Images, Part, load_images, read_images
from layerscope.studies.runs import Recipe

Array = NDArray[Any]
PathLike = str | os.PathLike[str]
CHUNK = 32 << 20
"""Bytes of images that are in memory at a time."""
MOST = 4096
"""Images that are computed together."""


@dataclass
class Opened:
    """A run folder's model and recipe."""

    folder: Path
    recipe: Recipe
    model: Model

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What the network takes for one example."""
        shape = self.model.input_types[0].shape[1:]
        if not all(isinstance(size, int) for size in shape):
            raise ShapeError(f"{self.folder}: the network's input {show(shape)} has open sizes")
        return tuple(size for size in shape if isinstance(size, int))

    @property
    def ink(self) -> bool:
        """Whether grey images are drawn as ink on paper: for the known data sets, in which 1 is ink."""
        return self.recipe.data in datasets.names()

    def loaded(self, data: str | None = None, folder: PathLike | None = None) -> Images:
        """The run's images, or those of another data set in the shape that the network takes."""
        given = {} if data else _reading(self.recipe)
        place = folder or (None if data and data != self.recipe.data else self.recipe.folder)
        return load_images(data or self.recipe.data, place, wanted=self.input_shape, **given)

    def validation(self, data: str | None = None, folder: PathLike | None = None) -> Part:
        """The run's validation images, which training never saw (or those of another data set)."""
        found = self.loaded(data, folder)
        self._fits(found.shape, "images")
        return found.test

    def own(self, images: PathLike | Sequence[PathLike], folder: PathLike | None = None) -> Part:
        """Images of the user's: a folder, files, an array file, or a known data set's name."""
        several = [images] if isinstance(images, str | os.PathLike) else list(images)
        fit = getattr(self.recipe, "fit", None) or "crop"
        shape = self.input_shape if len(self.input_shape) == 3 else self.loaded().shape
        found = read_images(several[0] if len(several) == 1 else several, shape, fit, folder=folder)
        self._fits(found.source.shape, "images")
        return found

    def chosen(
        self, images: PathLike | Sequence[PathLike] | None, data: str | None = None, folder: PathLike | None = None
    ) -> Part:
        """Own images where some are named, else validation images."""
        return self.own(images, folder) if images else self.validation(data, folder)

    def _fits(self, shape: Sequence[int], what: str) -> None:
        if np.prod(shape) != np.prod(self.input_shape):
            raise DataError(f"the network takes {show(self.input_shape)}, but the {what} are {show(tuple(shape))}")

    def rebuilds(self, doing: str) -> None:
        """DataError unless the network was trained to give images back."""
        if self.recipe.target != "images":
            raise DataError(f"{self.folder} learned labels, so there is nothing to {doing}")

    def outputs(
        self, part: Part, title: str, verbose: Any = "auto", model: Model | None = None, count: int | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """What the model (or a part of it) makes of images (the first `count`), chunk by chunk: the number of a
        chunk's first image, its images, and the outputs.
        """
        count = len(part) if count is None else count
        step = max(1, min(MOST, CHUNK // (4 * int(np.prod(part.source.shape)))))
        with Counting(title, count, verbose) as counting:
            for start in range(0, count, step):
                images = part.array(start, min(start + step, count))
                fed = images.reshape(len(images), *self.input_shape)
                yield start, images, (model or self.model).predict(fed)
                counting.advance(len(images))


def _reading(recipe: Recipe) -> dict[str, Any]:
    """How the run read its images, as far as its settings say."""
    names = ("size", "fit", "colour")
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name, None) is not None}


def opened(run: Any) -> Opened:
    """Open a run folder, or what `train` returned. SourceError for what is no run."""
    if isinstance(run, Opened):
        return run
    if not isinstance(run, str | os.PathLike):
        return Opened(run.folder, run.recipe, run.model)
    recipe = runs.recipe(run)
    return Opened(Path(run), recipe, load_model(Path(run) / runs.MODEL))


class Counting:
    """Shows on stderr how many of so many are done: a bar in a terminal, elsewhere a line every ten seconds."""

    EVERY = 10.0

    def __init__(self, title: str, total: int, verbose: Any = "auto") -> None:
        self.title, self.total, self.done = title, total, 0
        self.silent = verbose in (0, False)
        self._rich: Any = None
        self._told = time.monotonic()

    def __enter__(self) -> Counting:
        if not self.silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(self.title), BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn())
            self._rich = Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
            self._rich.__enter__()
            self._task = self._rich.add_task("", total=self.total)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._rich is not None:
            self._rich.__exit__(*error)

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self._rich is not None:
            self._rich.update(self._task, completed=self.done)
        elif not self.silent and self.done < self.total and time.monotonic() - self._told > self.EVERY:
            self._told = time.monotonic()
            print(f"{self.title}: {self.done:,} of {self.total:,} images", file=sys.stderr, flush=True)
