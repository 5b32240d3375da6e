"""Blind spots: the rank of a network's derivative, the directions that it does not see, and pairs that it confuses.

Source: Halko, Martinsson & Tropp, "Finding structure with randomness" (2011), for ranks from few products with a
matrix; Jacobsen, Behrmann, Zemel & Bethge, "Excessive invariance causes adversarial vulnerability" (2019), for
different images with the same output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.graph import Edge, Graph
from layerscope.probes.tangents import TOGETHER, Derivative

Array = NDArray[Any]
SPARE = 8
"""Random directions beyond the capacity: with them the whole range is found."""
MOST = 2048
"""Directions that are looked along at most, and numbers (of directions times sizes) that are kept."""
MOST_NUMBERS = 50_000_000
EQUAL = 1e-9
"""Outputs are the same when no number differs by more than this, times the largest of them where that is above 1."""
STEPS, CORRECTIONS, RENEWALS = 5, 12, 6
SHORTEST = 0.02
"""Of a step, as a share of what is left of the way."""
FASTER = 0.2
"""A correction that leaves more of what is missing than this asks for the derivative anew."""


@dataclass
class Local:
    """The derivative J at one input, J = left · diag(values) · rightᵀ, with orthonormal columns.

    right: (numbers of the input, rank); its columns span what is seen, all that is orthogonal to them is invisible.
    left: (numbers of the output, rank). `complete`: False where more directions might be seen than were looked for.
    """

    right: Array
    values: Array
    left: Array
    complete: bool

    @property
    def rank(self) -> int:
        """How many independent directions of the input the output sees."""
        return len(self.values)

    @property
    def seen(self) -> Array:
        """For each number of the input the share of a change of it alone that is seen: 0 nothing, 1 all."""
        return np.minimum(np.square(self.right).sum(axis=1), 1.0)

    def invisible(self, direction: Array) -> Array:
        """The part of a direction (flat) that the output does not see, to first order."""
        return direction - self.right @ (self.right.T @ direction)


@dataclass
class Pair:
    """Two inputs, and what the network makes of them: `difference` is the largest between the outputs.

    `limit`: up to which difference they count as the same. `distance`: the largest difference between the inputs.
    `usual`: the difference between the outputs of the first and of the input towards which the second was led.
    """

    first: Array
    second: Array
    outputs: tuple[Array, Array]
    limit: float
    usual: float = 0.0

    @property
    def distance(self) -> float:
        """The largest difference between numbers of the two inputs."""
        return float(np.abs(self.first - self.second).max(initial=0))

    @property
    def difference(self) -> float:
        """The largest difference between numbers of the two outputs."""
        return float(np.abs(self.outputs[0] - self.outputs[1]).max(initial=0))


def numerical_rank(values: Array, shape: Sequence[int]) -> int:
    """How many singular values exceed the largest · the longer side · 2⁻⁵², as for `numpy.linalg.matrix_rank`."""
    if not len(values) or not values[0]:
        return 0
    return int((values > values[0] * max(shape) * np.finfo(np.float64).eps).sum())


def local(at: Derivative, tensor: Edge, capacity: int, random: np.random.Generator) -> Local:
    """J of a tensor at an input; exact where the tensor or its capacity is at most 2,048 numbers."""
    inputs, outputs = int(at.at[0].size), at.size(tensor)
    room = min(MOST, max(1, MOST_NUMBERS // max(inputs, outputs)))
    count = min(inputs, outputs, capacity + SPARE, room)
    complete = count < room or count == min(inputs, outputs)
    if inputs <= count and inputs < outputs:
        matrix = at.pushed(tensor, np.eye(inputs)).T
    elif outputs <= count:
        matrix = at.pulled(tensor, np.eye(outputs))
    else:
        sketch = at.pulled(tensor, random.standard_normal((count, outputs)))
        _, values, found = np.linalg.svd(sketch, full_matrices=False)
        basis = found[: numerical_rank(values, (inputs, outputs))]
        complete = complete and len(basis) < count
        left, values, turned = np.linalg.svd(at.pushed(tensor, basis).T, full_matrices=False)
        return Local((turned @ basis).T, values, left, complete)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rank = numerical_rank(values, matrix.shape)
    return Local(right[:rank].T, values[:rank], left[:, :rank], complete)


def ranks(
    at: Derivative, capacities: dict[Edge, int], random: np.random.Generator, done: Callable[[int], None]
) -> dict[Edge, tuple[int, bool]]:
    """The rank of J at every tensor of `at`, from one pass; False where it is only a lower bound.

    Exact where the input has at most 2,048 numbers and the tensors are not huge; else as many random tangents are
    pushed as there is room for. `done` hears how many of them have gone through.
    """
    inputs = int(at.at[0].size)
    most = max(at.size(tensor) for tensor in at.tensors)
    count = min(inputs, MOST, max(TOGETHER, MOST_NUMBERS // most))
    tangents = np.eye(inputs) if count == inputs else random.standard_normal((count, inputs))
    mixing: dict[Edge, Array] = {}
    kept: dict[Edge, list[Array]] = {tensor: [] for tensor in at.tensors}
    for tensor in at.tensors:
        width = min(count, capacities[tensor]) + SPARE
        if at.size(tensor) > width:  # fewer random sums of the numbers have the same rank
            mixing[tensor] = random.standard_normal((at.size(tensor), width)) / np.sqrt(width)

    def seen(tensor: Edge, array: Array) -> None:
        kept[tensor].append(array @ mixing[tensor] if tensor in mixing else array.copy())

    for start in range(0, count, TOGETHER):
        part = tangents[start : start + TOGETHER]
        at.push(part, seen)
        done(len(part))
    found: dict[Edge, tuple[int, bool]] = {}
    for tensor, parts in kept.items():
        matrix = np.concatenate(parts) if parts else np.zeros((1, 1))
        rank = numerical_rank(np.linalg.svd(matrix, compute_uv=False), (inputs, at.size(tensor)))
        found[tensor] = rank, rank < count or rank >= min(inputs, capacities[tensor])
    return found


def is_linear(graph: Graph) -> bool:
    """Whether every layer is linear up to a constant, and so the whole network."""
    return all(node.layer.linear for number, node in enumerate(graph.nodes) if number not in graph.inputs)


def pair(
    at: Derivative,
    tensor: Edge,
    found: Local,
    towards: Array,
    bounds: tuple[float, float] | None,
    renewed: Callable[[Derivative], Local] | None,
) -> Array | None:
    """An input with the same value at `tensor` as that of `at`, as near to `towards` as it was led; None for none.

    The way goes along what is invisible, and after each step back to where the tensor holds what it held at first
    (Gauss and Newton). `renewed` finds J at a new place; None: it is the same everywhere, as in a linear network.
    With `bounds` no number of the input leaves them. Shapes: (1, …) → (1, …).
    """
    target, end = at.value(tensor).ravel(), np.asarray(towards, np.float64).ravel()
    limit = _limit(target) / 10
    here, best = at, at.at.ravel()
    first = best
    length = 0.5 if renewed else 1.0
    for number in range(STEPS if renewed or bounds else 1):
        if number and renewed:
            found = renewed(here)
        step = _step(found, best, end - best, bounds)
        while length > SHORTEST:
            tried = _corrected(
                found, here, tensor, _clipped(best + length * step, bounds), target, limit, bounds, renewed
            )
            if tried is not None and _nearer(tried.at.ravel(), best, end):
                here, best = tried, tried.at.ravel()
                break
            length /= 2.5
        else:
            break
    return None if np.array_equal(best, first) else best.reshape(at.at.shape)


def _limit(output: Array) -> float:
    return EQUAL * max(1.0, float(np.abs(output).max(initial=0)))


def same(first: Array, second: Array, outputs: tuple[Array, Array]) -> Pair | None:
    """The two as a pair, if they differ and their outputs count as equal."""
    made = Pair(first, second, outputs, _limit(outputs[0]))
    return made if made.distance > 1e3 * made.limit and made.difference <= made.limit else None


def _nearer(tried: Array, before: Array, end: Array) -> bool:
    return float(np.linalg.norm(tried - end)) < (1 - 1e-3) * float(np.linalg.norm(before - end))


def _clipped(x: Array, bounds: tuple[float, float] | None) -> Array:
    return x if bounds is None else np.clip(x, *bounds)


def _step(found: Local, here: Array, way: Array, bounds: tuple[float, float] | None) -> Array:
    """The invisible part of a way among numbers that can move; those that would leave the bounds stay."""
    if bounds is None:
        return found.invisible(way)
    low, high = bounds
    free = (way != 0) | ((here > low) & (here < high))
    step = np.zeros_like(here)
    for _ in range(STEPS):
        step[:] = 0
        step[free] = _without(found, free, way[free])
        leaving = free & (((here <= low) & (step < 0)) | ((here >= high) & (step > 0)))
        if not leaving.any():
            break
        free &= ~leaving
    return step


def _without(found: Local, free: Array, way: Array) -> Array:
    """A way without what is seen of it, when only the free numbers move."""
    if not found.rank or not len(way):
        return way
    _, values, rows = np.linalg.svd(found.right[free].T, full_matrices=False)
    rows = rows[values > 1e-10]
    return way - rows.T @ (rows @ way)


def _corrected(
    found: Local, here: Derivative, tensor: Edge, x: Array, target: Array, limit: float,
    bounds: tuple[float, float] | None, renewed: Callable[[Derivative], Local] | None,
) -> Derivative | None:  # fmt: skip
    """The input nearby at which the tensor is the target; None where it is not reached."""
    before, renewals = np.inf, 0
    for _ in range(CORRECTIONS):
        there = here.moved(x)
        missing = target - there.value(tensor).ravel()
        size = float(np.abs(missing).max(initial=0))
        if size <= limit:
            return there
        if size > FASTER * before:
            if renewed is None or size > 4 * before or renewals == RENEWALS:
                return None
            found, renewals = renewed(there), renewals + 1
        before = min(before, size)
        free = np.ones(len(x), bool) if bounds is None else (x > bounds[0]) & (x < bounds[1])
        if not found.rank or not free.any():
            return None
        matrix = found.values[:, None] * found.right[free].T
        change = np.zeros_like(x)
        change[free] = np.linalg.lstsq(matrix, found.left.T @ missing, rcond=1e-12)[0]
        x = _clipped(x + change, bounds)
    return None
