"""Which readers are put to the test, how each is asked, and what counts as a find."""

from __future__ import annotations

import resource
import signal
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope import tracing
from layerscope.core.errors import LayerscopeError
from layerscope.sources import text

from . import mutations
from .mutations import Mutation

CORPUS = Path(__file__).parent.parent / "data" / "corpus"
SECONDS = 1.0
"""Of processor time."""
MEGABYTES = 200


@dataclass(frozen=True)
class Reader:
    """One reader: its corpus is the folder of its name."""

    name: str
    suffix: str
    mutate: Mutation
    ask: Callable[[Path], Any]

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    def seeds(self) -> list[bytes]:
        """What mutations start from: all files of the corpus."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]


def whole(path: Path) -> None:
    """What `layerscope trace FILE` does, in both formats."""
    found = tracing.trace(path)
    found.render("json")
    found.render("terminal")


def line(path: Path) -> None:
    """The same for one line of text."""
    written = path.read_text("utf-8", "surrogatepass")
    found = tracing.trace(text.read(written))
    found.render("json")
    found.render("terminal")


def both(path: Path) -> None:
    """A model file is traced, and loaded with its weights."""
    from layerscope.models import load_model

    whole(path)
    load_model(path)


def _of_line(chance: mutations.Chance, data: bytes, others: Any) -> bytes:
    words = [one.decode("utf-8", "surrogatepass") for one in (data, *others)]
    return mutations.of_text(chance, words[0], words[1:]).encode("utf-8", "surrogatepass")


READERS = {
    reader.name: reader
    for reader in (
        Reader("text", ".txt", _of_line, line),
        Reader("json", ".json", mutations.of_json, whole),
        Reader("model", ".npz", mutations.of_zip, both),
        Reader("keras", ".keras", mutations.of_zip, whole),
        Reader("keras_json", ".json", mutations.of_json, whole),
        Reader("h5", ".h5", mutations.of_bytes, whole),
        Reader("onnx", ".onnx", mutations.of_protobuf, whole),
    )
}


class TooSlowError(BaseException):
    """More processor time than allowed. No `except Exception` keeps it."""


@dataclass(frozen=True)
class Find:
    """A broken promise: where, in a word that two finds of one cause share, and how."""

    cause: str
    story: str


@contextmanager
def limited(seconds: float = SECONDS, megabytes: float = MEGABYTES) -> Generator[None]:
    """So much processor time, and so much memory besides what the process has."""

    def stop(*_: object) -> None:
        raise TooSlowError

    before, earlier = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + int(megabytes * 1e6), before[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGPROF, earlier)


def _mapped() -> int:
    """Bytes of address space of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def outcome(reader: Reader, path: Path) -> Find | LayerscopeError | None:
    """Ask the reader: None for an answer, the error for a refusal with a reason, a find for everything else."""
    try:
        with limited():
            reader.ask(path)
    except LayerscopeError as error:
        return error if str(error).strip() else Find(f"no reason at {_place(error)}", _told(error))
    except TooSlowError as error:
        return Find("too slow", _told(error))
    except BaseException as error:
        return Find(f"{type(error).__name__} at {_place(error)}", _told(error))
    return None


def judge(reader: Reader, path: Path) -> Find | None:
    """What is broken when the reader is asked, if anything is."""
    found = outcome(reader, path)
    return found if isinstance(found, Find) else None


def _place(error: BaseException) -> str:
    """The innermost function of ours."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "layerscope" in Path(frame.filename).parts
    ]
    return f"{Path(frames[-1].filename).stem}.{frames[-1].name}" if frames else "?"


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-6))[-3000:]
