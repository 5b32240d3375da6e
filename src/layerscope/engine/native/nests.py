"""Values without a batch that are more than pointwise: sums along axes, repetitions, products of matrices.

All of them are one form, a `Nest`: each number of the result is a sum, over some more axes, of products of numbers
that lie at fixed steps from each other. What reads neighbours for neighbouring results does several at once, each
with its own sum; else the sum goes over several numbers at once. Which thread makes a number does not change it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from layerscope.core.sizes import numbers
from layerscope.engine.native.flat_memory import FlatMemory
from layerscope.engine.native.ir import Carry, Index, Value, vector
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Op, of_batch
from layerscope.engine.native.rows import lane_sums
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.matmul import MatMul, RowProduct
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.primitives.shape import Permute
from layerscope.engine.program import Value as Node

SIDE_BY_SIDE = 4
"""Registers of results whose sums grow at the same time, since each waits for its own last sum."""


@dataclass(frozen=True)
class Read:
    """Items from one index of the result to the next, and from one index of the sum to the next."""

    along: tuple[int, ...]
    over: tuple[int, ...]


@dataclass(frozen=True)
class Nest:
    """out[i] = Σ_r Π_inputs x[i·along + r·over] / divisor; i below `shape`, r below `over`."""

    shape: tuple[int, ...]
    over: tuple[int, ...]
    reads: tuple[Read, ...]
    divisor: int = 1


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Items from one index to the next of a row-major array; 0 along an axis of one."""
    return tuple(math.prod(shape[axis + 1 :]) if n > 1 else 0 for axis, n in enumerate(shape))


def nest(op: Op) -> Nest | None:
    """The operation in this form, or None."""
    if any(map(of_batch, (*op.inputs, *op.outputs))):
        return None
    rule = _RULES.get(cast("type[Any]", op.do.__class__))
    found = rule(op, *(numbers(value.type.shape) for value in op.inputs)) if rule else None
    if found and not found.shape:
        return replace(found, shape=(1,), reads=tuple(replace(read, along=(0,)) for read in found.reads))
    return found


def _reduce(op: Op, shape: tuple[int, ...]) -> Nest | None:
    if op.do.how not in ("sum", "mean"):
        return None
    kept = [axis for axis in range(len(shape)) if axis not in op.do.axes]
    gone = [axis for axis in range(len(shape)) if axis in op.do.axes]
    own, over = strides(shape), tuple(shape[axis] for axis in gone)
    read = Read(tuple(own[axis] for axis in kept), tuple(own[axis] for axis in gone))
    divisor = math.prod(over) if op.do.how == "mean" else 1
    return Nest(tuple(shape[axis] for axis in kept), over, (read,), divisor)


def _expand(op: Op, given: tuple[int, ...]) -> Nest:
    shape = numbers(op.do.shape)
    do: Expand = op.do
    kept = [1 if axis in do.axes else n for axis, n in enumerate(shape)]
    repeats = math.prod(shape[axis] for axis in do.axes)
    return Nest(shape, (), (Read(strides(kept), ()),), repeats if do.mean else 1)


def _product(op: Op, x: tuple[int, ...], matrix: tuple[int, ...]) -> Nest:
    n, m = reversed(matrix) if op.do.transposed else matrix
    kernel = Read((0, n), (1,)) if op.do.transposed else Read((0, 1), (m,))
    return Nest((math.prod(x[:-1]), m), (n,), (Read((n, 0), (1,)), kernel))


def _row_product(op: Op, x: tuple[int, ...], y: tuple[int, ...]) -> Nest:
    n, m = x[-1], y[-1]
    return Nest((n, m), (math.prod(x[:-1]),), (Read((1, 0), (n,)), Read((0, 1), (m,))))


def _permute(op: Op, shape: tuple[int, ...]) -> Nest:
    own = strides(shape)
    order: tuple[int, ...] = op.do.order
    return Nest(tuple(shape[axis] for axis in order), (), (Read(tuple(own[axis] for axis in order), ()),))


_RULES: dict[type, Callable[..., Nest | None]] = {
    Reduce: _reduce,
    Expand: _expand,
    MatMul: _product,
    RowProduct: _row_product,
    Permute: _permute,
}


def repeated(value: Node, like: Node) -> Expand:
    """What repeats a value over the axes along which it meets another one as an axis of one, or not at all."""
    shape = numbers(like.type.shape)
    given = numbers(value.type.shape)
    own = (1,) * (len(shape) - len(given)) + given
    return Expand(shape, tuple(axis for axis, n in enumerate(shape) if own[axis] != n))


def broadcasts(op: Op) -> list[Node]:
    """Which inputs of a pointwise operation have numbers for several elements, but not one for each."""
    if not isinstance(op.do, Map):
        return []
    full = math.prod(numbers(op.outputs[0].type.shape))
    return [value for value in op.inputs if math.prod(numbers(value.type.shape)) not in (1, full)]


# --- writing it ---


def write(memory: FlatMemory, found: Nest, op: Op, buffer: Buffer) -> None:
    """The numbers from `low` to `high` of the result, row by row of its last axis."""
    writer = _Numbers(memory, found, op.inputs)
    for place, column, width in columns(memory.k, found.shape, writer.widths(), writer.start):
        memory.store(writer.at(column, width), buffer, memory.k.add(place, column))


def columns(
    k: Kernel, shape: Sequence[int], widths: Sequence[int], start: Callable[[Index], None]
) -> Iterator[tuple[Index, Index, int]]:
    """Where numbers of a result begin, from `low` to `high`: the place of a row of its last axis, which `start` is
    told, the column in it, and how many are made at once.
    """
    low, high = Value("%low", "i64"), Value("%high", "i64")
    count = shape[-1]
    last = k.div(k.add(high, count - 1), count)
    with k.loop(k.i64(last), 1, k.i64(k.div(low, count))) as (row, _):
        place = k.mul(row, count)
        begin = k.intrinsic("smax", "i64", k.i64(k.sub(low, place)), k.i64(0))
        end = k.intrinsic("smin", "i64", k.i64(k.sub(high, place)), k.i64(count))
        start(row)
        for width in widths:
            span = k.mul(k.div(k.i64(k.sub(end, begin)), width), width)
            whole = k.i64(k.add(begin, span))
            with k.loop(whole, width, begin) as (column, _):
                yield place, column, width
            begin = whole


class _Numbers:
    """The numbers of a row."""

    def __init__(self, memory: FlatMemory, found: Nest, inputs: Sequence[Node]) -> None:
        self.memory, self.k, self.nest, self.inputs = memory, memory.k, found, inputs
        self.steps = [read.along[-1] for read in found.reads]
        self.begins: list[Index] = []

    def widths(self) -> list[int]:
        """How many numbers are made at once: many first, then what is left."""
        lanes = self.k.module.lanes
        together = max(self.steps) == 1 and self.nest.shape[-1] >= lanes
        return list(dict.fromkeys((SIDE_BY_SIDE * lanes, lanes, 1))) if together else [1]

    def start(self, row: Index) -> None:
        """Go to a row: its number over all axes but the last."""
        index: list[Index] = []
        for n in reversed(self.nest.shape[:-1]):
            index.insert(0, self.k.rem(row, n))
            row = self.k.div(row, n)
        self.begins = [self.k.dot(index, read.along[: len(index)]) for read in self.nest.reads]

    def at(self, column: Index, width: int) -> Value:
        """Numbers from a column on."""
        k, over = self.k, self.nest.over
        starts = [k.add(begin, k.mul(column, step)) for begin, step in zip(self.begins, self.steps, strict=True)]
        type = vector(k.module.real, width)
        if not over:
            (total,) = self._factors(starts, (), width, self.steps)
        elif width == 1 and self._smooth():
            total = self._sum_along(starts)
        else:
            with k.nest(over, [k.constant(0.0, type)]) as (index, carry):
                self._more(carry, starts, index, width, self.steps)
            total = carry.values[0]
        return total if self.nest.divisor == 1 else k.fdiv(total, k.constant(self.nest.divisor, type))

    def _smooth(self) -> bool:
        """Whether numbers side by side are added up for one result."""
        return self.nest.over[-1] >= self.k.module.lanes > 1 and all(r.over[-1] in (0, 1) for r in self.nest.reads)

    def _sum_along(self, starts: Sequence[Index]) -> Value:
        """One number: lanes side by side, then across, then what is left."""
        k, lanes = self.k, self.k.module.lanes
        *outer, count = self.nest.over
        whole, steps = count - count % lanes, [read.over[-1] for read in self.nest.reads]
        with k.nest(outer, [k.constant(0.0)]) as (index, carry):
            with k.loop(whole, lanes, carry=carry.values) as (i, inner):
                self._more(inner, starts, [*index, i], lanes, steps)
            carry.values = inner.values
        total = Carry([k.lane(lane_sums(k, carry.values), 0)])
        if whole < count:
            with k.nest(outer, total.values) as (index, carry):
                for i in range(whole, count):
                    self._more(carry, starts, [*index, i], 1, steps)
            total = carry
        return total.values[0]

    def _more(
        self, carry: Carry, starts: Sequence[Index], index: Sequence[Index], width: int, steps: Sequence[int]
    ) -> None:
        """Add a term to the sum."""
        k = self.k
        first, *others = self._factors(starts, index, width, steps)
        (total,) = carry.values
        carry.values = [k.fma(first, others[0], total) if others else k.fadd(total, first)]

    def _factors(
        self, starts: Sequence[Index], index: Sequence[Index], width: int, steps: Sequence[int]
    ) -> list[Value]:
        """What is multiplied: of each input numbers side by side, or one of them for all."""
        k, found = self.k, list[Value]()
        for value, read, start, step in zip(self.inputs, self.nest.reads, starts, steps, strict=True):
            place = k.dot(index, read.over, start)
            alone = self.memory.load(value, place, width if step else 1)
            found.append(alone if step else k.splat(alone, width))
        return found
