"""A run folder: everything about one training, in files that explain themselves.

| file | what it holds |
|---|---|
| `README.md` | what was trained on what, the data's journey, how to go on |
| `settings.json` | the recipe: data, network, optimizer, seed, threads, versions |
| `network.json` | the graph, without weights, as `layerscope trace` reads it |
| `model.npz` | graph, weights and training state after the last epoch, or where Ctrl-C stopped it |
| `checkpoint.npz` | only when that was within an epoch: the end of the epoch before, from which it resumes |
| `history.csv` | losses and metrics of each epoch |
| `report.html` | all of it as one page: curves, reconstructions, epochs, the network's journey |
| `pictures/` | what was drawn of it |

Each file takes its place when it is complete, so a kill at any moment leaves a run that can be resumed.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.callbacks import Callback
from layerscope.core import files
from layerscope.core.errors import OutputError, SourceError
from layerscope.core.files import replacing, why

if TYPE_CHECKING:
    from layerscope.models import Model

PICTURES = (".png", ".svg", ".pdf")
MODEL, SETTINGS, HISTORY = "model.npz", "settings.json", "history.csv"
CHECKPOINT, NETWORK, ABOUT, DRAWN = "checkpoint.npz", "network.json", "README.md", "pictures"
REPORT = "report.html"
FILES = (MODEL, CHECKPOINT, SETTINGS, HISTORY, NETWORK, ABOUT, REPORT, DRAWN)
FIGURES = ("curves", "filters-*", "activations", "codes", "reconstructions")
LEFT = [f".{name}.*.tmp" for name in (MODEL, SETTINGS, HISTORY, CHECKPOINT, NETWORK, ABOUT, REPORT, "writable")]
LEFT.append(f"{DRAWN}/.*.tmp*")


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
    threads: int | None = None
    images: dict[str, list[int]] | None = None
    """Shapes of the images to train and to test, by which other data are noticed."""
    checksum: str | None = None
    """That of the images to train on, by which changed ones are noticed (`parts.checksum`)."""
    size: str | None = None
    fit: str = "crop"
    colour: str = "auto"

    @property
    def title(self) -> str:
        """Network and data as pictures name them."""
        network = self.network if len(self.network) <= 60 else self.network[:57] + "…"
        return f"{network} on {Path(self.data).name if os.sep in self.data else self.data}"


def versions() -> dict[str, str]:
    """Versions of what computes."""
    import numpy

    from layerscope import __version__

    return {"layerscope": __version__, "numpy": numpy.__version__, "python": platform.python_version()}


def prepare(folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """The folder of a run, made and shown to be writable.

    Errors: OutputError when that cannot be done, when a run is in it, or files of something else than a run that have
    the names of a run's.
    """
    path = Path(folder)
    found = held(path)
    if found and not _is_run(path):
        names = ", ".join(found)
        raise OutputError(
            f"{path} is no run folder, but holds {names}, which a run would replace; choose another folder"
        )
    if {MODEL, CHECKPOINT} & set(found) and not overwrite:
        raise OutputError(f"{path} holds a run already; choose another folder, or --overwrite it")
    return usable(path)


def held(path: Path) -> list[str]:
    """The names of a run's files that a folder has; OutputError for a path that cannot be one."""
    try:
        return [name for name in FILES if (path / name).exists()]
    except OSError as error:
        raise OutputError(f"cannot write into {path}: {why(error)}") from None


def _is_run(path: Path) -> bool:
    try:
        recipe(path)
    except SourceError:
        return False
    return True


def usable(folder: str | os.PathLike[str]) -> Path:
    """A folder, made and shown to be writable, whatever is in it; OutputError otherwise."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable.{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into {path}: {why(error)}") from None
    return path


def writable(path: str | os.PathLike[str], suffixes: Sequence[str] = PICTURES, what: str = "a picture") -> Path:
    """The path of a file to write, shown to be writable; OutputError as in `core.files.writable`."""
    return files.writable(path, suffixes, what)


class Keeper(Callback):
    """Writes the run's files: what is known at once, model and history after every epoch."""

    def __init__(self, folder: Path, recipe: Recipe, resumed: bool = False) -> None:
        self.folder, self.recipe, self.resumed = folder, recipe, resumed

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        with self._writing():
            for pattern in LEFT:  # by a kill while it was written
                for left in self.folder.glob(pattern):
                    left.unlink(missing_ok=True)
            if not self.resumed:  # what an earlier run left in the folder would not belong to these settings
                for name in (CHECKPOINT, HISTORY, REPORT):
                    (self.folder / name).unlink(missing_ok=True)
                for name in FIGURES:
                    for picture in (self.folder / DRAWN).glob(f"{name}.*"):
                        if picture.suffix in PICTURES:
                            picture.unlink()
        self._explain()
        if self.resumed:
            self._history()
        else:
            self.model.save(self.folder / MODEL)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.model.save(self.folder / MODEL)
        with self._writing():
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
        self._history()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        if self.model.position is None:  # stopped within an epoch
            if not (self.folder / CHECKPOINT).exists():
                with replacing(self.folder / CHECKPOINT) as aside:
                    shutil.copyfile(self.folder / MODEL, aside)
            self.model.save(self.folder / MODEL)
        self._explain()

    def _history(self) -> None:
        history = self.model.history
        with replacing(self.folder / HISTORY) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *history.history])
            writer.writerows(zip((n + 1 for n in history.epoch), *history.history.values(), strict=True))

    def _explain(self) -> None:
        write(self.folder / SETTINGS, json.dumps(asdict(self.recipe), indent=2, ensure_ascii=False) + "\n")
        write(self.folder / NETWORK, self.model.to_json() + "\n")
        write(self.folder / ABOUT, about(self.recipe, self.model))

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write into {self.folder}: {why(error)}") from None


def write(path: Path, text: str) -> None:
    """Write a text file in one piece; OutputError when that cannot be done."""
    with replacing(path) as aside:
        aside.write_text(text, "utf-8")


def about(recipe: Recipe, model: Model) -> str:
    """A run's README: Markdown that says what this is and how to go on."""
    from layerscope import tracing

    history = model.history
    done = 0 if history is None else len(history.epoch)
    last = {} if history is None else {name: values[-1] for name, values in history.history.items() if values}
    images = recipe.images or {}
    counts = ", ".join(f"{shape[0]:,} to {part}" for part, shape in images.items())
    reached = ", ".join(f"{name} {value:.5g}" for name, value in last.items()) or "nothing yet"
    lines = [
        f"# {recipe.network}",
        "",
        f"Trained by Layerscope on the {recipe.target} of `{recipe.data}`{f' ({counts})' if counts else ''}: "
        f"{done} of {recipe.epochs} epochs, batches of {recipe.batch_size}, {recipe.optimizer} at "
        f"{recipe.learning_rate:g}, {recipe.loss}, seed {recipe.seed}.",
        "",
        f"After epoch {done}: {reached}.",
        "",
        "```",
        tracing.trace(model.graph).render(width=110, colour=False),
        "```",
        "",
        "Files: `settings.json` (the recipe), `network.json` (the graph: `layerscope trace network.json`), "
        "`model.npz` (graph, weights, training state; `layerscope.load_model`), `history.csv` (each epoch), "
        "`report.html` (all of it as one page), `pictures/`. "
        "`checkpoint.npz` is there when training stopped within an epoch.",
        "",
        "    layerscope train --resume .          # go on, to the same result as without the stop",
    ]
    if recipe.target == "images":
        lines.append("    layerscope reconstruct . -o ten.png  # test images over what the network makes of them")
    computed = ", ".join(f"{name} {version}" for name, version in (recipe.versions or {}).items())
    return "\n".join([*lines, "", f"Computed with {computed} on {recipe.threads} threads.", ""])


def recipe(folder: str | os.PathLike[str]) -> Recipe:
    """The recipe of a run folder; SourceError when it is none."""
    if not isinstance(folder, str | os.PathLike):
        raise SourceError(f"the path of a run folder is needed, not {type(folder).__name__}")
    path = Path(folder)
    if not path.is_dir():
        raise SourceError(f"{path}: there is no such run folder; layerscope train makes one")
    try:
        data: dict[str, Any] = json.loads((path / SETTINGS).read_text("utf-8"))
        return Recipe(**data)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(f"{path} is not a run folder: {SETTINGS} cannot be read ({error})") from None
