"""Training a network on a known data set into a run folder, and looking at reconstructions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import datasets, losses, optimizers, sources
from layerscope.callbacks import Callback, History
from layerscope.core import propagate, sizes
from layerscope.core.errors import DataError, SettingError, ShapeError, SourceError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.models import Model, engines, load_model
from layerscope.models.data import flatten_advice
from layerscope.report import pictures
from layerscope.studies import runs
from layerscope.studies.runs import Recipe
from layerscope.utils import set_random_seed

Array = NDArray[Any]
Split = tuple[tuple[Array, Array], tuple[Array, Array]]


@dataclass
class Run:
    """A trained model with its history, and the folder that holds both."""

    model: Model
    history: History
    folder: Path
    recipe: Recipe


def load_images(data: str, folder: str | os.PathLike[str] | None = None) -> Split:
    """A data set with pixels in 0 … 1 and a channel axis: (x, labels) to train and to test."""
    pair = datasets.load(data, folder)
    (x, y), (x_test, y_test) = pair
    return (_scaled(x), y), (_scaled(x_test), y_test)


def _scaled(images: Array) -> Array:
    return images[..., None].astype(np.float32) / 255


def _fit_input(graph: Graph, images: Array, data: str) -> TensorType:
    types = propagate.types(graph)
    wanted, (node, number) = types[graph.inputs[0]][0], graph.outputs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise SettingError("train takes networks of one input and one output; use Model.fit for others")
    if tuple(images.shape[1:]) != wanted.shape[1:] and images[0].size != sizes.product(wanted.shape[1:]):
        raise DataError(
            f"the network takes {show(wanted.shape[1:])}, but the images of {data} are {show(images.shape[1:])}. "
            f"Start the network with {'x'.join(map(str, images.shape[1:]))}."
        )
    return types[node][number]


def _targets(graph: Graph, output: TensorType, loss: str | None, x: Array, classes: int) -> tuple[str, losses.Loss]:
    """What is learned ("images" or "labels"), and the loss; without a last softmax, of logits."""
    node = graph.nodes[graph.outputs[0][0]].layer
    activation = getattr(node, "activation", None)
    again = sizes.product(output.shape[1:]) == x[0].size
    if loss is None:
        if again:
            loss = "binary_crossentropy" if activation == "sigmoid" else "mean_squared_error"
        else:
            loss = "sparse_categorical_crossentropy"
    found = losses.get(loss)
    if isinstance(found, losses.SparseCategoricalCrossentropy):
        if output.rank != 2:
            raise losses.mismatch(found, (0,), output, flatten_advice(graph))
        return "labels", type(found)(from_logits=activation in (None, "linear"))
    if not again:
        raise DataError(
            f"{found.name} compares the output with the images, but the output is {show(output.shape[1:])} "
            f"and an image {show(x.shape[1:])}. For labels (0 to {classes - 1}) use "
            "--loss sparse_categorical_crossentropy."
        )
    return "images", found


def train(
    what: Any,
    data: str = "mnist",
    *,
    folder: str | os.PathLike[str] | None = None,
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

    `what` is anything that `trace` takes. An output as large as the input learns the images
    themselves, another one the labels. Ctrl-C ends it with everything so far kept.
    Errors: DataError and ShapeError when network, data and loss do not fit; OutputError for a
    folder that cannot be written or holds a run.
    """
    set_random_seed(seed)
    graph = sources.read(what)
    chosen = _optimizer(optimizer, learning_rate)
    work = _work(graph, data, folder, loss)
    place = runs.prepare(out or _free(graph.name, data), overwrite)
    told = Recipe(
        network=what if isinstance(what, str) else graph.name,
        data=data,
        folder=None if folder is None else os.fspath(folder),
        epochs=epochs,
        batch_size=batch_size,
        optimizer=type(chosen).__name__.lower(),
        learning_rate=chosen.learning_rate,
        loss=work.loss.name,
        seed=seed,
        target=work.target,
        versions=runs.versions(),
        threads=engines.threads(),
        images=work.shapes,
    )
    model = Model.from_graph(graph)
    model.compile(chosen, work.loss, metrics=["accuracy"] if work.target == "labels" else None, threads=told.threads)
    return _fit(model, work, place, told, verbose, callbacks, resume=False)


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
    if epochs is not None:
        told.epochs = sizes.checked(epochs, "epochs")
    kept = place / runs.CHECKPOINT
    model = load_model(kept if kept.exists() else place / runs.MODEL)
    if model.position is None:
        raise SourceError(f"{place / runs.MODEL} does not say where training stood, so it cannot go on from there")
    work = _work(model.graph, told.data, told.folder, told.loss)
    if told.images is not None and work.shapes != told.images:
        was, are = (
            ", ".join(f"{shape[0]} of {show(tuple(shape[1:]))} to {part}" for part, shape in shapes.items())
            for shapes in (told.images, work.shapes)
        )
        raise DataError(f"the images of {told.data} are not what the run was trained on. Then: {was}; now: {are}")
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
    if told.target == "images" and history.epoch:
        reconstructions(model, work.shown).save(place / runs.DRAWN / "reconstructions.png")
    return Run(model, history, place, told)


@dataclass
class _Work:
    """Arrays in the shapes of a network's input and output, what it learns, and by which loss."""

    train: tuple[Array, Array]
    test: tuple[Array, Array]
    target: str
    loss: losses.Loss
    shown: Array

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shapes of the images to train and to test."""
        return {"train": list(self.train[0].shape), "test": list(self.test[0].shape)}


def _optimizer(name: str | None, learning_rate: float | None) -> optimizers.Optimizer:
    chosen = optimizers.get(name or "adadelta")
    if learning_rate is None:
        return chosen
    return type(chosen)(**{**chosen.to_json()["settings"], "learning_rate": learning_rate})


def _work(graph: Graph, data: str, folder: str | os.PathLike[str] | None, loss: str | None) -> _Work:
    (x, labels), (x_test, labels_test) = load_images(data, folder)
    output = _fit_input(graph, x, data)
    target, name = _targets(graph, output, loss, x, int(labels.max()) + 1)
    shape = _sizes(propagate.types(graph)[graph.inputs[0]][0])
    fed, fed_test = x.reshape(-1, *shape), x_test.reshape(-1, *shape)
    if target == "labels":
        return _Work((fed, labels), (fed_test, labels_test), target, name, x_test[:10])
    goal = _sizes(output)
    return _Work((fed, x.reshape(-1, *goal)), (fed_test, x_test.reshape(-1, *goal)), target, name, x_test[:10])


def _sizes(type: TensorType) -> tuple[int, ...]:
    """The sizes of one example, which must be known."""
    if not all(isinstance(size, int) for size in type.shape[1:]):
        raise ShapeError(f"training needs sizes that are numbers, but a tensor is {type}")
    return tuple(int(size) for size in type.shape[1:] if isinstance(size, int))


def _free(name: str, data: str) -> Path:
    """runs/NAME-DATA, or the next that is free."""
    base = Path("runs") / f"{name}-{data}"
    path, number = base, 2
    while (path / runs.MODEL).exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


@dataclass
class Reconstructions:
    """Test images beside what the network makes of them, and the error of each."""

    originals: Array
    restored: Array
    errors: Array

    @property
    def rows(self) -> list[tuple[str, Array]]:
        return [("originals", self.originals), ("reconstructions", self.restored)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the numbers under it are mean squared errors."""
        with replacing(path) as aside:
            named = aside.with_suffix(Path(path).suffix or ".png")
            pictures.figure(self.rows, named, [f"{error:.4f}" for error in self.errors])
            os.replace(named, aside)

    def terminal(self, width: int, colour: bool) -> str:
        """The same as text."""
        return pictures.terminal(self.rows, width, colour)


def reconstruct(
    run: str | os.PathLike[str],
    count: int = 10,
    data: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Reconstructions:
    """The first test images of the run's data set (or of `data`), and their reconstructions.

    Errors: SourceError for what is no run folder; DataError when the network does not give images back.
    """
    recipe = runs.recipe(run)
    count = sizes.checked(count, "count")
    if recipe.target != "images":
        raise DataError(f"{run} learned labels, so there is nothing to reconstruct")
    model = load_model(Path(run) / runs.MODEL)
    _, (images, _) = load_images(data or recipe.data, folder or recipe.folder)
    return reconstructions(model, images[:count])


def reconstructions(model: Model, images: Array) -> Reconstructions:
    """What a model makes of images of its own size."""
    shape = _sizes(model.input_types[0])
    if images[0].size != int(np.prod(shape)):
        raise DataError(f"the network takes {show(shape)}, but the images are {show(images.shape[1:])}")
    restored = model.predict(images.reshape(-1, *shape)).reshape(images.shape)
    errors = np.square(images - restored).reshape(len(images), -1).mean(axis=1)
    return Reconstructions(images, restored, errors)
