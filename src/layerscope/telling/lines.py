"""The rows of a table as facts: one layer each, or several put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property, partial

from layerscope.analyses.capacity import Capacity, LayerCapacity, capacity
from layerscope.analyses.journey import Extent, Journey, Step
from layerscope.core import propagate
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.graph import Edge, Graph
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, per_example
from layerscope.telling.amounts import Amount, largest

OPERATIONS = ("bias", "pointwise", "normalisation", "pooling")
NOTHING: dict[int, tuple[Extent | None, ...]] = {}

NONE_KNOWN = LayerCapacity(0, 0, "", 0, (), Fraction(0))
"""Of a row that stands for no tensor."""


@dataclass(frozen=True)
class Line:
    """One row. Of several layers: sums, the most memory alive, and the outputs that leave them.

    `members` are numbers of nodes. `shared`: elements of weights that a row above counts. `sentence` stands
    in place of the first cells where the row is a folded repetition. `reads`: names of what it is fed.
    """

    name: str
    kind: str
    members: tuple[int, ...]
    reads: tuple[str, ...]
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    weights: Mapping[str, tuple[int, ...]]
    parameters: Amount
    trainable: Amount
    shared: int
    macs: Amount
    operations: Mapping[str, Amount]
    output_bytes: Amount
    live_bytes: Amount
    saved_bytes: Amount
    fields: Mapping[int, tuple[Extent | None, ...]]
    ratio: Fraction | None
    information: Callable[[], LayerCapacity]
    """Looked for when it is asked for, since not every table shows it."""
    sentence: str = ""
    sums_only: bool = False
    end: int = -1
    """The node whose output is the row's."""


class Lines:
    """Makes lines of the nodes of a graph."""

    def __init__(self, graph: Graph, found: Journey) -> None:
        self.graph, self.steps, self.costs = graph, found.steps, found.cost.layers
        self.types = [step.outputs for step in found.steps]
        self.fed = propagate.fed_types(graph, self.types)
        self._first: dict[str, int] = {}
        self._known: dict[int, Mapping[str, Amount]] = {}
        self._users: dict[Edge, list[int]] = {}
        for number, node in enumerate(graph.nodes):
            for id in node.weights.values():
                self._first.setdefault(id, number)
            for edge in node.inputs:
                self._users.setdefault(edge, []).append(number)
        self._ends = set(graph.outputs)

    def single(self, number: int) -> Line:
        """The row of one layer."""
        step, node = self.steps[number], self.graph.nodes[number]
        memory = step.memory
        shared = {id for id in node.weights.values() if self._first[id] != number}
        return Line(
            name=step.name,
            kind=step.kind,
            members=(number,),
            reads=tuple(dict.fromkeys(self.steps[source].name for source, _ in node.inputs)),
            inputs=self.fed[number],
            outputs=step.outputs,
            weights=step.weights,
            parameters=Amount(step.parameters),
            trainable=Amount(self.costs[number].trainable),
            shared=sum(self.graph.parameters[id].size for id in shared),
            macs=Amount(step.macs),
            operations=self._operations(step),
            output_bytes=Amount(memory and memory.output),
            live_bytes=Amount(memory and memory.live, memory is not None and memory.workspace is None),
            saved_bytes=Amount(memory and memory.saved),
            fields=step.fields,
            ratio=step.ratio,
            information=lambda: self._capacity.layers[number],
            end=number,
        )

    def _operations(self, step: Step) -> Mapping[str, Amount]:
        made = step.operations
        if id(made) not in self._known:  # layers that are alike have one object
            self._known[id(made)] = {name: Amount(made and getattr(made, name)) for name in OPERATIONS}
        return self._known[id(made)]

    def line(self, members: Sequence[int], name: str, kind: str, sentence: str = "") -> Line:
        """Several layers as one row."""
        inside = set(members)
        entering, leaving = self._entering(members, inside), self._leaving(members, inside)
        last = self.steps[leaving[-1][0]]
        ids = {id: None for number in members for id in self.graph.nodes[number].weights.values()}
        rows = [self.graph.parameters[id] for id in ids]
        steps = [self.steps[number] for number in members]
        unknown = [None for step in steps if step.parameters is None]
        inputs = tuple(self.types[source][output] for source, output in entering)
        outputs = tuple(self.types[source][output] for source, output in leaving)
        memory = [step.memory for step in steps]
        return Line(
            name=name,
            kind=kind,
            members=tuple(members),
            reads=tuple(dict.fromkeys(self.steps[source].name for source, _ in entering)),
            inputs=inputs,
            outputs=outputs[-1:],
            weights={},
            parameters=_parameters([row.size for row in rows], unknown),
            trainable=_parameters([row.size for row in rows if row.trainable], unknown),
            shared=sum(row.size for row in rows if self._first[row.id] not in inside),
            macs=Amount.total(step.macs for step in steps),
            operations=_operations(steps),
            output_bytes=Amount.total(row and row.output for row in memory),
            live_bytes=Amount(
                None if None in memory else largest(row.live for row in memory if row),
                any(row is not None and row.workspace is None for row in memory),
            ),
            saved_bytes=Amount.total(row and row.saved for row in memory),
            fields=last.fields,
            ratio=_ratio(inputs, outputs),
            information=partial(self._last, leaving[-1][0]),
            sentence=sentence,
            end=leaving[-1][0],
        )

    def rest(self, members: Sequence[int], count: int) -> Line:
        """What a shortened table leaves out, summed."""
        made = self.line(members, f"… and {count:,} more", "")
        return replace(
            made, reads=(), inputs=(), outputs=(), fields=NOTHING, ratio=None, sums_only=True,
            information=lambda: NONE_KNOWN,
        )  # fmt: skip

    @cached_property
    def _capacity(self) -> Capacity:
        return capacity(self.graph, self.types)

    def _last(self, number: int) -> LayerCapacity:
        """Of several layers: what their last output holds."""
        return replace(self._capacity.layers[number], dropped=(), discarded=Fraction(0))

    def _entering(self, members: Sequence[int], inside: set[int]) -> list[Edge]:
        edges = (edge for number in members for edge in self.graph.nodes[number].inputs)
        return list(dict.fromkeys(edge for edge in edges if edge[0] not in inside))

    def _leaving(self, members: Sequence[int], inside: set[int]) -> list[Edge]:
        found = [
            (number, output)
            for number in members
            for output in range(len(self.types[number]))
            if (number, output) in self._ends or not inside.issuperset(self._users.get((number, output), ()))
        ]
        return found or [(members[-1], 0)]


def _parameters(known: Iterable[int], unknown: Sequence[None]) -> Amount:
    total = sum(known)
    return Amount(None) if unknown and not total else Amount(total, bool(unknown))


def _operations(steps: Sequence[Step]) -> dict[str, Amount]:
    rows = [step.operations for step in steps]
    return {name: Amount.total(None if row is None else getattr(row, name) for row in rows) for name in OPERATIONS}


def _ratio(fed: Sequence[TensorType], made: Sequence[TensorType]) -> Fraction | None:
    total, out = _elements(fed), _elements(made)
    return Fraction(out, total) if isinstance(out, int) and isinstance(total, int) and total else None


def _elements(types: Sequence[TensorType]) -> Size:
    total: Size = 0
    for type in types:
        if type.plane is None:  # switches say where, not what
            total = total + per_example(type.elements)
    return total
