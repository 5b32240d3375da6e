"""The bottleneck of a network: its smallest tensor that every path from the inputs to the outputs passes."""

from __future__ import annotations

from layerscope.core import propagate, sizes
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import GraphError, ShapeError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.types import TensorType, show


@dataclass(frozen=True)
class Passage:
    """A tensor between inputs and outputs: output number `output` of node number `node`."""

    node: int
    output: int
    name: str
    type: TensorType

    @property
    def numbers(self) -> int:
        """How many numbers it holds for one example."""
        return _numbers(self.type, self.name)

    @property
    def edge(self) -> Edge:
        """The tensor as the graph names it."""
        return self.node, self.output


def _numbers(type: TensorType, name: str) -> int:
    size = sizes.product(type.shape[1:])
    if not isinstance(size, int):
        raise ShapeError(f"its output is {type}; a bottleneck needs sizes that are numbers").at(name)
    return size


def passages(graph: Graph) -> list[Passage]:
    """The tensors that every path from the inputs to the outputs passes, in order; these ends themselves left out.

    A tensor is one when the paths to it times the paths from it are all paths there are. The switches of
    a max pooling are a path of their own: where an unpooling reads them, no tensor between is passed by all.
    """
    types = propagate.types(graph)
    places = {id(node): number for number, node in enumerate(graph.nodes)}

    def onward(node: Node, fed: tuple[int, ...]) -> tuple[int, ...]:
        return (sum(fed),) * len(types[places[id(node)]])

    before = propagate.forward(graph, dict.fromkeys(graph.inputs, (1,)), onward)
    ends = {edge: graph.outputs.count(edge) for edge in graph.outputs}
    behind = propagate.backward(
        graph,
        ends,
        lambda number, node, wanted: [sum(wanted.values())] * len(node.inputs),
        lambda left, right: left + right,
    )
    total = sum(before[node][output] * times for (node, output), times in ends.items())
    return [
        Passage(node, output, graph.nodes[node].label, type)
        for node, row in enumerate(types)
        if node not in graph.inputs
        for output, type in enumerate(row)
        if (node, output) not in ends and before[node][output] * behind.get((node, output), 0) == total
    ]


def named(graph: Graph, name: str) -> Passage:
    """The output of the layer of this name (its first, where it has several).

    Errors: GraphError for a name that no layer has, and for an input, which computes nothing.
    """
    number = graph.index(name)
    if number in graph.inputs:
        raise GraphError(f"{name} is the input itself. Layers that compute: {offers(graph)}")
    return Passage(number, 0, graph.nodes[number].label, propagate.types(graph)[number][0])


def bottleneck(graph: Graph) -> Passage:
    """The passage that holds the fewest numbers per example, the first of equals.

    Errors: GraphError where no passage holds fewer numbers than the inputs; ShapeError for sizes that are open.
    """
    types = propagate.types(graph)
    found = passages(graph)
    given = sum(_numbers(types[number][0], graph.nodes[number].label) for number in graph.inputs)
    if not found or min(one.numbers for one in found) >= given:
        raise GraphError(
            f"this network has no bottleneck: no tensor that all paths pass holds fewer numbers than the input's "
            f"{given:,}. Name a layer: {offers(graph)}"
        )
    return min(found, key=lambda one: one.numbers)


def offers(graph: Graph, most: int = 12) -> str:
    """The layers by name with the shapes of their outputs, as many as are read at a glance."""
    types = propagate.types(graph)
    told = [
        f"{node.label} {show(types[number][0].shape[1:])}"
        for number, node in enumerate(graph.nodes)
        if number not in graph.inputs
    ]
    rest = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + rest
