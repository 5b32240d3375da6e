"""The files of a folder: in order, with labels from subfolders, and split into those to train on and to test with."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerscope.core.errors import DataError
from layerscope.core.files import why

TRAINING = ("train", "training")
TESTING = ("val", "validation", "valid", "test", "testing")
"""Names of subfolders that split a folder; of several for testing, the first of these is taken."""

SHARE = 10
"""One in so many is held out where a folder is not split."""


def natural(path: str) -> tuple[tuple[str | int, ...], ...]:
    """What sorts paths as people do: "a2" before "a10", and whole folders together."""
    return tuple(
        tuple(int(piece) if n % 2 else piece.casefold() for n, piece in enumerate(re.split(r"([0-9]+)", part)))
        for part in path.split("/")
    )


def in_order(paths: Iterable[str]) -> list[str]:
    """Paths in natural order; those that it holds equal, such as "1" and "01", by their characters."""
    return sorted(paths, key=lambda path: (natural(path), path))


def files(root: str) -> tuple[list[str], list[tuple[str, str]]]:
    """All files under a folder as relative paths with "/", in natural order, and what could not be entered, with the
    reason. What begins with "." is not there; links are followed, but not in circles.

    Errors: DataError when the folder itself cannot be read.
    """
    found: list[str] = []
    left: list[tuple[str, str]] = []
    try:
        _walk(root, "", (_identity(root),), found, left)
    except OSError as error:
        raise DataError(f"{root}: the folder cannot be read: {why(error)}") from None
    return in_order(found), sorted(left)


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _walk(
    root: str, inside: str, above: tuple[tuple[int, int], ...], found: list[str], left: list[tuple[str, str]]
) -> None:
    with os.scandir(os.path.join(root, inside)) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                if not entry.is_dir():
                    # What is no file, such as a pipe, might be waited for without end; a broken link is told later.
                    if entry.is_file() or entry.is_symlink():
                        found.append(path)
                    continue
                identity = _identity(entry.path)
                if identity in above:
                    left.append((f"{path}/", "a link to a folder that it lies in"))
                else:
                    _walk(root, path, (*above, identity), found, left)
            except OSError as error:
                left.append((f"{path}/", why(error).lower()))


@dataclass
class Listing:
    """Files to train on and to test with, what the labels are, and how this was decided, in words."""

    train: list[str]
    test: list[str]
    classes: tuple[str, ...]
    how: str
    split: bool = False
    """Whether the first folder of each path is that of a part."""

    def labels(self, paths: Sequence[str]) -> list[int] | None:
        """The number of each file's class, or None where there are no classes."""
        number = {name: n for n, name in enumerate(self.classes)}
        return [number[_class(_below(path) if self.split else path)] for path in paths] if number else None


def _below(path: str) -> str:
    return path.partition("/")[2]


def _class(path: str) -> str:
    return path.partition("/")[0]


def classes(paths: Sequence[str]) -> tuple[str, ...]:
    """The folders that the files lie in, if all lie in one and there are several."""
    if not all("/" in path for path in paths):
        return ()
    names = in_order({_class(path) for path in paths})
    return tuple(names) if len(names) > 1 else ()


def listing(paths: Sequence[str], root: str, everything: Sequence[str] = ()) -> Listing:
    """Split by the folders train and test (or val, validation, valid), or one in ten by a hash of the path.

    The hash is of the path alone, so an image stays on its side when others come or go. `everything` are all
    files of the folder, where some of them are no images: these do not undo a split.
    Errors: DataError where a part would be empty.
    """
    tops: dict[str, str] = {}
    for path in everything or paths:
        if "/" in path:
            tops.setdefault(_class(path).lower(), _class(path))
    first = next((tops[name] for name in TRAINING if name in tops), None)
    second = next((tops[name] for name in TESTING if name in tops), None)
    if first is not None and second is not None:
        train, test = ([path for path in paths if _class(path) == top and "/" in path] for top in (first, second))
        below = classes([_below(path) for path in [*train, *test]])
        unused = in_order({_class(path) + "/" * ("/" in path) for path in paths} - {f"{first}/", f"{second}/"})
        rest = f"; not used: {', '.join(unused[:5])}{', …' if len(unused) > 5 else ''}" if unused else ""
        return Listing(train, test, below, f"as the folders {first} and {second} have it{rest}", True)
    if len(paths) < 2:
        raise DataError(f"{root} holds one image, but one to train on and one to test with are needed")
    held = {path for path in paths if bucket(path) == 0}
    if not held or len(held) == len(paths):  # few files: the one with the least hash
        held = {min(paths, key=digest)}
    train, test = [p for p in paths if p not in held], [p for p in paths if p in held]
    return Listing(train, test, classes(paths), f"one in {SHARE} is held out, by a hash of its path")


def digest(path: str) -> bytes:
    """What decides on which side an image is."""
    return hashlib.sha256(unicodedata.normalize("NFC", path).encode("utf-8", "surrogateescape")).digest()


def bucket(path: str) -> int:
    """0 to 9, the same for a path at all times and everywhere."""
    return int.from_bytes(digest(path)[:8], "big") % SHARE
