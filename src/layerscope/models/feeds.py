"""What an epoch is made of: examples that are all there, in an order, or batches as somebody gives them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from layerscope.core.errors import DataError, SettingError
from layerscope.engine.plan import Compiling
from layerscope.engine.reference import Means, NotFinite, OnBatch
from layerscope.models import data, examples, streaming
from layerscope.models.batches import Batches
from layerscope.models.examples import Examples

if TYPE_CHECKING:
    from layerscope.models.trainer import Trainer

Logs: TypeAlias = Mapping[str, Any]
Random: TypeAlias = np.random.Generator


class Whole:
    """Examples in arrays or sources, in batches of one size, in an order of their own in each pass."""

    def __init__(
        self, model: Trainer, held: Examples, batch_size: int, shuffle: Any = False, steps: int | None = None
    ) -> None:
        if shuffle not in (True, False, 0, 1, "batch"):
            raise SettingError(f"shuffle must be True, False or 'batch', not {shuffle!r}")
        self.model, self.held, self.batch_size = model, held, batch_size
        self.shuffle: Any = shuffle if shuffle == "batch" else bool(shuffle)
        self.asked = steps
        self._left = np.empty(0, np.int64)  # of a pass that an epoch of `steps` has not ended

    @property
    def steps(self) -> int | None:
        """Batches of an epoch."""
        return self.asked or -(-len(self.held) // self.batch_size)

    def setup(self) -> dict[str, Any]:
        """What must be the same when training is resumed."""
        return {"examples": len(self.held), "batch_size": self.batch_size, "shuffle": self.shuffle}

    def train(
        self, seed: int, compiling: Compiling, random: Random, on_batch: OnBatch, exact: bool
    ) -> dict[str, Any]:
        """One epoch."""
        engine = self.model.engine(self.held.x, seed, compiling, self.held.weights)
        means, done, going = Means(engine.job.measures), 0, True

        def told(batch: int, logs: Logs) -> bool:
            nonlocal going
            going = on_batch(done + batch, logs)
            return going

        for order in self._orders(random):
            try:
                streaming.train_epoch(engine, self.held.x, self.held.y, order, self.batch_size, told, exact, means)
            except NotFinite as error:
                raise NotFinite(done + error.batch, error.loss) from None
            done += -(-len(order) // self.batch_size)
            if not going:
                break
        return means.values()

    def _orders(self, random: Random) -> Iterator[np.ndarray[Any, Any]]:
        """The numbers of an epoch's examples; more than once where it begins a new pass."""
        if self.asked is None:
            yield self._order(random)
            return
        missing = self.asked
        while missing:
            if not len(self._left):
                self._left = self._order(random)
            cut = missing * self.batch_size
            part, self._left = self._left[:cut], self._left[cut:]
            missing -= -(-len(part) // self.batch_size)
            yield part

    def _order(self, random: Random) -> np.ndarray[Any, Any]:
        count, size = len(self.held), self.batch_size
        if self.shuffle == "batch":  # whole batches, so that files are read in pieces; the one that is not, last
            blocks = random.permutation(count // size)
            rows = (blocks[:, None] * size + np.arange(size)).reshape(-1)
            return np.concatenate([rows, np.arange(len(rows), count)])
        return random.permutation(count) if self.shuffle else np.arange(count)

    def evaluate(self, compiling: Compiling, on_batch: OnBatch) -> dict[str, Any]:
        """Loss and metrics; of the first `steps` batches, where so many are asked for."""
        held = self.held if self.asked is None else self.held.cut(slice(0, self.asked * self.batch_size))
        engine = self.model.engine(held.x, 0, compiling, held.weights)
        return streaming.evaluate(engine, held.x, held.y, self.batch_size, on_batch)

    def largest(self) -> float:
        """The largest number of the inputs, or of some."""
        return max((float(np.abs(data.some(a)).max()) for a in self.held.x), default=0.0)


class Stream:
    """Batches that are given one after the other, each checked when it comes."""

    def __init__(
        self,
        model: Trainer,
        batches: Batches,
        steps: int | None,
        shuffle: Any = False,
        class_weight: Any = None,
    ) -> None:
        self.model, self.batches, self.asked = model, batches, steps
        self.shuffle, self.class_weight = bool(shuffle), class_weight
        self._known = batches.size
        self._last: Examples | None = None
        self._passes = 0

    @property
    def steps(self) -> int | None:
        """Batches of an epoch, where that is known."""
        return self.asked or self._known

    def setup(self) -> dict[str, Any]:
        """What must be the same when training is resumed."""
        return {"examples": 0, "batch_size": 0, "shuffle": self.shuffle}

    def _checked(self, random: Random | None) -> Iterator[Examples]:
        weighed: list[bool] | None = None
        for x, y, weight in self.batches.each(self.asked, random):
            one = examples.given(self.model, x, y, weight, self.class_weight, f"{self.batches.title}: ")
            have = [type is not None for type in one.weights]
            if have != (weighed or have) and any(metric.weighted for metric in self.model.objectives.measured):
                raise DataError(
                    f"{self.batches.title}: some batches come with sample_weight and some without, which the "
                    "weighted_metrics cannot put together; give it with all (ones where nothing weighs more)"
                )
            weighed = have
            yield one

    def train(
        self, seed: int, compiling: Compiling, random: Random, on_batch: OnBatch, exact: bool
    ) -> dict[str, Any]:
        """One epoch. Where batches end too early, training does, with a warning, behind this epoch."""
        means, count = Means(self.model._job.measures), 0
        self.batches.told("on_epoch_begin")
        with streaming.ahead(self._checked(random if self.shuffle else None)) as found:
            for count, one in enumerate(found, 1):
                self._last = one
                engine = self.model.engine(one.x, seed, compiling, one.weights)
                if not _step(engine, one, means, count - 1, on_batch):
                    break
            else:
                self._ended(count)
        self.batches.told("on_epoch_end")
        self._passes += 1
        return means.values()

    def _ended(self, count: int) -> None:
        """The pass is over after so many batches."""
        if self.asked is None and count:
            self._known = count
        if not count and not self._passes:
            raise DataError(f"{self.batches.title} gave no batch")
        if self.asked is not None and count < self.asked:
            self._stop(f"{self.batches.title} gave {count} batches of the {self.asked} that steps_per_epoch asks for")
        elif not count:
            self._stop(f"{self.batches.title} has no more batches")

    def _stop(self, why: str) -> None:
        warnings.warn(
            f"{why}, so training ends here. Give steps_per_epoch with a generator that goes on, or something that "
            "begins anew in each epoch (a list of batches, a data loader, a class with __len__ and __getitem__).",
            UserWarning,
            stacklevel=2,
        )
        self.model.stop_training = True

    def evaluate(self, compiling: Compiling, on_batch: OnBatch) -> dict[str, Any]:
        """Loss and metrics over a pass."""
        means, count = Means(self.model._job.measures), 0
        with streaming.ahead(self._checked(None)) as found:
            for count, one in enumerate(found, 1):
                engine = self.model.engine(one.x, 0, compiling, one.weights)
                number = count - 1
                engine.evaluate(one.x, one.y, len(one), lambda _, logs, n=number: on_batch(n, logs), means)
        if not count:
            raise DataError(
                f"{self.batches.title} gave no batch"
                + (" any more" if self._passes else "")
                + ("" if self.batches.again else ": a generator gives each batch once; say how many in steps")
            )
        self._passes += 1
        return means.values()

    def largest(self) -> float:
        """The largest number of the last batch's inputs."""
        arrays = [] if self._last is None else self._last.x
        return max((float(np.abs(a).max()) for a in arrays), default=0.0)


Feed: TypeAlias = Whole | Stream


def _step(engine: Any, one: Examples, means: Means, number: int, on_batch: OnBatch) -> bool:
    """One batch; whether training goes on."""
    going = True

    def told(_: int, logs: Logs) -> bool:
        nonlocal going
        going = on_batch(number, logs)
        return going

    try:
        engine.train_epoch(one.x, one.y, np.arange(len(one)), len(one), told, True, means)
    except NotFinite as error:
        raise NotFinite(number, error.loss) from None
    return going


def predicted(model: Trainer, given: Batches, steps: int | None, on_batch: OnBatch) -> list[Any]:
    """The outputs for all batches; y and weights in them are left out."""
    parts: list[list[Any]] = []
    with streaming.ahead(x for x, _, _ in given.each(steps)) as found:
        for number, x in enumerate(found):
            arrays = data.inputs(x, model.graph, model.input_types, f"{given.title}: x")
            made = streaming.predict(model.engine(arrays), arrays, len(arrays[0]), lambda *_: True)
            parts.append([np.array(array) for array in made])
            on_batch(number, {})
    if not parts:
        raise DataError(f"{given.title} gave no batch")
    return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
