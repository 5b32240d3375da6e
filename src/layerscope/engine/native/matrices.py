"""Gradients of large matrices, which are held once for all threads.

A thread has no sums of its own here: when all blocks of a batch are done, each thread takes some rows of the matrix
and adds up what every block gives them, block by block, so that the sum is the same for any number of threads. What
went into the product and the gradient of what came out are kept for that, as much as PyTorch keeps. A tile of the
gradient stays in registers for all examples of a block.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

from layerscope.engine.native import outer
from layerscope.engine.native.correlate import segments
from layerscope.engine.native.ir import ITEM_BYTES, Index, Module, Value
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Op, Pair
from layerscope.engine.native.rows import flip

TITLE = "rows of numbers times registers of channels, once for all threads"


def suits(module: Module, op: Op | None, large: int) -> bool:
    """Whether an operation is the gradient of a matrix of more than `large` bytes whose rows fill registers."""
    if op is None or not isinstance(op.do, Pair) or op.do.axes or op.do.groups > 1 or module.lanes < 2:
        return False
    pair = op.do
    natural = pair.still % module.lanes == 0 and pair.strides[1:3] == (pair.still, 1)
    return natural and pair.moving * pair.still * ITEM_BYTES[module.real] > large


def rows(pair: Pair, lanes: int, sums: int) -> int:
    """Tiles of rows that threads may share; the last one takes what is left."""
    return pair.moving // outer.choose(pair.moving, pair.still // lanes, sums)[0]


def write(memory: Memory, op: Op, into: Buffer, sums: int) -> Kernel:
    """The kernel for one block: parameters low, high (tiles of rows), first (whether sums begin with this block)."""
    return _Matrix(memory, op, into, sums).k


class _Matrix:
    def __init__(self, memory: Memory, op: Op, into: Buffer, sums: int) -> None:
        self.k = k = Kernel(memory)
        k.parameters = [("low", "i64"), ("high", "i64"), ("first", "i64")]
        self.pair, self.lanes = cast(Pair, op.do), memory.module.lanes
        self.registers, self.examples = self.pair.still // self.lanes, memory.groups * self.lanes
        self.down, self.across = outer.choose(self.pair.moving, self.registers, sums)
        self.left, self.right = (memory.buffer(value) for value in op.inputs)
        self.x, self.y = k.array(self.left).of(k.module.real), k.array(self.right)
        self.target = k.array(into).of(k.module.vector)
        (turned,) = memory.layout.workspace(k.module.vector, (self.registers, self.examples))
        self.turned = k.array(turned)
        self.fresh = k.icmp("ne", Value("%first", "i64"), 0)
        self._turn()
        self._rows()
        k.ret()

    def _turn(self) -> None:
        """The still side with channels side by side: (tile of registers, example, register)."""
        k, lanes = self.k, self.lanes
        for begin, end, tile in segments(self.registers, self.across):
            with k.loop(k.memory.groups) as (group, _), k.loop(end, tile, begin) as (s, _):
                for j in range(tile):
                    start = k.dot([group, s], [self.right.strides[0], lanes], j * lanes)
                    found = [k.load(self.y, k.add(start, n)) for n in range(lanes)]
                    for lane, value in enumerate(flip(k, found)):
                        at = k.dot([s, group], [self.examples, lanes * tile], lane * tile + j)
                        k.store(value, self.turned, at)

    def _rows(self) -> None:
        k, low, high = self.k, Value("%low", "i64"), Value("%high", "i64")
        for begin, _, tile in segments(self.pair.moving, self.down):
            if tile == self.down:
                with k.loop(high, 1, low) as (n, _):
                    self._row(k.mul(n, tile), tile)
            else:
                with k.when(k.icmp("eq", high, self.pair.moving // self.down)):
                    self._row(begin, tile)

    def _row(self, m: Index, down: int) -> None:
        """All registers of some rows of the matrix."""
        k = self.k
        for begin, end, across in segments(self.registers, self.across):
            with k.loop(end, across, begin) as (s, _):
                spots = [k.dot([m, s], [self.registers, 1], i * self.registers + j) for i, j in _pairs(down, across)]
                zero = k.constant(0)
                found = [k.select(self.fresh, zero, k.load(self.target, spot)) for spot in spots]
                with k.loop(k.memory.groups, carry=found) as (group, around):
                    x = k.mul(k.dot([group, m], self.left.strides[:2]), self.lanes)
                    y = k.dot([s, group], [self.examples, self.lanes * across])
                    with k.loop(self.lanes, carry=around.values) as (lane, carry):
                        at, by = k.add(x, lane), k.add(y, k.mul(lane, across))
                        carry.values = around.values = self._step(at, by, down, across, carry.values)
                for spot, value in zip(spots, around.values, strict=True):
                    k.store(value, self.target, spot)

    def _step(self, at: Index, by: Index, down: int, across: int, sums: Sequence[Value]) -> list[Value]:
        """One example."""
        k, made = self.k, list(sums)
        loaded = [k.load(self.turned, k.add(by, j)) for j in range(across)]
        for i in range(down):
            value = k.splat(k.load(self.x, k.add(at, i * self.left.strides[1] * self.lanes)))
            for j in range(across):
                made[i * across + j] = k.fma(value, loaded[j], made[i * across + j])
        return made


def _pairs(down: int, across: int) -> list[tuple[int, int]]:
    return list(itertools.product(range(down), range(across)))
