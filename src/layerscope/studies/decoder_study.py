"""One encoder, several decoders, the same budget: trained run by run into a folder that can be taken up again."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers, losses, optimizers, sources
from layerscope.analyses.cost import cost
from layerscope.callbacks import Callback
from layerscope.core import propagate
from layerscope.core.errors import DataError, GraphError, NotFiniteError, SettingError, UnknownNameError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked, numbers
from layerscope.core.types import show
from layerscope.layers import layer_class
from layerscope.models import Model, load_model
from layerscope.sources import json as graph_json
from layerscope.studies import mirror, runs
from layerscope.studies.checkerboard import checkerboard
from layerscope.studies.comparison import PCA, Comparison, Pictures, Result, Row
from layerscope.studies.decoders import USUAL, WAYS, autoencoder
from layerscope.studies.images import Images, load_images
from layerscope.studies.pca import Linear, principal_components
from layerscope.studies.steps import Steps
from layerscope.studies.study_folder import RESULT, Plan, emptied, fingerprint, kept, opened

Array = NDArray[Any]
ENCODER = (
    "conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | "
    "conv 4 3 same relu | maxpool 2 same as code"
)
"""That of the document's autoencoder; the image's size goes before it."""
FOUND, PICTURE = "decoders.json", "decoders.png"
SHOWN = 8
"""Images in the picture."""


def compare_decoders(
    data: str | os.PathLike[str] = "mnist",
    *,
    encoder: Any = ENCODER,
    decoders: str | Sequence[str] | None = None,
    seeds: int = 3,
    folder: str | os.PathLike[str] | None = None,
    epochs: int = 10,
    batch_size: int = 256,
    optimizer: str = "adam",
    learning_rate: float | None = None,
    loss: str = "binary_crossentropy",
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    verbose: Any = "auto",
    stream: Any = None,
    **images: Any,
) -> Comparison:
    """Train one encoder with one decoder for each way of enlarging, and compare what they give back.

    `encoder` is anything that `trace` takes, or a line of text without the image's size; `decoders` names some of
    `decoders.WAYS` (a list, or separated by commas); seeds are 0 … seeds - 1. For a given seed all decoders start
    with the same weights of the encoder, and of their own convolutions where the shapes are the same, and see the
    same batches in the same order. `images` are settings of `studies.images.load_images`: size, fit, colour.

    The folder holds one run for each decoder and seed, which `reconstruct` reads, and at the end decoders.json and
    decoders.png. The same call again goes on where it was stopped; more seeds or decoders are added to what is there.
    Errors: UnknownNameError, SettingError; GraphError for an encoder that cannot be turned round; DataError where
    images do not fit it; OutputError for a folder that cannot be written or holds a comparison with other settings.
    """
    names = named(decoders)
    seeds, epochs = checked(seeds, "seeds"), checked(epochs, "epochs")
    batch_size = checked(batch_size, "batch_size")
    chosen, goal = _optimizer(optimizer, learning_rate), losses.get(loss)
    found = load_images(data, folder, wanted=_own_size(encoder), **images)
    words, graph = read_encoder(encoder, found.shape, str(data))
    networks, left_out = _networks(graph, names, decoders is not None, chosen, goal)
    x, x_test = found.train.array(), found.test.array()
    plan = Plan(
        encoder=words,
        network=graph_json.dump(graph),
        data=os.fspath(data),
        images=fingerprint(x, x_test),
        epochs=epochs,
        batch_size=batch_size,
        optimizer=type(chosen).__name__.lower(),
        learning_rate=chosen.learning_rate,
        loss=goal.name,
    )
    place = opened(Path(out or Path("runs") / f"compare-decoders-{Path(data).stem}"), plan, overwrite)
    study = _Study(plan, graph, networks, place, found, x, x_test, None if folder is None else os.fspath(folder))
    with Steps(verbose, len(networks) * seeds, epochs, stream) as steps:
        results, finished = study.train(seeds, steps)
    return study.comparison(results, left_out, finished)


# --- what is asked ---


def named(decoders: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of decoders, each once; UnknownNameError names the nearest."""
    given = USUAL if decoders is None else decoders.split(",") if isinstance(decoders, str) else decoders
    names = tuple(dict.fromkeys(name.strip().lower() for name in given))
    for name in names:
        if name not in WAYS:
            raise UnknownNameError("decoder", name, WAYS)
    if not names:
        raise SettingError(f"no decoders are named; there are {', '.join(WAYS)}")
    return names


def _optimizer(name: str, learning_rate: float | None) -> optimizers.Optimizer:
    chosen = optimizers.get(name)
    if learning_rate is None:
        return chosen
    return type(chosen)(**{**chosen.to_json()["settings"], "learning_rate": learning_rate})


def _is_text(encoder: Any) -> bool:
    """Whether an encoder is a line of text without the image's size."""
    if not isinstance(encoder, str) or encoder.lstrip()[:1].isdigit():
        return False
    words = encoder.split()
    try:
        return "|" in encoder or bool(words and layer_class(words[0]))
    except UnknownNameError:
        return False


def _own_size(encoder: Any) -> tuple[int | None, ...] | None:
    """The image's size that an encoder states, None where it leaves it open."""
    if _is_text(encoder):
        return None
    graph = sources.read(encoder)
    shape = propagate.types(graph)[graph.inputs[0]][0].shape[1:]
    return tuple(size if isinstance(size, int) else None for size in shape)


def read_encoder(encoder: Any, shape: Sequence[int], data: str) -> tuple[str, Graph]:
    """An encoder for images of this shape, in words and as a graph.

    Errors: GraphError where nothing undoes it, or it makes no image smaller; DataError where it takes other images.
    """
    size = "x".join(map(str, shape))
    if _is_text(encoder):
        encoder = f"{size} | {encoder}"
    graph = sources.read(encoder)
    mirror.chain(graph)
    takes = numbers(propagate.types(graph)[graph.inputs[0]][0].shape[1:])
    if takes != tuple(shape):
        raise DataError(
            f"the encoder takes {show(takes)}, but the images of {data} are {show(shape)}. "
            f"Start it with {size}, or leave its size out: it is then that of the images."
        )
    if not mirror.factors(graph):
        raise GraphError(
            "the encoder never makes the image smaller, so its decoders would not differ; "
            'give it a pool or a stride, as in "conv 16 3 same relu | maxpool 2 same"'
        )
    return encoder if isinstance(encoder, str) else graph.name, graph


def _networks(
    encoder: Graph, names: Sequence[str], asked: bool, optimizer: optimizers.Optimizer, loss: losses.Loss
) -> tuple[dict[str, Graph], dict[str, str]]:
    """The autoencoders by name, shown to compile, and why others are left out, unless they are asked for by name."""
    networks, left_out = dict[str, Graph](), dict[str, str]()
    for name in names:
        why = mirror.obstacle(encoder, name)
        if why is not None and not asked:
            left_out[name] = why
            continue
        networks[name] = autoencoder(encoder, name)
        Model.from_graph(networks[name]).compile(optimizer, loss)
    return networks, left_out


# --- training ---


def initialise(model: Model, seed: int) -> None:
    """Give each weight initial values that depend on the seed, its layer's place among layers with weights, and its
    shape alone, so that models which share their first layers, or the shape of another, share these values.
    """
    place = 0
    for layer in model.layers:
        for number, variable in enumerate(layer.weights):
            random = np.random.default_rng([seed, place, number])
            initializer = initializers.get(getattr(layer, f"{variable.role}_initializer", "zeros"))
            variable.assign(initializer.draw(random, variable.shape))
        place += bool(layer.weights)


class _Clock(Callback):
    """Seconds of each epoch's training, without validation."""

    def __init__(self, steps: Steps) -> None:
        self.steps, self.seconds = steps, list[float]()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self.started)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.steps.epoch_ends(epoch)


@dataclass
class _Study:
    """The runs of a comparison."""

    plan: Plan
    encoder: Graph
    networks: dict[str, Graph]
    place: Path
    images: Images
    x: Array
    test: Array
    folder: str | None

    def train(self, seeds: int, steps: Steps) -> tuple[dict[str, list[Result]], bool]:
        """The results of each decoder by seed, and whether all are there: Ctrl-C ends it early.

        All decoders of a seed come before the next seed, so that what is there early compares all of them.
        """
        results: dict[str, list[Result]] = {name: [] for name in self.networks}
        for seed in range(seeds):
            for name in self.networks:
                place = self.place / f"{name}-{seed}"
                found = kept(place)
                if found is not None:
                    steps.ends(f"{name}, seed {seed}: kept, {_words(found)}", kept=True)
                else:
                    steps.begins(f"{name}, seed {seed}")
                    found = self._trained(name, seed, place, steps)
                    if found is None:
                        return results, False
                    steps.ends(f"{name}, seed {seed}: {_words(found)}")
                results[name].append(found)
        return results, True

    def _model(self, name: str, seed: int) -> Model:
        model = Model.from_graph(autoencoder(self.encoder, name))
        model.compile(_optimizer(self.plan.optimizer, self.plan.learning_rate), self.plan.loss)
        initialise(model, seed)
        return model

    def _trained(self, name: str, seed: int, place: Path, steps: Steps) -> Result | None:
        """One run; None when Ctrl-C ended it."""
        plan, period = self.plan, mirror.factors(self.encoder)[-1]
        emptied(runs.prepare(place, True))
        batch = self.x[: plan.batch_size]
        if self._model(name, seed).fit(batch, batch, plan.batch_size, verbose=0).interrupted:  # compiles
            return None
        model, clock = self._model(name, seed), _Clock(steps)
        untrained = checkerboard(model.predict(self.test), period)
        keeper = runs.Keeper(place, self._recipe(name, seed))
        try:
            history = model.fit(
                self.x, self.x, plan.batch_size, plan.epochs, verbose=0, callbacks=[keeper, clock],
                validation_data=(self.test, self.test), seed=seed,
            )  # fmt: skip
        except NotFiniteError as error:
            raise NotFiniteError(f"{name}, seed {seed}: {error}", error.epoch, error.batch) from None
        if history.interrupted:
            return None
        restored = model.predict(self.test)
        result = Result(
            seed,
            _mse(self.test, restored),
            history.history["val_loss"][-1],
            statistics.median(clock.seconds) * plan.epochs,
            checkerboard(restored, period),
            untrained,
            history.history,
        )
        with replacing(place / RESULT) as aside:
            aside.write_text(json.dumps(asdict(result), indent=2) + "\n", "utf-8")
        return result

    def _recipe(self, name: str, seed: int) -> runs.Recipe:
        plan = self.plan
        return runs.Recipe(
            network=f"{plan.encoder}, decoder {name}",
            data=plan.data,
            folder=self.folder,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            optimizer=plan.optimizer,
            learning_rate=plan.learning_rate,
            loss=plan.loss,
            seed=seed,
            target="images",
            versions=runs.versions(),
        )

    def comparison(
        self, results: Mapping[str, Sequence[Result]], left_out: Mapping[str, str], finished: bool
    ) -> Comparison:
        """All results together, with PCA beside them; where all runs are finished, also as files in the folder."""
        rows = tuple(self._row(name, results[name]) for name in self.networks if results[name])
        chosen = _various(self.images)
        baseline, notes, restored = None, list[str](), dict[str, Array]()
        period = mirror.factors(self.encoder)[-1]
        if finished:
            linear = principal_components(self.x, self.test, int(np.prod(mirror.code(self.encoder))))
            baseline = self._baseline(linear, period)
            notes = _notes(linear, int(np.prod(mirror.code(self.encoder))), len(self.x))
            for row in rows:
                model = load_model(self.place / f"{row.decoder}-{row.results[0].seed}" / runs.MODEL)
                restored[row.decoder] = model.predict(self.test[chosen])
            restored[PCA] = linear.restored[chosen]
        told = {key: value for key, value in asdict(self.plan).items() if key != "network"}
        found = Comparison(
            settings=told,
            versions=runs.versions(),
            folder=self.place,
            rows=rows,
            baseline=baseline,
            code=mirror.code(self.encoder),
            shape=self.test.shape[1:],
            images=(len(self.x), len(self.test)),
            period=period,
            checkerboard=checkerboard(self.test, period),
            left_out=left_out,
            pictures=Pictures(self.test[chosen], restored),
            notes=tuple(notes),
            interrupted=not finished,
        )
        if finished:
            found.save_json(self.place / FOUND)
            found.save_figure(self.place / PICTURE)
        return found

    def _row(self, name: str, results: Sequence[Result]) -> Row:
        graph = self.networks[name]
        whole = cost(graph, propagate.types(graph))
        before = cost(self.encoder, propagate.types(self.encoder))
        macs = numbers([whole.macs])[0]
        bits = mirror.switch_bits(self.encoder) if name == "unpool" else 0
        return Row(name, whole.parameters, whole.parameters - before.parameters, macs, bits, tuple(results))

    def _baseline(self, linear: Linear, period: Sequence[int]) -> Row:
        """PCA as a row: a matrix and a mean that encoder and decoder share."""
        pixels, components = int(np.prod(self.test.shape[1:])), linear.components
        nothing = float("nan")
        energy = checkerboard(linear.restored, period)
        result = Result(0, _mse(self.test, linear.restored), nothing, linear.seconds, energy, nothing, {})
        parameters = (components + 1) * pixels
        return Row(PCA, parameters, parameters, 2 * components * pixels, 0, (result,))


def _words(result: Result) -> str:
    return f"MSE {result.mse:.5f}, {result.seconds:.1f} s"


def _mse(images: Array, restored: Array) -> float:
    """The mean squared error over all pixels."""
    total = 0.0
    for start in range(0, len(images), 1024):
        part = slice(start, start + 1024)
        total += float(np.square(images[part].astype(np.float64) - restored[part]).sum())
    return total / images.size


def _various(images: Images) -> list[int]:
    """Which test images are shown: the first of each label, then the first ones."""
    labels = images.test.labels
    first = (
        [] if labels is None else sorted(np.unique(labels, return_index=True)[1].tolist(), key=lambda n: labels[n])
    )
    rest = [n for n in range(len(images.test)) if n not in first]
    return [*first, *rest][:SHOWN]


def _notes(linear: Linear, wanted: int, count: int) -> list[str]:
    notes: list[str] = []
    if linear.components < wanted:
        notes.append(f"pca has {linear.components:,} components: there are no more.")
    if linear.used < count:
        notes.append(f"pca looked at {linear.used:,} of the {count:,} training images.")
    return notes
