"""Training a network on images into a run folder."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from layerscope import losses, optimizers, sources
from layerscope.callbacks import Callback, History
from layerscope.core import propagate, sizes
from layerscope.core.errors import DataError, SettingError, ShapeError, SourceError
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.models import Model, engines, load_model
from layerscope.models.data import flatten_advice
from layerscope.report.figures import curves
from layerscope.studies import keeping, parts, reporting, runs
from layerscope.studies.images import Images, Part, is_path, load_images
from layerscope.studies.pictured import written
from layerscope.studies.reconstruction import reconstructions
from layerscope.studies.runs import Recipe
from layerscope.utils import set_random_seed

Array = NDArray[Any]


@dataclass
class Run:
    """A trained model with its history, and the folder that holds both."""

    model: Model
    history: History
    folder: Path
    recipe: Recipe

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the run's report as the file's ending says: .html, .md, .tex, .csv, .json or .txt.

        Errors: OutputError for another ending, or where it cannot be written.
        """
        reporting.write(self, reporting.reported(path))


def _fit_input(graph: Graph, shape: Sequence[int], data: str) -> TensorType:
    types = propagate.types(graph)
    wanted, (node, number) = types[graph.inputs[0]][0], graph.outputs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise SettingError("train takes networks of one input and one output; use Model.fit for others")
    parts.agree(shape, [size if isinstance(size, int) else None for size in wanted.shape[1:]], data)
    return types[node][number]


def _targets(
    graph: Graph, output: TensorType, loss: str | None, images: Images, data: str
) -> tuple[str, losses.Loss]:
    """What is learned ("images" or "labels"), and the loss; without a last softmax, of logits."""
    node = graph.nodes[graph.outputs[0][0]].layer
    activation = getattr(node, "activation", None)
    again = sizes.product(output.shape[1:]) == math.prod(images.shape)
    if loss is None:
        if again:
            loss = "binary_crossentropy" if activation == "sigmoid" else "mean_squared_error"
        else:
            loss = "sparse_categorical_crossentropy"
    found = losses.get(loss)
    if found.target_type(output).rank < output.rank:
        if output.rank != 2:
            raise losses.mismatch(found, (0,), output, flatten_advice(graph))
        if images.train.labels is None:
            raise DataError(
                f"the output {show(output.shape[1:])} is no image of {show(images.shape)}, so it is to learn labels, "
                f"but {data} has none. Put the images of each class into a folder of its own (docs/images.md), or "
                "end the network with as many numbers as it starts with."
            )
        if isinstance(found, losses.SparseCategoricalCrossentropy):
            found = replace(found, from_logits=activation in (None, "linear"))
        return "labels", found
    if not again:
        raise DataError(
            f"{found.name} compares the output with the images, but the output is {show(output.shape[1:])} "
            f"and an image {show(images.shape)}. For labels (0 to {len(images.classes) - 1}) use "
            "--loss sparse_categorical_crossentropy."
        )
    return "images", found


def train(
    what: Any,
    data: str | os.PathLike[str] = "mnist",
    *,
    folder: str | os.PathLike[str] | None = None,
    size: str | int | Sequence[int] | None = None,
    fit: str = "crop",
    colour: str = "auto",
    epochs: int = 10,
    batch_size: int = 256,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    loss: str | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    verbose: Any = "auto",
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train a network on a data set; the run folder holds the model after every epoch.

    `what` is anything that `trace` takes; `data`, `folder`, `size`, `fit` and `colour` are as in
    `images.load_images`: a known data set, a folder of images, or a .npz or .npy file. An output as large as the
    input learns the images themselves, another one the labels. Ctrl-C ends it with all so far kept.
    Errors: DataError and ShapeError when network, data and loss do not fit; OutputError for a folder that cannot be
    written, or holds a run or something else.
    """
    _seeded(seed, epochs, batch_size)
    graph = sources.read(what)
    chosen = optimizers.get(optimizer or "adadelta", learning_rate)
    images = _images(graph, data, folder, size, fit, colour, verbose)
    work = _work(graph, images, os.fspath(data), loss)
    model = _compiled(graph, chosen, work)
    place = runs.prepare(out or _free(graph.name, data), overwrite)
    told = Recipe(
        network=what if isinstance(what, str) else graph.name,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=type(chosen).__name__.lower(),
        learning_rate=chosen.rate(1),
        loss=work.loss.key,
        seed=int(seed),
        target=work.target,
        versions=runs.versions(),
        threads=engines.threads(),
        images=work.shapes,
        checksum=work.checksum,
        **_read_again(images, data, folder, size, fit, colour),
    )
    return _fit(model, work, place, told, verbose, callbacks, resume=False)


def _seeded(seed: int, epochs: int, batch_size: int) -> None:
    """Check the numbers before anything is read or made; from here on all is repeatable."""
    sizes.checked(epochs, "epochs")
    sizes.checked(batch_size, "batch_size")
    set_random_seed(sizes.checked(seed, "seed", 0))


def _compiled(graph: Graph, chosen: optimizers.Optimizer, work: _Work) -> Model:
    model = Model.from_graph(graph)
    metrics = ["accuracy"] if work.target == "labels" else None
    model.compile(chosen, work.loss, metrics=metrics, threads=engines.threads())
    return model


def resume(
    run: str | os.PathLike[str],
    epochs: int | None = None,
    *,
    verbose: Any = "auto",
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Go on with a run that was stopped or killed, to the same bits as if it had not been.

    It starts behind the last epoch that was finished; `epochs` is a new total instead of the run's. A run
    that has them all is given back as it is.
    Errors: SourceError for what is no run folder; DataError when the data set is not what it was.
    """
    told, place = runs.recipe(run), Path(run)
    wanted = told.epochs if epochs is None else sizes.checked(epochs, "epochs")
    kept = place / runs.CHECKPOINT
    model = load_model(kept if kept.exists() else place / runs.MODEL)
    if model.position is None:
        raise SourceError(f"{place / runs.MODEL} does not say where training stood, so it cannot go on from there")
    if wanted < model.position.epoch:
        raise SettingError(f"{place} has {model.position.epoch} epochs already, more than {wanted}; ask for more")
    told.epochs = wanted
    images = _images(model.graph, told.data, told.folder, told.size, told.fit, told.colour, verbose)
    work = _work(model.graph, images, told.data, told.loss)
    if told.images is not None and work.shapes != told.images:
        was, are = (
            ", ".join(f"{shape[0]} of {show(tuple(shape[1:]))} to {part}" for part, shape in shapes.items())
            for shapes in (told.images, work.shapes)
        )
        raise DataError(f"the images of {told.data} are not what the run was trained on. Then: {was}; now: {are}")
    if told.checksum is not None and work.checksum != told.checksum:
        raise DataError(
            f"the images of {told.data} have changed since the run was trained on them; "
            "train a new run, or put them back"
        )
    model.threads = told.threads
    told.versions = runs.versions()
    return _fit(model, work, runs.prepare(place, overwrite=True), told, verbose, callbacks, resume=True)


def _fit(
    model: Model,
    work: _Work,
    place: Path,
    told: Recipe,
    verbose: Any,
    callbacks: Sequence[Callback],
    resume: bool,
) -> Run:
    keeping = [runs.Keeper(place, told, resume), *callbacks]
    settings = {"verbose": verbose, "callbacks": keeping, "validation_data": work.test, "resume": resume}
    history = model.fit(*work.train, told.batch_size, told.epochs, **settings)
    done = Run(model, history, place, told)
    if history.epoch:
        _draw(model, work, place / runs.DRAWN, told, history)
        reporting.write(done, place / runs.REPORT)
    return done


def _draw(model: Model, work: _Work, folder: Path, told: Recipe, history: History) -> None:
    """The pictures of a finished run; `layerscope plot` makes more."""
    epochs = [epoch + 1 for epoch in history.epoch]
    written(folder / "curves.png", lambda path: curves.curves(path, epochs, history.history, told.title))
    if told.target == "images":
        found = reconstructions(model, work.shown)
        found.ink = not work.own
        found.save(folder / "reconstructions.png")


@dataclass
class _Work:
    """Arrays or sources in the shapes of a network's input and output, what it learns, and by which loss."""

    train: tuple[Any, Any]
    test: tuple[Any, Any]
    target: str
    loss: losses.Loss
    shown: Array
    own: bool
    """Whether they are somebody's own images, not a known data set."""
    checksum: str

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shapes of the images to train and to test."""
        return {"train": list(self.train[0].shape), "test": list(self.test[0].shape)}


def _images(
    graph: Graph,
    data: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None,
    size: str | int | Sequence[int] | None,
    fit: str,
    colour: str,
    verbose: Any,
) -> Images:
    """The images, told of what the network takes; says what was found where they are somebody's own."""
    wanted = propagate.types(graph)[graph.inputs[0]][0].shape[1:]
    images = load_images(data, folder, size=size, fit=fit, colour=colour, wanted=wanted, verbose=verbose)
    if is_path(data) and verbose not in (0, False):
        print(images.description, flush=True)
    return images


def _read_again(
    images: Images,
    data: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None,
    size: str | int | Sequence[int] | None,
    fit: str,
    colour: str,
) -> dict[str, Any]:
    """The settings by which the same images are read again, from anywhere, whatever comes to lie in the folder."""
    told = {"data": str(data), "folder": None if folder is None else os.fspath(folder), "fit": fit, "colour": colour}
    if is_path(data):
        told["data"] = os.path.abspath(data)
        if len(images.shape) == 3:
            told["colour"] = {1: "grey", 3: "rgb"}.get(images.shape[2], colour)
            size = images.shape[:2]
    return {**told, "size": None if size is None else parts.written(parts.pair(size))}


def _work(graph: Graph, images: Images, data: str, loss: str | None) -> _Work:
    output = _fit_input(graph, images.shape, data)
    target, found = _targets(graph, output, loss, images, data)
    shape = _sizes(propagate.types(graph)[graph.inputs[0]][0])

    def pair(part: Part) -> tuple[Any, Any]:
        x = keeping.handed(part.source)
        goal = part.labels if target == "labels" else x.reshape(len(part), *_sizes(output))
        return x.reshape(len(part), *shape), goal

    fed = pair(images.train), pair(images.test)
    return _Work(*fed, target, found, images.test.shown(10), is_path(data), parts.checksum(images.train))


def _sizes(type: TensorType) -> tuple[int, ...]:
    """The sizes of one example, which must be known."""
    if not all(isinstance(size, int) for size in type.shape[1:]):
        raise ShapeError(f"training needs sizes that are numbers, but a tensor is {type}")
    return tuple(int(size) for size in type.shape[1:] if isinstance(size, int))


def _free(name: str, data: str | os.PathLike[str]) -> Path:
    """runs/NAME-DATA, or the next that is free."""
    base = Path("runs") / f"{name}-{Path(os.path.abspath(data)).stem if is_path(data) else data}"
    path, number = base, 2
    while runs.held(path):
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path
