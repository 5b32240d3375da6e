"""Means of windows and their adjoint, read for each result from where its windows, or its cells, lie.

Both are sums of what stands at fixed places around a result, times weights: one over a window's cells, which is less
at the edges, and of each window on the way back. Beyond the edges there are zeros. Results that lie beside each other
along the last axis are made together, as they read the same columns: what a column's rows add up to is found once.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerscope.engine.native import taps
from layerscope.engine.native.ir import Array, Index, Value
from layerscope.engine.native.operations import Means, Op, rest
from layerscope.engine.native.taps import Axis, Phase, Tap
from layerscope.engine.primitives import pool

if TYPE_CHECKING:
    from layerscope.engine.native.fusions import Stage
    from layerscope.engine.native.kernel import Kernel, Scope

TOGETHER = 4
"""Results beside each other that are made together."""

UNROLLED = 64
"""Cells of a window up to which reading them is written one after the other."""

BESIDE = 16
"""Phases of the last axis up to which results of all are made together."""


def general(op: Op) -> Means:
    """What a mean pool, or its adjoint, does along each axis."""
    windows, back = op.do.windows, isinstance(op.do, pool.PoolMeanAdjoint)
    along = zip(rest(op.outputs[0])[:-1], windows.window, windows.strides, windows.pads, strict=True)
    move = taps.backward if back else taps.forward
    axes = tuple(move(n, k, s, begin, 1) for n, k, s, (begin, _) in along)
    return Means(axes, windows, rest((op.outputs if back else op.inputs)[0])[:-1], back)


def of(stage: Stage) -> list[Op]:
    """The means that are computed in a stage; all go over their images in the same way."""
    return [op for op in stage.ops if isinstance(op.do, Means)]


def fit(op: Op, stage: Stage) -> bool:
    """Whether an operation may be computed beside the means of a stage."""
    return not isinstance(op.do, Means) or all(other.do.axes == op.do.axes for other in of(stage))


# --- weights ---


def counts(do: Means, axis: int) -> list[int]:
    """The cells of each window along an axis, without padding."""
    windows, n = do.windows, do.sizes[axis]
    k, s, (begin, end) = windows.window[axis], windows.strides[axis], windows.pads[axis]
    starts = [o * s - begin for o in range((n + begin + end - k) // s + 1)]
    return [min(start + k, n) - max(start, 0) for start in starts]


@dataclass(frozen=True)
class _Table:
    """Weights of windows along an axis, from the one numbered `low` on; of strips a register for each."""

    array: Array
    low: int
    strips: bool

    def at(self, k: Kernel, window: Index) -> Value:
        place = k.add(window, -self.low)
        return k.load(self.array, place) if self.strips else k.broadcast(self.array, place)


@dataclass(frozen=True)
class _Weights:
    """For each axis a table, or None where all windows have as many cells; `all` is the weight where none has one."""

    tables: tuple[_Table | None, ...]
    all: float

    def at(self, k: Kernel, axes: Sequence[int], windows: Sequence[Index]) -> Value | None:
        """The product of a window's weights along some axes; None for 1."""
        found: Value | None = None
        for axis, window in zip(axes, windows, strict=True):
            if table := self.tables[axis]:
                weight = table.at(k, window)
                found = weight if found is None else k.fmul(found, weight)
        return found


def _weights(scope: Scope, op: Op) -> _Weights:
    do: Means = op.do
    numbers = [counts(do, axis) for axis in range(len(do.axes))]
    factor = math.prod(_share(do, found[0]) for found in numbers if len(set(found)) == 1)
    tables: list[_Table | None] = []
    for axis, found in enumerate(numbers):
        if len(set(found)) == 1:
            tables.append(None)
            continue
        tables.append(_table(scope, op, axis, [factor * _share(do, n) for n in found]))
        factor = 1.0
    return _Weights(tuple(tables), factor)


def _share(do: Means, count: int) -> float:
    """The weight of a cell; a window without any has no mean."""
    return 1 / count if count else 0.0 if do.back else math.nan


def _table(scope: Scope, op: Op, axis: int, shares: Sequence[float]) -> _Table:
    """Of windows beyond the edges, too, where these are read; they are zeros."""
    k, value = scope.kernel, op.inputs[0] if op.do.back else op.outputs[0]
    each, lanes = rest(value)[axis], k.module.lanes
    low, high = op.do.axes[axis].reads() if op.do.back else (0, each - 1)
    strips = axis == 0 and scope.memory.rows(value) > 0
    firsts = [lane // scope.memory.together * each for lane in range(lanes)] if strips else [0]
    places = [first + window for window in range(low, high + 1) for first in firsts]
    numbers = [shares[place] if 0 <= place < len(shares) else 0.0 for place in places]
    item = k.module.vector if strips else k.module.real
    return _Table(Array(k.module.table(numbers, k.module.real), item, high + 1 - low), low, strips)


# --- one result ---


@dataclass(eq=False)
class Block:
    """Results beside each other: phase and number of their rows; the number of the first along the last axis; and for
    each how far from that, and its phase. `now` is the one that is made.
    """

    scope: Scope
    op: Op
    weights: _Weights
    rows: Sequence[tuple[Phase, Index]]
    base: Index
    results: Sequence[tuple[int, Phase]]
    now: tuple[int, Phase] | None = None
    sums: dict[int, Value] = field(default_factory=dict[int, Value])

    def __post_init__(self) -> None:
        self.axes: tuple[Axis, ...] = self.op.do.axes
        widest = max(len(phase.taps) for _, phase in self.results)
        self.many = widest * math.prod(len(phase.taps) for phase, _ in self.rows) > UNROLLED
        self.columns: dict[int, Value | None] = {}
        self.read = [] if self.many else self._read([phase.taps for phase, _ in self.rows])
        if not self.op.do.back:
            self.row = self._weight(range(len(self.rows)), [q for _, q in self.rows])
            self._weigh([n for n, _ in self.results])
        elif not self.many:
            self._weigh([n * self.last.stride + tap.offset for n, phase in self.results for tap in phase.taps])

    @property
    def last(self) -> Axis:
        return self.axes[-1]

    def _weight(self, axes: Sequence[int], windows: Sequence[Index]) -> Value | None:
        return self.weights.at(self.scope.kernel, axes, windows)

    def _read(self, found: Sequence[Sequence[Tap]]) -> list[tuple[list[Index], Value | None]]:
        """The rows that are read, and their weights on the way back."""
        each = [[tap.offset for tap in some] for some in found]
        rows = [self._places(offsets) for offsets in itertools.product(*each)]
        return [(row, self._weight(range(len(row)), row) if self.op.do.back else None) for row in rows]

    def _places(self, offsets: Sequence[Index]) -> list[Index]:
        k, pairs = self.scope.kernel, zip(self.rows, self.axes, offsets, strict=False)
        return [k.add(k.mul(q, axis.stride), offset) for (_, q), axis, offset in pairs]

    def _weigh(self, places: Sequence[int]) -> None:
        """Weights of columns that are read, or made."""
        for place in places:
            self.columns[place] = self._weight([len(self.axes) - 1], [self.scope.kernel.add(self.base, place)])

    def _at(self, row: Sequence[Index], column: Index) -> Value:
        return self.scope.read(self.op.inputs[0], [self.scope.index[0], *row, column, self.scope.index[-1]])

    def _sum(self, place: int) -> Value:
        """What the rows of a column add up to."""
        if place not in self.sums:
            k = self.scope.kernel
            column = k.add(k.mul(self.base, self.last.stride), place)
            total: Value | None = None
            for row, weight in self.read:
                total = _added(k, total, self._at(row, column), weight)
            self.sums[place] = total or k.constant(0)
        return self.sums[place]

    def result(self) -> Value:
        """The sum of the window's columns, over its number of cells."""
        assert self.now is not None
        k, (n, phase), back = self.scope.kernel, self.now, self.op.do.back
        total = self._looped(n, phase) if self.many else self._shared(n, phase)
        if not back:
            for weight in (self.row, self.columns[n]):
                total = total if weight is None else k.fmul(total, weight)
        return total if self.weights.all == 1 else k.fmul(total, k.constant(self.weights.all))

    def _shared(self, n: int, phase: Phase) -> Value:
        """Column by column, which other results read as well."""
        total: Value | None = None
        for tap in phase.taps:
            place = n * self.last.stride + tap.offset
            weight = self.columns[place] if self.op.do.back else None
            total = _added(self.scope.kernel, total, self._sum(place), weight)
        return total or self.scope.kernel.constant(0)

    def _looped(self, n: int, phase: Phase) -> Value:
        """Cell by cell, where there are many."""
        k, found = self.scope.kernel, [*(phase.taps for phase, _ in self.rows), phase.taps]
        if not all(found):
            return k.constant(0)
        with k.nest([len(some) for some in found], [k.constant(0)]) as (at, carry):
            offsets = [k.add(i, some[0].offset) for i, some in zip(at, found, strict=True)]
            row = self._places(offsets[:-1])
            place = k.add(offsets[-1], n * self.last.stride)
            column = k.add(k.mul(self.base, self.last.stride), place)
            weight = self._weight(range(len(self.axes)), [*row, column]) if self.op.do.back else None
            carry.values = [_added(k, carry.values[0], self._at(row, column), weight)]
        return carry.values[0]


def _added(k: Kernel, total: Value | None, value: Value, weight: Value | None) -> Value:
    if weight is None:
        return value if total is None else k.fadd(total, value)
    return k.fmul(value, weight) if total is None else k.fma(value, weight, total)


def emit(scope: Scope, op: Op) -> Value:
    """The mean at the scope's index, which `nest` sets."""
    return scope.blocks[op].result()


# --- the loops ---


def nest(scope: Scope, body: Callable[[], None]) -> None:
    """Let the scope go to each index of its stage, and do `body` there."""
    ops = of(scope.stage)
    _Nest(scope, ops, [_weights(scope, op) for op in ops], body).run()


@dataclass(frozen=True)
class _Run:
    """Phases behind each other that are as many and read the same: the first, and how many."""

    phase: Phase
    length: int


def _runs(axis: Axis) -> list[_Run]:
    found = itertools.groupby(axis.phases, key=lambda phase: (phase.count, [tap.offset for tap in phase.taps]))
    runs = [list(phases) for _, phases in found]
    return [_Run(phases[0], len(phases)) for phases in runs]


@dataclass(frozen=True)
class _Row:
    """Rows in one place: phase and number along each axis but the last, and their index."""

    group: Index
    phases: tuple[tuple[Phase, Index], ...] = ()
    index: tuple[Index, ...] = ()


@dataclass(eq=False)
class _Nest:
    scope: Scope
    ops: Sequence[Op]
    weights: Sequence[_Weights]
    body: Callable[[], None]

    def __post_init__(self) -> None:
        self.k, self.axes = self.scope.kernel, self.ops[0].do.axes
        phases = self.axes[-1].phases
        self.each = max(1, TOGETHER // len(phases))
        """Turns along the last axis that a block takes."""
        self.blocks, self.end = phases[-1].count // self.each, phases[0].count
        self.left = self.end > self.blocks * self.each

    def run(self) -> None:
        with self.k.loop(self.scope.memory.groups) as (group, _):
            self._rows(_Row(group))

    def _rows(self, row: _Row) -> None:
        """Row by row, of each number that which lies in each phase."""
        number = len(row.phases)
        if number == len(self.axes) - 1:
            self._row(row)
            return
        k, axis = self.k, self.axes[number]
        longest = axis.phases[0].count
        low, high = (0, longest) if number else k.share(longest)
        with k.loop(high, start=low) as (q, _):
            for run in _runs(axis):
                less = run.phase.count < longest
                there = k.when(k.icmp("slt", q, run.phase.count)) if less else contextlib.nullcontext()
                with there, k.loop(run.length) as (n, _):
                    at = k.add(k.mul(q, axis.step), n, run.phase.start)
                    self._rows(_Row(row.group, (*row.phases, (run.phase, q)), (*row.index, at)))

    def _row(self, row: _Row) -> None:
        k, turns = self.k, self.blocks + self.left
        low, high = (0, turns) if row.phases else k.share(turns)
        if self.blocks:
            end = min(high, self.blocks) if isinstance(high, int) else self._least(high)
            with k.loop(end, start=low) as (turn, _):
                self._beside(row, k.mul(turn, self.each), range(self.each))
        if self.left:
            base, known = self.blocks * self.each, isinstance(high, int)
            mine = [] if known else [k.icmp("sle", low, self.blocks), k.icmp("sgt", high, self.blocks)]
            with k.when(k.both(*mine)) if mine else contextlib.nullcontext():
                self._beside(row, base, range(base, self.end), base)

    def _least(self, high: Value) -> Value:
        return self.k.intrinsic("smin", "i64", high, self.k.i64(self.blocks))

    def _beside(self, row: _Row, base: Index, numbers: Sequence[int], first: int = 0) -> None:
        """All that there is of some numbers along the last axis, counted from `first` in a block at `base`."""
        last = self.axes[-1]
        if len(last.phases) <= BESIDE:
            found = [(n - first, phase) for n in numbers for phase in last.phases if n < phase.count]
            self._block(row, base, found)
            return
        for n in numbers:
            for run in _runs(last):
                if n < run.phase.count:
                    with self.k.loop(run.length) as (shift, _):
                        self._block(row, base, [(n - first, run.phase)], shift)

    def _block(self, row: _Row, base: Index, results: Sequence[tuple[int, Phase]], shift: Index = 0) -> None:
        k, scope, last = self.k, self.scope, self.axes[-1]
        pairs = zip(self.ops, self.weights, strict=True)
        scope.blocks = {op: Block(scope, op, weights, row.phases, base, results) for op, weights in pairs}
        with k.loop(scope.stage.shape[-1]) as (channel, _):
            for block in scope.blocks.values():
                block.sums = {}
            for n, phase in results:
                for block in scope.blocks.values():
                    block.now = n, phase
                column = k.add(k.mul(base, last.step), shift, n * last.step + phase.start)
                scope.at([row.group, *row.index, column, channel])
                self.body()
