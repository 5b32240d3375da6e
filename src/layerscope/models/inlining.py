"""A model called on symbolic tensors: its layers become part of another network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core import propagate, sketch
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Call, Node, Symbolic, types_of

if TYPE_CHECKING:
    from layerscope.models.model import Model


def inline(model: Model, given: Sequence[Symbolic]) -> Any:
    """The outputs of the model's layers put to these tensors; ShapeError where they do not fit."""
    title = f"{model.name} (Model)"
    if len(given) != len(model.graph.inputs):
        raise ShapeError(f"takes {len(model.graph.inputs)} inputs, but got {len(given)}").at(title)
    for value, type in zip(given, model.input_types, strict=True):
        if value.type.rank != type.rank and not sketch.on():
            raise ShapeError(f"its input is {type}, but got {value.type}").at(title)
    seeds = {node: (value,) for node, value in zip(model.graph.inputs, given, strict=True)}

    def rule(node: Node, fed: tuple[Symbolic, ...]) -> tuple[Symbolic, ...]:
        types = types_of(node.layer, fed, f"{model.name}/{node.label} ({node.layer.kind})")
        call = Call(node.layer, fed, types, (model.name, *node.scope), node.name, owner=model)
        return tuple(Symbolic(call, number) for number in range(len(types)))

    made = propagate.forward(model.graph, seeds, rule)
    outputs = [made[node][number] for node, number in model.graph.outputs]
    return outputs[0] if model._single else outputs
