"""The configuration in a Keras file: JSON in a .keras archive, in an HDF5 file, or by itself. No weights are read.

Files come from anywhere, so what is read of them is bounded: bytes, values, digits and nesting.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from importlib import import_module
from typing import IO, Any

from layerscope.core.errors import SourceError

ENTRY = "config.json"
MOST_BYTES = 16 << 20
"""Of a configuration; the largest in keras.applications has 1 MiB."""
MOST_VALUES = 1_000_000
MOST_DIGITS = 19
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)


def read_config(path: str | os.PathLike[str], kind: str) -> Any:
    """The configuration in a file of this kind (see `_files.kind`), as plain data; SourceError without the path."""
    if kind == "keras-archive":
        with open(path, "rb") as file:
            return of_archive(file)
    if kind == "hdf5":
        return of_hdf5(path)
    with open(path, "rb") as file:
        return parsed(file.read(MOST_BYTES + 1), "the file")


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


def of_hdf5(path: str | os.PathLike[str]) -> Any:
    """The configuration in an HDF5 file that Keras wrote: the attribute model_config."""
    try:
        h5py: Any = import_module("h5py")
    except ImportError:
        raise SourceError("an HDF5 file, which h5py reads. Install it: pip install 'layerscope[h5]'") from None
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            weights_only = "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise SourceError(f"damaged: {error}") from None
    if text is None:
        if weights_only:
            raise SourceError("weights without their model: it has no model_config. Trace the model itself")
        raise SourceError("an HDF5 file, but no Keras model: it has no model_config")
    data = text.encode() if isinstance(text, str) else bytes(text)
    return parsed(data, "model_config")


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
    """The configuration in the bytes of a .keras archive or a JSON file."""
    if data.startswith(b"PK"):
        return of_archive(io.BytesIO(data))
    return parsed(data, "text")
