"""Losses, penalties and metrics of a job, put behind a program's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layerscope.core import lowering
from layerscope.core.types import TensorType
from layerscope.engine.program import Program

if TYPE_CHECKING:
    from layerscope.engine.plan import Aim, Job


def measure(
    job: Job,
    program: Program,
    found: Sequence[tuple[lowering.Value, ...]],
    outputs: Sequence[lowering.Value],
) -> lowering.Value:
    """The loss of all aims with the penalties, which becomes an output of the program as the metrics do.

    `found` are the values of all nodes, `outputs` those of the network.
    """
    measuring = _Measuring(program, job.aims)
    parts: list[lowering.Value] = []
    for number, output in enumerate(outputs):
        parts += measuring.loss(number, output)
    parts += _penalties(job, program, found)
    total = parts[0]
    for part in parts[1:]:
        total = program.map("add", total, part)
    program.output(("loss",), total)
    for name, value in measuring.told.items():
        program.output(("metric", name), value)
    for number, output in enumerate(outputs):
        measuring.metrics(number, output)
    return total


class _Measuring:
    """What the aims say of each output."""

    def __init__(self, program: Program, aims: Sequence[Aim]) -> None:
        self.program, self.aims = program, aims
        self.told: dict[str, lowering.Value] = {}
        arrays = [(n, a.target) for n, a in enumerate(aims)], [(n, a.weight) for n, a in enumerate(aims)]
        kept = [[(n, type) for n, type in kind if type is not None] for kind in arrays]
        self.targets = {n: self._input(place, type) for place, (n, type) in enumerate(kept[0])}
        self.weights = {n: self._input(len(kept[0]) + place, type) for place, (n, type) in enumerate(kept[1])}

    def _input(self, place: int, type: TensorType) -> lowering.Value:
        return self.program.input(("target", place), type)

    def loss(self, number: int, output: lowering.Value) -> list[lowering.Value]:
        """The loss of an output as it counts, if it has one."""
        aim = self.aims[number]
        if aim.loss is None:
            return []
        target, weight = self.targets[number], self.weights.get(number)
        if weight is None:
            value = aim.loss.lower(self.program, target, output)
        else:
            value = aim.loss.weighted(self.program, target, output, weight)
        if aim.told:
            self.told[aim.told] = value
        return [value if aim.scale is None else self.program.map("scale", value, factor=aim.scale)]

    def metrics(self, number: int, output: lowering.Value) -> None:
        """The metrics of an output, as outputs of the program."""
        aim, program = self.aims[number], self.program
        for metrics, weight in ((aim.metrics, None), (aim.weighted, self.weights.get(number))):
            for name, metric in metrics.items():
                for part, sums in enumerate(metric.lower(program, self.targets[number], output, weight)):
                    program.output(("metric", name, part), sums)


def _penalties(job: Job, program: Program, found: Sequence[tuple[lowering.Value, ...]]) -> list[lowering.Value]:
    """What regularizers add to the loss: of each weight once, and of what layers put out, by the batch's size."""
    parts = [
        penalty.lower(program, program.inputs["weight", id])
        for id, penalty in job.rules.penalties.items()
        if ("weight", id) in program.inputs
    ]
    return parts + [
        penalty.activity(program, value) for number, penalty in job.rules.activity.items() for value in found[number]
    ]
