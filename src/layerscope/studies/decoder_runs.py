"""The runs of a comparison of decoders: one for each decoder and seed, kept when it is finished."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers, optimizers
from layerscope.analyses import mirror
from layerscope.callbacks import Callback
from layerscope.core.errors import NotFiniteError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.models import Model, engines
from layerscope.studies import keeping, runs
from layerscope.studies.checkerboard import Energy
from layerscope.studies.comparison import Result
from layerscope.studies.decoders import autoencoder
from layerscope.studies.images import Images, Part
from layerscope.studies.steps import Steps
from layerscope.studies.study_folder import RESULT, Plan, emptied, kept, own

Array = NDArray[Any]
CHUNK = 2048
"""Test images that are looked at together."""


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


def measured(part: Part, period: Sequence[int], restored: Any) -> tuple[float, float]:
    """The mean squared error and the checkerboard energy of what `restored` makes of images, part by part."""
    total, energy = 0.0, Energy(period)
    for images in chunks(part):
        made = restored(images)
        total += float(np.square(images.astype(np.float64) - made).sum())
        energy.add(made)
    return total / int(np.prod(part.source.shape)), energy.share


def chunks(part: Part) -> Iterator[Array]:
    """Images in arrays of a few each."""
    for start in range(0, len(part), CHUNK):
        yield part.array(start, start + CHUNK)


class Clock(Callback):
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
class Runs:
    """What the runs have in common, and where they go. `reading` is how each one's recipe says to read the images."""

    plan: Plan
    encoder: Graph
    place: Path
    images: Images
    reading: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.x, self.test = (keeping.handed(part.source) for part in (self.images.train, self.images.test))
        rows, columns = mirror.factors(self.encoder)[-1]
        self.period = (rows, columns)

    def folder(self, name: str, seed: int) -> Path:
        """The run folder of a decoder and a seed."""
        return self.place / f"{name}-{seed}"

    def train(self, names: Sequence[str], seeds: int, steps: Steps) -> tuple[dict[str, list[Result]], bool]:
        """The results of each decoder by seed, and whether all are there: Ctrl-C ends it early.

        All decoders of a seed come before the next seed, so that what is there early compares all of them.
        """
        results: dict[str, list[Result]] = {name: [] for name in names}
        for seed in range(seeds):
            for name in names:
                title = f"{name}, seed {seed}"
                found = kept(self.folder(name, seed))
                if found is not None:
                    steps.ends(f"{title}: kept, {_words(found)}", kept=True)
                else:
                    steps.begins(title)
                    found = self._trained(name, seed, steps)
                    if found is None:
                        return results, False
                    steps.ends(f"{title}: {_words(found)}")
                results[name].append(found)
        return results, True

    def _model(self, name: str, seed: int) -> Model:
        model = Model.from_graph(autoencoder(self.encoder, name))
        model.compile(optimizers.get(self.plan.optimizer, self.plan.learning_rate), self.plan.loss)
        initialise(model, seed)
        return model

    def _trained(self, name: str, seed: int, steps: Steps) -> Result | None:
        """One run; None when Ctrl-C ended it."""
        plan, part = self.plan, self.images.test
        place = own(self.folder(name, seed), name)
        emptied(place)
        first = self.images.train.array(0, plan.batch_size)
        if self._model(name, seed).fit(first, first, plan.batch_size, verbose=0).interrupted:  # compiles
            return None
        model, clock = self._model(name, seed), Clock(steps)
        untrained = measured(part, self.period, model.predict)[1]
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
        error, energy = measured(part, self.period, model.predict)
        seconds = min(clock.seconds) * plan.epochs
        history = history.history
        result = Result(seed, error, history["val_loss"][-1], seconds, energy, untrained, history)
        with replacing(place / RESULT) as aside:
            aside.write_text(json.dumps(asdict(result), indent=2) + "\n", "utf-8")
        return result

    def _recipe(self, name: str, seed: int) -> runs.Recipe:
        keys = ("data", "epochs", "batch_size", "optimizer", "learning_rate", "loss")
        told: dict[str, Any] = {key: getattr(self.plan, key) for key in keys}
        network = f"{self.plan.encoder}, decoder {name}"
        return runs.Recipe(
            network=network,
            seed=seed,
            target="images",
            versions=runs.versions(),
            threads=engines.threads(),
            images={"train": list(self.x.shape), "test": list(self.test.shape)},
            **told,
            **self.reading,
        )


def _words(result: Result) -> str:
    return f"MSE {result.mse:.5f}, {result.seconds:.1f} s"
