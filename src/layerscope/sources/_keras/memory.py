"""A Keras 3 model in memory: its layers and what they are called on, read and never run.

Keras is not imported: a model of it implies that its user has done so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import GraphError, LayerscopeError, SourceError
from layerscope.core.graph import Graph, Symbolic
from layerscope.core.types import TensorType
from layerscope.sources._keras.build import Builder
from layerscope.sources._keras.inputs import given_shapes, known_shapes
from layerscope.sources._keras.live import Reader, functional, unreadable
from layerscope.sources._keras.plan import Entry, Ref, Refused, Unit, Use, tensors
from layerscope.sources._keras.units import Tracing, unpooling
from layerscope.sources._keras_layers import rules, translate, translate_operation


def read(what: Any, input: Any = None) -> Graph:
    """As `sources.keras.read`."""
    shapes = None if input is None else given_shapes(input)
    keras = _keras(what)
    plan = Reader(keras, what, look_inside=True).plan(shapes)
    known = None if shapes is None or functional(what) is None else known_shapes(plan, shapes)
    return Builder(Tracing()).graph(plan, known)


@dataclass(frozen=True)
class Loaded:
    """What a Keras model holds: the graph, arrays by parameter id, and what it was compiled with."""

    graph: Graph
    weights: dict[str, Any]
    single: bool
    compiled: dict[str, Any] | None


def foreign(model: Any) -> SourceError:
    """Says of what is no Keras 3 model what it is."""
    kind, home = type(model).__name__, type(model).__module__.partition(".")[0]
    if isinstance(model, str | os.PathLike):
        kind += f": load it first, keras.models.load_model({os.fspath(model)!r})"
    elif home == "tf_keras":
        kind += " of tf_keras, which is Keras 2: save it as .keras, and load that with Keras 3"
    return SourceError(f"this is no Keras 3 model in memory but a {kind}")


def load(model: Any) -> Loaded:
    """As `sources.keras.load`."""
    keras = _keras(model)
    if functional(model) is None:
        _refuse(model, {(model.name, type(model).__name__): unreadable(keras, model)})
    builder = Builder(_Taking(keras))
    try:
        graph = builder.graph(Reader(keras, model, look_inside=False).plan())
    except LayerscopeError:
        _refuse(model, builder.problems)
        raise
    _refuse(model, builder.problems)
    if builder.misfit is not None:
        raise builder.misfit
    connected = {source for node in graph.nodes for source, _ in node.inputs} | {node for node, _ in graph.outputs}
    idle = [repr(graph.nodes[number].label) for number in graph.inputs if number not in connected]
    if idle:
        raise GraphError(f"no output depends on the input {', '.join(idle)}: it is not connected")
    outputs = getattr(functional(model), "_outputs_struct", None)
    weights = _arrays(keras, graph, builder)
    return Loaded(graph, weights, not isinstance(outputs, list | tuple | dict), _compiled(model))


def _keras(model: Any) -> Any:
    keras: Any = sys.modules.get("keras")
    if int(keras.__version__.partition(".")[0]) < 3:
        raise SourceError(f"this model is of Keras {keras.__version__}, but only Keras 3 can be read")
    return keras


def _refuse(model: Any, problems: dict[tuple[str, str], str]) -> None:
    if problems:
        lines = [f"  {label} ({kind}): {why}" for (label, kind), why in problems.items()]
        known = f"Layers that can be: {', '.join(sorted(rules()))}."
        raise SourceError(
            f"this Keras model ({model.name}) cannot be taken over:\n" + "\n".join(lines) + f"\n{known}"
        )


ADAPTED = {"mean": "adapt_mean", "variance": "adapt_variance"}
"""Variables of Normalization, by the names that they have when saved."""


class _Taking:
    """The translator for a model that is to be trained here: only what computes the same, with all its settings."""

    tracing = False

    def __init__(self, keras: Any) -> None:
        self.keras = keras

    def layer(self, unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> Layer:
        """Our layer that computes what this one of Keras does; Refused says why there is none."""
        operation = unit.origin
        if isinstance(operation, self.keras.Model):
            raise Refused(unreadable(self.keras, operation))
        if isinstance(operation, self.keras.layers.Layer):
            return translate(operation, given[0].rank)
        return translate_operation(operation)

    def arrange(self, layer: Layer, use: Use, given: Sequence[Symbolic]) -> tuple[Layer, tuple[Symbolic, ...]]:
        """The tensors in their order; Refused for arguments that no layer here takes."""
        self._check_arguments(use)
        if layer.kind == "MaxUnpooling2D" and len(given) == 3:
            return unpooling(layer, tuple(given))
        return layer, tuple(given)

    def refuses(self, entry: Entry) -> str | None:
        """What arrays cannot be."""
        return f"{entry.odd[0]}=True: inputs here are plain arrays" if entry.odd else None

    def _check_arguments(self, use: Use) -> None:
        # Whether layers act as in training is said by fit and predict, in Keras too, whatever `training` says here.
        kwargs = {k: v for k, v in use.kwargs.items() if k != "training" and v is not None}
        told = [key for key, value in kwargs.items() if not isinstance(value, Ref)]
        if told or "mask" in kwargs:
            raise Refused(f"it is called with {', '.join(sorted({*told, *({'mask'} & kwargs.keys())}))}")
        given = [value for value in self.keras.tree.flatten(use.args) if value is not None]
        if len(given) + len(kwargs) != len(list(tensors((use.args, use.kwargs)))):
            raise Refused("one of its inputs is a constant")


def _arrays(keras: Any, graph: Graph, builder: Builder) -> dict[str, Any]:
    """The array of each weight."""
    found: dict[str, Any] = {}
    for node in graph.nodes:
        for role, id_ in node.weights.items():
            name = ADAPTED.get(role, role) if node.layer.kind == "Normalization" else role
            variable = getattr(builder.units[id(node.layer)].origin, name)
            if str(variable.dtype) == "bfloat16":
                variable = keras.ops.cast(variable, "float32")
            found[id_] = keras.ops.convert_to_numpy(getattr(variable, "value", variable))
    return found


def _compiled(model: Any) -> dict[str, Any] | None:
    """What the model was compiled with, as Keras's objects; None when it is not compiled."""
    told = getattr(getattr(model, "_compile_config", None), "config", None)
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None or told is None:
        return None
    return {**told, "optimizer": model.optimizer, "names": list(functional(model).output_names)}
