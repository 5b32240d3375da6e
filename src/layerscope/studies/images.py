"""Images to train on and to look at: known data sets, folders of picture files, .npz and .npy files.

docs/images.md says what is read how.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerscope import datasets
from layerscope.core.errors import DataError, SettingError
from layerscope.datasets import _arrays, _pictures
from layerscope.datasets._arrays import Stack
from layerscope.datasets._listing import SHARE
from layerscope.datasets._pictures import Frame
from layerscope.models.streams import Array, ArraySource, Joined, Picked
from layerscope.studies import folders, keeping
from layerscope.studies.parts import Asked, Images, Numbered, Part, across, agree, asked, pair, printable

__all__ = ["Images", "Part", "checked_data", "is_path", "listed", "load_images", "pair", "read_images"]

PathLike = str | os.PathLike[str]


def checked_data(data: Any) -> PathLike:
    """`data`, if it is a path or a name; DataError with advice otherwise."""
    if isinstance(data, str | os.PathLike):
        return data
    advice = ""
    if isinstance(data, np.ndarray):
        advice = ". Save the array: numpy.savez('data.npz', x=images, y=labels)"
    elif isinstance(data, list | tuple):
        advice = ". Put the images into one folder, with a subfolder for each class"
    raise DataError(
        "data must be the name of a known data set, a folder of images, or a .npz or .npy file, "
        f"not {type(data).__name__}{advice}"
    )


def listed(images: Any) -> list[Any]:
    """Images as they are given, one or several, as a list of paths or of one array; DataError for anything else."""
    several: list[Any] = [images]
    if isinstance(images, Iterable) and not isinstance(images, str | bytes | os.PathLike | np.ndarray):
        several = list(images)
    for one in several:
        if not isinstance(one, str | os.PathLike) and not (isinstance(one, np.ndarray) and len(several) == 1):
            raise DataError(
                "images must be a folder, files, an array file, the name of a known data set, or one array "
                f"(number, height, width, channels), not {'' if one is images else 'several of '}{type(one).__name__}"
            )
    return several


def is_path(data: Any) -> bool:
    """Whether data are images of one's own, and not the name of a known data set."""
    return not isinstance(data, str) or data.partition(":")[0] not in datasets.names()


def load_images(
    data: PathLike,
    folder: PathLike | None = None,
    *,
    size: str | int | Sequence[int] | None = None,
    fit: str = "crop",
    colour: str = "auto",
    wanted: Sequence[Any] | None = None,
    most: int | None = None,
    verbose: Any = "auto",
) -> Images:
    """Images to train on and to test with.

    `data` is the name of a known data set (whose files lie in `folder`), a folder of picture files, or a
    .npz or .npy file. `size` is "64x48" (height × width, as a network's text has it), "64" or a pair; `fit` is
    "crop", "fit" or "stretch"; `colour` "grey", "rgb" or "auto"; `wanted` is the shape (height, width,
    channels) that a network takes, which decides where the images have several sizes or their colour is open.
    `most` ends reading of each part after so many images.
    Errors: UnknownNameError, SettingError, SizeError; DataError for what cannot be read.
    """
    wishes = asked(size, fit, colour, wanted, most, verbose)
    checked_data(data)
    if not is_path(data):
        return _known(str(data), folder, wishes)
    if folder is not None:
        raise SettingError(f"--folder says where a known data set lies; {os.fspath(data)} is itself a path")
    path = _there(data)
    if path.is_dir():
        return folders.load(str(path), wishes)
    stacks = _arrays.read(_array_file(path))
    first, second, held = stacks.train, stacks.test, (None, None)
    how = f"each {SHARE}th image is held out"
    if second is None:
        second, held = first, _held_out(len(first.images), str(path))
    else:
        how = f"{first.key} and {second.key}"
    train, test = (
        _part(stack, stack.key or printable(path.stem), stacks.classes, wishes, rows)
        for stack, rows in zip((first, second), held, strict=True)
    )
    return _images(train, test, stacks.classes, str(path), how)


def read_images(
    path: PathLike | Sequence[PathLike] | Array,
    shape: Sequence[int],
    fit: str = "crop",
    *,
    folder: PathLike | None = None,
    most: int | None = None,
    verbose: Any = "auto",
) -> Part:
    """All images of a path, without a split, brought to the shape that a network takes.

    `path` is a folder, a picture file or several, a .npz or .npy file, an array as in such a file, or the name of a
    known data set: "mnist" is all of it, "mnist:train" and "mnist:test" a part. `most` ends reading after so many
    images.
    Errors: UnknownNameError, SettingError; DataError for what cannot be read or does not fit.
    """
    wishes = asked(shape[:2] if len(shape) == 3 else None, fit, "auto", shape, most, verbose)
    paths = listed(path)
    if not paths:
        raise DataError("no images are given: name a folder, files, or a data set")
    if len(paths) == 1:
        only = paths[0]
        if isinstance(only, np.ndarray):
            return _fits(_part(_arrays.given(only), "image", (), wishes), shape, "the array")
        if not is_path(only):
            return _fits(_whole(str(only), folder, wishes), shape, str(only))
        place = _there(only)
        if place.is_dir():
            found, skipped = folders.all_files(str(place))
            return folders.read(found, str(place), shape, wishes, skipped)
        if place.suffix.lower() in _arrays.SUFFIXES:
            return _fits(_stacked(place, wishes), shape, str(place))
    files: list[str] = []
    skipped = []
    for one in paths:
        place = _alone(one)
        if place.is_dir():
            found, left = folders.all_files(str(place))
            files += [f"{place}/{name}" for name in found]
            skipped += [(f"{place}/{name}", reason) for name, reason in left]
        else:
            files.append(str(place))
    return folders.read(files, "", shape, wishes, skipped)


def _alone(one: PathLike) -> Path:
    """The path of one of several; DataError for what is images by itself."""
    kind = ""
    if not is_path(one) and not os.path.exists(one):
        kind = "a known data set"
    elif os.path.isfile(one) and Path(one).suffix.lower() in _arrays.SUFFIXES:
        kind = "an array file"
    if kind:
        raise DataError(f"{os.fspath(one)} is {kind}: give it alone. Only folders and picture files go together.")
    return _there(one)


def _there(data: PathLike) -> Path:
    """The path, if something is there; otherwise DataError, or UnknownNameError for what looks like a name."""
    text = os.fspath(data)
    if not text.strip():
        raise DataError(f"no images are given: {text!r} names no folder, file or data set")
    path = Path(text).expanduser()
    try:
        if path.exists():
            return path
    except OSError as error:
        raise DataError(f"{text} cannot be read: {error.strerror}") from None
    if os.path.islink(path):
        raise DataError(f"{text} is a link to nothing, or to itself")
    if isinstance(data, str) and not any(sign in text for sign in "/\\."):
        datasets.load(text)  # raises with the names that there are
    raise DataError(
        f"{text}: there is no such file or folder. Give a folder of images, a .npz or .npy file, or the name of a "
        f"known data set: {', '.join(datasets.names())}."
    )


def _array_file(path: Path) -> Path:
    if path.suffix.lower() not in _arrays.SUFFIXES:
        raise DataError(f"{path} is one file; to train, give a folder of images, or a .npz or .npy file")
    return path


def _known(name: str, folder: PathLike | None, wishes: Asked) -> Images:
    if ":" in name:
        raise SettingError(f"{name}: training needs both parts of a data set; leave out {name[name.index(':') :]!r}")
    (x, y), (x_test, y_test) = datasets.load(name, folder)
    classes = tuple(map(str, range(int(y.max()) + 1)))
    train, test = (
        _part(Stack(images[..., None], labels.astype(np.int64), 255, title), title, classes, wishes)
        for images, labels, title in ((x, y, "train"), (x_test, y_test, "test"))
    )
    return _images(train, test, classes, name, "as published")


def _whole(name: str, folder: PathLike | None, wishes: Asked) -> Part:
    name, _, which = name.partition(":")
    if which not in ("", "train", "test"):
        raise SettingError(f"{name}:{which}: the parts of a data set are {name}:train and {name}:test")
    found = _known(name, folder, wishes)
    if which:
        return found.train if which == "train" else found.test
    return _joined([found.train, found.test])


def _stacked(path: Path, wishes: Asked) -> Part:
    stacks = _arrays.read(path)
    parts = [
        _part(stack, stack.key or printable(path.stem), stacks.classes, wishes)
        for stack in (stacks.train, stacks.test)
        if stack is not None
    ]
    return _joined(parts)


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    labelled = all(part.labels is not None for part in parts)
    return Part(
        Joined([part.source for part in parts]),
        np.concatenate([part.labels for part in parts if part.labels is not None]) if labelled else None,
        [name for part in parts for name in part.names],
        parts[0].classes,
    )


def _part(stack: Stack, title: str, classes: tuple[str, ...], wishes: Asked, chosen: Array | None = None) -> Part:
    """Images in an array, or chosen rows of it, as a part; in another size or colour where that is asked for."""
    images = stack.images
    rows = np.arange(len(images)) if chosen is None else chosen
    rows = rows[: wishes.most]
    labels = None if stack.labels is None else stack.labels[rows]
    names = Numbered(title, rows)
    frame = _frame(stack, title, wishes)
    if frame is None or frame.shape == images.shape[1:]:
        source = ArraySource(images, stack.scale)
        whole = len(rows) == len(images)
        return Part(source if whole else Picked(source, rows), labels, names, classes)
    with folders.counting("Resizing", len(rows), wishes) as progress:
        kept = keeping.keep(
            lambda number: _pictures.fitted(images[rows[number]], stack.scale, frame),
            names,
            frame.shape,
            frame.dtype,
            share=0.5,
            progress=progress,
        )
    return Part(kept.source, labels, names, classes)


def _frame(stack: Stack, title: str, wishes: Asked) -> Frame | None:
    """What images in an array are brought to; None for vectors. Errors: SettingError."""
    shape = stack.images.shape[1:]
    if len(shape) == 1:
        if wishes.size is not None and wishes.wanted is None:
            raise SettingError(f"{title} holds vectors of {shape[0]} numbers, which --size cannot bring to another")
        return None
    channels: int = {"grey": 1, "rgb": 3}.get(wishes.colour) or shape[2]
    if channels != shape[2] and shape[2] not in (1, 3):
        raise SettingError(f"{title} has {shape[2]} channels, which --colour {wishes.colour} says nothing of")
    deep = stack.images.dtype.name not in ("uint8", "bool")
    height, width = wishes.size or (shape[0], shape[1])
    return Frame(height, width, channels, wishes.fit, deep)


def _held_out(count: int, path: str) -> tuple[Array, Array]:
    """The numbers of images to train on, and of each tenth to test with; with fewer than ten, the last one."""
    if count < 2:
        raise DataError(f"{path} holds one image, but one to train on and one to test with are needed")
    held = np.arange(count) % SHARE == SHARE - 1
    if not held.any():
        held[-1] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _images(train: Part, test: Part, classes: tuple[str, ...], data: str, how: str) -> Images:
    shape = train.source.shape[1:]
    lines = [
        f"{printable(data)}: {len(train):,} images to train on, {len(test):,} to test with ({how}); {across(shape)}.",
        *keeping.told([train.source, test.source]),
    ]
    return Images(train, test, classes, shape, [], "\n".join(lines))


def _fits(part: Part, shape: Sequence[int], data: str) -> Part:
    """The part with its images in a network's shape of as many numbers. Errors: DataError where they are not."""
    agree(part.source.shape[1:], shape, data)
    part.source = part.source.reshape(len(part), *shape)
    return part
