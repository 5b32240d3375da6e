"""A model as a part of another: its layers put to that one's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core import propagate
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Call, Node, Symbolic

if TYPE_CHECKING:
    from layerscope.models.model import Model


def inline(model: Model, given: Sequence[Symbolic]) -> Any:
    """The outputs of the model's layers on symbolic tensors. ShapeError where they do not fit."""
    graph = model.graph
    title = f"{model.name} (Model)"
    if len(given) != len(graph.inputs):
        raise ShapeError(f"takes {len(graph.inputs)} inputs, but got {len(given)}").at(title)
    for value, type in zip(given, model.input_types, strict=True):
        if value.type.rank != type.rank:
            raise ShapeError(f"its input is {type}, but got {value.type}").at(title)
    seeds = {node: (value,) for node, value in zip(graph.inputs, given, strict=True)}

    def rule(node: Node, fed: tuple[Symbolic, ...]) -> tuple[Symbolic, ...]:
        try:
            types = node.layer.out(*(value.type for value in fed))
        except ShapeError as error:
            raise error.at(f"{model.name}/{node.label} ({node.layer.kind})") from None
        call = Call(node.layer, fed, types, (model.name, *node.scope), node.name, owner=model)
        return tuple(Symbolic(call, number) for number in range(len(types)))

    made = propagate.forward(graph, seeds, rule)
    outputs = [made[node][number] for node, number in graph.outputs]
    return outputs[0] if model._single else outputs
