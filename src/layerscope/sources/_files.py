"""What a file is, told from its first bytes and not from its name; and what to do with those that are not read."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import SourceError

if TYPE_CHECKING:
    from zipfile import ZipFile

FIRST = 4096
"""Bytes that are looked at."""
MOST_DIRECTORY = 4 << 20
"""Bytes of a ZIP archive's list of contents, above which it is not read."""
SUFFIXES = (
    ".onnx", ".keras", ".h5", ".hdf5", ".json", ".npz", ".npy", ".zip", ".pt", ".pth", ".pt2", ".pkl", ".pb",
    ".tflite", ".safetensors", ".gguf", ".txt", ".py",
)  # fmt: skip
"""Of files that a network may be expected in, read here or not."""
PROGRAM = re.compile(r"^[^/]+/models/[^/]+\.json$")
"""The list of calls in an archive of torch.export."""
KEYS = re.compile(rb'"(layerscope|class_name)"\s*:')


def kind(what: object) -> str:
    """What a file or folder is: of ours "graph" or "model", of Keras's "keras-json", "keras-archive" or "hdf5".

    Otherwise a key of `REFUSED`, or "" for no known kind and for whatever is no file.
    """
    if not isinstance(what, str | os.PathLike):
        return ""
    try:
        name = os.fspath(what)
        found = os.stat(name)
    except (OSError, ValueError):
        return ""
    return _kind(str(name), found.st_mtime_ns, found.st_size, found.st_ino)


@functools.lru_cache(maxsize=8)
def _kind(name: str, time: int, size: int, number: int) -> str:
    if os.path.isdir(name):
        return _folder(name)
    if not os.path.isfile(name):
        return "device"
    try:
        with open(name, "rb") as file:
            first = file.read(FIRST)
            if first.startswith(b"PK\x03\x04") or first.startswith(b"PK\x05\x06"):
                return _archive(name)
    except OSError:
        return ""
    return of_bytes(first) if first else "empty"


def of_bytes(first: bytes) -> str:
    """As `kind`, of what a file begins with."""
    if first.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        key = KEYS.search(first)
        return "keras-json" if key is not None and key[1] == b"class_name" else "graph"
    if first[4:8] == b"TFL3":
        return "tflite"
    if len(first) > 9 and first[8:9] == b"{" and int.from_bytes(first[:8], "little") < 100 << 20:
        return "safetensors"
    for magic, name in MAGIC.items():
        if first.startswith(magic):
            return name
    return ""


MAGIC = {
    b"\x80\x02": "pickle", b"\x80\x03": "pickle", b"\x80\x04": "pickle", b"\x80\x05": "pickle",
    b"\x93NUMPY": "npy", b"\x89PNG": "picture", b"\xff\xd8\xff": "picture", b"GIF8": "picture",
    b"BM": "picture", b"RIFF": "picture", b"II*\x00": "picture", b"MM\x00*": "picture",
    b"GGUF": "gguf", b"\x1f\x8b": "gzip", b"%PDF": "pdf", b"<": "markup",
}  # fmt: skip


def _folder(name: str) -> str:
    from pathlib import Path

    path = Path(name)
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return "savedmodel"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return "hugging-face"
    return "folder"


def from_archive(path: str | os.PathLike[str], read: Callable[[ZipFile], Any]) -> Any:
    """What `read` takes out of a ZIP archive; SourceError with the path where it is damaged, or `read` refuses."""
    import zipfile
    import zlib

    name = os.fspath(path)
    damage = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RecursionError, NotImplementedError)
    try:
        with zipfile.ZipFile(path) as archive:
            return read(archive)
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from None
    except damage as error:
        raise SourceError(f"{name}: damaged: {error}") from None


def _archive(name: str) -> str:
    """The kind of a ZIP archive, by the names in it."""
    import zipfile

    if directory_size(name) > MOST_DIRECTORY:
        return "zip"
    try:
        with zipfile.ZipFile(name) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "damaged-zip"
    if "graph.json" in names:
        return "model"
    if "config.json" in names or "metadata.json" in names:
        return "keras-archive"
    if any(entry.endswith("data.pkl") for entry in names):
        return "torchscript" if any("/code/" in entry for entry in names) else "torch"
    if any(PROGRAM.match(entry) for entry in names):
        return "pt2"
    if names and all(entry.endswith(".npy") for entry in names):
        return "npz"
    return "zip"


def directory_size(name: str) -> int:
    """Bytes that a ZIP archive says its list of contents has; 0 where it does not say."""
    with open(name, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - (1 << 16) - 22))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


REFUSED = {
    "savedmodel": "a TensorFlow SavedModel, a program for TensorFlow without a list of layers. Trace the Keras model "
    "that it was made of (model.save('model.keras')), or convert it to ONNX",
    "hugging-face": "a Hugging Face folder: settings and weights, but no graph. Build the model in Python and "
    "trace that (layerscope.trace(model, input=...)), or export it to ONNX",
    "tflite": "a TensorFlow Lite file, which is not read. Trace the model that it was converted from, or convert it "
    "to ONNX",
    "torch": "a PyTorch file, which holds a pickle: opening it would run code, and mostly it is weights without a "
    "graph. In Python, build the module and say layerscope.trace(module, input=...), or export it with "
    "torch.export or torch.onnx.export",
    "torchscript": "a TorchScript file, which is not read. Trace the module that it was made from, or export that "
    "with torch.export or torch.onnx.export",
    "pickle": "a Python pickle, and is not opened: that would run code. Save the model as .keras, ONNX or JSON",
    "safetensors": "a safetensors file: weights by name, without the network that they belong to. Trace the model "
    "itself, as .keras, ONNX or in Python",
    "gguf": "a GGUF file: weights by name, without the network that they belong to. Trace the model itself",
    "npy": "a NumPy array: data, not a network",
    "npz": "a NumPy archive: arrays, not a network. If they are weights, trace the network that they belong to",
    "picture": "a picture: data, not a network",
    "pdf": "a PDF document",
    "gzip": "compressed with gzip; unpack it first",
    "markup": "a document in HTML or XML",
    "zip": "a ZIP archive with no network in it that is known here: neither config.json (Keras) nor graph.json",
    "empty": "empty: it has 0 bytes. Whatever wrote or copied it did not finish",
    "damaged-zip": "a damaged ZIP archive",
    "device": "no regular file",
}


def refusal(name: str) -> SourceError | None:
    """Why this file is not read; None for one of a kind that is not known."""
    why = REFUSED.get(kind(name))
    if why is None:
        return None
    return SourceError(f"{name} is {why}.")


def missing(what: str | os.PathLike[str]) -> SourceError | None:
    """Says that there is no such file, and which one has a like name; None for a text that does not look like a path:
    one without a separator or the suffix of a file.
    """
    name = os.fspath(what)
    folder, base = os.path.split(name)
    if isinstance(what, str) and not folder and os.path.splitext(base)[1].lower() not in SUFFIXES:
        return None
    if folder and not os.path.isdir(folder):
        return SourceError(f"{name}: there is no such file, for there is no folder {folder}")
    try:
        import difflib

        near = difflib.get_close_matches(base, os.listdir(folder or "."), n=1, cutoff=0.75)
    except OSError:
        near = []
    return SourceError(f"{name}: there is no such file{''.join(f'. Did you mean {one}?' for one in near)}")
