"""From a graph to programs: lowering, loss, backward, updates.

A `Job` is everything that an engine needs to know of a network. It makes three programs; an engine
runs them its own way and never sees a layer, a loss or an optimizer.

Inputs are called ("data", i), ("target", i), ("weight", id), ("slot", id, name), ("scalar", name);
outputs ("output", i), ("loss",), ("metric", name) for a mean over the batch, ("metric", name, part) for sums over it,
and the new ("weight", id) and ("slot", id, name).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from layerscope.core import lowering, propagate
from layerscope.core.contract import described_only
from layerscope.core.errors import TrainingError
from layerscope.core.graph import Graph, Node
from layerscope.core.lowering import Builder
from layerscope.core.types import TensorType
from layerscope.engine.program import Program, Value

Compiling = Callable[[], AbstractContextManager[object]]
"""What to show while an engine compiles: entered before, left after."""


class Objective(Protocol):
    """A loss: a number from a target and an output."""

    def lower(self, program: Builder, target: lowering.Value, output: lowering.Value) -> lowering.Value:
        """The mean over the batch, as primitives."""
        ...

    def weighted(
        self, program: Builder, target: lowering.Value, output: lowering.Value, weight: lowering.Value
    ) -> lowering.Value:
        """The same with a weight for each example, or each of its positions: what is measured times it, as a mean."""
        ...


class Penalty(Protocol):
    """A regularizer: a number from a weight, or from what a layer puts out."""

    def lower(self, program: Builder, value: lowering.Value) -> lowering.Value:
        """The number for a weight, as primitives."""
        ...

    def activity(self, program: Builder, value: lowering.Value) -> lowering.Value:
        """The number for what a layer puts out, divided by the size of the batch."""
        ...


class Bounds(Protocol):
    """A constraint: what becomes of a weight after each update."""

    def lower(self, program: Builder, weight: lowering.Value) -> lowering.Value:
        """The weight within its bounds, as primitives."""
        ...


class Measure(Protocol):
    """A metric: sums over each batch, and what the sums over all batches say."""

    def lower(
        self, program: Builder, target: lowering.Value, output: lowering.Value, weight: lowering.Value | None = None
    ) -> Sequence[lowering.Value]:
        """Sums over the batch, as primitives, without a batch axis."""
        ...

    def result(self, sums: Sequence[Any], count: float) -> float | list[float]:
        """The metric from the sums over all batches, and the number of examples."""
        ...


@dataclass(frozen=True)
class Aim:
    """What one output is trained for, and measured by.

    `loss` is None where nothing is, `scale` what its loss counts; `metrics` are plain, `weighted` ones take the
    weights of examples. `target` is the type of its targets, or None where it has none; `weight` that of the weights
    of its examples, or None. `told` is under which name its loss stands by itself in the logs, "" for nowhere.
    """

    loss: Objective | None = None
    scale: float | None = None
    metrics: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    weighted: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    target: TensorType | None = None
    weight: TensorType | None = None
    told: str = ""


@dataclass(frozen=True)
class Rules:
    """What holds of layers and weights in training.

    `still`: numbers of the nodes that act as at inference; `penalties`: regularizers by the id of a weight;
    `activity`: those of what nodes put out, by the node's number; `bounds`: constraints by the id of a weight.
    """

    still: frozenset[int] = frozenset()
    penalties: Mapping[str, Penalty] = field(default_factory=dict[str, Penalty])
    activity: Mapping[int, Penalty] = field(default_factory=dict[int, Penalty])
    bounds: Mapping[str, Bounds] = field(default_factory=dict[str, Bounds])


class UpdateRule(Protocol):
    """An optimizer: new weight and slots from the gradient."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for each weight; all start at zero."""
        ...

    def scalars(self, step: int) -> Mapping[str, float]:
        """Numbers that change from step to step; steps count from 1."""
        ...

    def clip(self, program: Builder, gradients: Mapping[str, lowering.Value]) -> Mapping[str, lowering.Value]:
        """The gradients of all weights, by their ids, as `lower` shall see them."""
        ...

    def lower(
        self,
        program: Builder,
        weight: lowering.Value,
        gradient: lowering.Value,
        slots: Mapping[str, lowering.Value],
        scalars: Mapping[str, lowering.Value],
    ) -> tuple[lowering.Value, Mapping[str, lowering.Value]]:
        """The update as primitives."""
        ...


@dataclass(eq=False)
class Job:
    """A network with what it is trained for.

    The arrays that an engine is given as targets are those of the aims that have some, in their order, and behind
    them the weights of examples, likewise.
    """

    graph: Graph
    aims: Sequence[Aim] = ()
    update: UpdateRule | None = None
    rules: Rules = field(default_factory=Rules)

    @property
    def measures(self) -> dict[str, Measure]:
        """All metrics by their names in the logs."""
        return {name: metric for aim in self.aims for name, metric in (*aim.metrics.items(), *aim.weighted.items())}

    def _entering(self, node: int, type: TensorType) -> TensorType:
        """An input's type as programs have it: integers are switches, and switches only."""
        return type if (node, 0) in self.graph.switches else TensorType(type.shape)

    def _forward(self, training: bool) -> tuple[Program, list[tuple[lowering.Value, ...]]]:
        program = Program()
        types = propagate.input_types(self.graph)
        seeds: dict[int, tuple[lowering.Value, ...]] = {
            node: (program.input(("data", number), self._entering(node, types[node][0])),)
            for number, node in enumerate(self.graph.inputs)
        }
        table, numbers = self.graph.parameters, iter(n for n in range(len(self.graph.nodes)) if n not in seeds)

        def lower(node: Node, values: tuple[lowering.Value, ...]) -> tuple[lowering.Value, ...]:
            if not node.layer.executable:
                raise TrainingError(described_only(node.layer, f"{node.label} ({node.layer.kind})"))
            weights = {
                role: program.latest(
                    program.input(
                        ("weight", id),
                        TensorType(table[id].shape, table[id].dtype),
                        training and table[id].trainable,
                    )
                )
                for role, id in node.weights.items()
            }
            program.label = node.label
            moving = training and next(numbers) not in self.rules.still
            return node.layer.lower(program, *values, training=moving, **weights)

        found = propagate.forward(self.graph, seeds, lower)
        program.label = ""
        return program, found

    def _outputs(self, found: Sequence[tuple[lowering.Value, ...]]) -> list[lowering.Value]:
        return [found[node][number] for node, number in self.graph.outputs]

    @cached_property
    def inference(self) -> Program:
        """data → outputs."""
        program, found = self._forward(training=False)
        for number, value in enumerate(self._outputs(found)):
            program.output(("output", number), value)
        return program.pruned()

    def _measure(self, program: Program, found: Sequence[tuple[lowering.Value, ...]]) -> lowering.Value:
        from layerscope.engine.measuring import measure

        return measure(self, program, found, self._outputs(found))

    @cached_property
    def evaluation(self) -> Program:
        """data, targets → loss, metrics."""
        program, found = self._forward(training=False)
        self._measure(program, found)
        return program.pruned()

    def trainable(self) -> list[str]:
        """The ids of the weights that training changes."""
        return [id for id, row in self.graph.parameters.items() if row.trainable]

    def gradients(self) -> tuple[Program, dict[str, Value]]:
        """data, targets → loss, metrics; with the gradient of each weight that the loss depends on."""
        program, made = self._forward(training=True)
        total = self._measure(program, made)
        start = program.input(("scalar", "one"), TensorType(()))
        ids = [id for id in self.trainable() if ("weight", id) in program.inputs]
        wanted = [program.inputs["weight", id] for id in ids]
        found = program.differentiate(total, start, wanted)
        return program, {id: value for id, value in zip(ids, found, strict=True) if value is not None}

    @cached_property
    def training(self) -> Program:
        """data, targets, weights, slots, scalars → loss, metrics, new weights and slots."""
        assert self.update is not None
        program, gradients = self.gradients()
        scalars = {name: program.input(("scalar", name), TensorType(())) for name in self.update.scalars(1)}
        for id, gradient in self.update.clip(program, gradients).items():
            weight = program.inputs["weight", id]
            slots = {name: program.input(("slot", id, name), weight.type) for name in self.update.slots}
            fresh, changed = self.update.lower(program, weight, gradient, slots, scalars)
            bounds = self.rules.bounds.get(id)
            program.output(("weight", id), fresh if bounds is None else bounds.lower(program, fresh))
            for name, value in changed.items():
                program.output(("slot", id, name), value)
        for key, weight in list(program.inputs.items()):
            if key[0] == "weight" and program.latest(weight) is not weight:
                program.output(key, program.latest(weight))
        return program.pruned()
