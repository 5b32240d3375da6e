"""A journey as plain data: the object that `--format json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.analyses.capacity import LayerCapacity, capacity
from layerscope.analyses.journey import Extent, Journey, Step
from layerscope.core.costs import Operations
from layerscope.core.graph import Graph, Node
from layerscope.telling.fields import extent_facts
from layerscope.telling.lines import OPERATIONS
from layerscope.telling.words import plain, real


def facts(graph: Graph, found: Journey) -> dict[str, Any]:
    """All that is known of every layer, and the totals; the keys are described in docs/definitions.md."""
    cost, memory = found.cost, found.memory
    passing = capacity(graph, [step.outputs for step in found.steps])
    rows = zip(graph.nodes, found.steps, passing.layers, strict=True)
    counted: set[str] = set()
    return {
        "name": found.name,
        "batch": found.batch,
        "layers": [
            _layer(graph, node, step, found, counted) | {"information": _information(one)} for node, step, one in rows
        ],
        "totals": {
            "parameters": cost.parameters,
            "trainable_parameters": cost.trainable,
            "non_trainable_parameters": cost.parameters - cost.trainable,
            "macs": plain(cost.macs),
            "at_least": cost.at_least,
            "parameters_at_least": cost.parameters_at_least,
            "operations": _operations(cost.operations),
            "operations_at_least": cost.operations_at_least,
            "memory": {
                "weights": memory.weights,
                "inputs": plain(memory.inputs),
                "outputs": plain(memory.outputs),
                "peak": plain(memory.peak),
                "peak_layer": found.steps[memory.peak_node].name,
                "at_least": memory.at_least,
                "saved": plain(memory.saved),
                "saved_at_least": memory.saved_at_least,
                "dtype": found.dtype,
            },
            "information": {
                "capacity": passing.capacity,
                "narrowest": passing.narrowest or None,
                "unread": passing.unread,
            },
        },
        "assumptions": list(found.assumptions),
    }


def _information(one: LayerCapacity) -> dict[str, Any]:
    return {
        "elements": one.elements,
        "capacity": one.capacity,
        "narrowest": one.narrowest or None,
        "unread": one.unread,
        "dropped": list(one.dropped),
        "discarded": real(one.discarded),
    }


def _operations(found: Operations | None) -> dict[str, Any] | None:
    return None if found is None else {name: plain(getattr(found, name)) for name in OPERATIONS}


def _layer(graph: Graph, node: Node, step: Step, found: Journey, counted: set[str]) -> dict[str, Any]:
    """A layer's object. `counted` has the ids of the weights of earlier layers, and gets this one's."""
    shapes = [[plain(size) for size in type.shape] for type in step.outputs]
    fields = {found.inputs[source]: _field(parts) for source, parts in step.fields.items()}
    ids = dict.fromkeys(node.weights.values())
    unknown = step.parameters is None
    again = sum(graph.parameters[id].size for id in ids if id in counted)
    counted.update(ids)
    row: dict[str, Any] = {
        "name": step.name,
        "kind": step.kind,
        "inputs": [found.steps[source].name for source, _ in node.inputs],
        "output_shape": shapes[0],
        "dtype": step.outputs[0].dtype,
        "weights": {role: list(dims) for role, dims in step.weights.items()},
        "parameters": step.parameters,
        "trainable_parameters": None if unknown else _trainable(graph, list(ids)),
        "shared": step.shared,
        "shared_parameters": None if unknown else again,
        "macs": plain(step.macs),
        "operations": _operations(step.operations),
        "memory": _memory(step),
        "receptive_field": next(iter(fields.values()), None),
        "ratio": None if step.ratio is None else real(step.ratio),
        "notes": list(step.notes),
    }
    if len(shapes) > 1:
        row["output_shapes"] = shapes
    if len(fields) > 1:
        row["receptive_fields"] = fields
    return row


def _trainable(graph: Graph, ids: Sequence[str]) -> int:
    return sum(graph.parameters[id].size for id in ids if graph.parameters[id].trainable)


def _memory(step: Step) -> Mapping[str, Any] | None:
    memory = step.memory
    if memory is None:
        return None
    return {
        "output": plain(memory.output),
        "live": plain(memory.live if memory.workspace is not None else None),
        "workspace": plain(memory.workspace),
        "saved": plain(memory.saved),
    }


def _field(parts: Sequence[Extent | None]) -> str | list[Any]:
    if all(part is None for part in parts):
        return "everything"
    return [extent_facts(part) for part in parts]
