"""Images as studies use them: what is read, what they are called, and how to ask for them."""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.core import sizes
from layerscope.core.errors import DataError, SettingError
from layerscope.core.types import show
from layerscope.datasets import _pictures
from layerscope.models.streams import Array, Source

Skipped = list[tuple[str, str]]
SHOWN = 5
"""Names in a message before it says how many more there are."""
LOOKED = 256 << 20
"""Bytes of images that a checksum looks at."""
AT_ONCE = 1024
ESCAPED = ("Cc", "Cs", "Zl", "Zp")
"""Kinds of signs that names are not written with: control, halves of a sign (bytes that are no text), line ends."""


@dataclass
class Part:
    """Some images, read when they are wanted.

    `source` has the shape (n, height, width, channels), or (n, numbers) for vectors, and gives float32 in 0 … 1;
    `labels` are int64 (n,), or None; `names` say where each image comes from: a path relative to the folder
    (as `printable` writes it), or "train/7"; `classes` are the labels' names; `skipped` names what could not be
    read, with the reason.
    """

    source: Source
    labels: Array | None
    names: Sequence[str]
    classes: tuple[str, ...] = ()
    skipped: Skipped = field(default_factory=Skipped)

    def __len__(self) -> int:
        return len(self.source)

    def array(self, start: int = 0, stop: int | None = None) -> Array:
        """The images from `start` to before `stop` as one float32 array in 0 … 1."""
        return self.source.array(start, stop)

    def shown(self, count: int) -> Array:
        """So many images to look at: the first, or some of all classes where these lie one behind the other."""
        return self.source.read(self.rows_shown(count))

    def rows_shown(self, count: int) -> Array:
        """The numbers of these images."""
        count = min(count, len(self))
        if self.labels is not None and len(self) and (np.diff(self.labels) >= 0).all():
            return spread(len(self), count)
        return np.arange(count, dtype=np.int64)


def checksum(part: Part) -> str:
    """Eight hexadecimal digits that change with the images, their names and labels, and their order.

    Of more images than LOOKED bytes hold, as many from first to last are looked at.
    """
    found = zlib.crc32("\n".join(part.names).encode("utf-8"))
    if part.labels is not None:
        found = zlib.crc32(np.ascontiguousarray(part.labels, np.int64).tobytes(), found)
    most = max(1, LOOKED // (4 * math.prod(part.source.shape[1:])))
    rows = spread(len(part), min(len(part), most))
    for start in range(0, len(rows), AT_ONCE):
        found = zlib.crc32(np.ascontiguousarray(part.source.read(rows[start : start + AT_ONCE])).data, found)
    return f"{found:08x}"


@dataclass
class Images:
    """Images to train on and to test with, of one shape (height, width, channels).

    `classes` are the labels' names; `skipped` names the files that could not be read, with the reason;
    `description` says in a few lines what was found and how it was split.
    """

    train: Part
    test: Part
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    skipped: Skipped = field(default_factory=Skipped)
    description: str = ""


class Numbered(Sequence[str]):
    """Names of images that have none: "train/0", "train/1", …; or those of some rows only."""

    def __init__(self, title: str, rows: Sequence[int] | Array) -> None:
        self.title, self.rows = title, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [f"{self.title}/{row}" for row in self.rows[number]]
        return f"{self.title}/{self.rows[number]}"


@dataclass(frozen=True)
class Asked:
    """How images are wanted: sizes (height, width) or None, how they fit in, colour, and what a network takes.

    `most` ends reading of each part after so many images.
    """

    size: tuple[int, int] | None = None
    fit: str = "crop"
    colour: str = "auto"
    wanted: tuple[int | None, ...] | None = None
    most: int | None = None
    verbose: Any = "auto"


def spread(length: int, count: int) -> Array:
    """So many places at equal distances, from the first to the last; all, where they are not more."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(np.int64))


def asked(
    size: str | int | Sequence[int] | None,
    fit: str,
    colour: str,
    wanted: Sequence[Any] | None,
    most: int | None = None,
    verbose: Any = "auto",
) -> Asked:
    """The wishes, checked. Errors: SettingError, SizeError."""
    _pictures.checked(fit, colour)
    known = None if wanted is None else tuple(one if isinstance(one, int) else None for one in wanted)
    return Asked(None if size is None else pair(size), fit, colour, known, most, verbose)


def pair(size: str | int | Sequence[int]) -> tuple[int, int]:
    """Height and width from "64x48", "64", 64 or (64, 48); SettingError or SizeError otherwise."""
    given: Any = size
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+)\s*(?:[x×]\s*(\d+)\s*)?", size, re.IGNORECASE)
        if match is None:
            raise SettingError(f"size must be HEIGHTxWIDTH, such as 64x48, or one number for a square, not {size!r}")
        given = (int(match[1]), int(match[2] or match[1]))
    values = tuple(given) if isinstance(given, Sequence) else (given, given)
    if len(values) != 2:
        raise SettingError(f"size must be a pair (height, width), not {size!r}")
    return sizes.checked(values[0], "size"), sizes.checked(values[1], "size")


def across(shape: Sequence[int]) -> str:
    """ "64×48×3"."""
    return "×".join(map(str, shape))


def written(shape: Sequence[int]) -> str:
    """ "64x48x3", as a network's text has it."""
    return "x".join(map(str, shape))


def printable(name: str) -> str:
    r"""A file name that any terminal, table and file can take: what is no text, or ends a line, as \udcff or \n."""
    if name.isprintable():
        return name
    return "".join(
        sign.encode("unicode_escape").decode() if unicodedata.category(sign) in ESCAPED else sign for sign in name
    )


def label(labels: Array | None, classes: Sequence[str], number: int) -> str:
    """The name of an image's class; its number where the class has none, "" where it is not known."""
    if labels is None:
        return ""
    found = int(labels[number])
    return classes[found] if 0 <= found < len(classes) else str(found)


def unreadable(skipped: Sequence[tuple[str, str]], total: int) -> str:
    """ "3 of 1,204 files could not be read: a.png (cut short), …"."""
    rest = f", … ({len(skipped) - SHOWN:,} more)" if len(skipped) > SHOWN else ""
    named = ", ".join(f"{printable(name)} ({reason})" for name, reason in skipped[:SHOWN])
    return f"{len(skipped):,} of {total:,} files could not be read: {named}{rest}"


def unread(skipped: Sequence[tuple[str, str]], read: int) -> str:
    """The same as a sentence, of so many that could be read; "" when all could."""
    return f"{unreadable(skipped, read + len(skipped))}." if skipped else ""


def agree(shape: Sequence[int], wanted: Sequence[int | None] | None, data: str) -> None:
    """DataError where images are neither what a network takes nor as many numbers; None is any size."""
    if wanted is None:
        return
    same = len(shape) == len(wanted) and all(w in (None, h) for h, w in zip(shape, wanted, strict=True))
    if same or (None not in wanted and math.prod(w or 0 for w in wanted) == math.prod(shape)):
        return
    message = (
        f"the network takes {show(tuple(w or '?' for w in wanted))}, but the images of {data} are "
        f"{show(tuple(shape))}. Start the network with {written(shape)}"
    )
    bring = _bringing(shape, wanted)
    raise DataError(f"{message}{f', or bring the images to it with {bring}' if bring else ''}.")


def _bringing(shape: Sequence[int], wanted: Sequence[int | None]) -> str:
    """The options by which images of a shape come to what is wanted, or nothing where none do."""
    if len(shape) != 3 or len(wanted) != 3 or None in wanted:
        return ""
    height, width, channels = (size or 0 for size in wanted)
    options: list[str] = []
    if tuple(shape[:2]) != (height, width):
        options.append(f"--size {height}" if height == width else f"--size {height}x{width}")
    if shape[2] != channels:
        if {shape[2], channels} != {1, 3}:
            return ""
        options.append(f"--colour {'grey' if channels == 1 else 'rgb'}")
    return " ".join(options)
