"""The largest of values without a batch along axes: the number, where it is first, and who gets its gradient.

Each place of the result goes over what it reads once. Neighbours that read neighbours do so side by side. The first
of equal ones counts, and NaN is above all, as in NumPy. Which thread makes a number does not change it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerscope.core.sizes import numbers
from layerscope.engine.native.flat_memory import FlatMemory
from layerscope.engine.native.ir import Carry, Index, Value, like, vector
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.nests import Read, columns, strides
from layerscope.engine.native.operations import Op, of_batch
from layerscope.engine.primitives.reduce import Reduce, ReduceMaxAdjoint
from layerscope.engine.program import Value as Node


@dataclass(frozen=True)
class Peak:
    """out[i] = max over r of x[i·along + r·over]; `how` max, argmax (the first r), or adjoint: all of x's places,
    zeros but for the gradient at that r.
    """

    how: str
    shape: tuple[int, ...]
    over: tuple[int, ...]
    read: Read

    @property
    def turns(self) -> int:
        """Places of which each has its largest."""
        return math.prod(self.shape)


def peak(op: Op) -> Peak | None:
    """The operation in this form, or None."""
    if any(map(of_batch, (*op.inputs, *op.outputs))):
        return None
    if isinstance(op.do, ReduceMaxAdjoint):
        return _peak("adjoint", numbers(op.inputs[1].type.shape), op.do.axes)
    if isinstance(op.do, Reduce) and op.do.how in ("max", "argmax"):
        axes = op.do.axes if op.do.how == "max" else op.do.axes[:1]
        return _peak(op.do.how, numbers(op.inputs[0].type.shape), axes)
    return None


def _peak(how: str, shape: tuple[int, ...], axes: Iterable[int]) -> Peak:
    axes, own = tuple(axes), strides(shape)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    over = Read(tuple(own[axis] for axis in kept) or (0,), tuple(own[axis] for axis in axes))
    return Peak(how, tuple(shape[axis] for axis in kept) or (1,), tuple(shape[axis] for axis in axes), over)


def write(memory: FlatMemory, found: Peak, op: Op, buffer: Buffer) -> None:
    """The places from `low` to `high`, row by row of the last axis that is kept."""
    writer = _Largest(memory, found, op, buffer)
    for place, column, width in columns(memory.k, found.shape, writer.widths(), writer.start):
        writer.at(memory.k.add(place, column), column, width)


class _Largest:
    """The places of a row."""

    def __init__(self, memory: FlatMemory, found: Peak, op: Op, buffer: Buffer) -> None:
        self.memory, self.k, self.peak, self.buffer = memory, memory.k, found, buffer
        self.x: Node = op.inputs[-1]
        self.g: Node = op.inputs[0]
        self.step = found.read.along[-1]
        self.begin: Index = 0

    def widths(self) -> list[int]:
        """How many places are looked at side by side: a register's, then what is left."""
        lanes = self.k.module.lanes
        together = self.step == 1 and self.peak.shape[-1] >= lanes
        return list(dict.fromkeys((lanes, 1))) if together else [1]

    def start(self, row: Index) -> None:
        """Go to a row: its number over all axes but the last."""
        index: list[Index] = []
        for n in reversed(self.peak.shape[:-1]):
            index.insert(0, self.k.rem(row, n))
            row = self.k.div(row, n)
        self.begin = self.k.dot(index, self.peak.read.along[: len(index)])

    def at(self, place: Index, column: Index, width: int) -> None:
        """Numbers of the result from a place on."""
        k, how = self.k, self.peak.how
        start = k.add(self.begin, k.mul(column, self.step))
        if how == "max":
            self.memory.store(self._largest(start, width), self.buffer, place)
            return
        first = self._first(start, width)
        if how == "argmax":
            self.memory.store(k.convert("sitofp", first, k.module.real), self.buffer, place)
            return
        gradient = self.memory.load(self.g, place, width)
        with k.nest(self.peak.over) as (index, _):
            mask = k.put(like("i1", first.type), f"icmp eq {first}, {self._turn(index, width).name}")
            value = k.select(mask, gradient, k.constant(0.0, gradient.type))
            self.memory.store(value, self.buffer, k.dot(index, self.peak.read.over, start))

    def _largest(self, start: Index, width: int) -> Value:
        """The largest; of numbers side by side that one place reads, several at once, then across."""
        k, over, lanes = self.k, self.peak.over, self.k.module.lanes
        smooth = width == 1 and bool(over) and self.peak.read.over[-1] == 1 and over[-1] >= lanes > 1
        outer, count = (over[:-1], over[-1]) if smooth else (over, 0)
        low = k.constant(-math.inf, vector(k.module.real, lanes if smooth else width))
        with k.nest(outer, [low]) as (index, carry):
            if not smooth:
                self._larger(carry, start, index, width)
            else:
                with k.loop(count - count % lanes, lanes, carry=carry.values) as (i, inner):
                    self._larger(inner, start, [*index, i], lanes)
                carry.values = inner.values
        if not smooth:
            return carry.values[0]
        wide = carry.values[0]
        best = Carry([k.lane(wide, 0)])
        for lane in range(1, lanes):
            best.values = [self._better(best.values[0], k.lane(wide, lane))[1]]
        with k.nest(outer, best.values) as (index, rest):
            for i in range(count - count % lanes, count):
                self._larger(rest, start, [*index, i], 1)
        return rest.values[0]

    def _larger(self, carry: Carry, start: Index, index: Sequence[Index], width: int) -> None:
        number = self.memory.load(self.x, self.k.dot(index, self.peak.read.over, start), width)
        carry.values = [self._better(carry.values[0], number)[1]]

    def _first(self, start: Index, width: int) -> Value:
        """Which turn has the first of the largest, as a whole number for each place."""
        k = self.k
        none = Value("zeroinitializer", vector("i64", width)) if width > 1 else Value("0", "i64")
        with k.nest(self.peak.over, [k.constant(-math.inf, vector(k.module.real, width)), none]) as (index, carry):
            best, first = carry.values
            number = self.memory.load(self.x, k.dot(index, self.peak.read.over, start), width)
            better, best = self._better(best, number)
            carry.values = [best, k.select(better, self._turn(index, width), first)]
        return carry.values[1]

    def _turn(self, index: Sequence[Index], width: int) -> Value:
        return self.k.splat(self.k.i64(self.k.dot(index, strides(self.peak.over))), width)

    def _better(self, best: Value, number: Value) -> tuple[Value, Value]:
        """Where a number is larger than all before it, or the first that is NaN; and the largest then."""
        k = self.k
        nan = k.both(k.compare("uno", number, number), k.compare("ord", best, best))
        better = k.either(k.compare("ogt", number, best), nan)
        return better, k.select(better, number, best)
