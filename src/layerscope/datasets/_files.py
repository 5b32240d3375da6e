"""The four IDX files of MNIST and its relatives: finding, checking and pairing them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from layerscope.core.errors import DataError, DatasetMissingError
from layerscope.datasets import _download, _idx
from layerscope.datasets._download import File, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pair: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]
    Pairs: TypeAlias = tuple[Pair, Pair]

SIDE = 28
CLASSES = 10
VARIABLE = "LAYERSCOPE_DATA"


@dataclass(frozen=True)
class Place:
    """A folder to search. In a `mixed` one the files may be those of another data set with the same names."""

    label: str
    folder: Path
    mixed: bool = False


def load(source: Source, path: str | os.PathLike[str] | None = None) -> Pairs:
    """`(x_train, y_train), (x_test, y_test)` of uint8, images (N, 28, 28) and labels (N,).

    Raises DatasetMissingError, DataError and OutputError as `layerscope.datasets.load` does.
    """
    paths = _find(source) if path is None else _given(source, Path(path).expanduser())
    try:
        return _pair(*paths[:2]), _pair(*paths[2:])
    except DataError as error:
        if path is None and paths[0].parent == cache(source.name):
            raise DataError(f"{error}\nDelete it from the cache to have it downloaded again.") from None
        raise


def cache(name: str) -> Path:
    """The folder into which a data set is downloaded."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("layerscope")) / "datasets" / name


def _pair(images: Path, labels: Path) -> Pair:
    x, y = _idx.read(images, (SIDE, SIDE)), _idx.read(labels)
    if len(x) != len(y):
        raise DataError(f"{images} holds {len(x):,} images but {labels} holds {len(y):,} labels.")
    if (top := int(y.max())) >= CLASSES:
        raise DataError(f"{labels}: label {top} at position {int(y.argmax())}; labels run from 0 to {CLASSES - 1}.")
    return x, y


def _given(source: Source, folder: Path) -> list[Path]:
    found, reason = _look(source, Place("", folder))
    if reason:
        raise DatasetMissingError(
            f"{source.name} is not in {folder}: {reason}.\n"
            f"The path is that of a folder with {_wanted(source)}.\n"
            "(Keras's path is the name of a cache file.) Without a path they are sought in the usual places "
            "and downloaded if they are in none."
        )
    return found


def _find(source: Source) -> list[Path]:
    seen: list[str] = []
    for place in _places(source):
        found, reason = _look(source, place)
        if not reason:
            return found
        seen.append(f"{place.label}: {reason}")
    return _downloaded(source, seen)


def _places(source: Source) -> list[Place]:
    local = cache(source.name)
    places = [Place(f"the cache {local}", local)]
    if given := os.environ.get(VARIABLE, "").strip():
        folder = Path(given).expanduser()
        own = folder / source.name
        places[:0] = [
            Place(f"${VARIABLE}/{source.name} = {own}", own),
            Place(f"${VARIABLE} = {folder}", folder, True),
        ]
    return places


def _look(source: Source, place: Place) -> tuple[list[Path], str]:
    """The four files in a place, or why they are not there."""
    if not os.path.isdir(place.folder):
        return [], "this is a file" if os.path.exists(place.folder) else "no such folder"
    spelled = [_spelled(place.folder, file) for file in source.files]
    lacking = [_stem(file) for file, paths in zip(source.files, spelled, strict=True) if not paths]
    if lacking:
        return [], "none of the four files" if len(lacking) == 4 else "lacks " + ", ".join(lacking)
    if not place.mixed:
        return [paths[0] for paths in spelled], ""
    found: list[Path] = []
    for file, paths in zip(source.files, spelled, strict=True):
        own = next((path for path in paths if _is(file, path)), None)
        if own is None:
            return [], f"its {paths[0].name} has not the checksum of {source.name}'s"
        found.append(own)
    return found, ""


def _spelled(folder: Path, file: File) -> list[Path]:
    """The file under each of its names: gzip first, as it carries a check of its content."""
    stem = _stem(file)
    names = (stem + ".gz", stem, stem.replace("-idx", ".idx") + ".gz", stem.replace("-idx", ".idx"))
    return [folder / name for name in names if os.path.isfile(folder / name)]


def _is(file: File, path: Path) -> bool:
    """Whether a file is the published one, or the same content compressed in another way."""
    try:
        if path.suffix == ".gz" and _download.checksum(path) == file.sha256:
            return True
        return hashlib.sha256(_idx.content(path)).hexdigest() == file.content_sha256
    except (DataError, OSError):
        return False


def _downloaded(source: Source, seen: list[str]) -> list[Path]:
    folder = cache(source.name)
    if _download.offline():
        raise DatasetMissingError(_missing(source, seen, ["LAYERSCOPE_OFFLINE forbids it"]))
    lacking = [file for file in source.files if not _spelled(folder, file)]
    try:
        _download.download(source, lacking, folder)
    except _download.Unreachable as error:
        raise DatasetMissingError(_missing(source, seen, error.reasons)) from None
    return [_spelled(folder, file)[0] for file in source.files]


def _missing(source: Source, seen: list[str], reasons: Sequence[str]) -> str:
    unset = [] if os.environ.get(VARIABLE, "").strip() else [f"${VARIABLE}: not set"]
    return "\n".join(
        [
            f"{source.name} is not on this machine and was not downloaded.",
            f"Looked for {_wanted(source)}, in",
            *(f"  {line}" for line in [*unset, *seen]),
            "Download:",
            *(f"  {reason}" for reason in reasons),
            "What you can do:",
            f"  - put the four files, from {source.mirrors[0]}/, into {cache(source.name)}",
            f"  - or into a folder {source.name} within a folder that you name in {VARIABLE}",
            "  - or use digits: 1,797 real handwritten digits that need no download",
        ]
    )


def _wanted(source: Source) -> str:
    stems = [_stem(file) for file in source.files]
    return f"{', '.join(stems[:-1])} and {stems[-1]}, each with or without .gz"


def _stem(file: File) -> str:
    return file.name.removesuffix(".gz")
