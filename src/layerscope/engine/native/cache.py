"""Object files on disk, so that a second run compiles nothing.

A file is a line that says what it is, the SHA-256 of its key and content, and the content. One whose
checksum does not match is as good as none; nothing that goes wrong here stops a run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from layerscope import __version__
from layerscope.engine.native import objects
from layerscope.engine.native.objects import Processor

LIMIT = 256 * 2**20  # bytes
MAGIC = b"layerscope object 1\n"
ENDING, UNFINISHED = ".object", ".part"


class Cache:
    """Objects by key in a folder; by default one in the user's cache directory."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _default() if folder is None else folder

    def key(self, *parts: str, processor: Processor | None = None) -> str:
        """The name of what is compiled from `parts` for a processor (this one by default).

        Another version of layerscope, of its generator of code or of LLVM gives another key.
        """
        processor = processor or objects.host()
        target = (processor.triple, processor.architecture, processor.cpu, processor.flags())
        return _digest(part.encode() for part in (__version__, _sources(), _llvm(), *target, *parts))

    def get(self, key: str) -> bytes | None:
        """The object, or None where it is not stored in full as it was put."""
        path = self._path(key)
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        head, data = stored[: len(MAGIC) + 32], stored[len(MAGIC) + 32 :]
        if head != MAGIC + _checksum(key, data):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the oldest are deleted first, and file systems seldom note reading
        return data

    def put(self, key: str, data: bytes) -> None:
        """Store an object. Where that is not possible nothing happens."""
        if len(data) > LIMIT:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self._path(key), MAGIC + _checksum(key, data) + data)
            self._shrink()

    def _path(self, key: str) -> Path:
        return self.folder / (key + ENDING)

    def _write(self, path: Path, content: bytes) -> None:
        """All of a file or none: others see the old one until the new one is complete."""
        handle, name = tempfile.mkstemp(suffix=UNFINISHED, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _shrink(self) -> None:
        """Delete the files that were used longest ago until the rest is within the limit."""
        files: list[tuple[int, int, str]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith((ENDING, UNFINISHED)):
                    with contextlib.suppress(OSError):  # another process deleted it
                        status = entry.stat()
                        files.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= LIMIT:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size


def _default() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("layerscope")) / "kernels"


def _checksum(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\n" + data).digest()


def _digest(parts: Iterable[bytes]) -> str:
    """SHA-256 over parts, each after its length, so that none can pass for the end of the one before."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


@functools.cache
def _sources() -> str:
    """What the code that writes kernels looks like."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), *sorted((here.parent / "primitives").glob("*.py"))]
    return _digest(part for file in files for part in (file.name.encode(), file.read_bytes()))


@functools.cache
def _llvm() -> str:
    """llvmlite's version, which stands for that of the LLVM within it."""
    return importlib.metadata.version("llvmlite")
