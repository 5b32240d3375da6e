"""The only walks over a graph: forward along the data, and backward against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from layerscope.core.contract import Layer
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.types import BATCH, TensorType

T = TypeVar("T")
MOST_AXES = 64
"""Of a tensor, as in NumPy."""


def forward(
    graph: Graph, seeds: Mapping[int, tuple[T, ...]], rule: Callable[[Node, tuple[T, ...]], tuple[T, ...]]
) -> list[tuple[T, ...]]:
    """What `rule` makes of each node's inputs, in order; `seeds` gives the input nodes' values."""
    values: list[tuple[T, ...]] = []
    for number, node in enumerate(graph.nodes):
        fed = tuple(values[source][output] for source, output in node.inputs)
        values.append(seeds[number] if number in seeds else rule(node, fed))
    return values


def backward(
    graph: Graph,
    seeds: Mapping[Edge, T],
    rule: Callable[[int, Node, Mapping[int, T]], Sequence[T | None]],
    join: Callable[[T, T], T],
) -> dict[Edge, T]:
    """From what is asked of outputs to what is asked of each tensor.

    `rule` turns what is asked of a node's outputs (by number) into what that asks of each of its
    inputs; demands that meet at one tensor are put together by `join`.
    """
    asked: list[dict[int, T]] = [{} for _ in graph.nodes]
    for (source, output), value in seeds.items():
        asked[source][output] = value
    for number in range(len(graph.nodes) - 1, -1, -1):
        node, wanted = graph.nodes[number], asked[number]
        if not wanted or not node.inputs:
            continue
        for (source, output), value in zip(node.inputs, rule(number, node, wanted), strict=True):
            if value is not None:
                there = asked[source]
                there[output] = join(there[output], value) if output in there else value
    return {(source, output): value for source, row in enumerate(asked) for output, value in row.items()}


def input_types(graph: Graph, batch: int | None = None) -> dict[int, tuple[TensorType, ...]]:
    """The types of the input nodes, with the batch size bound where it is given."""
    bound = {} if batch is None else {BATCH: batch}
    for number in graph.inputs:
        (first, *_) = graph.nodes[number].layer.out()[0].shape or (batch,)
        if batch is not None and isinstance(first, int) and first != batch:
            raise ShapeError(f"its batch size is fixed at {first}, so it cannot be {batch}", None).at(
                graph.nodes[number].label
            )
    return {i: tuple(t.bind(bound) for t in graph.nodes[i].layer.out()) for i in graph.inputs}


def types(graph: Graph, batch: int | None = None) -> list[tuple[TensorType, ...]]:
    """The output types of every node; ShapeError, naming the node, where they do not fit."""

    def rule(node: Node, fed: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        try:
            return node.layer.out(*fed)
        except ShapeError as error:
            raise error.at(f"{node.label} ({node.layer.kind})").of(lambda: graph) from None

    found = forward(graph, input_types(graph, batch), rule)
    for node, row in zip(graph.nodes, found, strict=True):
        for made in row:
            if len(made.shape) > MOST_AXES:
                raise ShapeError(f"a tensor of {len(made.shape)} axes; there are at most {MOST_AXES}").at(
                    f"{node.label} ({node.layer.kind})"
                )
    return found


def output_types(graph: Graph) -> list[TensorType]:
    """The types of the graph's outputs."""
    found = types(graph)
    return [found[node][number] for node, number in graph.outputs]


def fed_types(graph: Graph, found: Sequence[tuple[TensorType, ...]]) -> list[tuple[TensorType, ...]]:
    """The input types of every node, from the output types of all."""
    return [tuple(found[source][output] for source, output in node.inputs) for node in graph.nodes]


def layers(graph: Graph) -> list[Layer]:
    """The layers in order of first use, each once."""
    seen: dict[int, Layer] = {}
    for node in graph.nodes:
        seen.setdefault(id(node.layer), node.layer)
    return list(seen.values())
