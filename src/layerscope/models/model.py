"""Model: a graph with weights, that can be compiled, fitted, asked and saved."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from layerscope import losses as loss_module
from layerscope import metrics as metric_module
from layerscope import optimizers
from layerscope.callbacks import Callback, History
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import DataError, GraphError, SettingError, ShapeError, TrainingError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.sizes import checked
from layerscope.core.types import TensorType, show
from layerscope.engine.plan import Compiling, Job
from layerscope.engine.reference import State
from layerscope.models import data, eager, engines, streaming, training
from layerscope.models import variables as store
from layerscope.models.data import Array
from layerscope.models.inlining import inline
from layerscope.models.progress import numbers
from layerscope.models.variables import Variable
from layerscope.report.summary import summary
from layerscope.sources import json as graph_json
from layerscope.utils import set_random_seed

if TYPE_CHECKING:
    from layerscope.models.engines import Engine, EngineReport

KEPT = 16
"""Programs kept for different sizes of inputs that leave their sizes open."""


def _symbols(value: Any, what: str) -> list[Symbolic]:
    found = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    for one in found:
        if not isinstance(one, Symbolic):
            raise GraphError(
                f"{what} must be symbolic tensors, made by Input(...) and layers, not {type(one).__name__}"
            )
    return list(found)


class Model:
    """A network between symbolic inputs and outputs: Model(inputs, outputs).

    Layers that other models share are shared with their weights. Calling a model on symbolic tensors
    puts its layers into another network; calling it on arrays computes.
    Source: Keras 3, `keras.Model`.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None) -> None:
        if inputs is None or outputs is None:
            raise GraphError("Model needs inputs and outputs: Model(inputs, outputs)")
        start = _symbols(inputs, "inputs")
        for value in start:
            if value.call.inputs:
                raise GraphError(
                    f"inputs must come from Input(...), but one is the output of {value.call.layer.kind}. "
                    "For the part of a network behind it, call its layers on a new Input."
                )
        graph = trace_calls(start, _symbols(outputs, "outputs"), name or "functional")
        self._take(graph, single=isinstance(outputs, Symbolic))

    @classmethod
    def from_graph(cls, graph: Graph) -> Model:
        """A model with fresh weights around a graph."""
        model = cls.__new__(cls)
        model._take(graph, single=len(graph.outputs) == 1)
        return model

    def _take(self, graph: Graph, single: bool) -> None:
        self._types = propagate.types(graph)
        self._variables = store.for_graph(graph)
        graph = store.frozen(graph, self._variables)
        self.graph, self.name, self._single = graph, graph.name, single
        self.losses: list[loss_module.Loss] = []
        self.metrics: dict[str, tuple[int, metric_module.Metric]] = {}
        self._optimizer: optimizers.Optimizer | None = None
        self._engine, self._precision, self._threads = "auto", "float32", None
        self.stop_training = False
        self.history: History | None = None
        self.position: training.Position | None = None
        self._state = State({id: variable.array for id, variable in self._variables.items()})
        self._job = Job(graph)
        self._specific: dict[tuple[tuple[int, ...], ...], Job] = {}

    # --- what it consists of ---

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, each once."""
        return propagate.layers(self.graph)

    @property
    def input_types(self) -> list[TensorType]:
        """Types of the inputs, the batch open."""
        return [self._types[number][0] for number in self.graph.inputs]

    @property
    def output_types(self) -> list[TensorType]:
        """Types of the outputs, the batch open."""
        return [self._types[node][number] for node, number in self.graph.outputs]

    def output_types_for(self, arrays: Sequence[Array]) -> list[TensorType]:
        """Types of the outputs for inputs of these arrays' sizes; ShapeError where they do not fit a layer."""
        return propagate.output_types(self._job_for(arrays).graph)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the (first) input as in Keras: None where open."""
        return _open(self.input_types[0])

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the (first) output as in Keras: None where open."""
        return _open(self.output_types[0])

    @property
    def threads(self) -> int | None:
        """How many cores work; None: all that this process may use."""
        return self._threads

    @threads.setter
    def threads(self, count: int | None) -> None:
        self._threads = None if count is None else checked(count, "threads")

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimizer that compile chose."""
        if self._optimizer is None:
            raise TrainingError("compile the model first: model.compile(optimizer='adadelta', loss=...)")
        return self._optimizer

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name or index; GraphError names those that exist."""
        if index is not None:
            found = self.layers
            if not -len(found) <= index < len(found):
                raise GraphError(f"there are {len(found)} layers, 0 to {len(found) - 1}, but no number {index}")
            return found[index]
        if name is None:
            raise GraphError("get_layer needs a name or an index")
        return self.graph.nodes[self.graph.index(name)].layer

    @property
    def weights(self) -> list[Variable]:
        """All variables in the order of the layers, each layer's trainable ones first."""
        found: list[Variable] = []
        for node in self.graph.nodes:
            own = [self._variables[id] for id in node.weights.values()]
            found += [v for v in sorted(own, key=lambda v: not v.trainable) if not any(v is w for w in found)]
        return found

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes."""
        return [variable for variable in self.weights if variable.trainable]

    def get_weights(self) -> list[Array]:
        """Copies of all weights' arrays, in the order of `weights`."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights' arrays; DataError, changing nothing, when one does not fit."""
        store.assign_all(self.weights, weights, f"the model {self.name!r}")
        self.position = None  # of other weights

    def count_params(self) -> int:
        """Number of elements of all weights, shared ones once."""
        return sum(row.size for row in self.graph.parameters.values())

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the table of layers that Keras 3 prints."""
        (print_fn or print)(summary(self.graph, self.name, line_length))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self.layers)} layers, {self.count_params():,} parameters>"

    def __call__(self, *inputs: Any, training: bool = False) -> Any:
        """On symbolic tensors: its layers become part of another network. On arrays: its outputs.

        With `training`, on arrays, layers such as Dropout act as they do in training (in float32).
        """
        flat = list(inputs[0] if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else inputs)
        if flat and all(isinstance(value, Symbolic) for value in flat):
            return inline(self, flat)
        given = inputs[0] if len(inputs) == 1 else flat
        if not training:
            return self._reference(given)
        outputs = eager.through(self.graph, data.inputs(given, self.graph, self.input_types))
        return outputs[0] if self._single else outputs

    def _reference(self, given: Any) -> Any:
        """The outputs for a few arrays, without compiling anything."""
        arrays = data.inputs(given, self.graph, self.input_types)
        self._state.weights = {id: variable.array for id, variable in self._variables.items()}
        engine = engines.make("reference", self._job_for(arrays), self._state, self._precision)
        found = streaming.predict(engine, arrays, 256, lambda *_: True)
        return found[0] if self._single else found

    # --- training ---

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        *,
        engine: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
    ) -> None:
        """Choose optimizer, loss and metrics.

        `engine` is "native" (machine code made for this network, which "auto" means) or "reference" (NumPy);
        `precision` "float32" or "float64"; `threads` how many cores work, by default those that this process
        may use (or what the environment variable LAYERSCOPE_THREADS says).
        Errors: UnknownNameError, SettingError; ShapeError when a loss does not fit its output.
        """
        engines.check(engine, precision, threads)
        if loss_weights is not None:
            raise SettingError("loss_weights are not supported yet: losses of several outputs are added up")
        if isinstance(metrics, str):
            metrics = [metrics]
        if loss is None:
            raise SettingError("compile needs a loss, for example loss='binary_crossentropy'")
        if metrics is not None and not isinstance(metrics, list | tuple):
            raise SettingError(f"metrics must be a list, for example metrics=['accuracy'], not {metrics!r}")
        outputs = self.output_types
        names = [self.graph.nodes[node].label for node, _ in self.graph.outputs]
        found = [loss_module.get(one) for one in loss_module.for_outputs(loss, names)]
        loss_module.check_outputs(found, outputs)
        chosen = optimizers.get(optimizer)
        measured = metric_module.named(metric_module.get(m, found[0], outputs[0]) for m in metrics or ())
        for name, metric in measured.items():
            metric.fits(outputs[0])
            wanted, given_type = metric.target_type(outputs[0]).shape, found[0].target_type(outputs[0]).shape
            if wanted != given_type:
                raise ShapeError(
                    f"the metric {name} compares the output {show(outputs[0].shape[1:])} with targets of "
                    f"{show(wanted[1:])} per example, but {found[0].name} takes targets of {show(given_type[1:])}"
                )
        self.losses, self._optimizer, self.position = found, chosen, None
        self.metrics = {name: (0, metric) for name, metric in measured.items()}
        self._engine, self._precision, self._threads = engine, precision, threads
        self._cast(precision)
        self._job, self._specific = self._new_job(self.graph), {}
        self._state = State({id: variable.array for id, variable in self._variables.items()})

    def _new_job(self, graph: Graph) -> Job:
        outputs = propagate.output_types(graph)  # names the layer where sizes do not fit
        if self._optimizer is None:
            return Job(graph)
        targets = [loss.target_type(output) for loss, output in zip(self.losses, outputs, strict=True)]
        return Job(graph, self.losses, targets, self.metrics, self._optimizer)

    def _cast(self, precision: str) -> None:
        for variable in self._variables.values():
            if variable.array.dtype != precision:
                variable.array = variable.array.astype(precision)

    def engine(
        self, arrays: Sequence[Array] | None = None, seed: int = 0, compiling: Compiling = contextlib.nullcontext
    ) -> Engine:
        """The engine for this model as compiled, and for inputs of these arrays' sizes where it leaves them open."""
        self._state.weights = {id: variable.array for id, variable in self._variables.items()}
        job = self._job if arrays is None else self._job_for(arrays)
        return engines.make(self._engine, job, self._state, self._precision, self._threads, seed, compiling)

    def engine_report(self) -> EngineReport:
        """Which engine computes this model, and how each layer runs in it: print it, or look at its `rows`."""
        return engines.report(self._engine, self._job, self._precision, self._threads)

    def _job_for(self, arrays: Sequence[Array]) -> Job:
        graph = data.specific(self.graph, arrays)
        if graph is self.graph:
            return self._job
        key = tuple(array.shape[1:] for array in arrays)
        if key not in self._specific:
            if len(self._specific) >= KEPT:
                self._specific.clear()
            self._specific[key] = self._new_job(graph)
        return self._specific[key]

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
        shuffle: bool = True,
        *,
        initial_epoch: int = 0,
        validation_freq: int = 1,
        validation_batch_size: int | None = None,
        seed: int | None = None,
        resume: bool = False,
    ) -> History:
        """Train on arrays or sources (`models.Source`); the history of losses and metrics.

        Ctrl-C ends it after the current batch, with the history so far; a second one at once.
        `seed` makes shuffling and dropout repeatable (`utils.set_random_seed` also the initial weights).
        `resume` goes on behind the last epoch of a model that was saved while it was trained, with that
        history, to the same bits as if training had never stopped (given the same data, batches and threads).
        Errors: TrainingError before compile or with nothing to resume; DataError, ShapeError for data that do
        not fit; NotFiniteError when the loss becomes NaN.
        """
        _ = self.optimizer  # which is there once compile was called
        if seed is not None:
            set_random_seed(checked(seed, "seed", 0))
        if resume:
            initial_epoch = training.resumable(self.position).epoch
        asked = training.settings(
            batch_size, epochs, initial_epoch, shuffle, validation_freq, validation_batch_size, verbose
        )
        told = training.listed(callbacks)
        parts = training.split(self, x, y, validation_split, validation_data)
        loop = training.Loop(self, asked, parts, told, self.position if resume else None)
        self.history = loop.history
        return loop.run()

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: Any = 0, return_dict: bool = False
    ) -> Any:
        """Loss, or [loss, *metrics], over all examples; with `return_dict` by name. Some metrics are lists."""
        _ = self.optimizer  # which is there once compile was called
        arrays, answers = training.pair(self, x, y)
        size = 32 if batch_size is None else checked(batch_size, "batch_size")
        found = streaming.evaluate(self.engine(arrays), arrays, answers, size, lambda *_: True)
        if verbose in (1, 2):
            print(numbers(found))
        if return_dict:
            return found
        values = list(found.values())
        return values[0] if len(values) == 1 else values

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The outputs for all examples; a list when the model was given a list of outputs."""
        arrays = data.inputs(x, self.graph, self.input_types)
        size = 256 if batch_size is None else checked(batch_size, "batch_size")
        found = streaming.predict(self.engine(arrays), arrays, size, lambda *_: True)
        if not found:
            raise DataError("x holds no examples")
        return found[0] if self._single else found

    # --- keeping ---

    def to_json(self) -> str:
        """The graph, without weights, as the JSON that `layerscope trace` reads (docs/definitions.md)."""
        return json.dumps(graph_json.dump(self.graph), indent=2, ensure_ascii=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write graph, weights and training state into one file without code; `load_model` reads it."""
        from layerscope.models.saving import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Model:
        """The model in a file that `save` wrote."""
        from layerscope.models.saving import load

        return load(path)

    def to_keras(self) -> Any:
        """A functional Keras 3 model with the same layers, names and weights, compiled alike.

        What Keras lacks comes from `layerscope.keras`, or as several of its layers that compute the same.
        Errors: ExportError without Keras, or listing the layers that it cannot express.
        """
        return import_module("layerscope.targets.keras").to_keras(self)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write it for others: .onnx, .keras or .pt2 (PyTorch) by the suffix. ExportError says what cannot be."""
        import_module("layerscope.targets").write(self, path)

    def to_onnx(self) -> Any:
        """The model as an `onnx.ModelProto`, channels last as here (see `layerscope.targets.onnx`)."""
        return import_module("layerscope.targets.onnx").model(self)

    def to_torch(self) -> Any:
        """The model as a `torch.nn.Module`, images channels first (see `layerscope.targets.torch`)."""
        return import_module("layerscope.targets.torch").module(self)


def _open(type: TensorType) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in type.shape)
