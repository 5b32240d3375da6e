"""Images decoded once: kept in memory, else in a temporary file, else decoded anew whenever they are wanted."""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.errors import DataError, OutputError, SettingError
from layerscope.core.files import why
from layerscope.datasets._pictures import Unreadable
from layerscope.models.progress import Counting
from layerscope.models.streams import Array, ArraySource, Source

MEMORY = "LAYERSCOPE_MEMORY"
"""The environment variable that says how much memory decoded images may take, such as 500MB or 2GB."""

UNKNOWN = 1 << 30
"""The budget where the system does not say how much memory is available."""

WHOLE = 256 << 20
"""Bytes up to which images are handed to fit in one array, where the budget allows it."""

BLOCK = 256
"""Images decoded before the next ones are handed out, so that a list of a million is no million of tasks."""

Decode = Callable[[int], Array]
"""Gives the image of a number as uint8 or uint16, or raises Unreadable. Several threads call it."""


def threads() -> int:
    """How many decode: as many as cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def budget() -> int:
    """Bytes that decoded images may take: as LAYERSCOPE_MEMORY says, or a quarter of what is available.

    Errors: SettingError for a variable that is no size.
    """
    given = os.environ.get(MEMORY, "").strip()
    if not given:
        return _available() // 4
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", given, re.IGNORECASE)
    if match is None:
        raise SettingError(f"{MEMORY} is {given!r}; it must be a size such as 500MB or 2GB, or unset")
    unit = (1024 if match[3] else 1000) ** " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * unit)


def handed(source: Source) -> Array | Source:
    """What `fit` gets of images: one array where they are few, else the source, which is read part by part."""
    return source.array() if 4 * math.prod(source.shape) <= min(WHOLE, budget()) else source


def _available() -> int:
    """Bytes that this process may still take, as the system and a container's limit have it."""
    found = [UNKNOWN * 4]
    try:
        text = Path("/proc/meminfo").read_text("ascii")
        found = [int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable")]
        limit, used, state = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii") for name in ("max", "current", "stat")
        )
        # What a container keeps of files counts as used, though it goes when somebody wants the memory.
        files = [int(line.split()[1]) for line in state.splitlines() if line.startswith("inactive_file ")]
        found.append(int(limit) - int(used) + sum(files))
    except (OSError, ValueError):  # another system, an older one, or a limit that reads "max"
        pass
    return max(0, min(found, default=UNKNOWN * 4))


Named = Sequence[tuple[int, str]]
"""Numbers and names of images."""


@dataclass
class Kept:
    """Images that could be read: where from, their numbers among those asked for, and what was skipped and why."""

    source: Source
    numbers: list[int]
    skipped: list[tuple[int, str]]


def keep(
    decode: Decode,
    names: Sequence[str],
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    share: float = 1.0,
    most: int | None = None,
    progress: Counting,
) -> Kept:
    """Decode the images with these names, and keep those that can be; `most` ends it after so many.

    `decode` gives arrays of the shape (height, width, channels) and dtype. `share` is how much of the budget
    these images may take. Errors: SettingError, OutputError.
    """
    count = len(names)
    rows = count if most is None else min(count, most)
    keeper = _keeper(rows, tuple(shape), dtype, share)
    numbers: list[int] = []
    skipped: list[tuple[int, str]] = []
    for number, made in enumerate(_decoded(decode, count, rows)):
        progress.one()
        if isinstance(made, Unreadable):
            skipped.append((number, str(made)))
            continue
        keeper.add(made)
        numbers.append(number)
        if len(numbers) == most:
            break
    return Kept(keeper.source(decode, [(number, names[number]) for number in numbers]), numbers, skipped)


def told(sources: Sequence[Source]) -> list[str]:
    """A line about images that do not fit into memory, or none."""
    ways = {
        FileSource: "they wait decoded in a temporary file",
        DecodedSource: "they are decoded anew for each epoch",
    }
    how = next((text for kind, text in ways.items() if any(isinstance(source, kind) for source in sources)), "")
    return [f"Decoded they take more than the memory for images ({MEMORY} changes it), so {how}."] if how else []


def _decoded(decode: Decode, count: int, rows: int) -> Generator[Array | Unreadable]:
    """Each image, or why there is none, in order."""

    def one(number: int) -> Array | Unreadable:
        try:
            return decode(number)
        except Unreadable as error:
            return error

    block = min(BLOCK, max(rows, threads()))
    with ThreadPoolExecutor(threads(), "layerscope-decoder") as pool:
        try:
            for start in range(0, count, block):
                yield from pool.map(one, range(start, min(start + block, count)))
        finally:
            pool.shutdown(cancel_futures=True)


def _keeper(count: int, shape: tuple[int, ...], dtype: np.dtype[Any], share: float) -> _Memory | _File | _Anew:
    needed = count * math.prod(shape) * dtype.itemsize
    if needed <= budget() * share:
        return _Memory(count, shape, dtype)
    folder = _folder()
    if folder is not None and needed * 2 <= shutil.disk_usage(folder).free:
        return _File(folder, shape, dtype)
    return _Anew(shape, dtype)


def _folder() -> Path | None:
    """The user's cache, if it can be written: the system's folder for temporary files is often memory."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("layerscope")) / "images"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _white(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max)


class _Memory:
    """Keeps images in one array."""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.array, self.count = np.empty((count, *shape), dtype), 0

    def add(self, image: Array) -> None:
        self.array[self.count] = image
        self.count += 1

    def source(self, decode: Decode, named: Named) -> Source:
        return ArraySource(self.array[: self.count], _white(self.array.dtype))


class _File:
    """Keeps images in a file that has no name, so that nothing is left of it however the process ends."""

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.folder = folder
        try:
            file = tempfile.TemporaryFile(dir=folder, prefix="decoded-")  # noqa: SIM115 (its source closes it)
        except OSError as error:
            raise OutputError(f"cannot write into {folder}: {why(error)}") from None
        self.made = FileSource(file, (0, *shape), dtype)

    def add(self, image: Array) -> None:
        try:
            self.made.file.write(image.tobytes())
        except OSError as error:
            raise OutputError(
                f"decoded images do not fit into {self.folder}: {why(error)}. Free space there, choose a smaller "
                f"--size, or allow more memory with {MEMORY}."
            ) from None
        self.made.shape = (len(self.made) + 1, *self.made.shape[1:])

    def source(self, decode: Decode, named: Named) -> Source:
        self.made.file.flush()
        return self.made


class FileSource(Source):
    """Images in a file, one behind the other, as uint8 or uint16; they are given as float32 in 0 … 1.

    Read, not mapped: what is mapped counts as this process's memory as long as the system likes.
    """

    def __init__(self, file: Any, shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
        self.file, self.shape, self.stored = file, shape, stored
        self.lock = threading.Lock()
        weakref.finalize(self, file.close)

    def read(self, rows: Array) -> Array:
        """The images of these numbers."""
        found = np.empty((len(rows), *self.shape[1:]), self.stored)
        size = math.prod(self.shape[1:]) * self.stored.itemsize
        with self.lock:
            for place in np.argsort(rows, kind="stable"):  # in the order of the file
                self.file.seek(int(rows[place]) * size)
                self.file.readinto(found[place].reshape(-1).view(np.uint8))
        return np.divide(found, np.float32(_white(self.stored)), dtype=np.float32)


class _Anew:
    """Keeps nothing."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype

    def add(self, image: Array) -> None:
        pass

    def source(self, decode: Decode, named: Named) -> Source:
        return DecodedSource(decode, named, self.shape, self.dtype)


class DecodedSource(Source):
    """Images that are decoded whenever they are wanted, by several threads."""

    def __init__(self, decode: Decode, named: Named, shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
        self.decode, self.named, self.stored = decode, named, stored
        self.shape = (len(named), *shape)

    def read(self, rows: Array) -> Array:
        """The images of these numbers. Errors: DataError for one that can no longer be read."""
        found = np.empty((len(rows), *self.shape[1:]), np.float32)
        white = np.float32(_white(self.stored))

        def one(place: int) -> None:
            number, name = self.named[rows[place]]
            try:
                np.divide(self.decode(number), white, out=found[place])
            except Unreadable as error:
                raise DataError(f"{name} could be read at first, but no longer: {error}") from None

        with ThreadPoolExecutor(threads(), "layerscope-decoder") as pool:
            list(pool.map(one, range(len(rows))))
        return found
