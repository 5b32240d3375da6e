"""The only walks over a graph: forward along the data, and backward against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from layerscope.core.contract import Kinds, Layer
from layerscope.core.costs import Operations, Saved
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Edge, Graph, Node, Symbolic
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType, WeightType

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
    """The output types of every node, of which equal ones are one object.

    Errors: ShapeError, naming the node, where they do not fit.
    """

    seeds, found = input_types(graph, batch), list[tuple[TensorType, ...]]()
    known: dict[tuple[int, ...], tuple[TensorType, ...]] = {}
    one: dict[TensorType, TensorType] = {}
    for number, (node, mark) in enumerate(zip(graph.nodes, graph.likeness, strict=True)):
        fed = [found[source][output] for source, output in node.inputs]
        key = (mark, *map(id, fed))
        if number in seeds or key not in known:
            try:
                made = seeds[number] if number in seeds else node.layer.out(*fed)
                for type in made:
                    if len(type.shape) > MOST_AXES:
                        raise ShapeError(f"a tensor of {len(type.shape)} axes; there are at most {MOST_AXES}")
            except ShapeError as error:
                raise error.at(f"{node.label} ({node.layer.kind})").of(lambda: graph) from None
            known[key] = tuple([one.setdefault(type, type) for type in made])
        found.append(known[key])
    return found


def output_types(graph: Graph) -> list[TensorType]:
    """The types of the graph's outputs."""
    found = types(graph)
    return [found[node][number] for node, number in graph.outputs]


def fed_types(graph: Graph, found: Sequence[tuple[TensorType, ...]]) -> list[tuple[TensorType, ...]]:
    """The input types of every node, from the output types of all."""
    return [tuple(found[source][output] for source, output in node.inputs) for node in graph.nodes]


class Asked:
    """A layer with what it is fed, and its answers, each worked out once for all nodes that are alike."""

    def __init__(self, layer: Layer, fed: tuple[TensorType, ...]) -> None:
        self.layer, self.fed = layer, fed
        self._reach: dict[int, tuple[Reads | None, ...]] = {}

    @cached_property
    def out(self) -> tuple[TensorType, ...]:
        return self.layer.out(*self.fed)

    @cached_property
    def weights(self) -> dict[str, WeightType]:
        return self.layer.weight_types(*self.fed)

    @cached_property
    def macs(self) -> Size | None:
        return self.layer.macs(*self.fed)

    @cached_property
    def operations(self) -> Operations | None:
        return self.layer.operations(*self.fed)

    @cached_property
    def saved(self) -> Saved | None:
        return self.layer.saved(*self.fed)

    @cached_property
    def shares(self) -> int | None:
        return self.layer.shares(*self.fed)

    @cached_property
    def workspace(self) -> Size | None:
        return self.layer.workspace(*self.fed)

    def reach(self, output: int) -> tuple[Reads | None, ...]:
        """For each input, how output number `output` reads it."""
        if output not in self._reach:
            self._reach[output] = self.layer.reach(output, *self.fed)
        return self._reach[output]


class Asking:
    """Whom to ask of layers while a network is built: one for all that are alike and fed the same."""

    def __init__(self) -> None:
        self._kinds = Kinds()
        self._known: dict[tuple[int, ...], Asked] = {}
        self._types: dict[TensorType, TensorType] = {}

    def of(self, layer: Layer, fed: Sequence[Symbolic]) -> Asked:
        """Whom to ask for a layer that is put to these tensors."""
        types = tuple([value.type for value in fed])
        key = (self._kinds.of(layer), *map(id, types))
        if key not in self._known:
            self._known[key] = Asked(layer, types)
        return self._known[key]

    def one(self, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The types; equal ones are one object."""
        return tuple([self._types.setdefault(type, type) for type in types])


def asked(graph: Graph, found: Sequence[tuple[TensorType, ...]]) -> list[Asked]:
    """For every node whom to ask, from the output types of all; nodes that are alike and fed the same types share it.

    Types are the same where they are one object, as `types` gives them.
    """
    known: dict[tuple[int, ...], Asked] = {}
    rows: list[Asked] = []
    for node, mark in zip(graph.nodes, graph.likeness, strict=True):
        fed = tuple([found[source][output] for source, output in node.inputs])
        key = (mark, *map(id, fed))
        one = known.get(key)
        if one is None:
            one = known[key] = Asked(node.layer, fed)
        rows.append(one)
    return rows


def changed(
    found: Sequence[tuple[TensorType, ...]], change: Callable[[TensorType], TensorType]
) -> list[tuple[TensorType, ...]]:
    """The output types of all nodes, each changed; those that were one object stay one."""
    known: dict[int, TensorType] = {}
    for row in found:
        for type in row:
            if id(type) not in known:
                known[id(type)] = change(type)
    return [tuple([known[id(type)] for type in row]) for row in found]


def layers(graph: Graph) -> list[Layer]:
    """The layers in order of first use, each once."""
    seen: dict[int, Layer] = {}
    for node in graph.nodes:
        seen.setdefault(id(node.layer), node.layer)
    return list(seen.values())
