"""A Keras 3 model in memory as a plan: its graph read, or the layer calls of one symbolic call recorded.

Keras is not imported: a model of it implies that its user has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.sources._keras import record
from layerscope.sources._keras.inputs import Shapes
from layerscope.sources._keras.plan import Entry, Plan, Ref, Stated, Unit, Use, Weight, by_name, variables
from layerscope.sources._keras.records import PUBLIC

ODD = ("sparse", "ragged", "optional")


class Reader:
    """One reading of a model. `look_inside` follows the calls of classes that are not Keras's own."""

    def __init__(self, keras: Any, model: Any, look_inside: bool) -> None:
        self.keras, self.model, self.look_inside = keras, model, look_inside
        self.units: dict[int, Unit] = {}
        self.trainable = {id(v) for v in model.trainable_variables}
        self.scope = ExitStack()
        self.recording = False
        self.depth = 0

    def plan(self, shapes: Shapes | None = None) -> Plan:
        """The whole model; its objects are as before when this returns."""
        with self.scope:
            graph = functional(self.model)
            if graph is not None:
                return self.of_graph(graph, self.model.name)
            if not self.look_inside:
                raise SourceError(unreadable(self.keras, self.model))
            return self.of_calls(shapes)

    # --- a graph that is there ---

    def of_graph(self, graph: Any, name: str) -> Plan:
        """A functional or built Sequential model."""
        entries = [self._entry(tensor) for tensor in graph.inputs]
        return self._plan(name, entries, list(nodes(graph)), graph.outputs)

    def _entry(self, tensor: Any) -> Entry:
        operation = tensor._keras_history.operation
        odd = tuple(kind for kind in ODD if getattr(operation, kind, False))
        return Entry(id(tensor), operation.name, Stated(tuple(tensor.shape), str(tensor.dtype)), odd)

    def _plan(self, name: str, entries: list[Entry], found: Sequence[Any], outputs: Sequence[Any]) -> Plan:
        stated: dict[Hashable, Stated] = {}
        uses: list[Use] = []
        for node in found:
            for tensor in node.outputs:
                stated[id(tensor)] = Stated(tuple(tensor.shape), str(tensor.dtype))
            unit = self._unit(node)
            args, kwargs = self._refs(node.arguments.args), by_name(self._refs(node.arguments.kwargs))
            keys = tuple(id(tensor) for tensor in node.outputs)
            uses.append(Use(unit, args, kwargs, 0, len(keys), keys))
        plan = Plan(name, entries, uses, [Ref(id(tensor)) for tensor in outputs], stated)
        plan.alive = (found, outputs)
        return plan

    def _refs(self, value: Any) -> Any:
        if isinstance(value, self.keras.KerasTensor):
            return Ref(id(value))
        if isinstance(value, self.keras.Variable):
            return self._weight(value)
        if isinstance(value, list | tuple):
            return tuple(self._refs(part) for part in value)
        if isinstance(value, Mapping):
            return {key: self._refs(part) for key, part in value.items()}
        return value

    # --- layers ---

    def _unit(self, node: Any) -> Unit:
        """The unit of a node's operation; the same one for all its uses, so that weights stay shared."""
        operation = node.operation
        if id(operation) not in self.units:
            is_layer = isinstance(operation, self.keras.layers.Layer)
            kind, home = self._home(operation)
            unit = Unit(operation.name, kind, home, {}, origin=operation)
            self.units[id(operation)] = unit
            graph = functional(operation) if isinstance(operation, self.keras.Model) else None
            if graph is not None:
                unit.model = self.of_graph(graph, operation.name)
                return unit
            if unit.home == "" and is_layer and self.look_inside:
                unit.model = self._inside(node)
            if is_layer and unit.model is None:
                unit.weights = tuple(map(self._weight, operation.weights))
            if not is_layer:
                unit.weights = tuple(variables(self._refs((node.arguments.args, node.arguments.kwargs))))
            unit.settings = self._settings(operation)
        return self.units[id(operation)]

    def _home(self, operation: Any) -> tuple[str, str]:
        """The name of the operation's class, and whose it is (see `Unit`)."""
        cls = type(operation)
        name = cls.__name__
        public = PUBLIC.get(name, name)
        if getattr(sys.modules.get("keras.layers"), public, None) is cls:
            return public, "layers"
        if getattr(sys.modules.get("layerscope.keras"), name, None) is cls:
            return name, "layerscope"
        if cls.__module__.startswith("keras.src.ops"):
            return name, "ops"
        return name, "keras" if cls.__module__.startswith("keras.src.applications") else ""

    def _weight(self, variable: Any) -> Weight:
        name = str(variable.name).rpartition("/")[2]
        trainable = id(variable) in self.trainable
        return Weight(name, tuple(variable.shape), str(variable.dtype), trainable, id(variable))

    def _settings(self, operation: Any) -> Mapping[str, Any]:
        """The operation's configuration, as a file would have it; empty for one that has none."""
        with _without_tensorflow():
            try:
                return dict(operation.get_config())
            except Exception:  # of somebody else's class: it is shown with its shapes all the same
                return {}

    # --- calls that are recorded ---

    def of_calls(self, shapes: Shapes | None) -> Plan:
        """A subclassed model, or a Sequential one that is not built: what one symbolic call of it does."""
        self._start()
        args, kwargs, tensors = record.arguments(self.keras, self.model, shapes)
        outputs = record.call(self.keras, self.model, args, kwargs)
        self._learn()
        entries = [Entry(id(t), name, Stated(tuple(t.shape), str(t.dtype))) for name, t in tensors.items()]
        return self._plan(self.model.name, entries, record.nodes_behind(tensors.values(), outputs), outputs)

    def _learn(self) -> None:
        """Which variables are trained, those that a call has made among them."""
        self.trainable |= {id(variable) for variable in self.model.trainable_variables}

    def _start(self) -> None:
        if not self.recording:
            self.recording = True
            self.scope.enter_context(record.undone(self.keras, self.model))

    def _inside(self, node: Any) -> Plan | None:
        """What a layer of somebody else's class does with layers and functions; None when that cannot be followed."""
        if self.depth >= record.DEEPEST:
            return None
        self._start()
        fresh: dict[int, Any] = {}
        args = record.copied(self.keras, node.arguments.args, fresh)
        kwargs = record.copied(self.keras, node.arguments.kwargs, fresh)
        self.depth += 1
        try:
            outputs = record.call(self.keras, node.operation, args, kwargs)
            self._learn()
            found = record.nodes_behind(fresh.values(), outputs)
            if not found or len(outputs) != len(node.outputs):
                return None
            names = [f"{node.operation.name}_{n}" for n in range(len(fresh))]
            entries = [
                Entry(id(t), name, Stated(tuple(t.shape), str(t.dtype)))
                for name, t in zip(names, fresh.values(), strict=True)
            ]
            plan = self._plan(node.operation.name, entries, found, outputs)
            return plan if self._complete(node.operation, plan) else None
        except SourceError:
            return None
        finally:
            self.depth -= 1

    def _complete(self, layer: Any, plan: Plan) -> bool:
        """Whether the layers that were called have all its weights: others may be used without a layer."""
        shown = {weight.id for weight in _plan_weights(plan)}
        return all(id(variable) in shown for variable in layer.weights)


def _plan_weights(plan: Plan) -> Iterator[Weight]:
    for use in plan.uses:
        yield from use.unit.weights or ()
        if use.unit.model is not None:
            yield from _plan_weights(use.unit.model)


def functional(model: Any) -> Any:
    """The model with a graph of nodes behind this one; None when there is none."""
    inner = getattr(model, "_functional", None) or model
    base = next((cls for cls in type(inner).__mro__ if cls.__name__ == "Functional"), None)
    if base is None or type(inner).call is not base.call or not hasattr(inner, "_nodes_by_depth"):
        return None
    return inner


def nodes(graph: Any) -> Iterator[Any]:
    """The uses of layers behind the inputs, in the order in which Keras computes them."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def unreadable(keras: Any, model: Any) -> str:
    """Why a model without a graph cannot be taken over with its weights."""
    if isinstance(model, keras.Sequential):
        return "it is not built: its input's shape is unknown. Put keras.Input(shape) first, or call build"
    return (
        "a subclassed model has no graph of layers: what it computes is Python code. If that puts layers to its "
        "input and nothing else, keras.Model(x, model.call(x)) with x = keras.Input(shape) has one"
    )


@contextmanager
def _without_tensorflow() -> Generator[None]:
    """Keras looks for TensorFlow's types in configurations, and would import it for that, which takes seconds."""
    lazy = getattr(sys.modules.get("keras.src.utils.module_utils"), "tensorflow", None)
    if "tensorflow" in sys.modules or getattr(lazy, "_available", 0) is not None:
        yield
        return
    assert lazy is not None
    lazy._available = False
    try:
        yield
    finally:
        lazy._available = None
