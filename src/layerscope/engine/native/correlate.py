"""Convolutions and products: a tile of results stays in registers while its sums grow.

A tile is some positions × some output channels. For each tap and input channel it loads one register a
position and one broadcast weight a channel, and does positions × channels multiply–adds. Weights come packed
in the order in which tiles read them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from layerscope.engine.native import poolings
from layerscope.engine.native.ir import Index, Value
from layerscope.engine.native.kernel import Kernel, Memory, Scope
from layerscope.engine.native.layout import Buffer, pooled_counts, strided
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.row_sums import RowSums
from layerscope.engine.native.stages import Stage
from layerscope.engine.native.taps import Phase, product, spacing
from layerscope.engine.program import Value as Node

NEAR = 24 << 10
"""Bytes of the nearest cache that what is read again and again may fill."""

LATENCY = 8
"""Multiply–adds that must be under way at once to keep the units busy."""


@dataclass(frozen=True)
class Tile:
    """Positions along each axis (the group axis first), and output channels."""

    positions: tuple[int, ...]
    channels: int

    @property
    def sums(self) -> int:
        return math.prod(self.positions) * self.channels


def cost(extents: Sequence[int], outputs: int, tile: Tile) -> float:
    """Estimated time for all results: per tap and channel the larger of arithmetic, loads and latency."""
    total = 0.0
    for parts in itertools.product(*(list(segments(n, t)) for n, t in zip(extents, tile.positions, strict=True))):
        for begin, end, channels in segments(outputs, tile.channels):
            turns = math.prod((e - b) // t for b, e, t in parts) * (end - begin) // channels
            positions = math.prod(t for *_, t in parts)
            loads = positions + channels
            total += turns * (max(positions * channels, LATENCY, loads) + 0.3 * loads + 1.0)
    return total


def choose(extents: Sequence[int], outputs: int, sums: int, multiples: Sequence[int]) -> Tile:
    """The tile of least estimated cost with at most `sums` results; positions are multiples (windows of a pool)."""
    best: tuple[float, Tile] | None = None
    active = [axis for axis, n in enumerate(extents) if n > 1][-2:]
    options: list[list[int]] = []
    for axis, (n, m) in enumerate(zip(extents, multiples, strict=True)):
        top = min(n, 16) if axis in active else 1
        options.append([m * t for t in range(1, max(1, top // m) + 1)])
    for positions in itertools.product(*options):
        for channels in range(1, min(outputs, sums) + 1):
            tile = Tile(positions, channels)
            if tile.sums <= sums or (positions == tuple(multiples) and channels == 1):
                price = cost(extents, outputs, tile)
                if best is None or price < best[0]:
                    best = price, tile
    assert best is not None
    return best[1]


def segments(size: int, tile: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, tile): the part in whole tiles, and what is left as a smaller one."""
    whole = size // tile * tile
    if whole:
        yield 0, whole, tile
    if size > whole:
        yield whole, size, size - whole


def balanced(count: int, most: int) -> list[tuple[int, int, int]]:
    """(begin, end, size): parts of at most so many, whose sizes differ by one."""
    parts = -(-count // most)
    size = -(-count // parts)
    whole = (count - parts * (size - 1)) * size
    return [part for part in ((0, whole, size), (whole, count, size - 1)) if part[0] < part[1]]


@dataclass(frozen=True)
class Packing:
    """How a kernel's array is reordered for one phase: its taps, tiles of output channels, and, for a matrix, blocks
    of inputs that all tiles read before the next ones.
    """

    taps: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    channels: int
    block: int = 0

    def place(self, do: Correlate, group: int) -> int:
        """Where a group's weights start."""
        return group * len(self.taps) * do.inputs * do.outputs


@dataclass(eq=False)
class Plan:
    """One phase of a convolution as it will be computed."""

    phases: tuple[Phase, ...]
    extents: tuple[int, ...]
    tile: Tile
    packing: Packing

    def weights(self, memory: Memory, do: Correlate, kernel: Node) -> Buffer:
        """The memory of the packed kernel."""
        size = max(1, len(self.packing.taps) * do.inputs * do.outputs * do.groups)
        return packed(memory, kernel, do, self.packing, size)


def plans(memory: Memory, stage: Stage, sums: int) -> list[Plan]:
    """The phases of a convolution, with tiles and packed weights."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    found: list[Plan] = []
    for phases in itertools.product(*(axis.phases for axis in do.axes)):
        counts = [phase.count for phase in phases]
        multiples = [1] * len(counts)
        if stage.pool:
            windows = stage.pool.do.windows
            multiples = list(windows.window)
            counts = [n * m for n, m in zip(pooled_counts(windows, counts), multiples, strict=True)]
        extents = (memory.groups, *counts)
        if 0 in extents:
            continue
        tile = choose(extents, do.outputs, sums, [1, *multiples])
        packing = Packing(tuple(product([phase.taps for phase in phases], do.window)), tile.channels)
        found.append(Plan(phases, extents, tile, packing))
    return found


def packed(memory: Memory, kernel: Node, do: Correlate, packing: Any, size: int) -> Buffer:
    """Memory for what is made of a kernel once a batch: `size` numbers, the same for all who want the same."""
    key = (kernel, do.strides, do.groups, packing)
    if key not in memory.packed:
        memory.packed[key] = memory.layout.reserve(strided("packed", memory.module.real, (size,)))
        memory.layout.packings.append((kernel, do, packing, memory.packed[key]))
    return memory.packed[key]


def write(memory: Memory, stage: Stage, found: Sequence[Plan]) -> list[Kernel]:
    """The kernels of a stage whose root is a convolution: one for each phase."""
    assert stage.root is not None
    do, kernel = cast(Correlate, stage.root.do), stage.root.inputs[1]
    return [Writer(memory, stage, plan, plan.weights(memory, do, kernel)).kernel for plan in found]


class Tiled:
    """What every form of a convolution shares: its kernel, and what it does with a tile of results in registers."""

    def __init__(self, memory: Memory, stage: Stage, starts: Sequence[int] = (), steps: Sequence[int] = ()) -> None:
        assert stage.root is not None
        self.memory, self.stage = memory, stage
        self.do = cast(Correlate, stage.root.do)
        self.kernel = Kernel(memory)
        self.scope = Scope(self.kernel, stage, starts, steps)
        self.strides = memory.buffer(stage.root.inputs[0]).strides
        self.apart = [1] * len(stage.shape)
        """From one position of a tile to the next, for groups and along each axis."""
        self.compete: Callable[..., tuple[Sequence[Value], Sequence[Value]]] = lambda *_window: ((), ())
        """The lanes in which each but the first cell of a window takes part, if not in all, and those in which each
        is zero, if that is known.
        """

    def finish(
        self, tiles: Sequence[int], index: Sequence[Index], c: Index, channels: int, sums: Sequence[Value]
    ) -> None:
        k, scope, root = self.kernel, self.scope, self.stage.root
        assert root is not None
        positions = list(itertools.product(*(range(t) for t in tiles)))
        for j in range(channels):
            totals: dict[Node, Value] = {}
            cells: dict[tuple[int, ...], Value] = {}
            rows = RowSums(scope)
            for number, position in enumerate(positions):
                moved = (k.add(i, p * n) for i, p, n in zip(index, position, self.apart, strict=True))
                scope.at([*moved, k.add(c, j)])
                scope.values[root.outputs[0]] = sums[number * channels + j]
                if self.stage.pools_first:
                    cells[position] = sums[number * channels + j]
                    continue
                scope.compute()
                scope.store()
                for op in self.stage.sums:
                    value = scope.summand(op)
                    total = totals.get(op.outputs[0])
                    if total is not None and not self._kept_positions(op):
                        value = k.fadd(total, value)
                    totals[op.outputs[0]] = value
                    if self._kept_positions(op):
                        scope.accumulate(op, value)
                rows.add(position)
                for op in self.stage.spreads:
                    poolings.spread(scope, op)
                if self.stage.pool:
                    cells[position] = scope.get(self.stage.pool.inputs[0])
            for op in self.stage.sums:
                if not self._kept_positions(op):
                    scope.accumulate(op, totals[op.outputs[0]])
            rows.store()
            if self.stage.pool:
                self._pool(tiles, index, k.add(c, j), cells)

    def _kept_positions(self, op: object) -> bool:
        return any(axis < len(self.stage.shape) for axis in self.scope.kept(op))  # pyright: ignore[reportArgumentType]

    def _pool(
        self, tiles: Sequence[int], index: Sequence[Index], c: Index, cells: dict[tuple[int, ...], Value]
    ) -> None:
        k = self.kernel
        assert self.stage.pool is not None
        window = self.stage.pool.do.windows.window
        for start in itertools.product(
            range(tiles[0]), *(range(0, t, w) for t, w in zip(tiles[1:], window, strict=True))
        ):
            own = [
                cells[(start[0], *(s + o for s, o in zip(start[1:], offset, strict=True)))]
                for offset in itertools.product(*(range(w) for w in window))
            ]
            group = k.add(index[0], start[0])
            at = [k.add(k.div(i, w), s // w) for i, s, w in zip(index[1:], start[1:], window, strict=True)]
            poolings.winners(self.scope, self.stage.pool, group, at, c, own, *self.compete(*at))


class Writer(Tiled):
    """Writes the kernel of one phase."""

    def __init__(self, memory: Memory, stage: Stage, plan: Plan, weights: Buffer) -> None:
        assert stage.root is not None
        self.steps: tuple[int, int] | None = None  # of weights along inputs and outputs, where they are not packed
        self.plan, do = plan, cast(Correlate, stage.root.do)
        steps = [1, *(axis.step for axis in do.axes), 1]
        super().__init__(memory, stage, [0, *(phase.start for phase in plan.phases), 0], steps)
        # Offsets are counted from the first tap, so that phases of one pattern are one function.
        self.first = [min((t.offset for t in phase.taps), default=0) for phase in plan.phases]
        shift = sum(o * s for o, s in zip(self.first, self.strides[1:], strict=False))
        self.x = self.kernel.array(memory.buffer(stage.root.inputs[0]), shift)
        self.w = self.kernel.array(weights)
        self.channels: list[tuple[Index, Index, int]] = []
        self.loops()
        self.kernel.ret()

    def loops(self) -> None:
        parts: list[list[tuple[Index, Index, int]]] = [
            [*segments(n, t)] for n, t in zip(self.plan.extents, self.plan.tile.positions, strict=True)
        ]
        channels = list(segments(self.do.outputs, self.plan.tile.channels))
        if len(parts) > 1:
            parts[1] = self.kernel.shared(list(segments(self.plan.extents[1], self.plan.tile.positions[1])))
            self.channels = [*channels]
        else:
            self.channels = self.kernel.shared(channels)
        with self.kernel.loop(self.do.groups) as (group, _):
            for part in itertools.product(*parts):
                self._positions(part, group, [])

    def _positions(self, part: Sequence[tuple[Index, Index, int]], group: Index, index: list[Index]) -> None:
        if len(index) < len(part):
            begin, end, tile = part[len(index)]
            with self.kernel.loop(end, tile, begin) as (i, _):
                self._positions(part, group, [*index, i])
            return
        tiles = [t for *_, t in part]
        for begin, end, channels in self.channels:
            with self.kernel.loop(end, channels, begin) as (c, _):
                sums = self._sums(tiles, index, group, c, channels)
                self.finish(tiles, index, self.kernel.add(self.kernel.mul(group, self.do.outputs), c), channels, sums)

    # --- the sums of a tile ---

    def _sums(
        self, tiles: Sequence[int], index: Sequence[Index], group: Index, c: Index, channels: int
    ) -> list[Value]:
        k, do = self.kernel, self.do
        steps = [1, *(axis.stride for axis in do.axes)]
        place = k.dot(index, [s * n for s, n in zip(self.strides, steps, strict=False)])
        place = k.add(place, k.mul(k.mul(group, do.inputs), self.strides[-1]))
        weight = k.add(
            k.mul(group, self.plan.packing.place(do, 1)), k.mul(c, len(self.plan.packing.taps) * do.inputs)
        )
        offsets = [
            sum(p * s * n for p, s, n in zip(position, self.strides, steps, strict=False))
            for position in itertools.product(*(range(t) for t in tiles))
        ]
        sums = [k.constant(0)] * (len(offsets) * channels)
        return self._taps(sums, place, weight, offsets, channels)

    def _taps(
        self, sums: list[Value], place: Index, weight: Index, offsets: Sequence[int], channels: int
    ) -> list[Value]:
        """Over the taps: as loops where their offsets are regular, one after the other where they are few."""
        k, do = self.kernel, self.do
        lists = [
            [tap.offset - first for tap in phase.taps]
            for phase, first in zip(self.plan.phases, self.first, strict=True)
        ]
        count = math.prod(len(found) for found in lists)
        if not count:  # a phase that no tap reaches, where the stride is larger than the kernel
            return sums
        steps = [spacing(found) for found in lists]
        body = len(sums) * do.inputs
        if count * body <= 320 or None in steps:
            for number, taps in enumerate(itertools.product(*lists)):
                offset = sum(t * s for t, s in zip(taps, self.strides[1:], strict=False))
                at = k.add(weight, number * do.inputs * channels)
                sums = self._channels(sums, k.add(place, offset), at, offsets, channels, unroll=body <= 96)
            return sums
        with k.nest([len(found) for found in lists], sums) as (taps, carry):
            moves = [cast(int, step) * s for step, s in zip(steps, self.strides[1:], strict=False)]
            each = [math.prod(len(found) for found in lists[n + 1 :]) for n in range(len(lists))]
            at = k.add(weight, k.dot(taps, [n * do.inputs * channels for n in each]))
            here = k.add(place, k.dot(taps, moves))
            carry.values = self._channels(carry.values, here, at, offsets, channels, unroll=body <= 96)
        return carry.values

    def _channels(
        self, sums: list[Value], place: Index, weight: Index, offsets: Sequence[int], channels: int, unroll: bool
    ) -> list[Value]:
        k, count = self.kernel, self.do.inputs
        if unroll:
            for ci in range(count):
                sums = self._step(
                    sums, k.add(place, ci * self.strides[-1]), k.add(weight, ci * channels), offsets, channels
                )
            return sums
        return self.along(sums, place, weight, offsets, channels, count)

    def along(
        self, sums: list[Value], place: Index, weight: Index, offsets: Sequence[int], channels: int, count: int
    ) -> list[Value]:
        """`count` input channels of one tap."""
        k = self.kernel
        with k.loop(count, carry=sums) as (ci, carry):
            here = k.add(place, k.mul(ci, self.strides[-1]))
            at = k.add(weight, k.mul(ci, self.steps[0] if self.steps else channels))
            carry.values = self._step(carry.values, here, at, offsets, channels)
        return carry.values

    def _step(
        self, sums: Sequence[Value], place: Index, weight: Index, offsets: Sequence[int], channels: int
    ) -> list[Value]:
        """One input channel of one tap: positions × channels multiply–adds."""
        k, made, step = self.kernel, list(sums), self.steps[1] if self.steps else 1
        if channels < len(offsets):  # what there is less of stays in registers, the other side passes by
            weights = [k.broadcast(self.w, k.add(weight, j * step)) for j in range(channels)]
            for p, offset in enumerate(offsets):
                x = k.load(self.x, k.add(place, offset))
                for j, w in enumerate(weights):
                    made[p * channels + j] = k.fma(x, w, made[p * channels + j])
            return made
        loaded = [k.load(self.x, k.add(place, offset)) for offset in offsets]
        for j in range(channels):
            w = k.broadcast(self.w, k.add(weight, j * step))
            for p, x in enumerate(loaded):
                made[p * channels + j] = k.fma(x, w, made[p * channels + j])
        return made
