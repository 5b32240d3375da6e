"""Plotting: a run as figures for a page or a lecture."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.contract import describe_settings
from layerscope.core.errors import DataError, SettingError, SourceError
from layerscope.core.graph import Graph
from layerscope.models.parts import outputs_at
from layerscope.report.figures import codes, curves, journey, kernels
from layerscope.report.figures.journey import Step
from layerscope.report.figures.kernels import Kernel
from layerscope.studies import encoding, reconstruction, runs
from layerscope.studies.images import Images, Part
from layerscope.studies.opened import Opened, PathLike, Wishes, opened
from layerscope.studies.pictured import written

Array = NDArray[Any]
FORMATS = ("png", "svg", "pdf")
POINTS = 2000
"""Validation images whose codes are drawn."""
FORWARD = ("Flatten", "Reshape")
"""Layers that only arrange numbers anew."""


@dataclass
class Pictures:
    """The figures of a run: their folder, and each file by its name without suffix."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict[str, Path])


def plot(
    run: Any,
    *,
    image: int | PathLike = 0,
    out: PathLike | None = None,
    format: str = "png",
    data: PathLike | None = None,
    folder: PathLike | None = None,
    verbose: Any = "auto",
) -> Pictures:
    """Draw a run into a folder (RUN/pictures): curves, filters, activations, codes, reconstructions.

    `run` is a run folder or what `train` returned. `image` is the number of a validation image, from 0, or a
    picture file: its way through all layers is drawn. `format` is "png", "svg" or "pdf"; `data` and `folder`
    name other images than the run's.
    Errors: SourceError for what is no run; SettingError for a format; DataError for images; OutputError.
    """
    if format not in FORMATS:
        raise SettingError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    trained = opened(run)
    found = Pictures(runs.usable(out or trained.folder / runs.DRAWN))
    images = trained.loaded(Wishes(folder, verbose=verbose), data)
    subject, title = _subject(trained, images.test, image)
    for name, draw in _figures(trained, images, subject, title, trained.ink(None, data), verbose):
        found.files[name] = written(found.folder / f"{name}.{format}", draw)
    return found


Draw = Callable[[Path], None]


def _figures(
    trained: Opened, images: Images, subject: Array, title: str, ink: bool, verbose: Any
) -> Iterator[tuple[str, Draw]]:
    """All figures of a run: the name of the file, and what draws it."""
    validation = images.test
    history = trained.folder / runs.HISTORY
    if history.exists():
        epochs, values = _history(history)
        if epochs:
            yield "curves", lambda path: curves.curves(path, epochs, values, trained.recipe.title)
    for name, kernel in _kernels(trained.model.graph, validation.source.shape[1:]):
        yield f"filters-{_plain(name)}", lambda path, kernel=kernel: kernels.kernels(path, kernel)
    steps = _steps(trained, subject)
    yield "activations", lambda path: journey.journey(path, steps, title, ink)
    yield from _codes(trained, images, verbose)
    if trained.recipe.target == "images":
        few = reconstruction.reconstructions(trained.model, validation.shown(10))
        few.ink = ink
        yield "reconstructions", few.save


def _plain(name: str) -> str:
    return re.sub(r"[^\w.#-]+", "-", name)


def _history(path: Path) -> tuple[list[int], dict[str, list[float]]]:
    """Epochs and numbers by name; SourceError for a damaged file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [["epoch"]]
        values = {name: [float(row[n]) for row in rows] for n, name in enumerate(header) if n}
        return [int(row[0]) for row in rows], values
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def _subject(trained: Opened, validation: Part, image: int | PathLike) -> tuple[Array, str]:
    """One image (1, height, width, C), and what the figure of its way is called."""
    if isinstance(image, int | np.integer) or (isinstance(image, str) and re.fullmatch(r"-?[0-9]+", image)):
        number = int(image)
        if not 0 <= number < len(validation):
            raise DataError(
                f"there is no validation image {image}: there are {len(validation):,}, 0 to {len(validation) - 1}"
            )
        name = validation.names[number]
        return validation.array(number, number + 1), f"{name} on its way through {trained.recipe.title}"
    part = trained.own(image)
    return part.array(0, 1), f"{part.names[0]} on its way through {trained.recipe.title}"


def _steps(trained: Opened, subject: Array) -> list[Step]:
    """What each layer puts out for one image: its first output (the values, where switches come along)."""
    graph = trained.model.graph
    numbers = [number for number in range(len(graph.nodes)) if number not in graph.inputs]
    fed = subject.reshape(1, *trained.input_shape)
    found = outputs_at(trained.model, [(number, 0) for number in numbers])(fed)
    outputs = found if isinstance(found, list) else [found]
    (start,) = (graph.nodes[number] for number in graph.inputs)
    steps = [Step(start.label, "input", subject[0], subject.ndim == 4, fed.shape[1:])]
    ends = {node for node, _ in graph.outputs} if trained.recipe.target == "images" else set[int]()
    for number, values in zip(numbers, outputs, strict=True):
        node = graph.nodes[number]
        last = number in ends
        shaped = values[0].reshape(subject.shape[1:]) if last else values[0]
        steps.append(Step(node.label, _about(graph, number), shaped, last and shaped.ndim == 3, values.shape[1:]))
    return steps


def _about(graph: Graph, number: int) -> str:
    layer = graph.nodes[number].layer
    activation = getattr(layer, "activation", None)
    return layer.kind + (f", {activation}" if activation and activation != "linear" else "")


def _kernels(graph: Graph, shape: tuple[int, ...]) -> Iterator[tuple[str, Kernel]]:
    """Each layer's kernels, once: those of convolutions, and of Dense layers that read or write whole images."""
    seen = set[int]()
    for number, node in enumerate(graph.nodes):
        layer = node.layer
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        for variable in layer.weights:
            if "kernel" not in variable.role:
                continue
            values = np.asarray(variable.array, np.float64)
            title = f"{node.label}: {variable.role} {' × '.join(map(str, values.shape))}"
            if values.ndim == 4:
                if "Transpose" in layer.kind:
                    values = values.swapaxes(2, 3)
                first = _arranged(graph, node.inputs[0][0]) in graph.inputs
                yield node.label, Kernel(values, title, describe_settings(layer), first and values.shape[2] == 3)
            elif values.ndim == 2 and len(shape) == 3:
                yield from _dense(graph, number, values, title, shape)


def _dense(
    graph: Graph, number: int, values: Array, title: str, shape: tuple[int, ...]
) -> Iterator[tuple[str, Kernel]]:
    """The rows or columns of a Dense layer's kernel that are images of the network's own size."""
    node, size = graph.nodes[number], int(np.prod(shape))
    about = describe_settings(node.layer)
    height, width, channels = shape
    if values.shape[0] == size and _arranged(graph, node.inputs[0][0]) in graph.inputs:
        images = values.reshape(height, width, channels, -1)
        yield node.label, Kernel(images, title, f"{about}: what each unit looks for", channels == 3, columns="unit")
    elif values.shape[1] == size and number in {_arranged(graph, end) for end, _ in graph.outputs}:
        images = values.reshape(-1, height, width, channels).transpose(1, 2, 3, 0)
        yield node.label, Kernel(images, title, f"{about}: what each number of its input draws", channels == 3,
                                 rows="channel out", columns="number")  # fmt: skip


def _arranged(graph: Graph, number: int) -> int:
    """The node whose numbers these are, before layers that only arrange them anew."""
    while graph.nodes[number].layer.kind in FORWARD:
        number = graph.nodes[number].inputs[0][0]
    return number


def _codes(trained: Opened, images: Images, verbose: Any) -> Iterator[tuple[str, Draw]]:
    """The codes of the first validation images, where the network has a bottleneck and there are a few images."""
    count = min(POINTS, len(images.test))
    place = encoding.narrowest(trained.model.graph)
    if place is None or count < 3:
        return
    found = encoding.encoded(trained, images.test, place, verbose, count)
    shape = " × ".join(map(str, found.codes.shape[1:]))
    about = f"output of {found.layer}, {shape}: {place.numbers:,} numbers an image; {count:,} validation images"
    title = f"Codes of {trained.recipe.title}"
    yield "codes", lambda path: codes.codes(path, found.flat, found.labels, images.classes, title, about)
