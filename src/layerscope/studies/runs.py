"""A run folder: the trained model, its settings and its history."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layerscope.callbacks import Callback
from layerscope.core.errors import OutputError, SourceError
from layerscope.core.files import replacing, why

PICTURES = (".png", ".svg", ".pdf")
MODEL, SETTINGS, HISTORY = "model.npz", "settings.json", "history.csv"


@dataclass
class Recipe:
    """What was trained, on what, and how."""

    network: str
    data: str
    folder: str | None
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    loss: str
    seed: int
    target: str
    versions: dict[str, str] | None = None
    size: str | None = None
    fit: str = "crop"
    colour: str = "auto"


def versions() -> dict[str, str]:
    """Versions of what computes."""
    import numpy

    from layerscope import __version__

    return {"layerscope": __version__, "numpy": numpy.__version__, "python": platform.python_version()}


def prepare(folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """The folder, made and shown to be writable; OutputError otherwise, or when a run is in it."""
    path = Path(folder)
    if (path / MODEL).exists() and not overwrite:
        raise OutputError(f"{path} holds a run already; choose another folder, or --overwrite it")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into {path}: {why(error)}") from None
    return path


def writable(path: str | os.PathLike[str], suffixes: Sequence[str] = PICTURES, what: str = "a picture") -> Path:
    """The path of a file to write, whose folder is shown to be writable; OutputError otherwise."""
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file")
    if target.suffix.lower() not in ("", *suffixes):
        kinds = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        raise OutputError(f"cannot write {target}: {what} is a {kinds} file")
    existed = target.exists()
    try:
        with open(target, "ab"):
            pass
        if not existed:
            target.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {target}: {why(error)}") from None
    return target


class Keeper(Callback):
    """Writes model and history after every epoch, so that nothing is lost when the run is ended."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder, self.recipe = folder, recipe

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        with self._writing():
            # What an earlier run left in the folder would not belong to these settings.
            for name in (MODEL, HISTORY):
                (self.folder / name).unlink(missing_ok=True)
        with replacing(self.folder / SETTINGS) as aside:
            aside.write_text(json.dumps(asdict(self.recipe), indent=2, ensure_ascii=False) + "\n", "utf-8")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        path, values = self.folder / HISTORY, dict(logs or {})
        with self._writing():
            fresh = not path.exists()
            with open(path, "a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(["epoch", *values])
                writer.writerow([epoch + 1, *values.values()])
        self.model.save(self.folder / MODEL)

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write into {self.folder}: {why(error)}") from None

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self.model.save(self.folder / MODEL)


def recipe(folder: str | os.PathLike[str]) -> Recipe:
    """The recipe of a run folder; SourceError when it is none."""
    path = Path(folder)
    if not path.is_dir():
        raise SourceError(f"{path}: there is no such run folder; layerscope train makes one")
    try:
        data: dict[str, Any] = json.loads((path / SETTINGS).read_text("utf-8"))
        return Recipe(**data)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(f"{path} is not a run folder: {SETTINGS} cannot be read ({error})") from None
