"""Gradients of large kernels by the algorithms of filtering.py, one row of products at a time.

All products of a large kernel's gradient, 36 for 9 weights with F4, are far more than a cache holds, and more memory
than anything else of a network. Here the sums of one row of products grow while all tiles of a block pass by; then Gᵀ
brings them into the order of the kernel's array, to what a thread has of the gradient, and the next row begins.

Where no thread has more than a block of a batch, the gradient is held once: all threads meet, each takes some of the
moving channels and goes through all blocks, in order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from layerscope.engine.native.correlate import segments
from layerscope.engine.native.filtered_pairs import Part, Turned
from layerscope.engine.native.filtering import applied
from layerscope.engine.native.ir import Index, Value, bytes_of
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer, strided
from layerscope.engine.native.operations import Pair


def suits(memory: Memory, pair: Pair, parts: Sequence[Part], large: int) -> bool:
    """Whether a kernel is more than `large` bytes, and has channels in registers as the sums have."""
    lanes, real = memory.module.lanes, bytes_of(memory.module.real)
    if not all(part.turned for part in parts) or pair.still % lanes or pair.strides[2] != 1:
        return False
    if pair.strides[0] % lanes or pair.strides[1] % lanes:
        return False
    return math.prod(pair.window) * pair.moving * pair.still * real > large


def buffer(memory: Memory, pair: Pair, once: bool) -> Buffer:
    """Memory for what a thread has of the gradient, or with `once` all have, in the order of the kernel's array."""
    size = math.prod(pair.window) * pair.moving * pair.still
    return memory.layout.reserve(strided("flat" if once else "partial", memory.module.real, (size,)))


def turns(pair: Pair, part: Part) -> int:
    """Tiles of moving channels that threads may share; the last one takes what is left."""
    return pair.moving // part.tile[0]


def write(k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer) -> None:
    """Add one block's part to a thread's sums."""
    _Rows(k, pair, part, left, right, into).write()


def write_once(k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer, fresh: bool) -> None:
    """Add one block's part to the gradient that all threads have: of the tiles low to high. With `fresh` the gradient
    begins with this part, where the parameter `first` says that the block is the first one.
    """
    k.parameters = [("low", "i64"), ("high", "i64"), ("first", "i64")]
    _Once(k, pair, part, left, right, into, fresh).write()


class _Rows(Turned):
    """Row after row; the sums of one lie in memory that all kernels use."""

    def prepared(self, into: Buffer) -> None:
        self.target = self.k.array(into).of(self.k.module.vector)

    def rows_of_tiles(self) -> Sequence[tuple[Index, Index, int]]:
        """Loops over the rows of tiles that are this thread's."""
        return self.k.shared(list(segments(self.part.rows.tiles, self.deep)))

    def shapes(self) -> list[tuple[int, ...]]:
        return [*super().shapes(), (self.columns.products, self.pair.moving, self.registers)]

    def write(self) -> None:
        k = self.k
        tiles = self.rows_of_tiles()
        v, m, t, sums = (k.array(buffer) for buffer in self.workspace)
        self.v, self.m, self.t, self.sums = v, m, t, sums
        for row in range(self.rows.products):
            each = self.pair.moving * self.registers
            with k.nest((self.columns.products, self.pair.moving, self.registers), bounds={1: self.span}) as (n, _):
                k.store(k.constant(0), sums, k.dot(n, [each, self.registers, 1]))
            for at, by, deep in self.chunks(tiles):
                self.sides(row, at, by, deep, True)
                self.multiplied(0, deep)
            self._back(row)

    def _back(self, row: int) -> None:
        """Gᵀ sums G of one row of products, added to the gradient."""
        k, pair, columns = self.k, self.pair, self.columns
        each, window = pair.moving * self.registers, pair.window[1]
        across = tuple(zip(*columns.g, strict=True))
        tap, moving, _ = (stride // k.module.lanes for stride in pair.strides[:3])
        taps = [(y, r) for y, r in enumerate(self.part.rows.sources) if self.rows.g[row][y]]
        with k.nest((pair.moving, self.registers), bounds={0: self.span}) as ((m, s), _):
            place = k.dot([m, s], [self.registers, 1])
            found = [k.load(self.sums, k.add(place, n * each)) for n in range(columns.products)]
            made = applied(k, across, found)
            to = k.dot([m, s], [moving, 1])
            for (x, c), (y, r) in itertools.product(enumerate(self.part.columns.sources), taps):
                self._add(k.add(to, (r * window + c) * tap), made[x], self.rows.g[row][y])

    def _add(self, at: Index, value: Value, factor: float) -> None:
        k = self.k
        old = k.load(self.target, at)
        k.store(k.fma(value, k.constant(factor), old), self.target, at)


class _Once(_Rows):
    """The sums of some moving channels, by all rows of tiles."""

    def __init__(
        self, k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer, fresh: bool
    ) -> None:
        super().__init__(k, pair, part, left, right, into)
        low, high, down = Value("%low", "i64"), Value("%high", "i64"), part.tile[0]
        self.whole = pair.moving // down * down
        last = k.icmp("eq", high, pair.moving // down)
        self.end = k.put("i64", f"select {last}, i64 {pair.moving}, i64 {self.whole}")  # of what is left
        self.middle = k.i64(k.mul(high, down))
        top = k.put("i64", f"select {last}, i64 {pair.moving}, {self.middle}")
        self.span = k.i64(k.mul(low, down)), top
        if fresh:
            self._clear()

    def _clear(self) -> None:
        k, pair = self.k, self.pair
        tap, moving, _ = (stride // k.module.lanes for stride in pair.strides[:3])
        with k.when(k.icmp("ne", Value("%first", "i64"), 0)):
            shape = (math.prod(pair.window), pair.moving, self.registers)
            with k.nest(shape, bounds={1: self.span}) as (index, _):
                k.store(k.constant(0), self.target, k.dot(index, [tap, moving, 1]))

    def rows_of_tiles(self) -> Sequence[tuple[Index, Index, int]]:
        return list(segments(self.part.rows.tiles, self.deep))

    def tiles(self) -> Sequence[tuple[Index, Index, int]]:
        left = [(self.whole, self.end, self.pair.moving - self.whole)] if self.whole < self.pair.moving else []
        return [(self.span[0], self.middle, self.part.tile[0]), *left]
