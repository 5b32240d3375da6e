"""fit, evaluate and predict: epochs, batches, callbacks, interruption. The arithmetic is the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.callbacks import Callback, History, TerminateOnNaN
from layerscope.core.errors import DataError, NotFiniteError, SettingError, TrainingError
from layerscope.core.sizes import checked
from layerscope.engine.reference import NotFinite
from layerscope.models import data, streaming
from layerscope.models.data import Array
from layerscope.models.interrupt import Interrupt
from layerscope.models.progress import Progress
from layerscope.utils import generator, set_random_state

if TYPE_CHECKING:
    from layerscope.models.model import Model


@dataclass
class Settings:
    """What fit was asked to do, checked."""

    batch_size: int
    epochs: int
    initial_epoch: int
    shuffle: bool
    validation_freq: int
    validation_batch_size: int
    verbose: Any


def settings(
    batch_size: int | None,
    epochs: int,
    initial_epoch: int,
    shuffle: bool,
    validation_freq: int,
    validation_batch_size: int | None,
    verbose: Any,
) -> Settings:
    """Check fit's numbers; SizeError or SettingError."""
    if verbose not in ("auto", 0, 1, 2):
        raise SettingError(f"verbose must be 'auto', 0, 1 or 2, not {verbose!r}")
    size = 32 if batch_size is None else checked(batch_size, "batch_size")
    test_size = size if validation_batch_size is None else checked(validation_batch_size, "validation_batch_size")
    return Settings(
        size,
        checked(epochs, "epochs"),
        checked(initial_epoch, "initial_epoch", 0),
        bool(shuffle),
        checked(validation_freq, "validation_freq"),
        test_size,
        verbose,
    )


@dataclass(frozen=True)
class Position:
    """Where training stood at the end of an epoch: with weights and slots, all that going on depends on.

    `epoch` is how many are done, `seed` the engine's, `random` the state of the generator that shuffles; `examples`,
    `batch_size` and `shuffle` are those of the fit.
    """

    epoch: int
    seed: int
    random: dict[str, Any]
    epochs: list[int]
    history: dict[str, list[float]]
    examples: int
    batch_size: int
    shuffle: bool


def resumable(position: Position | None) -> Position:
    """The position, or TrainingError: there is none in the middle of an epoch, and before any training."""
    if position is None:
        raise TrainingError(
            "there is nothing to resume: the model was not saved at the end of an epoch of fit. "
            "Call fit without resume to train from these weights."
        )
    return position


@dataclass
class Split:
    """Arrays to train on, and to validate on."""

    x: list[Array]
    y: list[Array]
    validation: tuple[list[Array], list[Array]] | None


def split(model: Model, x: Any, y: Any, validation_split: float, validation_data: Any) -> Split:
    """Check all data, and set the last part of it apart when asked to, as Keras does."""
    arrays, answers = pair(model, x, y)
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise DataError("validation_data must be a pair (x, y)")
        return Split(arrays, answers, pair(model, *validation_data, what="the validation data's "))
    share: Any = validation_split
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise SettingError(f"validation_split must be at least 0 and below 1, not {validation_split!r}")
    if not validation_split:
        return Split(arrays, answers, None)
    cut = int(len(arrays[0]) * (1 - validation_split))
    if not 0 < cut < len(arrays[0]):
        raise DataError(f"validation_split={validation_split} of {len(arrays[0])} examples leaves one part empty")
    held = [a[cut:] for a in arrays], [a[cut:] for a in answers]
    return Split([a[:cut] for a in arrays], [a[:cut] for a in answers], held)


def pair(model: Model, x: Any, y: Any, what: str = "") -> tuple[list[Array], list[Array]]:
    """Inputs and targets, checked against the model, its losses, and each other; `what` says whose they are."""
    arrays = data.inputs(x, model.graph, model.input_types, f"{what}x")
    if y is None:
        raise DataError(f"{what}y is missing: give the targets (for an autoencoder, x itself)")
    answers = data.targets(y, model.graph, model.losses, model.output_types_for(arrays), f"{what}y")
    for array in answers:
        if len(array) != len(arrays[0]):
            raise DataError(f"{what}x has {len(arrays[0])} examples, but {what}y has {len(array)}")
    for number, array in enumerate(arrays):
        arrays[number] = data.finite(array, f"{what}x" if len(arrays) == 1 else f"{what}x[{number}]")
    return arrays, answers


def listed(callbacks: Any) -> list[Callback]:
    """The callbacks given to fit; SettingError for what is none."""
    found = list(callbacks) if isinstance(callbacks, Iterable) else [] if callbacks is None else [callbacks]
    for one in found:
        if isinstance(one, type):
            raise SettingError(f"callbacks must be objects, but {one.__name__} is a class; give {one.__name__}(...)")
        if not all(hasattr(one, hook) for hook in ("set_model", "set_params", "on_epoch_end")):
            raise SettingError(
                f"a callback derives from layerscope.callbacks.Callback, but one is of the type {type(one).__name__}"
            )
    return found


def _hears_batches(callback: Callback) -> bool:
    """Whether a callback does something at each batch, which then has to wait for it."""
    hooks = ("on_train_batch_begin", "on_train_batch_end")
    return any(getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook) for hook in hooks)


class Loop:
    """One run of fit."""

    def __init__(
        self,
        model: Model,
        asked: Settings,
        parts: Split,
        callbacks: Sequence[Callback],
        resumed: Position | None = None,
    ) -> None:
        self.model, self.asked, self.parts = model, asked, parts
        self.history = History()
        self.callbacks = list(callbacks)
        if resumed is not None:
            self._check(resumed)
            set_random_state(resumed.random)
            self.history.epoch = list(resumed.epochs)
            self.history.history = {name: list(values) for name, values in resumed.history.items()}
        self.random = generator()
        self.seed = int(self.random.integers(2**31)) if resumed is None else resumed.seed
        self.batches = -(-len(parts.x[0]) // asked.batch_size)
        self.progress = Progress(asked.verbose, asked.epochs, self.batches, asked.initial_epoch)
        self.engine = model.engine(parts.x, self.seed, self.progress.compiling)
        self.exact = any(_hears_batches(callback) for callback in self.callbacks)

    def position(self, epoch: int) -> Position:
        """Where training stands when so many epochs are done."""
        history = {name: list(values) for name, values in self.history.history.items()}
        state, told = dict(self.random.bit_generator.state), list(self.history.epoch)
        return Position(epoch, self.seed, state, told, history, *self._setup().values())

    def _setup(self) -> dict[str, Any]:
        """What must be the same when training is resumed."""
        asked = self.asked
        return {"examples": len(self.parts.x[0]), "batch_size": asked.batch_size, "shuffle": asked.shuffle}

    def _check(self, resumed: Position) -> None:
        for name, value in self._setup().items():
            if value != getattr(resumed, name):
                raise TrainingError(
                    f"training goes on with {name} {value}, but it began with {getattr(resumed, name)}. "
                    "Resume with the same, or call fit without resume to train from these weights."
                )

    def tell(self, hook: str, *values: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*values)

    def run(self) -> History:
        asked, model = self.asked, self.model
        model.stop_training = False
        model.position = self.position(asked.initial_epoch)
        for callback in [self.history, *self.callbacks]:
            callback.set_model(model)
            callback.set_params({"epochs": asked.epochs, "steps": self.batches, "verbose": asked.verbose})
        logs: Mapping[str, float] = {}
        progress = self.progress
        with Interrupt() as interrupt, progress:
            self.tell("on_train_begin", {})
            try:
                for epoch in range(asked.initial_epoch, asked.epochs):
                    logs = self._epoch(epoch, progress, interrupt)
                    if model.stop_training or interrupt.asked:
                        break
            finally:
                self.tell("on_train_end", dict(logs))
        self.history.interrupted = interrupt.asked
        return self.history

    def _epoch(self, epoch: int, progress: Progress, interrupt: Interrupt) -> Mapping[str, float]:
        asked, model = self.asked, self.model
        count = len(self.parts.x[0])
        order = self.random.permutation(count) if asked.shuffle else np.arange(count)
        progress.epoch_begins(epoch)
        self.tell("on_epoch_begin", epoch, {})
        model.position = None
        self.tell("on_train_batch_begin", 0, {})
        seen = 0

        def on_batch(batch: int, logs: Mapping[str, float]) -> bool:
            nonlocal seen
            seen = batch + 1
            progress.batch_ends(epoch, batch, logs)
            self.tell("on_train_batch_end", batch, dict(logs))
            going = not (interrupt.asked or model.stop_training)
            if going and seen < self.batches:
                self.tell("on_train_batch_begin", seen, {})
            return going

        try:
            logs = streaming.train_epoch(
                self.engine, self.parts.x, self.parts.y, order, asked.batch_size, on_batch, self.exact
            )
        except NotFinite as error:
            return self._diverged(error, epoch)
        if interrupt.asked and seen < self.batches:
            progress.say(
                f"Stopped by Ctrl-C in epoch {epoch + 1} of {asked.epochs}, after batch {seen} of {self.batches}. "
                "The weights are those of that batch; the history holds the epochs before."
            )
            return logs
        if self.parts.validation and (epoch + 1) % asked.validation_freq == 0:
            self.tell("on_test_begin", {})
            tester = model.engine(self.parts.validation[0], compiling=progress.compiling)
            found = streaming.evaluate(tester, *self.parts.validation, asked.validation_batch_size, lambda *_: True)
            logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            self.tell("on_test_end", dict(found))
        progress.epoch_ends(epoch, logs)
        self.history.on_epoch_end(epoch, logs)
        model.position = self.position(epoch + 1)
        self.tell("on_epoch_end", epoch, dict(logs))
        if interrupt.asked:
            progress.say(f"Stopped by Ctrl-C after epoch {epoch + 1} of {asked.epochs}.")
        return logs

    def _diverged(self, error: NotFinite, epoch: int) -> Mapping[str, float]:
        """The loss is no number any more: NotFiniteError, or the end of training where a callback says so."""
        if not any(isinstance(callback, TerminateOnNaN) for callback in self.callbacks):
            raise self._not_finite(error, epoch) from None
        self.progress.say(
            f"Stopped: the loss became {error.loss} in epoch {epoch + 1}, batch {error.batch + 1}. "
            "The weights are those before that batch."
        )
        self.model.stop_training = True
        logs = {"loss": error.loss}
        self.history.on_epoch_end(epoch, logs)
        self.tell("on_epoch_end", epoch, dict(logs))
        return logs

    def _not_finite(self, error: NotFinite, epoch: int) -> NotFiniteError:
        rate = self.model.optimizer.rate(max(self.model._state.step, 1))
        largest = max((float(np.abs(data.some(a)).max()) for a in self.parts.x), default=0.0)
        advice = [f"a smaller learning rate (it is {rate:g}; try {rate / 10:g})"]
        if largest > 10:
            advice.append(f"smaller inputs (they reach {largest:g}; divide them to lie within 0 to 1)")
        return NotFiniteError(
            f"the loss became {error.loss} in epoch {epoch + 1}, batch {error.batch + 1} of {self.batches}. "
            f"The weights are those before that batch. Try {' and '.join(advice)}.",
            epoch + 1,
            error.batch + 1,
        )
