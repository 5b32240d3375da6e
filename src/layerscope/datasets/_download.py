"""Downloads: resumed when cut off, checked before use, one process at a time.

A file arrives as NAME.part and takes its name only once its SHA-256 is right, so a file that has its name
is whole. An interrupted download leaves its part, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from layerscope.core.errors import DataError, OutputError

if TYPE_CHECKING:
    from http.client import HTTPResponse

TRIES = 3  # rounds through all servers
BACKOFF = 1.0  # seconds before the second round, doubled before each further one
TIMEOUT = 10.0  # seconds without an answer
CHUNK = 1 << 16  # bytes
TRANSIENT = (408, 416, 425, 429)  # client errors after which the same request may succeed


@dataclass(frozen=True)
class File:
    """One published file: name, bytes and their SHA-256, and that of its decompressed content, if known."""

    name: str
    size: int
    sha256: str
    content_sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """A published data set: images and labels for training, then for testing; mirrors hold equal copies."""

    name: str
    mirrors: tuple[str, ...]
    files: tuple[File, File, File, File]


class Unreachable(Exception):
    """No server gave the file; `reasons` has one line for each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class _Failed(Exception):
    """One request failed; `final` when asking the same server again is of no use."""

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def offline() -> bool:
    """Whether LAYERSCOPE_OFFLINE forbids downloads."""
    return os.environ.get("LAYERSCOPE_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def bases(source: Source) -> tuple[str, ...]:
    """The folders on the net to ask, in this order: LAYERSCOPE_MIRROR's if set, else the public ones.

    MNIST's relatives share its files' names, so a mirror keeps each data set in a folder of its name; one
    that holds a single data set needs none, as the checksum tells whose the files are.
    """
    mirror = os.environ.get("LAYERSCOPE_MIRROR", "").strip().rstrip("/")
    if not mirror:
        return source.mirrors
    if not mirror.lower().startswith(("http://", "https://")):
        raise DataError(
            f"LAYERSCOPE_MIRROR is {mirror!r}; it must begin with http:// or https://. "
            "For a folder of this machine set LAYERSCOPE_DATA."
        )
    return f"{mirror}/{source.name}", mirror


def download(source: Source, files: Sequence[File], folder: Path) -> None:
    """Bring `files` into `folder`, saying so on stderr; what another process brought meanwhile is kept.

    Raises Unreachable when no server gives a file, OutputError when the folder cannot be written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    servers = bases(source)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, source.name):
        files = [file for file in files if not (folder / file.name).exists()]
        if not files:
            return
        size = sum(file.size for file in files) / 1e6
        _say(f"downloading {source.name} ({size:.1f} MB) from {' or '.join(servers)} to {folder}")
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            for file in files:
                task = progress.add_task(file.name, total=file.size)
                _fetch(file, servers, folder, lambda done, task=task: progress.update(task, completed=done))


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _fetch(file: File, servers: Sequence[str], folder: Path, report: Callable[[int], None]) -> None:
    part = folder / f"{file.name}.part"
    urls = [f"{server}/{file.name}" for server in servers]
    reasons: dict[str, str] = {}
    for attempt in range(TRIES):
        if attempt:
            sleep(BACKOFF * 2 ** (attempt - 1))
        for url in list(urls):
            try:
                _attempt(url, part, file, report)
            except _Failed as failure:
                reasons[url] = f"{url}: {failure}"
                if failure.final:
                    urls.remove(url)
            else:
                with _writing(folder / file.name):
                    os.replace(part, folder / file.name)
                return
        if not urls:
            break
    raise Unreachable(list(reasons.values()))


def _attempt(url: str, part: Path, file: File, report: Callable[[int], None]) -> None:
    """Complete the part from one server; it is gone if its checksum is wrong."""
    had = _length(part)
    if had < file.size:
        _receive(url, part, had, file.size, report)
    if _length(part) < file.size:
        raise _Failed(f"the connection ended after {_length(part):,} of {file.size:,} bytes")
    got = checksum(part)
    if got != file.sha256:
        part.unlink()
        # What was wrong may be the older beginning, so only a fresh copy speaks against the server.
        raise _Failed(f"wrong checksum (SHA-256), expected {file.sha256}, got {got}", final=not had)


def _receive(url: str, part: Path, had: int, size: int, report: Callable[[int], None]) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "layerscope"} | ({"Range": f"bytes={had}-"} if had else {})
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
            _save(response, part, _start(response, part, had, size), size, report)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            part.unlink(missing_ok=True)
        final = error.code < 500 and error.code not in TRANSIENT
        raise _Failed(f"HTTP {error.code} {error.reason}", final) from None
    except URLError as error:
        raise _Failed(_why(error.reason)) from None
    except (OSError, HTTPException) as error:
        raise _Failed(_why(error)) from None


def _start(response: HTTPResponse, part: Path, had: int, size: int) -> int:
    """The byte of the file with which the answer begins: `had`, or 0 from a server that knows no Range."""
    start = had if response.status == 206 else 0
    span, length = (response.headers.get(name, "") for name in ("Content-Range", "Content-Length"))
    if start and not span.startswith(f"bytes {had}-"):
        part.unlink()
        raise _Failed(f"gave {span or 'an unknown range'} when asked for the bytes from {had} on")
    if length.isdigit() and start + int(length) != size:
        raise _Failed(f"has {start + int(length):,} bytes, expected {size:,}", final=not start)
    return start


def _save(response: HTTPResponse, part: Path, start: int, size: int, report: Callable[[int], None]) -> None:
    done = start
    with _writing(part), part.open("ab" if start else "wb") as out:
        while done <= size and (chunk := _chunk(response)):
            out.write(chunk)
            done += len(chunk)
            report(done)


def _chunk(response: HTTPResponse) -> bytes:
    from http.client import HTTPException

    try:
        return response.read(CHUNK)
    except (OSError, HTTPException) as error:  # kept apart from the errors of writing
        raise _Failed(_why(error)) from None


def _why(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _say(text: str) -> None:
    print(f"layerscope: {text}", file=sys.stderr, flush=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}. "
            "Put the files elsewhere and name that folder in LAYERSCOPE_DATA."
        ) from None


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the folder's lock, which the operating system releases however this process ends."""
    with _writing(folder):
        handle = (folder / ".lock").open("ab")
    with handle:
        waiting = False
        while not _locked(handle.fileno()):
            if not waiting:
                _say(f"waiting for another process that is downloading {name}")
            waiting = True
            sleep(0.1)
        yield


def _locked(descriptor: int) -> bool:
    """Take the lock if it is free; closing the file gives it back."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks: the checksum still guards the result
    return True
