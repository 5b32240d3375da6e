"""Images in .npy and .npz files: which arrays are the images and labels, and what their numbers stand for."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from layerscope.core.errors import DataError
from layerscope.core.files import why
from layerscope.core.types import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SUFFIXES = (".npy", ".npz")
TRAIN = ("x_train", "train_images", "X_train")
TEST = ("x_test", "x_val", "x_valid", "x_validation", "test_images", "val_images", "X_test")
WHOLE = ("x", "images", "X", "data", "arr_0")
LABELS = {"x": "y", "X": "y", "images": "labels", "data": "labels", "arr_0": "arr_1"}
ROWS = 1 << 22
"""Numbers looked at together."""


@dataclass
class Stack:
    """Images in one array (n, height, width, channels), or vectors (n, numbers), and their labels.

    `scale` is what the numbers are divided by to lie within 0 to 1; `key` names the array in its file.
    """

    images: Array
    labels: Array | None
    scale: int
    key: str


@dataclass
class Stacks:
    """What a file holds: images to train on and to test with, or all in `train`; names of the classes."""

    train: Stack
    test: Stack | None
    classes: tuple[str, ...]


def read(path: Path) -> Stacks:
    """The images of a .npy or .npz file; a .npy file is mapped into memory, not read.

    Errors: DataError naming the file and the array.
    """
    import numpy as np

    mapped = path.suffix.lower() == ".npy"
    try:
        # NumPy leaves a file open when its content is damaged, so this one is opened here.
        with open(path, "rb") as file:
            _begins(path, file)
            opened: Any = np.load(path if mapped else file, mmap_mode="r" if mapped else None, allow_pickle=False)
            if isinstance(opened, np.ndarray):
                return Stacks(_stack(f"{path}: the array", "", opened, None), None, ())
            with opened:
                return _npz(path, opened)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {why(error)}") from None
    except DataError:  # which is a ValueError, too
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no array file, or damaged: {_objects(error)}") from None


def given(images: Array) -> Stack:
    """An array in memory as images, by the rules of those in files. Errors: DataError."""
    try:
        return _stack("the array", "", images, None)
    except DataError as error:
        raise DataError(str(error).replace(" Save ", " Give ")) from None


def _begins(path: Path, file: BinaryIO) -> None:
    """DataError unless a file begins as NumPy's do, or is empty or a pickle, of which NumPy says so."""
    head = file.read(4)
    file.seek(0)
    if head and not head.startswith((b"\x93NUM", b"PK", b"\x80")):
        raise DataError(
            f"{path} is no array file, whatever it is called: it does not begin as .npy and .npz files do. "
            "numpy.save and numpy.savez write these."
        )


def _objects(error: Exception) -> str:
    if "allow_pickle" in str(error) or "pickled" in str(error):
        return "it holds Python objects, which are not loaded as they could run code. Save an array of numbers."
    return f"{error}" or "it is empty"


def _npz(path: Path, file: Mapping[str, Any]) -> Stacks:
    keys = list(file)
    train = next((key for key in TRAIN if key in keys), None)
    test = next((key for key in TEST if key in keys), None)
    if train is None:
        train, test = next((key for key in WHOLE if key in keys), None), None
        if train is None and len(keys) == 1:
            train = keys[0]
    if train is None:
        raise DataError(
            f"{path}: which array holds the images? There {'is' if len(keys) == 1 else 'are'} "
            f"{', '.join(keys) or 'none'}. Name them x_train and x_test (labels y_train, y_test), or x (labels y)."
        )
    found = [
        (key, _array(path, file, key), None if label not in keys else _array(path, file, label))
        for key, label in ((key, _label(key)) for key in (train, test) if key is not None)
    ]
    for key, x, _ in found:
        _shaped(f"{path}: {key}", x)
    labels, classes = _classes(path, [(_label(key), y, len(x)) for key, x, y in found])
    stacks = [_stack(f"{path}: {key}", key, x, y) for (key, x, _), y in zip(found, labels, strict=True)]
    if len(stacks) > 1 and stacks[0].images.shape[1:] != stacks[1].images.shape[1:]:
        shapes = [show(stack.images.shape[1:]) for stack in stacks]
        raise DataError(f"{path}: images of {train} are {shapes[0]}, but those of {test} {shapes[1]}")
    return Stacks(stacks[0], stacks[1] if len(stacks) > 1 else None, classes)


def _label(key: str) -> str:
    if key.endswith("_images"):
        return key.replace("_images", "_labels")
    return LABELS.get(key) or ("y" + key[1:] if key[:2] in ("x_", "X_") else "y")


def _array(path: Path, file: Mapping[str, Any], key: str) -> Array:
    import numpy as np

    try:
        array = file[key]
    except Exception as error:  # a damaged archive makes zipfile, zlib and NumPy raise nearly anything
        raise DataError(f"{path}: {key} cannot be read: {_objects(error)}") from None
    if not isinstance(array, np.ndarray):  # another file in the archive, as bytes
        raise DataError(f"{path}: {key} is no array")
    return array


def _classes(path: Path, given: list[tuple[str, Array | None, int]]) -> tuple[list[Array | None], tuple[str, ...]]:
    """Labels as int64 from 0 on, and the names of the classes; text labels become numbers in alphabetical order."""
    import numpy as np

    flat: list[Array | None] = []
    for key, labels, count in given:
        if labels is None:
            flat.append(None)
            continue
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim == 2:
            raise DataError(
                f"{path}: {key} has the shape {show(labels.shape)}, but one number for each image is needed. "
                f"From one-hot rows: {key}.argmax(axis=1)."
            )
        if labels.shape != (count,):
            raise DataError(f"{path}: {key} has the shape {show(labels.shape)}, but there are {count:,} images")
        flat.append(labels)
    known = [labels for labels in flat if labels is not None]
    if not known:
        return flat, ()
    if all(labels.dtype.kind == "U" for labels in known):
        names = np.unique(np.concatenate(known))
        return [None if y is None else np.searchsorted(names, y).astype(np.int64) for y in flat], tuple(
            map(str, names)
        )
    for (key, _, _), labels in zip(given, flat, strict=True):
        if labels is not None and (labels.dtype.kind not in "iub" or labels.min(initial=0) < 0):
            kind = "negative numbers" if labels.dtype.kind in "iu" else str(labels.dtype)
            raise DataError(f"{path}: {key} holds {kind}, but labels are whole numbers from 0 on, or text")
    top = max(int(labels.max(initial=0)) for labels in known)
    return [None if y is None else y.astype(np.int64) for y in flat], tuple(map(str, range(top + 1)))


def _shaped(title: str, images: Array) -> None:
    """DataError unless an array has a type and a shape as images have."""
    if images.dtype.kind not in "fiub":
        raise DataError(f"{title} holds {images.dtype}, but images are numbers")
    if images.ndim not in (2, 3, 4) or not images.size:
        raise DataError(
            f"{title} has the shape {show(images.shape)}; images are (number, height, width) or "
            "(number, height, width, channels), vectors (number, length)"
        )
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3, 4):
        raise DataError(
            f"{title} has the shape {show(images.shape)}, with the channels before the height, it seems. "
            "They come last: x.transpose(0, 2, 3, 1)."
        )


def _stack(title: str, key: str, images: Array, labels: Array | None) -> Stack:
    _shaped(title, images)
    return Stack(images[..., None] if images.ndim == 3 else images, labels, _scale(title, images), key)


def _scale(title: str, images: Array) -> int:
    """What the numbers are divided by. Errors: DataError for numbers that do not say where white is."""
    known = {"uint8": 255, "uint16": 65535, "bool": 1}
    if images.dtype.name in known:
        return known[images.dtype.name]
    low, high = _range(images)
    if not low <= high:
        raise DataError(f"{title} contains NaN. Replace it (numpy.nan_to_num) or leave such images out.")
    if images.dtype.kind == "f":
        if low < 0 or high > 1:
            advice = "x / 255" if low >= 0 and 1 < high <= 255 else f"(x - {low:g}) / {high - low:g}"
            raise DataError(
                f"{title} holds numbers from {low:g} to {high:g}, but those of images lie within 0 to 1. "
                f"Save {advice}, or whole numbers as uint8 (0 to 255) or uint16."
            )
        return 1
    kind = "uint8" if high <= 255 else "uint16"
    advice = f"x.astype('{kind}') says that white is {255 if kind == 'uint8' else 65535:,}"
    if low < 0 or high > 65535:
        advice = f"(x - {low:g}) / {max(high - low, 1):g} as floats lies within 0 to 1"
    raise DataError(
        f"{title} is {images.dtype}, from {low:g} to {high:g}, which does not say what is white: {advice}."
    )


def _range(images: Array) -> tuple[float, float]:
    """The least and the largest number, of part after part; NaN where there is one."""
    import numpy as np

    rows = max(1, ROWS // max(1, images[0].size))
    parts = [images[start : start + rows] for start in range(0, len(images), rows)]
    lows, highs = [float(part.min()) for part in parts], [float(part.max()) for part in parts]
    return float(np.min(lows)), float(np.max(highs))
