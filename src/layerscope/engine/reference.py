"""The reference engine: runs programs in NumPy, in float32 or float64. It is the truth for others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from layerscope.core.sizes import numbers
from layerscope.engine.plan import Job, Measure
from layerscope.engine.primitives.base import Array, Frame
from layerscope.engine.program import Key, Program

OnBatch = Callable[[int, Mapping[str, Any]], bool]
"""Called after each batch with its number and the means so far; False stops."""


def run(program: Program, feeds: Mapping[Key, Array], frame: Frame) -> dict[Key, Array]:
    """Run a program; each intermediate result is freed after its last use."""
    values = {value.index: feeds[key] for key, value in program.inputs.items()}
    kept = {value.index for value in program.outputs.values()}
    last = {value.index: n for n, step in enumerate(program.instructions) for value in step.inputs}
    # Overflow shows in the loss, which is checked; NumPy's own warnings would only repeat it.
    with np.errstate(all="ignore"):
        _steps(program, values, frame, last, kept)
    return {key: values[value.index] for key, value in program.outputs.items()}


def _steps(program: Program, values: dict[int, Array], frame: Frame, last: Mapping[int, int], kept: set[int]) -> None:
    for number, step in enumerate(program.instructions):
        arrays = [values[value.index] for value in step.inputs]
        for value, result in zip(step.outputs, step.primitive.run(frame, *arrays), strict=True):
            values[value.index] = result
        for value in (*step.inputs, *step.outputs):
            if last.get(value.index, -1) <= number and value.index not in kept:
                values.pop(value.index, None)


@dataclass
class State:
    """The arrays of a network: weights and optimizer slots by id, changed in place; and the step count."""

    weights: dict[str, Array]
    slots: dict[tuple[str, str], Array] = field(default_factory=dict[tuple[str, str], Array])
    step: int = 0


class NotFinite(Exception):
    """The loss of a batch is NaN or infinite; the weights are those before it."""

    def __init__(self, batch: int, loss: float) -> None:
        super().__init__(f"loss {loss} in batch {batch}")
        self.batch, self.loss = batch, loss


class ReferenceEngine:
    """Runs a job batch by batch."""

    name = "reference"

    def __init__(self, job: Job, state: State, dtype: str = "float32", seed: int = 0) -> None:
        self.job, self.state, self.seed = job, state, seed
        self.dtype = np.dtype(dtype)

    def _frame(self, batch: int) -> Frame:
        return Frame(batch, self.dtype, self.seed, self.state.step)

    def _weights(self) -> dict[Key, Array]:
        return {("weight", id): np.asarray(a, self.dtype) for id, a in self.state.weights.items()}

    def _feed(self, name: str, arrays: Sequence[Array], rows: Any) -> dict[Key, Array]:
        return {(name, n): self._cast(array[rows]) for n, array in enumerate(arrays)}

    def _cast(self, array: Array) -> Array:
        # Switches stay integers; everything else is computed in one floating type.
        return array if array.dtype == np.int32 else np.ascontiguousarray(array, self.dtype)

    def predict(self, inputs: Sequence[Array], batch_size: int, on_batch: OnBatch) -> list[Array]:
        """All outputs for all inputs, in order."""
        program, weights, count = self.job.inference, self._weights(), len(inputs[0])
        results: list[Array] = []
        for number, start in enumerate(range(0, count, batch_size)):
            part = slice(start, min(start + batch_size, count))
            feeds = weights | self._feed("data", inputs, part)
            made = run(program, feeds, self._frame(part.stop - part.start))
            for n in range(len(program.outputs)):
                array = made["output", n]
                if not start:
                    results.append(np.empty((count, *array.shape[1:]), array.dtype))
                results[n][part] = array
            if not on_batch(number, {}):
                break
        return results

    def evaluate(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        batch_size: int,
        on_batch: OnBatch,
        means: Means | None = None,
    ) -> dict[str, Any]:
        """Loss and metrics: means over examples, with those that are in `means` already."""
        means = means or Means(self.job.measures)
        count = len(inputs[0])
        for number, start in enumerate(range(0, count, batch_size)):
            part = slice(start, min(start + batch_size, count))
            feeds = self._weights() | self._feed("data", inputs, part) | self._feed("target", targets, part)
            made = run(self.job.evaluation, feeds, self._frame(part.stop - part.start))
            means.add(made, part.stop - part.start)
            if not on_batch(number, means.now()):
                break
        return means.values()

    def train_epoch(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        order: Array,
        batch_size: int,
        on_batch: OnBatch,
        exact: bool = True,
        means: Means | None = None,
    ) -> dict[str, Any]:
        """One pass over the examples in the given order; weights and slots change in place.

        `on_batch` hears of each batch before the next one starts, as `exact` asks of other engines. `means` goes
        on with those of the examples before, where a pass is made in parts.
        """
        means = means or Means(self.job.measures)
        for number, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            made = self._step(self._feed("data", inputs, rows) | self._feed("target", targets, rows), len(rows))
            loss = float(made["loss",])
            if not math.isfinite(loss):
                raise NotFinite(number, loss)
            self._store(made)
            means.add(made, len(rows))
            if not on_batch(number, means.now()):
                break
        return means.values()

    def _step(self, feeds: dict[Key, Array], count: int) -> dict[Key, Array]:
        update, program = self.job.update, self.job.training
        assert update is not None
        for key, value in program.inputs.items():
            if key[0] == "slot":
                slot = (str(key[1]), str(key[2]))
                shape = numbers(value.type.shape)
                feeds[key] = self.state.slots.setdefault(slot, np.zeros(shape, self.dtype))
        scalars = {"one": 1.0, **update.scalars(self.state.step + 1)}
        feeds |= {("scalar", name): np.asarray(value, self.dtype) for name, value in scalars.items()}
        return run(program, feeds | self._weights(), self._frame(count))

    def _store(self, made: Mapping[Key, Array]) -> None:
        for key, array in made.items():
            if key[0] == "weight":
                self.state.weights[str(key[1])][...] = array
            elif key[0] == "slot":
                self.state.slots[str(key[1]), str(key[2])][...] = array
        self.state.step += 1


class Means:
    """Running means of losses, weighted by the examples of each batch, and the sums of metrics."""

    def __init__(self, metrics: Mapping[str, Measure]) -> None:
        self._metrics = metrics
        self._losses = {"loss": 0.0}
        self._sums: dict[str, list[Array]] = {}
        self._count = 0

    def add(self, made: Mapping[Key, Array], examples: int) -> None:
        """What a program made of a batch."""
        for key, array in made.items():
            if key[0] == "metric" and len(key) == 3:
                self._add(str(key[1]), int(str(key[2])), array)
            elif key[0] in ("loss", "metric"):  # all outputs', or that of one
                name = str(key[-1])
                self._losses[name] = self._losses.get(name, 0.0) + float(array) * examples
        self._count += examples

    def _add(self, name: str, part: int, array: Array) -> None:
        sums = self._sums.setdefault(name, [])
        if part == len(sums):
            sums.append(np.zeros(array.shape))
        sums[part] += array

    def values(self) -> dict[str, Any]:
        """Losses and metrics of all batches so far."""
        found: dict[str, Any] = {name: total / max(self._count, 1) for name, total in self._losses.items()}
        for name, metric in self._metrics.items():
            if name in self._sums:
                found[name] = metric.result(self._sums[name], self._count)
        return found

    def now(self) -> Mapping[str, Any]:
        """The same, found when somebody looks, which must be before the next batch is added."""
        return _Later(self)


class _Later(Mapping[str, Any]):
    """Logs that are computed when they are first read."""

    def __init__(self, means: Means) -> None:
        self._means = means

    @cached_property
    def _found(self) -> dict[str, Any]:
        return self._means.values()

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
