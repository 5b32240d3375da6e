"""Weights in the order in which tiles read them: group, tile, tap, input channel, channel of the tile.

Also what algorithms with fewer products make of a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.engine.native import lines, parts
from layerscope.engine.native.correlate import Packing, segments
from layerscope.engine.native.filtering import applied
from layerscope.engine.native.ir import ITEM_BYTES, Array, Index, Value, vector
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Correlate, elements, rest
from layerscope.engine.native.rows import flip
from layerscope.engine.program import Value as Node

SHARED = 1 << 14
"""Weights from which on all threads pack together, each some tiles."""


def tiles(do: Correlate, packing: Packing | lines.Packing) -> int:
    """Whole tiles that threads may share; 0 where one thread does all."""
    size = (
        packing.size(do)
        if isinstance(packing, lines.Packing)
        else len(packing.taps) * do.inputs * do.outputs * do.groups
    )
    return do.outputs // packing.channels if size >= SHARED else 0


def pack(memory: Memory, kernel: Node, do: Correlate, packing: Packing | lines.Packing, buffer: Buffer) -> Kernel:
    """Bring a kernel's array into the tiles' order. Shared ones have parameters low, high: tiles; the last tile,
    which may be smaller, goes with the last whole one.
    """
    k, shared = Kernel(memory), tiles(do, packing)
    if shared:
        k.parameters = [("low", "i64"), ("high", "i64")]
    if isinstance(packing, lines.Packing):
        writer, empty = _PackLine(k, memory, kernel, do, packing, buffer), False
    else:
        writer, empty = _Pack(k, memory, kernel, do, packing, buffer), not packing.taps
    for begin, end, tile in () if empty else segments(do.outputs, packing.channels):
        with k.loop(do.groups) as (g, _):
            if not shared:
                with k.loop(end, tile, begin) as (c, _):
                    writer.tile(g, c, tile)
            elif tile == packing.channels:
                with k.loop(Value("%high", "i64"), 1, Value("%low", "i64")) as (n, _):
                    writer.tile(g, k.mul(n, tile), tile)
            else:
                with k.when(k.icmp("eq", Value("%high", "i64"), shared)):
                    writer.tile(g, begin, tile)
    k.ret()
    return k


class _Arrays:
    """A kernel's array, and the memory of what is made of it."""

    def __init__(self, k: Kernel, memory: Memory, kernel: Node, do: Correlate, buffer: Buffer) -> None:
        self.k, self.do = k, do
        source, self.target = k.array(memory.flat[kernel]), k.array(buffer)
        self.source = Array(source.pointer, k.module.real, elements(rest(kernel)) or 1)

    def _load(self, at: Index, type: str) -> Value:
        k = self.k
        self._check(self.source, at, type)
        return k.put(type, f"load {type}, {k.address(self.source, at)}, align {ITEM_BYTES[k.module.real]}")

    def _put(self, value: Value, at: Index) -> None:
        k = self.k
        self._check(self.target, at, value.type)
        k.line(f"store {value}, {k.address(self.target, at)}, align {ITEM_BYTES[k.module.real]}")

    def _check(self, array: Array, at: Index, type: str) -> None:
        """In checked mode the last number of a register is looked at too."""
        if self.k.module.checked and type.startswith("<"):
            self.k.load(array, self.k.add(at, int(type[1:].split(" ")[0]) - 1))


class _Pack(_Arrays):
    def __init__(
        self, k: Kernel, memory: Memory, kernel: Node, do: Correlate, packing: Packing, buffer: Buffer
    ) -> None:
        super().__init__(k, memory, kernel, do, buffer)
        self.packing = packing
        sources = [s for _, s in packing.taps]
        starts = [sum(len(s) for s in sources[:n]) for n in range(len(sources) + 1)]
        self.bounds = Array(k.module.table(starts, "i64"), "i64", len(starts))
        table = [tap for s in sources for tap in s] or [0]
        self.table = Array(k.module.table(table, "i64"), "i64", len(table))

    def tile(self, g: Index, c: Index, tile: int) -> None:
        """One tile of output channels, block by block of inputs."""
        k, do, taps = self.k, self.do, len(self.packing.taps)
        for low, high, count in segments(do.inputs, self.packing.block or do.inputs):
            with k.loop(high, count, low) as (first, _), k.loop(taps) as (t, _):
                start = k.dot([first, c, g], do.strides[1:])
                sizes = [taps * do.inputs * do.outputs, taps * do.outputs, taps * count, count * tile]
                self._part(t, start, k.dot([g, first, c, t], sizes), count, tile)

    def _part(self, t: Index, start: Index, place: Index, count: int, tile: int) -> None:
        """Some inputs of one tap, along the axis on which the kernel's numbers are neighbours."""
        k, do, lanes = self.k, self.do, self.k.module.lanes
        if do.strides[2] == 1 and tile > 1:
            with k.loop(count) as (ci, _):
                at = k.add(start, k.mul(ci, do.strides[1]))
                self._put(self._sum(t, [at], vector(k.module.real, tile))[0], k.add(place, k.mul(ci, tile)))
            return
        whole = count // lanes * lanes if do.strides[1] == 1 and lanes > 1 else 0
        if whole:
            with k.loop(whole, lanes) as (ci, _):
                self._block(t, k.add(start, ci), k.add(place, k.mul(ci, tile)), tile)
        if whole < count:
            with k.loop(count, 1, whole) as (ci, _), k.loop(tile) as (j, _):
                at = k.add(start, k.dot([ci, j], do.strides[1:3]))
                self._put(self._sum(t, [at], k.module.real)[0], k.add(place, k.mul(ci, tile), j))

    def _block(self, t: Index, at: Index, place: Index, tile: int) -> None:
        """As many input channels as there are lanes, transposed."""
        k, lanes = self.k, self.k.module.lanes
        for begin in range(0, tile, lanes):
            count = min(lanes, tile - begin)
            starts = [k.add(at, (begin + j) * self.do.strides[2]) for j in range(count)]
            found = self._sum(t, starts, k.module.vector) + [k.constant(0)] * (lanes - count)
            for lane, value in enumerate(flip(k, found)):
                some = k.shuffle(value, None, range(count)) if count > 1 else k.lane(value, 0)
                self._put(some, k.add(place, lane * tile + begin))

    def _sum(self, t: Index, starts: Sequence[Index], type: str) -> list[Value]:
        """The sums over a tap's sources of what stands from some places on."""
        k = self.k
        if all(len(sources) == 1 for _, sources in self.packing.taps):
            offset = k.mul(k.load(self.table, t), self.do.strides[0])
            return [self._load(k.add(at, offset), type) for at in starts]
        begin, end = k.load(self.bounds, t), k.load(self.bounds, k.add(t, 1))
        with k.loop(end, start=begin, carry=[k.constant(0, type)] * len(starts)) as (entry, carry):
            offset = k.mul(k.load(self.table, entry), self.do.strides[0])
            carry.values = [
                k.fadd(total, self._load(k.add(at, offset), type))
                for total, at in zip(carry.values, starts, strict=True)
            ]
        return carry.values


class _PackLine(_Arrays):
    """G g of every row of taps, for the algorithms of lines.py."""

    def __init__(
        self, k: Kernel, memory: Memory, kernel: Node, do: Correlate, packing: lines.Packing, buffer: Buffer
    ) -> None:
        super().__init__(k, memory, kernel, do, buffer)
        self.packing, self.row = packing, packing.row
        table = [source * do.strides[0] for some in packing.sources for source in some]
        self.table = Array(k.module.table(table, "i64"), "i64", len(table))

    def tile(self, g: Index, c: Index, tile: int) -> None:
        """One tile of output channels."""
        k, do, lanes = self.k, self.do, self.k.module.lanes
        with k.loop(len(self.packing.sources)) as (u, _):
            start = k.mul(c, do.strides[2])
            if do.strides[2] == 1 and tile > 1:
                with k.loop(do.inputs) as (ci, _):
                    at = k.add(start, k.mul(ci, do.strides[1]))
                    for number, value in enumerate(self._made(u, at, vector(k.module.real, tile))):
                        self._put(value, self._place(number, u, ci, c, tile))
                return
            whole = do.inputs // lanes * lanes if do.strides[1] == 1 and lanes > 1 else 0
            if whole:
                with k.loop(whole, lanes) as (ci, _):
                    self._block(u, k.add(start, ci), ci, c, tile)
            if whole < do.inputs:
                with k.loop(do.inputs, 1, whole) as (ci, _), k.loop(tile) as (j, _):
                    at = k.add(start, k.dot([ci, j], do.strides[1:3]))
                    for number, value in enumerate(self._made(u, at, k.module.real)):
                        self._put(value, k.add(self._place(number, u, ci, c, tile), j))

    def _block(self, u: Index, at: Index, ci: Index, c: Index, tile: int) -> None:
        """As many input channels as there are lanes, transposed."""
        k, lanes = self.k, self.k.module.lanes
        for begin in range(0, tile, lanes):
            count = min(lanes, tile - begin)
            starts = [k.add(at, (begin + j) * self.do.strides[2]) for j in range(count)]
            for number, some in enumerate(zip(*(self._made(u, s, k.module.vector) for s in starts), strict=True)):
                place = self._place(number, u, ci, c, tile)
                for lane, value in enumerate(flip(k, [*some, *[k.constant(0)] * (lanes - count)])):
                    part = k.shuffle(value, None, range(count)) if count > 1 else k.lane(value, 0)
                    self._put(part, k.add(place, lane * tile + begin))

    def _made(self, u: Index, at: Index, type: str) -> list[Value]:
        """All products' numbers, group by group in each product."""
        k, algorithm = self.k, self.row.algorithm
        count = len(self.packing.sources[0])
        offsets = [k.load(self.table, k.add(k.mul(u, count), t)) for t in range(count)]
        taps = [self._load(k.add(at, offset), type) for offset in offsets]
        found: list[dict[int, Value]] = []
        for group in self.row.groups:
            products = sorted(group.products(algorithm))
            matrix = tuple(algorithm.g[p][group.first : group.first + len(group.taps)] for p in products)
            values = applied(k, matrix, [taps[t] for t in group.taps])
            found.append(dict(zip(products, values, strict=True)))
        return [found[g][p] for p in range(algorithm.products) for g in range(*self.row.of(p))]

    def _place(self, number: int, u: Index, ci: Index, c: Index, tile: int) -> Index:
        """Where such a number lies, for the first channel of the tile."""
        k, do, taps = self.k, self.do, len(self.packing.sources)
        spots = [(p, g) for p in range(self.row.algorithm.products) for g in range(*self.row.of(p))]
        p, g = spots[number]
        low, high = self.row.of(p)
        sizes = [(high - low) * taps * do.inputs, (high - low) * do.inputs * tile, tile]
        return k.dot([c, u, ci], sizes, self.packing.before(p, do) + (g - low) * do.inputs * tile)


def pack_products(memory: Memory, kernel: Node, do: Correlate, packing: parts.Packing, buffer: Buffer) -> Kernel:
    """G g Gᵀ of every pair of channels, for an algorithm of filtering.py."""
    k = Kernel(memory)
    source, target = k.array(memory.flat[kernel]), k.array(buffer)
    rows, columns = packing.rows, packing.columns
    high, wide = len(rows.g[0]), len(columns.g[0])
    for begin, end, tile in segments(do.outputs, packing.channels):
        with k.loop(end, tile, begin) as (c, _), k.nest((do.inputs, tile)) as ((ci, j), _):
            start = k.dot([ci, k.add(c, j)], do.strides[1:3])
            taps = [k.load(source, k.add(start, s * do.strides[0])) for s in packing.sources]
            across = [applied(k, columns.g, taps[wide * y : wide * (y + 1)]) for y in range(high)]
            made = [applied(k, rows.g, [across[y][x] for y in range(high)]) for x in range(columns.products)]
            before = 0
            for products in rows.sums:
                each = len(products) * columns.products * do.inputs
                base = k.dot([c, ci, j], [each, columns.products * tile, 1], before * do.outputs)
                for number, row in enumerate(products):
                    for x in range(columns.products):
                        at = (number * do.inputs * columns.products + x) * tile
                        k.store(made[x][row], target, k.add(base, at))
                before += each
    k.ret()
    return k
