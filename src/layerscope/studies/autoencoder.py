"""Training a network on a known data set into a run folder."""

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
from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.models import Model
from layerscope.models.data import flatten_advice
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
    model = Model.from_graph(graph)
    model.compile(chosen, work.loss, metrics=["accuracy"] if work.target == "labels" else None)
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
    )
    keeping = [runs.Keeper(place, told), *callbacks]
    history = model.fit(
        *work.train, batch_size, epochs, verbose=verbose, callbacks=keeping, validation_data=work.test
    )
    return Run(model, history, place, told)


@dataclass
class _Work:
    """Arrays in the shapes of a network's input and output, what it learns, and by which loss."""

    train: tuple[Array, Array]
    test: tuple[Array, Array]
    target: str
    loss: losses.Loss


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
        return _Work((fed, labels), (fed_test, labels_test), target, name)
    goal = _sizes(output)
    return _Work((fed, x.reshape(-1, *goal)), (fed_test, x_test.reshape(-1, *goal)), target, name)


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
