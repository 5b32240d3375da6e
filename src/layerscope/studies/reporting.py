"""A run as a report: what was trained and how, curves, reconstructions, each epoch, the network's journey."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope import tracing
from layerscope.core.errors import OutputError
from layerscope.core.types import show
from layerscope.report import files
from layerscope.report.document import Column, Document, TableRow
from layerscope.report.scenes import Curves, Line, Picture, Scene
from layerscope.studies import runs
from layerscope.studies.runs import Recipe
from layerscope.telling import describe

if TYPE_CHECKING:
    from layerscope.studies.autoencoder import Run

PREFIX = "val_"
RISING = ("accuracy",)
"""Metrics of which large is good."""
TABLES = (".html", ".md", ".tex", ".csv", ".json", ".txt")


def reported(path: str | os.PathLike[str]) -> Path:
    """The path of a run's report, shown to be writable before anything is trained.

    Errors: OutputError for an ending that no table has, or a place that cannot be written.
    """
    if not Path(path).suffix:  # as where the folder of the run is meant
        try:
            return runs.writable(path, TABLES, "a run's report")
        except OutputError as error:
            raise OutputError(f"{error} (the folder of the run is --out)") from None
    return runs.writable(path, TABLES, "a run's report")


def document(run: Run) -> Document:
    """What is said of a run; its network's journey is a further table below."""
    history = run.history
    graph = run.model.graph
    epochs = [epoch + 1 for epoch in history.epoch]
    names = list(history.history)
    found = tracing.trace(graph)
    return Document(
        title=run.recipe.title,
        subtitle=f"{len(epochs):,} of {run.recipe.epochs:,} epochs",
        columns=[Column("epoch", "epoch", right=True), *(Column(name, name, right=True) for name in names)],
        rows=[
            TableRow({"epoch": str(epoch), **{name: f"{history.history[name][at]:#.6g}" for name in names}})
            for at, epoch in enumerate(epochs)
        ],
        totals=totals(run.recipe, history.history),
        notes=[],
        definitions=[],
        data=lambda: {"settings": asdict(run.recipe), "epochs": epochs, "history": _listed(history.history)},
        records=lambda: [
            {"epoch": epoch, **{name: history.history[name][at] for name in names}} for at, epoch in enumerate(epochs)
        ],
        scenes=lambda: [*panels(epochs, history.history), *_pictures(run.folder)],
        parts=[describe(graph, found.journey)],
        heading="Epochs",
    )


def _listed(history: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: list(values) for name, values in history.items()}


def totals(recipe: Recipe, history: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    """How a run was made, and what it reached."""
    shapes = recipe.images or {}
    counts = ", ".join(f"{shape[0]:,} to {part}" for part, shape in shapes.items())
    sizes = next((show(tuple(shape[1:])) for shape in shapes.values()), "")
    told = [
        ("network", recipe.network),
        ("images", f"{recipe.data}: {counts}, each {sizes}" if counts else recipe.data),
        (
            "training",
            f"batches of {recipe.batch_size:,}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.loss} of the "
            f"{recipe.target}",
        ),
        ("seed", str(recipe.seed)),
    ]
    reached = ", ".join(f"{name} {values[-1]:.5g}" for name, values in history.items() if values)
    versions = ", ".join(f"{name} {version}" for name, version in (recipe.versions or {}).items())
    return [
        *told,
        *([("reached", reached)] if reached else []),
        *([("computed with", f"{versions}; {recipe.threads} threads")] if versions else []),
    ]


def panels(epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> list[Curves]:
    """One panel for each loss or metric, with its validation beside it."""
    if not epochs:
        return []
    found: list[Curves] = []
    for name, values in history.items():
        if name.startswith(PREFIX) and name[len(PREFIX) :] in history:
            continue
        lines = [Line("training", list(values))]
        if PREFIX + name in history:
            lines.append(Line("validation", list(history[PREFIX + name])))
        rising = any(word in name for word in RISING)
        found.append(Curves(name.replace("_", " "), list(epochs), lines, lines[-1].name, rising))
    return found


def _pictures(folder: Path) -> list[Scene]:
    """The reconstructions, where they were drawn."""
    path = folder / runs.DRAWN / "reconstructions.png"
    if not path.is_file():
        return []
    words = "Test images, what the network makes of them, and where these differ"
    return [Picture("Reconstructions of test images", words, path.read_bytes())]


def write(run: Run, path: str | os.PathLike[str]) -> None:
    """Write a run's report as the file's ending says; OutputError when it cannot."""
    files.write(document(run), path)
