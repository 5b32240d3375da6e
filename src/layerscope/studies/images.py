"""Images to train on and to look at: known data sets, folders of picture files, .npz and .npy files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import datasets
from layerscope.core.errors import DataError
from layerscope.core.types import show
from layerscope.models.streams import ArraySource, Source

Array = NDArray[Any]
Shape = tuple[int, ...]
PathLike = str | os.PathLike[str]


@dataclass
class Part:
    """Some images, read when they are wanted.

    `source` gives float32 in 0 … 1 of shape (n, height, width, channels); `labels` are int64 (n,), or None;
    `names` say where each image comes from: a path relative to the folder, or "train/7".
    """

    source: Source
    labels: Array | None
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.source)

    def array(self, start: int = 0, stop: int | None = None) -> Array:
        """The images from `start` to before `stop` as one float32 array in 0 … 1."""
        return self.source.array(start, stop)


@dataclass
class Images:
    """Images to train on and to test with, of one shape (height, width, channels).

    `classes` are the labels' names; `skipped` names the files that could not be read, with the reason;
    `description` says in a line or two what was found and how it was split.
    """

    train: Part
    test: Part
    classes: tuple[str, ...]
    shape: Shape
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    description: str = ""


class Numbered(Sequence[str]):
    """Names of images that have none: "train/0", "train/1", …"""

    def __init__(self, title: str, count: int) -> None:
        self.title, self.count = title, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(self.count))]
        if not -self.count <= number < self.count:
            raise IndexError(f"there are {self.count} images, but no number {number}")
        return f"{self.title}/{number % self.count}"


def load_images(
    data: PathLike,
    folder: PathLike | None = None,
    *,
    size: str | Sequence[int] | None = None,
    fit: str = "crop",
    colour: str = "auto",
    wanted: Sequence[int | None] | None = None,
) -> Images:
    """Images to train on and to test with.

    `data` is the name of a known data set (whose files lie in `folder`), a folder of picture files, or a
    .npz or .npy file. `size` is "64x48" (width × height), "64" or a pair (height, width); `fit` is "crop",
    "fit" or "stretch"; `colour` "grey", "rgb" or "auto"; `wanted` the shape that a network takes.
    Errors: UnknownNameError, SettingError; DataError for what cannot be read.
    """
    (x, y), (x_test, y_test) = datasets.load(os.fspath(data), folder)
    train, test = _part(x, y, "train"), _part(x_test, y_test, "test")
    classes = tuple(str(label) for label in range(int(y.max()) + 1))
    return Images(
        train, test, classes, train.source.shape, description=f"{data}: {len(x):,} + {len(x_test):,} images"
    )


def _part(images: Array, labels: Array | None, title: str) -> Part:
    source = ArraySource(images[..., None] if images.ndim == 3 else images, 255)
    return Part(source, None if labels is None else labels.astype(np.int64), Numbered(title, len(images)))


def read_images(
    path: PathLike | Sequence[PathLike],
    shape: Sequence[int],
    fit: str = "crop",
    *,
    folder: PathLike | None = None,
) -> Part:
    """All images of a path, without a split, brought to a shape (height, width, channels).

    `path` is a folder, a picture file or several, a .npz or .npy file, or the name of a known data set, of
    which "mnist:test" and "mnist:train" are the parts.
    Errors: UnknownNameError, SettingError; DataError for what cannot be read.
    """
    if not isinstance(path, str | os.PathLike):
        (path,) = path
    name, _, which = os.fspath(path).partition(":")
    if name in datasets.names():
        found = load_images(name, folder)
        part = {"train": found.train, "test": found.test, "": found.test}[which]
    else:
        part = _array_file(Path(path))
    if part.source.shape != tuple(shape):
        raise DataError(f"the network takes {show(tuple(shape))}, but the images are {show(part.source.shape)}")
    return part


def _array_file(path: Path) -> Part:
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array = array["x_test"] if "x_test" in array else array["x"] if "x" in array else array["arr_0"]
    if array.dtype == np.uint8:
        return _part(array, None, path.name)
    return Part(ArraySource(array if array.ndim != 3 else array[..., None]), None, Numbered(path.name, len(array)))
