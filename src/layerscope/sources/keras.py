"""A Keras 3 model in memory: its graph of layers, read and never run.

Keras is not imported: a model of it implies that its user has done so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls
from layerscope.core.types import TensorType, show
from layerscope.layers import layer_class
from layerscope.sources._keras_layers import Refused, rules, translate, translate_operation

SUMMARY = "a Keras 3 model"


def handles(what: object) -> bool:
    """Whether this is a model of the Keras that is imported."""
    cls = getattr(sys.modules.get("keras"), "Model", None)
    return isinstance(cls, type) and isinstance(what, cls)


def read(what: Any) -> Graph:
    """The model's graph; SourceError lists every layer that has no equal here."""
    return load(what).graph


@dataclass(frozen=True)
class Loaded:
    """What a Keras model holds: the graph, arrays by parameter id, and what it was compiled with."""

    graph: Graph
    weights: dict[str, Any]
    single: bool
    compiled: dict[str, Any] | None


def load(model: Any) -> Loaded:
    """Everything but the optimizer's state; SourceError lists every layer that has no equal here."""
    keras: Any = sys.modules.get("keras")
    if not handles(model):
        kind, home = type(model).__name__, type(model).__module__.partition(".")[0]
        if isinstance(model, str | os.PathLike):
            kind += f": load it first, keras.models.load_model({os.fspath(model)!r})"
        elif home == "tf_keras":
            kind += " of tf_keras, which is Keras 2: save it as .keras, and load that with Keras 3"
        raise SourceError(f"this is no Keras 3 model in memory but a {kind}")
    if int(keras.__version__.partition(".")[0]) < 3:
        raise SourceError(f"this model is of Keras {keras.__version__}, but only Keras 3 can be read")
    reader = _Reader(keras)
    reader.survey(model, ())
    if reader.problems:
        lines = [f"  {label} ({kind}): {why}" for (label, kind), why in reader.problems.items()]
        raise SourceError(
            f"this Keras model ({model.name}) cannot be taken over:\n" + "\n".join(lines) + f"\n{_known()}"
        )
    functional = _functional(model)
    start = [reader.input(tensor) for tensor in functional.inputs]
    ends = reader.walk(model, start, ())
    graph, weights = reader.filled(trace_calls(start, ends, model.name))
    outputs = getattr(functional, "_outputs_struct", None)
    return Loaded(graph, weights, not isinstance(outputs, list | tuple | dict), _compiled(model))


def _known() -> str:
    return f"Layers that can be: {', '.join(sorted(rules()))}."


def _functional(model: Any) -> Any:
    """The model with a graph of nodes behind this one; None when there is none."""
    inner = getattr(model, "_functional", None) or model
    base = next((cls for cls in type(inner).__mro__ if cls.__name__ == "Functional"), None)
    if base is None or type(inner).call is not base.call or not hasattr(inner, "_nodes_by_depth"):
        return None
    return inner


def _nodes(functional: Any) -> Iterator[Any]:
    """The uses of layers behind the inputs, in the order in which Keras computes them."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from (node for node in functional._nodes_by_depth[depth] if not node.is_input)


class _Reader:
    """One reading: first all problems are found, then the graph is built."""

    def __init__(self, keras: Any) -> None:
        self.keras = keras
        self.problems: dict[tuple[str, str], str] = {}
        self.made: dict[int, Layer] = {}
        self.origins: dict[int, Any] = {}

    # --- what stands in the way ---

    def survey(self, model: Any, scope: tuple[str, ...]) -> None:
        """Translate every layer, and note all that cannot be."""
        functional = _functional(model)
        if functional is None:
            self._note(model, scope[:-1], _unreadable(self.keras, model))
            return
        if not scope:
            for tensor in functional.inputs:
                self._try(tensor._keras_history.operation, scope, lambda tensor=tensor: self.input(tensor))
        for node in _nodes(functional):
            operation = node.operation
            if isinstance(operation, self.keras.Model):
                self.survey(operation, (*scope, operation.name))
            else:
                self._try(operation, scope, lambda node=node: self._layer(node))

    def _try(self, operation: Any, scope: tuple[str, ...], make: Any) -> None:
        try:
            make()
        except (Refused, LayerscopeError) as error:
            self._note(operation, scope, str(error))

    def _note(self, operation: Any, scope: tuple[str, ...], why: str) -> None:
        self.problems.setdefault(("/".join((*scope, operation.name)), type(operation).__name__), why)

    def input(self, tensor: Any) -> Symbolic:
        """One of the model's inputs."""
        operation = tensor._keras_history.operation
        for kind in ("sparse", "ragged", "optional"):
            if getattr(operation, kind, False):
                raise Refused(f"{kind}=True: inputs here are plain arrays")
        cls: Any = layer_class("InputLayer")
        batch, *shape = tensor.shape
        layer = cls(shape, batch, str(tensor.dtype), name=operation.name)
        return Symbolic(Call(layer, (), layer.out()))

    def _layer(self, node: Any) -> Layer:
        """Our layer for a node's; the same one for all its uses, so that weights stay shared."""
        operation = node.operation
        self._check_arguments(node)
        if id(operation) not in self.made:
            if isinstance(operation, self.keras.layers.Layer):
                made = translate(operation, len(node.input_tensors[0].shape))
            else:
                made = translate_operation(operation)
            self.made[id(operation)], self.origins[id(made)] = made, operation
        return self.made[id(operation)]

    def _check_arguments(self, node: Any) -> None:
        # Whether layers act as in training is said by fit and predict, in Keras too, whatever `training` says here.
        kwargs = {k: v for k, v in node.arguments.kwargs.items() if k != "training" and v is not None}
        told = [key for key, value in kwargs.items() if not self.keras.utils.is_keras_tensor(value)]
        if told or "mask" in kwargs:
            raise Refused(f"it is called with {', '.join(sorted({*told, *({'mask'} & kwargs.keys())}))}")
        given = [value for value in self.keras.tree.flatten(node.arguments.args) if value is not None]
        if len(given) + len(kwargs) != len(node.input_tensors):
            raise Refused("one of its inputs is a constant")

    # --- the graph ---

    def walk(self, model: Any, fed: Sequence[Symbolic], scope: tuple[str, ...]) -> list[Symbolic]:
        """The model's outputs when it is fed these tensors; nested models become part of the graph."""
        functional = _functional(model)
        values = {id(tensor): value for tensor, value in zip(functional.inputs, fed, strict=True)}
        for node in _nodes(functional):
            given = tuple(values[id(tensor)] for tensor in node.input_tensors)
            if isinstance(node.operation, self.keras.Model):
                made: Sequence[Symbolic] = self.walk(node.operation, given, (*scope, node.operation.name))
            else:
                made = self._call(node, given, scope)
            values |= {id(tensor): value for tensor, value in zip(node.outputs, made, strict=True)}
        return [values[id(tensor)] for tensor in functional.outputs]

    def _call(self, node: Any, given: tuple[Symbolic, ...], scope: tuple[str, ...]) -> list[Symbolic]:
        layer = self._layer(node)
        title = f"{'/'.join((*scope, node.operation.name))} ({type(node.operation).__name__})"
        if layer.kind == "MaxUnpooling2D" and len(given) == 3:
            layer, given = _unpooling(layer, given, title)
        try:
            types = layer.out(*(value.type for value in given))
        except ShapeError as error:
            raise error.at(title) from None
        for tensor, type_ in zip(node.outputs, types, strict=True):
            _check_shape(tuple(tensor.shape), type_, title)
        call = Call(layer, given, types, scope)
        return [Symbolic(call, number) for number in range(len(types))]

    def filled(self, graph: Graph) -> tuple[Graph, dict[str, Any]]:
        """The graph with frozen weights marked, and the array of each weight."""
        arrays: dict[str, Any] = {}
        rows = dict(graph.parameters)
        for node in graph.nodes:
            for role, id_ in node.weights.items():
                origin = self.origins[id(node.layer)]
                variable = getattr(origin, role)
                if not any(variable is one for one in origin.trainable_variables):
                    rows[id_] = replace(rows[id_], trainable=False)
                if str(variable.dtype) == "bfloat16":
                    variable = self.keras.ops.cast(variable, "float32")
                arrays[id_] = self.keras.ops.convert_to_numpy(getattr(variable, "value", variable))
        return replace(graph, parameters=rows), arrays


def _unreadable(keras: Any, model: Any) -> str:
    if isinstance(model, keras.Sequential):
        return "it is not built: its input's shape is unknown. Put keras.Input(shape) first, or call build"
    return (
        "a subclassed model has no graph of layers: what it computes is Python code. If that puts layers to its "
        "input and nothing else, keras.Model(x, model.call(x)) with x = keras.Input(shape) has one"
    )


def _unpooling(layer: Any, given: tuple[Symbolic, ...], title: str) -> tuple[Layer, tuple[Symbolic, ...]]:
    """MaxUnpooling2D on values, switches and the image that was pooled: our switches carry its size."""
    values, switches, image = given
    plane = image.type.shape[1:-1]
    pool = switches.call
    same = bool(pool.inputs) and pool.layer.kind == "MaxPooling2D" and pool.inputs[0].type.shape[1:-1] == plane
    if switches.type.plane is not None and same:
        return layer, (values, switches)
    if switches.type.plane is None and all(isinstance(size, int) for size in plane):
        return replace(layer, output_size=plane), (values, switches)
    raise ShapeError(f"its switches do not come from pooling its third input, of {show(image.type.shape)}").at(title)


def _check_shape(theirs: tuple[int | None, ...], ours: TensorType, title: str) -> None:
    known = [(a, b) for a, b in zip(theirs[1:], ours.shape[1:], strict=False) if isinstance(a, int)]
    if len(theirs) != ours.rank or any(isinstance(b, int) and a != b for a, b in known):
        raise SourceError(f"{title}: Keras says that its output is {show(theirs)}, but here it would be {ours}")


def _compiled(model: Any) -> dict[str, Any] | None:
    """What the model was compiled with, as Keras's objects; None when it is not compiled."""
    told = getattr(getattr(model, "_compile_config", None), "config", None)
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None or told is None:
        return None
    return {**told, "optimizer": model.optimizer, "names": list(_functional(model).output_names)}
