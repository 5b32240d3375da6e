"""The configuration in a Keras file: JSON in a .keras archive, in an HDF5 file, or by itself. No weights are read.

Files come from anywhere, so what is read of them is bounded: bytes, values, digits and nesting.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from typing import IO, Any

from layerscope.core.errors import SourceError
from layerscope.sources._keras import hdf5

ENTRY = "config.json"
MOST_BYTES = 16 << 20
"""Of a configuration; the largest in keras.applications has 1 MiB."""
MOST_VALUES = 1_000_000
MOST_DIGITS = 19
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)


def read_config(path: str | os.PathLike[str], kind: str) -> Any:
    """The configuration in a file of this kind (see `_files.kind`), as plain data; SourceError without the path."""
    with open(path, "rb") as file:
        if kind == "keras-archive":
            return of_archive(file)
        if kind == "hdf5":
            return of_hdf5(file)
        return parsed(file.read(MOST_BYTES + 1), "text")


def of_archive(file: IO[bytes]) -> Any:
    """The configuration in a .keras archive. Only config.json is read, and never unpacked to disk."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if ENTRY not in names:
                raise SourceError(f"an archive without {ENTRY}: no whole Keras model")
            if names.count(ENTRY) > 1:
                raise SourceError(f"damaged: it has {names.count(ENTRY)} files called {ENTRY}")
            with archive.open(ENTRY) as entry:
                data = entry.read(MOST_BYTES + 1)
    except SourceError:
        raise
    except DAMAGE as error:
        raise SourceError(f"damaged: {error}") from None
    return parsed(data, ENTRY)


def of_hdf5(file: IO[bytes]) -> Any:
    """The configuration in an HDF5 file that Keras wrote: the attribute model_config."""
    try:
        text = hdf5.text_attribute(file, "model_config", MOST_BYTES)
    except (hdf5.Damaged, OSError, OverflowError, MemoryError) as error:
        raise SourceError(f"a damaged HDF5 file: {error}") from None
    if text is None:
        raise SourceError(
            "an HDF5 file without model_config: weights by themselves, or no Keras file. Trace the model that they "
            "belong to"
        )
    return parsed(text, "model_config")


def parsed(data: bytes, what: str) -> Any:
    """JSON as plain data, within bounds."""
    if len(data) > MOST_BYTES:
        raise SourceError(f"its {what} is larger than {MOST_BYTES >> 20} MiB")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise SourceError(f"its {what} has more than {MOST_VALUES:,} values")
    try:
        return json.loads(data.decode("utf-8-sig"), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"its {what} is not readable as JSON: {error}") from None


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise SourceError(f"the number {text[:12]}... has {len(text)} digits, more than any size")
    return int(text)


def of_bytes(data: bytes) -> Any:
    """The configuration in the bytes of a .keras archive, an HDF5 file or a JSON file."""
    if data.startswith(hdf5.SIGNATURE):
        return of_hdf5(io.BytesIO(data))
    if data.startswith(b"PK"):
        return of_archive(io.BytesIO(data))
    return parsed(data, "text")
