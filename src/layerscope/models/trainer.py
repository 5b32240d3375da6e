"""What a model can do with data: compile, fit, evaluate, predict, and the same batch by batch."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope import optimizers
from layerscope.callbacks import BackupAndRestore, Callback, History
from layerscope.core import propagate
from layerscope.core.errors import DataError, TrainingError
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked
from layerscope.core.types import TensorType
from layerscope.engine.plan import Compiling, Job
from layerscope.engine.reference import NotFinite, State
from layerscope.models import batches, data, engines, examples, feeds, objectives, rules, streaming, training
from layerscope.models.data import Array
from layerscope.models.objectives import Objectives
from layerscope.models.progress import numbers
from layerscope.models.streams import Source
from layerscope.models.variables import Variable
from layerscope.utils import generator, set_random_seed

if TYPE_CHECKING:
    from layerscope import losses, metrics
    from layerscope.models.engines import Engine, EngineReport

KEPT = 16
"""Programs kept for different sizes of inputs that leave their sizes open, and different weights of examples."""


class Trainer:
    """The part of a model that trains: `Model` has the network and its weights."""

    graph: Graph
    name: str
    stop_training: bool
    history: History | None
    position: training.Position | None
    objectives: Objectives
    _variables: dict[str, Variable]
    _optimizer: optimizers.Optimizer | None
    _engine: str
    _precision: str
    _threads: int | None
    _single: bool
    _state: State
    _job: Job
    _specific: dict[tuple[Any, ...], Job]
    _compiled_still: tuple[str, ...]

    @property
    def input_types(self) -> list[TensorType]:
        """Types of the inputs, the batch open."""
        raise NotImplementedError

    @property
    def output_types(self) -> list[TensorType]:
        """Types of the outputs, the batch open."""
        raise NotImplementedError

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimizer that compile chose."""
        if self._optimizer is None:
            raise TrainingError("compile the model first: model.compile(optimizer='adadelta', loss=...)")
        return self._optimizer

    @property
    def losses(self) -> list[losses.Loss | None]:
        """The loss of each output; None where one has none."""
        return self.objectives.losses

    @property
    def metrics(self) -> dict[str, tuple[int, metrics.Metric]]:
        """The metrics by their names in the logs, with the numbers of the outputs that they measure."""
        return {one.name: (one.output, one.metric) for one in self.objectives.measured}

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *,
        engine: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
    ) -> None:
        """Choose optimizer, loss and metrics, and which layers are trained (`trainable`).

        Of several outputs, `loss`, `loss_weights`, `metrics` and `weighted_metrics` are lists in their order, or
        dictionaries by their names; a loss may be None. `weighted_metrics` take the weights of examples that fit and
        evaluate are given. `engine` is "native" (machine code made for this network, which "auto" means) or
        "reference" (NumPy); `precision` "float32" or "float64"; `threads` how many cores work, by default those that
        this process may use (or what the environment variable LAYERSCOPE_THREADS says).
        Errors: UnknownNameError, SettingError; ShapeError when a loss does not fit its output.
        """
        engines.check(engine, precision, threads)
        names = objectives.output_names([self.graph.nodes[node].label for node, _ in self.graph.outputs])
        found = objectives.chosen(names, self.output_types, loss, loss_weights, metrics, weighted_metrics)
        chosen = optimizers.get(optimizer)
        rules.check(self.graph)
        self.objectives, self._optimizer, self.position = found, chosen, None
        self._engine, self._precision, self._threads = engine, precision, threads
        self._cast(precision)
        self._follow()
        self._compiled_still = self._still()
        self._job, self._specific = self._new_job(self.graph), {}
        self._state = State({id: variable.array for id, variable in self._variables.items()})
        self._drawn: int | None = None

    def _follow(self) -> None:
        """Take over which weights are trained."""
        raise NotImplementedError

    def _still(self) -> tuple[str, ...]:
        """The ids of weights, and the labels of layers, that are not trained."""
        raise NotImplementedError

    def _new_job(self, graph: Graph, weights: Sequence[TensorType | None] = ()) -> Job:
        outputs = propagate.output_types(graph)  # names the layer where sizes do not fit
        if self._optimizer is None:
            return Job(graph)
        aims = self.objectives.aims(outputs, weights or (None,) * len(outputs))
        return Job(graph, aims, self._optimizer, rules.of(graph))

    def _cast(self, precision: str) -> None:
        for variable in self._variables.values():
            if variable.array.dtype != precision:
                variable.array = variable.array.astype(precision)

    def engine(
        self,
        arrays: Sequence[Array] | None = None,
        seed: int = 0,
        compiling: Compiling = contextlib.nullcontext,
        weights: Sequence[TensorType | None] = (),
    ) -> Engine:
        """The engine for this model as compiled, and for inputs of these arrays' sizes where it leaves them open.

        `weights` are the types of the weights of examples, by output, where there are some.
        """
        self._state.weights = {id: variable.array for id, variable in self._variables.items()}
        job = self._job if arrays is None else self._job_for(arrays, weights)
        return engines.make(self._engine, job, self._state, self._precision, self._threads, seed, compiling)

    def engine_report(self, batch_size: int = 32) -> EngineReport:
        """Which engine computes this model, and how each layer runs in it: print it, or look at its `rows`.

        `batch_size` is how many examples come at once, on which it depends whether large ones are cut into strips.
        """
        return engines.report(self._engine, self._job, self._precision, self._threads, batch_size)

    def _job_for(self, arrays: Sequence[Array], weights: Sequence[TensorType | None] = ()) -> Job:
        graph = data.specific(self._job.graph, arrays)
        weighted = any(type is not None for type in weights)
        if graph is self._job.graph and not weighted:
            return self._job
        key = (*(array.shape[1:] for array in arrays), *(type and type.shape for type in weights if weighted))
        if key not in self._specific:
            if len(self._specific) >= KEPT:
                self._specific.clear()
            self._specific[key] = self._new_job(graph, weights)
        return self._specific[key]

    def output_types_for(self, arrays: Sequence[Array]) -> list[TensorType]:
        """Types of the outputs for inputs of these arrays' sizes; ShapeError where they do not fit a layer."""
        return propagate.output_types(self._job_for(arrays).graph)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        *,
        seed: int | None = None,
        resume: bool = False,
    ) -> History:
        """Train on arrays, sources (`models.Source`) or batches; the history of losses and metrics.

        `x` may be arrays, memory-mapped ones or those of HDF5 or Zarr (read part by part), or give batches (x, y) or
        (x, y, sample_weight): a generator, a data loader, or anything with `__len__` and `__getitem__`.
        `sample_weight` says how much each example counts, or each of its positions; `class_weight` each class.
        `steps_per_epoch` ends an epoch after so many batches. `shuffle="batch"` puts whole batches in another order.
        Ctrl-C ends it after the current batch, with the history so far; a second one at once.
        `seed` makes shuffling and dropout repeatable (`utils.set_random_seed` also the initial weights).
        `resume` goes on behind the last epoch of a model that was saved while it was trained, with that history, to
        the same bits as if training had never stopped (given the same data, batches and threads).
        Errors: TrainingError before compile or with nothing to resume; DataError, ShapeError; NotFiniteError.
        """
        _ = self.optimizer  # which is there once compile was called
        if seed is not None:
            set_random_seed(checked(seed, "seed", 0))
        told = training.listed(callbacks)
        resume = any(one.found(self) for one in told if isinstance(one, BackupAndRestore)) or resume
        if resume:
            initial_epoch = training.resumable(self.position).epoch
        freq = validation_freq, validation_batch_size
        asked = training.settings(
            batch_size, epochs, initial_epoch, *freq, verbose, steps_per_epoch, validation_steps
        )
        self._say_frozen()
        split = training.Given(self, asked, shuffle, class_weight)
        feed, held = split.both(x, y, sample_weight, validation_split, validation_data)
        return self._run(training.Loop(self, asked, feed, held, told, self.position if resume else None))

    def _run(self, loop: training.Loop) -> History:
        self.history = loop.history
        return loop.run()

    def _say_frozen(self) -> None:
        """A warning where `trainable` was changed since compile."""
        if self._still() != self._compiled_still:
            warnings.warn(
                "which layers are trainable was changed after compile; it takes effect when compile is called again",
                UserWarning,
                stacklevel=3,
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss, or [loss, *metrics], over all examples, or `steps` batches; with `return_dict` by name.

        Some metrics are lists. `x` as for fit.
        """
        _ = self.optimizer  # which is there once compile was called
        size = 32 if batch_size is None else checked(batch_size, "batch_size")
        steps = None if steps is None else checked(steps, "steps")
        if batches.of_batches(x, y):
            feed: feeds.Feed = feeds.Stream(self, batches.Batches.of(x), steps)
        else:
            feed = feeds.Whole(self, examples.given(self, x, y, sample_weight), size, steps=steps)
        found = feed.evaluate(contextlib.nullcontext, lambda *_: True)
        if verbose in (1, 2):
            print(numbers(found))
        return found if return_dict else _in_order(found, self.objectives)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, steps: int | None = None) -> Any:
        """The outputs for all examples, or `steps` batches; a list when the model was given a list of outputs."""
        size = 256 if batch_size is None else checked(batch_size, "batch_size")
        steps = None if steps is None else checked(steps, "steps")
        if batches.of_batches(x):
            found = feeds.predicted(self, batches.Batches.of(x), steps, lambda *_: True)
        else:
            (x,) = examples.opened(x)
            arrays = data.inputs(x, self.graph, self.input_types)
            if steps is not None:
                arrays = [array[: steps * size] for array in arrays]
            found = streaming.predict(self.engine(arrays), arrays, size, lambda *_: True)
        if not found:
            raise DataError("x holds no examples")
        return found[0] if self._single else found

    # --- one batch at a time ---

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One update from these examples; loss, or [loss, *metrics], of the batch before it.

        Errors: as fit; NotFiniteError, and the weights as they were, when the loss is NaN or infinite.
        """
        _ = self.optimizer
        held = examples.given(self, x, y, sample_weight, class_weight)
        if self._drawn is None:
            self._drawn = int(generator().integers(2**31))
        self.position = None
        engine = self.engine(held.x, self._drawn, weights=held.weights)
        read = [one.array() if isinstance(one, Source) else one for one in (*held.x, *held.y)]
        x, y = read[: len(held.x)], read[len(held.x) :]
        try:
            found = engine.train_epoch(x, y, np.arange(len(held)), len(held), lambda *_: True, True)
        except NotFinite as error:
            largest = feeds.Whole(self, held, len(held)).largest()
            raise training.not_finite(self, error, largest, "in this batch") from None
        return found if return_dict else _in_order(found, self.objectives)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss, or [loss, *metrics], of these examples as one batch."""
        _ = self.optimizer
        feed = feeds.Whole(self, held := examples.given(self, x, y, sample_weight), len(held))
        found = feed.evaluate(contextlib.nullcontext, lambda *_: True)
        return found if return_dict else _in_order(found, self.objectives)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for these examples as one batch."""
        (x,) = examples.opened(x)
        arrays = data.inputs(x, self.graph, self.input_types)
        found = streaming.predict(self.engine(arrays), arrays, len(arrays[0]), lambda *_: True)
        return found[0] if self._single else found


def _in_order(found: Mapping[str, Any], told: Objectives) -> Any:
    """One number, or a list: the loss, those of several outputs, the metrics; of several outputs these by name, as in
    Keras.
    """
    first = {"loss", *(f"{name}_loss" for name in told.names)} if len(told.names) > 1 else set(found)
    names = [name for name in found if name in first] + sorted(name for name in found if name not in first)
    return found[names[0]] if len(names) == 1 else [found[name] for name in names]
