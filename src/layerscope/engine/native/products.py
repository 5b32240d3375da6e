"""Products with a tall matrix: blocks of inputs that stay in the nearest cache while all outputs pass by.

Sums of all outputs wait in memory between blocks; without that, a long row of inputs would be read from a far
cache once for each tile of outputs.

For a few examples the matrix is read once as it lies, some rows at a time: a register holds outputs of one example.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from layerscope.engine.native import panels
from layerscope.engine.native.correlate import NEAR, Plan, Tiled, Writer, segments
from layerscope.engine.native.ir import Index, Value, bytes_of
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.rows import flip
from layerscope.engine.native.stages import Stage


def suits(memory: Memory, stage: Stage, plan: Plan) -> bool:
    """Whether this is a product of whole examples whose inputs are more than the nearest cache holds."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    size = memory.groups * do.inputs * bytes_of(memory.module.vector)
    return not do.axes and size > 2 * NEAR and do.outputs > 2 * plan.tile.channels


ROWS = 8
"""Rows of the matrix that are read side by side."""


def few(memory: Memory, stage: Stage, examples: int) -> bool:
    """Whether this is a product of so few whole examples that reading the matrix is most of the work."""
    assert stage.root is not None
    do, lanes = cast(Correlate, stage.root.do), memory.module.lanes
    natural = do.strides[1:3] == (do.outputs, 1) and do.outputs % lanes == 0 and lanes > 1
    return 0 < examples <= memory.together and memory.groups == 1 and not do.axes and do.groups == 1 and natural


def write_few(memory: Memory, stage: Stage, examples: int) -> Kernel:
    """The kernel of a stage whose root is such a product."""
    return _Few(memory, stage, examples).kernel


class _Few(Tiled):
    def __init__(self, memory: Memory, stage: Stage, examples: int) -> None:
        assert stage.root is not None
        super().__init__(memory, stage)
        self.lanes, self.count = memory.module.lanes, examples
        (waiting,) = memory.layout.workspace(memory.module.vector, (examples, self.do.outputs // self.lanes))
        k = self.kernel
        self.low, self.high = k.share(self.do.outputs // self.lanes)
        self.y, self.w = k.array(waiting), k.array(memory.flat[stage.root.inputs[1]])
        self.x = k.array(memory.buffer(stage.root.inputs[0])).of(memory.module.real)
        with k.loop(waiting.extent) as (n, _):
            k.store(k.constant(0), self.y, n)
        for low, high, count in segments(self.do.inputs, ROWS):
            with k.loop(high, count, low) as (ci, _):
                self._rows(ci, count)
        self._results()
        k.ret()

    def _rows(self, ci: Index, count: int) -> None:
        """What some rows add to all outputs."""
        k, lanes, width = self.kernel, self.lanes, self.do.outputs // self.lanes
        xs = [
            [k.splat(k.load(self.x, k.add(k.mul(k.add(ci, n), self.strides[-1] * lanes), e))) for n in range(count)]
            for e in range(self.count)
        ]
        with k.loop(self.high, start=self.low) as (c, _):
            place = k.dot([ci, c], [self.do.outputs, lanes])
            found = [k.load(self.y, k.add(c, e * width)) for e in range(self.count)]
            for n in range(count):
                w = self._weights(k.add(place, n * self.do.outputs))
                found = [k.fma(w, xs[e][n], found[e]) for e in range(self.count)]
            for e, value in enumerate(found):
                k.store(value, self.y, k.add(c, e * width))

    def _weights(self, at: Index) -> Value:
        k, vector = self.kernel, self.kernel.module.vector
        if k.module.checked:  # the last number of the register too
            k.load(self.w, k.add(at, self.lanes - 1))
        return k.put(vector, f"load {vector}, {k.address(self.w, at)}, align {bytes_of(k.module.real)}")

    def _results(self) -> None:
        """Outputs of an example back into lanes of examples."""
        k, lanes, width = self.kernel, self.lanes, self.do.outputs // self.lanes
        with k.loop(self.high, start=self.low) as (c, _):
            found = [k.load(self.y, k.add(c, e * width)) for e in range(self.count)]
            own = [n % self.memory.together for n in range(lanes)]
            sums = flip(k, [found[e if e < self.count else 0] for e in own])
            self.finish([1], [0], k.mul(c, lanes), lanes, sums)


PANEL = 32 << 10
"""Numbers of a matrix that is too large to be packed, which are brought near at once."""


def write(memory: Memory, stage: Stage, plan: Plan, packed: int) -> Kernel:
    """The kernel of a stage whose root is such a product; one of more than `packed` bytes is not packed."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    block = max(16, NEAR // (memory.groups * bytes_of(memory.module.vector)) // 16 * 16)
    plan, lanes = replace(plan, packing=replace(plan.packing, block=block)), memory.module.lanes
    size, wide = do.inputs * do.outputs * bytes_of(memory.module.real), 0
    if do.groups == 1 and size > packed and panels.fitting(do, lanes, block):
        wide = math.lcm(lanes, plan.tile.channels)
        wide = min(do.outputs, wide * max(1, PANEL // (wide * block)))
    return _Blocked(memory, stage, plan, wide).kernel


class _Blocked(Writer):
    """Blocks of inputs of a packed matrix, or, `wide` outputs at a time, of the matrix as it lies."""

    def __init__(self, memory: Memory, stage: Stage, plan: Plan, wide: int) -> None:
        assert stage.root is not None
        do, module, self.wide = cast(Correlate, stage.root.do), memory.module, wide
        shapes = [(memory.groups, do.outputs), (wide * plan.packing.block // module.lanes,)]
        self.waiting, self.near = memory.layout.workspace(module.vector, *shapes)
        weights = self.near if wide else plan.weights(memory, do, stage.root.inputs[1])
        super().__init__(memory, stage, plan, weights)

    def loops(self) -> None:
        k, do = self.kernel, self.do
        self.y = k.array(self.waiting)
        self.spans = k.shared(list(segments(do.outputs, self.wide or self.plan.tile.channels)))
        if self.wide:
            one = ((1.0,),)
            self.panels = panels.Panels(k, self.stage, one, one, (0,), self.wide, self.plan.packing.block)
            self.w, self.steps = self.panels.into(self.near), (self.panels.steps[0], self.panels.steps[2])
        with k.loop(self.waiting.extent) as (n, _):
            k.store(k.constant(0), self.y, n)
        for low, high, count in segments(do.inputs, self.plan.packing.block):
            with k.loop(high, count, low) as (ci, _):
                for group, c, groups, channels, weight in self._weighted(ci, count):
                    offsets = [g * self.strides[0] for g in range(groups)]
                    place = k.dot([group, ci], [self.strides[0], self.strides[-1]])
                    spots = self._spots(group, c, groups, channels)
                    found = [k.load(self.y, spot) for spot in spots]
                    found = self.along(found, place, weight, offsets, channels, count)
                    for spot, value in zip(spots, found, strict=True):
                        k.store(value, self.y, spot)
        for base, group, c, groups, channels in self._panels():
            found = [k.load(self.y, spot) for spot in self._spots(group, k.add(base, c), groups, channels)]
            self.finish([groups], [group], k.add(base, c), channels, found)

    def _weighted(self, ci: Index, count: int) -> Iterator[tuple[Index, Index, int, int, Index]]:
        """Tiles for a block of inputs, with the place of their weights."""
        k = self.kernel
        for base, group, c, groups, channels in self._panels((ci, count)):
            place = k.mul(c, self.panels.steps[2]) if self.wide else k.dot([ci, c], [self.do.outputs, count])
            yield group, k.add(base, c), groups, channels, place

    def _panels(self, inputs: tuple[Index, int] | None = None) -> Iterator[tuple[Index, Index, Index, int, int]]:
        """Tiles of the outputs that are this thread's: (first output of the panel, group, output within it, groups,
        outputs). Where there are panels, they are made for some inputs (first, how many).
        """
        if not self.wide:
            for found in self._tiles(self.spans):
                yield 0, *found
            return
        for low, high, wide in self.spans:
            with self.kernel.loop(high, wide, low) as (base, _):
                if inputs:
                    self.panels.make(0, base, wide, *inputs)
                for found in self._tiles([*segments(wide, self.plan.tile.channels)]):
                    yield base, *found

    def _tiles(self, channels: Sequence[tuple[Index, Index, int]]) -> Iterator[tuple[Index, Index, int, int]]:
        """Loops over tiles: first group, first channel, and how many of each."""
        for gb, ge, gk in segments(self.memory.groups, self.plan.tile.positions[0]):
            for cb, ce, ck in channels:
                with self.kernel.loop(ge, gk, gb) as (group, _), self.kernel.loop(ce, ck, cb) as (c, _):
                    yield group, c, gk, ck

    def _spots(self, group: Index, c: Index, groups: int, channels: int) -> list[Index]:
        outputs = self.do.outputs
        pairs = itertools.product(range(groups), range(channels))
        return [self.kernel.dot([group, c], [outputs, 1], g * outputs + j) for g, j in pairs]
