"""From a graph to programs: lowering, loss, backward, updates.

A `Job` is everything that an engine needs to know of a network. It makes three programs; an engine
runs them its own way and never sees a layer, a loss or an optimizer.

Inputs are called ("data", i), ("target", i), ("weight", id), ("slot", id, name), ("scalar", name);
outputs ("output", i), ("loss",), ("metric", name, part), and the new ("weight", id) and ("slot", id, name).
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
    """A network with what it is trained for."""

    graph: Graph
    losses: Sequence[Objective] = ()
    targets: Sequence[TensorType] = ()
    metrics: Mapping[str, tuple[int, Measure]] = field(default_factory=dict[str, tuple[int, Measure]])
    update: UpdateRule | None = None

    @property
    def measures(self) -> dict[str, Measure]:
        """All metrics by their names in the logs."""
        return {name: metric for name, (_, metric) in self.metrics.items()}

    def _forward(self, training: bool) -> tuple[Program, list[lowering.Value]]:
        program = Program()
        types = propagate.input_types(self.graph)
        seeds: dict[int, tuple[lowering.Value, ...]] = {
            node: (program.input(("data", number), types[node][0]),) for number, node in enumerate(self.graph.inputs)
        }
        table = self.graph.parameters

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
            return node.layer.lower(program, *values, training=training, **weights)

        found = propagate.forward(self.graph, seeds, lower)
        program.label = ""
        return program, [found[node][number] for node, number in self.graph.outputs]

    @cached_property
    def inference(self) -> Program:
        """data → outputs."""
        program, outputs = self._forward(training=False)
        for number, value in enumerate(outputs):
            program.output(("output", number), value)
        return program.pruned()

    def _measure(self, program: Program, outputs: Sequence[lowering.Value]) -> lowering.Value:
        targets = [program.input(("target", n), type) for n, type in enumerate(self.targets)]
        total: lowering.Value | None = None
        for loss, target, output in zip(self.losses, targets, outputs, strict=True):
            part = loss.lower(program, target, output)
            total = program.map("add", total, part) if total else part
        assert total is not None
        program.output(("loss",), total)
        for name, (number, metric) in self.metrics.items():
            for part, sums in enumerate(metric.lower(program, targets[number], outputs[number])):
                program.output(("metric", name, part), sums)
        return total

    @cached_property
    def evaluation(self) -> Program:
        """data, targets → loss, metrics."""
        program, outputs = self._forward(training=False)
        self._measure(program, outputs)
        return program.pruned()

    def trainable(self) -> list[str]:
        """The ids of the weights that training changes."""
        return [id for id, row in self.graph.parameters.items() if row.trainable]

    def gradients(self) -> tuple[Program, dict[str, Value]]:
        """data, targets → loss, metrics; with the gradient of each weight that the loss depends on."""
        program, outputs = self._forward(training=True)
        total = self._measure(program, outputs)
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
            program.output(("weight", id), fresh)
            for name, value in changed.items():
                program.output(("slot", id, name), value)
        for key, weight in list(program.inputs.items()):
            if key[0] == "weight" and program.latest(weight) is not weight:
                program.output(key, program.latest(weight))
        return program.pruned()
