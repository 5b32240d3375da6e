"""Drafts: graphs that are changed and propagated again and again, from the change on only."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from layerscope.core import sizes
from layerscope.core.contract import Layer, snake_case
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import LayerscopeError, ShapeError
from layerscope.core.graph import Call, Edge, Graph, Node, Symbolic, trace_calls
from layerscope.core.types import Shape, TensorType, show

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class Misfit:
    """Where a network does not fit: the number of the node, or of nodes for the target; what it was fed; why."""

    node: int
    fed: Types
    cause: str
    at_target: bool = False


@dataclass(frozen=True)
class Draft:
    """A graph, the shape that its output must have (without the batch), and how far its sizes fit.

    `types` are those of the nodes before the misfit, or of all.
    """

    graph: Graph
    target: Shape | None
    types: tuple[Types, ...]
    misfit: Misfit | None

    @property
    def output(self) -> Types:
        """The types of the outputs; only where everything fits, or all but the target."""
        return tuple(self.types[node][number] for node, number in self.graph.outputs)


class Spent(Exception):
    """The work that a search may do is done."""


class Walker:
    """Propagates drafts, and counts the layers that it asked; Spent after `most`."""

    def __init__(self, most: int) -> None:
        self.left = most

    def draft(self, graph: Graph, target: Shape | None) -> Draft:
        """A graph as a draft."""
        return self._walk(graph, target, (), 0)

    def again(self, before: Draft, graph: Graph, first: int) -> Draft:
        """The draft of a graph that is as before up to node number `first`."""
        return self._walk(graph, before.target, before.types[:first], first)

    def _walk(self, graph: Graph, target: Shape | None, known: tuple[Types, ...], first: int) -> Draft:
        found = list(known)
        entries = set(graph.inputs)
        for number in range(first, len(graph.nodes)):
            node = graph.nodes[number]
            fed = tuple(found[source][output] for source, output in node.inputs)
            self.left -= 1
            if self.left < 0:
                raise Spent
            try:
                made = node.layer.out(*(() if number in entries else fed))
            except LayerscopeError as error:
                cause = error.message if isinstance(error, ShapeError) else str(error)
                return Draft(graph, target, tuple(found), Misfit(number, fed, cause))
            if any(output >= len(made) for _, output in _reads(graph, number)):
                return Draft(graph, target, tuple(found), Misfit(number, fed, "an output that is read is missing"))
            found.append(made)
        return Draft(graph, target, tuple(found), _off_target(graph, target, found))


def _reads(graph: Graph, number: int) -> list[Edge]:
    """The later reads of a node that names more than its first output; cheap, as such nodes are few."""
    layer = graph.nodes[number].layer
    if not getattr(layer, "return_switches", False) and not getattr(layer, "return_state", False):
        return []
    return [edge for node in graph.nodes[number + 1 :] for edge in node.inputs if edge[0] == number]


def _off_target(graph: Graph, target: Shape | None, found: Sequence[Types]) -> Misfit | None:
    if target is None:
        return None
    (node, number), *_ = graph.outputs
    type = found[node][number]
    shape = type.shape[1:]
    if len(shape) == len(target) and all(sizes.equal(a, b) for a, b in zip(shape, target, strict=True)):
        return None
    cause = f"the output is {show(shape)}, but should be {show(target)}"
    return Misfit(len(graph.nodes), (type,), cause, at_target=True)


# --- changes of graphs ---


def replaced(graph: Graph, number: int, layer: Layer) -> Graph:
    """The graph with another layer in place of a node's, wherever that layer is used."""
    old = graph.nodes[number].layer
    return replace(graph, nodes=tuple(replace(n, layer=layer) if n.layer is old else n for n in graph.nodes))


def first_use(graph: Graph, number: int) -> int:
    """The number of the first node that uses a node's layer."""
    layer = graph.nodes[number].layer
    return next(place for place, node in enumerate(graph.nodes) if node.layer is layer)


def inserted(graph: Graph, before: int, edges: tuple[Edge, ...], layer: Layer, slot: int) -> Graph:
    """The graph with a node put before node `before` (all nodes: the output), into its input number `slot`."""
    name = _free(graph, snake_case(layer.kind))
    scope = graph.nodes[min(before, len(graph.nodes) - 1)].scope
    made = Node(name, layer, edges, {}, scope)

    def moved(edge: Edge) -> Edge:
        return (edge[0] + (edge[0] >= before), edge[1])

    nodes = [*graph.nodes[:before], made]
    for number, node in enumerate(graph.nodes[before:]):
        sources = [moved(edge) for edge in node.inputs]
        if number == 0:
            sources[slot] = (before, 0)
        nodes.append(replace(node, inputs=tuple(sources)))
    outputs = [moved(edge) for edge in graph.outputs]
    if before == len(graph.nodes):
        outputs[slot] = (before, 0)
    entries = tuple(n + (n >= before) for n in graph.inputs)
    return replace(graph, nodes=tuple(nodes), inputs=entries, outputs=tuple(outputs))


def removed(graph: Graph, number: int) -> Graph:
    """The graph without a node of one input: what read it reads that."""
    (source,) = graph.nodes[number].inputs

    def moved(edge: Edge) -> Edge:
        at = source if edge[0] == number else edge
        return (at[0] - (at[0] > number), at[1])

    nodes = tuple(
        replace(node, inputs=tuple(map(moved, node.inputs))) for n, node in enumerate(graph.nodes) if n != number
    )
    entries = tuple(n - (n > number) for n in graph.inputs)
    return replace(graph, nodes=nodes, inputs=entries, outputs=tuple(map(moved, graph.outputs)))


def _free(graph: Graph, stem: str) -> str:
    taken = {node.name for node in graph.nodes}
    number, name = 1, stem
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


def ancestors(graph: Graph, number: int) -> list[int]:
    """The nodes that a node (all nodes: the outputs) depends on, nearest first, and itself where it is one."""
    start = [number] if number < len(graph.nodes) else [node for node, _ in graph.outputs]
    found = set(start)
    stack = list(start)
    while stack:
        for source, _ in graph.nodes[stack.pop()].inputs:
            if source not in found:
                found.add(source)
                stack.append(source)
    return sorted(found, reverse=True)


def built(graph: Graph) -> Graph:
    """The same network of copies of its layers, with weights; an error of the layers' where it does not fit."""
    calls: list[Call] = []
    copies = {id(node.layer): copy(node.layer) for node in graph.nodes}  # weights belong to a layer, not to a graph
    for number, node in enumerate(graph.nodes):
        fed = tuple(Symbolic(calls[source], output) for source, output in node.inputs)
        layer = copies[id(node.layer)]
        types = layer.out(*(() if number in graph.inputs else (value.type for value in fed)))
        calls.append(Call(layer, fed, types, node.scope, node.name))
    ends = [Symbolic(calls[node], output) for node, output in graph.outputs]
    return trace_calls([Symbolic(calls[number]) for number in graph.inputs], ends, graph.name)
