"""Writing files so that an interruption loses nothing, and where none can be written; a package's modules."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from layerscope.core.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def modules(init: str) -> list[str]:
    """The names of the modules beside an `__init__.py`, in order, but for those that start with an underscore."""
    return sorted(name[:-3] for name in os.listdir(os.path.dirname(init)) if name.endswith(".py") and name[0] != "_")


def writable(path: str | os.PathLike[str], suffixes: Sequence[str], what: str) -> Path:
    """The path of a file to write, shown to be writable before there is any work for it.

    Errors: OutputError for a name that does not end in one of the suffixes (`what` is what they are of: "a
    picture"), for a folder that is not there, and for what cannot be written.
    """
    target = ended(path, suffixes, what)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give the name of a file")
    _placed(target)
    try:
        existed = os.path.lexists(target)
        with open(target, "ab"):
            pass
        if not existed:
            target.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {target}: {why(error)}") from None
    return target


def ended(path: str | os.PathLike[str], suffixes: Sequence[str], what: str) -> Path:
    """The path; OutputError where its name does not end in one of the suffixes, in capitals or not."""
    from pathlib import Path

    target = Path(path)
    if target.suffix.lower() not in suffixes and not target.is_dir():
        *first, last = suffixes
        kinds = f"{', '.join(first)} or {last}" if first else last
        raise OutputError(f"cannot write {os.fspath(path)}: {what} ends in {kinds}")
    return target


def _placed(target: Path, folders: bool = False) -> None:
    """OutputError where a file cannot take its place: something else is there, or the folder is not (`folders`: it
    may be made).
    """
    if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
        raise OutputError(f"cannot write {target}: it is no regular file")
    if not folders and not os.path.lexists(target.parent):
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}; make it first")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], folders: bool = True) -> Generator[Path]:
    """A temporary path beside `path` (or what it links to) that takes its place when the block ends well.

    Missing folders are made where `folders`, otherwise refused.
    OutputError when the folder cannot be written, or a device or pipe is in its place.
    """
    from pathlib import Path

    target = Path(os.path.realpath(path) if os.path.islink(path) else path)  # a link stays one
    if not target.name:
        raise OutputError(f"cannot write {os.fspath(path)!r}: give the name of a file")
    _placed(target, folders)
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {why(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def why(error: OSError) -> str:
    """The system's reason in words that say what to change."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a part of this path is a file, not a folder"
    return error.strerror or str(error)
