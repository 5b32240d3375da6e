"""fit, evaluate and predict: epochs, batches, callbacks, interruption. The arithmetic is the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerscope.callbacks import Callback, History, TerminateOnNaN
from layerscope.core.errors import DataError, NotFiniteError, SettingError, TrainingError
from layerscope.core.sizes import checked
from layerscope.engine.reference import NotFinite
from layerscope.models import examples
from layerscope.models.batches import Batches, of_batches
from layerscope.models.examples import Examples
from layerscope.models.feeds import Feed, Stream, Whole
from layerscope.models.interrupt import Interrupt
from layerscope.models.progress import Progress
from layerscope.utils import generator, set_random_state

if TYPE_CHECKING:
    from layerscope.models.trainer import Trainer


@dataclass
class Settings:
    """What fit was asked to do, checked."""

    batch_size: int
    epochs: int
    initial_epoch: int
    validation_freq: int | tuple[int, ...]
    validation_batch_size: int
    verbose: Any
    steps: int | None
    validation_steps: int | None

    def validates(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, ends with validation."""
        freq = self.validation_freq
        return epoch + 1 in freq if isinstance(freq, tuple) else (epoch + 1) % freq == 0


def settings(
    batch_size: int | None,
    epochs: int,
    initial_epoch: int,
    validation_freq: Any,
    validation_batch_size: int | None,
    verbose: Any,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
) -> Settings:
    """Check fit's numbers; SizeError or SettingError."""
    if verbose not in ("auto", 0, 1, 2):
        raise SettingError(f"verbose must be 'auto', 0, 1 or 2, not {verbose!r}")
    size = 32 if batch_size is None else checked(batch_size, "batch_size")
    test_size = size if validation_batch_size is None else checked(validation_batch_size, "validation_batch_size")
    listed = isinstance(validation_freq, list | tuple | set)
    return Settings(
        size,
        checked(epochs, "epochs"),
        checked(initial_epoch, "initial_epoch", 0),
        tuple(checked(one, "validation_freq") for one in validation_freq)
        if listed
        else checked(validation_freq, "validation_freq"),
        test_size,
        verbose,
        None if steps_per_epoch is None else checked(steps_per_epoch, "steps_per_epoch"),
        None if validation_steps is None else checked(validation_steps, "validation_steps"),
    )


@dataclass(frozen=True)
class Position:
    """Where training stood at the end of an epoch: with weights and slots, all that going on depends on.

    `epoch` is how many are done, `seed` the engine's, `random` the state of the generator that shuffles; `examples`,
    `batch_size` and `shuffle` are those of the fit; the first two 0 where it was given batches.
    """

    epoch: int
    seed: int
    random: dict[str, Any]
    epochs: list[int]
    history: dict[str, list[Any]]
    examples: int
    batch_size: int
    shuffle: Any


def resumable(position: Position | None) -> Position:
    """The position, or TrainingError: there is none in the middle of an epoch, and before any training."""
    if position is None:
        raise TrainingError(
            "there is nothing to resume: the model was not saved at the end of an epoch of fit. "
            "Call fit without resume to train from these weights."
        )
    return position


class Given:
    """What fit was given, as feeds: of examples to train on, and of those to validate on."""

    def __init__(self, model: Trainer, asked: Settings, shuffle: Any, class_weight: Any) -> None:
        self.model, self.asked, self.shuffle, self.class_weight = model, asked, shuffle, class_weight

    def both(
        self, x: Any, y: Any, sample_weight: Any, validation_split: float, validation_data: Any
    ) -> tuple[Feed, Feed | None]:
        """Check all data, and set the last part of it apart when asked to, as Keras does."""
        share: Any = validation_split
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise SettingError(f"validation_split must be at least 0 and below 1, not {validation_split!r}")
        if of_batches(x, y):
            if share and validation_data is None:
                raise DataError("validation_split needs all examples at once; give batches to validate on")
            self._alone(sample_weight, "sample_weight")
            stream = Stream(self.model, Batches.of(x), self.asked.steps, self.shuffle, self.class_weight)
            return stream, self._validation(validation_data)
        held = examples.given(self.model, x, y, sample_weight, self.class_weight)
        if validation_data is not None or not share:
            return self._whole(held), self._validation(validation_data)
        cut = int(len(held) * (1 - share))
        if not 0 < cut < len(held):
            raise DataError(f"validation_split={validation_split} of {len(held)} examples leaves one part empty")
        rest = held.cut(slice(cut, None))
        if self.class_weight is not None:  # which is for training only
            rest = Examples(rest.x, rest.y[:-1])
        return self._whole(held.cut(slice(cut))), self._tested(rest)

    def _alone(self, value: Any, name: str) -> None:
        if value is not None:
            raise DataError(f"{name}: with batches it comes with each of them, as (x, y, {name})")

    def _whole(self, held: Examples) -> Feed:
        return Whole(self.model, held, self.asked.batch_size, self.shuffle, self.asked.steps)

    def _tested(self, held: Examples) -> Feed:
        return Whole(self.model, held, self.asked.validation_batch_size, steps=self.asked.validation_steps)

    def _validation(self, given: Any) -> Feed | None:
        if given is None:
            return None
        steps, what = self.asked.validation_steps, "the validation data's "
        if isinstance(given, tuple | list) and len(given) in (2, 3):
            return self._tested(examples.given(self.model, *given, what=what))  # (x, y, sample_weight)
        if of_batches(given):
            return Stream(self.model, Batches.of(given, what), steps)
        raise DataError("validation_data must be a pair (x, y), or (x, y, sample_weight), or give batches")


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
        model: Trainer,
        asked: Settings,
        feed: Feed,
        held: Feed | None,
        callbacks: Sequence[Callback],
        resumed: Position | None = None,
    ) -> None:
        self.model, self.asked, self.feed, self.held = model, asked, feed, held
        self.history = History()
        self.callbacks = list(callbacks)
        if resumed is not None:
            self._check(resumed)
            set_random_state(resumed.random)
            self.history.epoch = list(resumed.epochs)
            self.history.history = {name: list(values) for name, values in resumed.history.items()}
        self.random = generator()
        self.seed = int(self.random.integers(2**31)) if resumed is None else resumed.seed
        self.progress = Progress(asked.verbose, asked.epochs, feed.steps, asked.initial_epoch)
        self.exact = any(_hears_batches(callback) for callback in self.callbacks)

    def position(self, epoch: int) -> Position:
        """Where training stands when so many epochs are done."""
        history = {name: list(values) for name, values in self.history.history.items()}
        state, told = dict(self.random.bit_generator.state), list(self.history.epoch)
        return Position(epoch, self.seed, state, told, history, **self.feed.setup())

    def _check(self, resumed: Position) -> None:
        if self.asked.steps is not None and isinstance(self.feed, Whole):
            raise TrainingError("steps_per_epoch and resume: an epoch would not begin where the last one ended")
        for name, value in self.feed.setup().items():
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
            callback.set_params({"epochs": asked.epochs, "steps": self.feed.steps, "verbose": asked.verbose})
        logs: Mapping[str, Any] = {}
        progress = self.progress
        with Interrupt() as interrupt, progress:
            self.tell("on_train_begin", {})
            try:
                for epoch in range(asked.initial_epoch, asked.epochs):
                    logs = self._epoch(epoch, interrupt)
                    if model.stop_training or interrupt.asked:
                        break
            finally:
                self.tell("on_train_end", dict(logs))
        self.history.interrupted = interrupt.asked
        return self.history

    def _epoch(self, epoch: int, interrupt: Interrupt) -> Mapping[str, Any]:
        asked, model, progress = self.asked, self.model, self.progress
        progress.epoch_begins(epoch)
        self.tell("on_epoch_begin", epoch, {})
        model.position = None
        self.tell("on_train_batch_begin", 0, {})
        heard = _Heard(self, epoch, interrupt)
        try:
            logs: Mapping[str, Any] = self.feed.train(self.seed, progress.compiling, self.random, heard, self.exact)
        except NotFinite as error:
            return self._diverged(error, epoch)
        if not heard.seen:  # batches were over before
            return logs
        progress.batches = self.feed.steps
        if interrupt.asked and heard.seen != self.feed.steps:
            of = "" if self.feed.steps is None else f" of {self.feed.steps}"
            progress.say(
                f"Stopped by Ctrl-C in epoch {epoch + 1} of {asked.epochs}, after batch {heard.seen}{of}. "
                "The weights are those of that batch; the history holds the epochs before."
            )
            return logs
        if self.held is not None and asked.validates(epoch):
            self.tell("on_test_begin", {})
            found = self.held.evaluate(progress.compiling, lambda *_: True)
            logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            self.tell("on_test_end", dict(found))
        progress.epoch_ends(epoch, logs)
        self.history.on_epoch_end(epoch, logs)
        model.position = self.position(epoch + 1)
        self.tell("on_epoch_end", epoch, dict(logs))
        if interrupt.asked:
            progress.say(f"Stopped by Ctrl-C after epoch {epoch + 1} of {asked.epochs}.")
        return logs

    def _diverged(self, error: NotFinite, epoch: int) -> Mapping[str, Any]:
        """The loss is no number any more: NotFiniteError, or the end of training where a callback says so."""
        if not any(isinstance(callback, TerminateOnNaN) for callback in self.callbacks):
            of = "" if self.feed.steps is None else f" of {self.feed.steps}"
            where = f"in epoch {epoch + 1}, batch {error.batch + 1}{of}"
            raise not_finite(self.model, error, self.feed.largest(), where, epoch + 1) from None
        self.progress.say(
            f"Stopped: the loss became {error.loss} in epoch {epoch + 1}, batch {error.batch + 1}. "
            "The weights are those before that batch."
        )
        self.model.stop_training = True
        logs = {"loss": error.loss}
        self.history.on_epoch_end(epoch, logs)
        self.tell("on_epoch_end", epoch, dict(logs))
        return logs


class _Heard:
    """Tells progress and callbacks of each batch, and whether training goes on."""

    def __init__(self, loop: Loop, epoch: int, interrupt: Interrupt) -> None:
        self.loop, self.epoch, self.interrupt = loop, epoch, interrupt
        self.seen = 0

    def __call__(self, batch: int, logs: Mapping[str, Any]) -> bool:
        loop = self.loop
        self.seen = batch + 1
        loop.progress.batch_ends(self.epoch, batch, logs)
        if loop.exact:  # logs cost something where metrics have thousands of thresholds
            loop.tell("on_train_batch_end", batch, dict(logs))
        going = not (self.interrupt.asked or loop.model.stop_training)
        if going and (loop.feed.steps is None or self.seen < loop.feed.steps):
            loop.tell("on_train_batch_begin", self.seen, {})
        return going


def not_finite(model: Trainer, error: NotFinite, largest: float, where: str, epoch: int = 1) -> NotFiniteError:
    """The error for a loss that is no number any more, with what to try; `largest` is that of the inputs."""
    rate = model.optimizer.rate(max(model._state.step, 1))
    advice = [f"a smaller learning rate (it is {rate:g}; try {rate / 10:g})"]
    if largest > 10:
        advice.append(f"smaller inputs (they reach {largest:g}; divide them to lie within 0 to 1)")
    return NotFiniteError(
        f"the loss became {error.loss} {where}. The weights are those before that batch. Try {' and '.join(advice)}.",
        epoch,
        error.batch + 1,
    )
