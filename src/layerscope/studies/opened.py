"""A trained run, opened to be looked at: its model, its validation images, and images of the user's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError, LayerscopeError, ShapeError, SourceError
from layerscope.core.types import show
from layerscope.models import Model, load_model
from layerscope.models.progress import Counting
from layerscope.studies import runs
from layerscope.studies.images import Images, Part, checked_data, is_path, listed, load_images, read_images
from layerscope.studies.runs import Recipe

Array = NDArray[Any]
PathLike = str | os.PathLike[str]
CHUNK = 32 << 20
"""Bytes of images that are in memory at a time."""
MOST = 4096
"""Images that are computed together."""
Own = PathLike | Sequence[PathLike] | Array
"""How images of the user's are given: a folder, files, an array file, a known data set's name, or an array."""


@dataclass(frozen=True)
class Wishes:
    """How images are wanted where it is not as the run had them; `most` images, `verbose` as in `fit`."""

    folder: PathLike | None = None
    size: Any = None
    fit: str | None = None
    colour: str | None = None
    most: int | None = None
    verbose: Any = "auto"


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

    def loaded(self, wishes: Wishes | None = None, data: PathLike | None = None) -> Images:
        """The run's images as they were read for training, or another data set's in the network's shape."""
        asked = wishes or Wishes()
        if data is not None:
            checked_data(data)
        recipe, same = self.recipe, data is None or data == self.recipe.data
        return load_images(
            recipe.data if data is None else data,
            asked.folder or (recipe.folder if same else None),
            size=asked.size or (recipe.size if same else None),
            fit=asked.fit or recipe.fit,
            colour=asked.colour or (recipe.colour if same else "auto"),
            wanted=self.input_shape,
            most=asked.most,
            verbose=asked.verbose,
        )

    def own(self, images: Own, wishes: Wishes | None = None) -> Part:
        """Images of the user's."""
        asked = wishes or Wishes()
        several = listed(images)
        shape = self.input_shape
        if len(shape) != 3:  # a network of vectors: pictures are as large as those that it was trained on
            with contextlib.suppress(LayerscopeError):
                shape = self.loaded(Wishes(most=1, verbose=0)).shape
        return read_images(
            several[0] if len(several) == 1 else several, shape, asked.fit or self.recipe.fit,
            folder=asked.folder, most=asked.most, verbose=asked.verbose,
        )  # fmt: skip

    def chosen(self, images: Own | None, wishes: Wishes | None = None, data: PathLike | None = None) -> Part:
        """Own images unless they are None; then the run's validation images, or those of another data set."""
        if images is not None:
            return self.own(images, wishes)
        if data is not None and checked_data(data) != self.recipe.data and is_path(data):
            return self.own(data, wishes)
        return self.loaded(wishes, data).test

    def ink(self, images: Own | None = None, data: PathLike | None = None) -> bool:
        """Whether grey images are drawn as ink on paper: those of the known data sets, in which 1 is ink."""
        if images is not None:
            return not any(map(is_path, listed(images)))
        return not is_path(self.recipe.data if data is None else data)

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
        step = max(1, min(MOST, CHUNK // (4 * int(np.prod(part.source.shape[1:])))))
        told = f"{title} {count:,} image{'s' * (count != 1)}"
        with Counting(told, count, verbose, aside=True) as counting:
            for start in range(0, count, step):
                images = part.array(start, min(start + step, count))
                fed = images.reshape(len(images), *self.input_shape)
                yield start, images, (model or self.model).predict(fed)
                counting.more(len(images))


def opened(run: Any) -> Opened:
    """Open a run folder, or what `train` returned. SourceError for what is no run."""
    if isinstance(run, Opened):
        return run
    if not isinstance(run, str | os.PathLike):
        if not all(hasattr(run, part) for part in ("folder", "recipe", "model")):
            raise SourceError(
                f"a run is needed, not {type(run).__name__}: the path of a folder that layerscope train made, or "
                "what studies.train returned"
            )
        return Opened(run.folder, run.recipe, run.model)
    recipe = runs.recipe(run)
    return Opened(Path(run), recipe, load_model(Path(run) / runs.MODEL))
