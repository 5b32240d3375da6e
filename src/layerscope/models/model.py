"""Model: a graph with weights, that can be compiled, fitted, asked and saved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import GraphError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.sizes import checked
from layerscope.core.types import TensorType
from layerscope.engine.plan import Job
from layerscope.engine.reference import State
from layerscope.models import data, eager, engines, streaming
from layerscope.models import variables as store
from layerscope.models.data import Array
from layerscope.models.inlining import inline
from layerscope.models.objectives import Objectives
from layerscope.models.trainer import Trainer
from layerscope.models.variables import Variable
from layerscope.report.summary import summary
from layerscope.sources import json as graph_json


def _symbols(value: Any, what: str) -> list[Symbolic]:
    found = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    for one in found:
        if not isinstance(one, Symbolic):
            raise GraphError(
                f"{what} must be symbolic tensors, made by Input(...) and layers, not {type(one).__name__}"
            )
    return list(found)


class Model(Trainer):
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
        self.graph, self.name, self._single = store.followed(graph, self._variables), graph.name, single
        self._trained = True
        self.objectives = Objectives()
        self._optimizer = None
        self._engine, self._precision, self._threads = "auto", "float32", None
        self.stop_training = False
        self.history = None
        self.position = None
        self._state = State({id: variable.array for id, variable in self._variables.items()})
        self._job = Job(self.graph)
        self._compiled_still = ()
        self._specific = {}

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
            found += [v for v in sorted(own, key=lambda v: not v.learned) if not any(v is w for w in found)]
        return found

    @property
    def trainable(self) -> bool:
        """Whether training changes its weights. Setting it sets it for all layers, in other models, too; compile
        takes it over.
        """
        return self._trained

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trained = bool(value)
        for layer in propagate.layers(self.graph):
            setattr(layer, "trainable", bool(value))  # noqa: B010 - a property of a frozen dataclass
        self._follow()

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes, as `trainable` of the model and its layers says."""
        return [variable for variable in self.weights if variable.trainable] if self._trained else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """All other variables: of frozen layers, and moving averages."""
        return [variable for variable in self.weights if not (variable.trainable and self._trained)]

    def _follow(self) -> None:
        self.graph = store.followed(self.graph, self._variables, self._trained)

    def _still(self) -> tuple[str, ...]:
        frozen = [id for id, variable in self._variables.items() if not (variable.trainable and self._trained)]
        still = [node.label for node in self.graph.nodes if not node.layer.trainable]
        return (*frozen, *still)

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
        self._follow()
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

    # --- keeping ---

    def to_json(self) -> str:
        """The graph, without weights, as the JSON that `layerscope trace` reads (docs/definitions.md)."""
        self._follow()
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
