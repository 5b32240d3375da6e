"""Parts of a model: what its layers put out on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerscope.core import propagate
from layerscope.core.errors import GraphError
from layerscope.core.graph import Edge, Graph
from layerscope.models.model import Model


def outputs_at(model: Model, tensors: Sequence[Edge]) -> Model:
    """A model with the inputs of another one (those that matter) and, as outputs, these tensors inside it.

    `tensors` are (index of a node, number of its output). Layers and weights are shared, so it follows
    the training of the other; it computes with the same engine, precision and threads.
    Errors: GraphError for a tensor that is none, or is an input itself.
    """
    part = Model.from_graph(subgraph(model.graph, tensors))
    part._engine, part._precision, part._threads = model._engine, model._precision, model._threads
    return part


def subgraph(graph: Graph, tensors: Sequence[Edge]) -> Graph:
    """The nodes on which these tensors depend, with the tensors as outputs."""
    if not tensors:
        raise GraphError("no tensor was named")
    types = propagate.types(graph)
    for node, output in tensors:
        if not 0 <= node < len(graph.nodes) or node in graph.inputs or not 0 <= output < len(types[node]):
            raise GraphError(f"({node}, {output}) is no tensor that a layer of {graph.name!r} puts out")
    needed = set[int]()
    stack = [node for node, _ in tensors]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack += [source for source, _ in graph.nodes[node].inputs]
    place = {old: new for new, old in enumerate(sorted(needed))}
    nodes = [
        replace(node, inputs=tuple((place[source], output) for source, output in node.inputs))
        for node in (graph.nodes[old] for old in place)
    ]
    used = {id for node in nodes for id in node.weights.values()}
    return Graph(
        tuple(nodes),
        tuple(place[old] for old in graph.inputs if old in place),
        tuple((place[node], output) for node, output in tensors),
        {id: row for id, row in graph.parameters.items() if id in used},
        f"{graph.name}-part",
    )
