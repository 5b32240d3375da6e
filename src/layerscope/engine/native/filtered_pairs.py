"""Gradients of kernels by the algorithms of filtering.py: Gᵀ [Σ (Bᵀ d B) ⊙ (A y Aᵀ)] G.

Narrow kernels, where the still side is taken as it is: the moving side is made in registers for one channel and
multiplied with a few channels of the other, one sum a lane. Wide ones: for each row of products both sides are made
for some rows of tiles; the still side is transposed, so that a register holds channels of one example and what
grows in registers is the sum itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from layerscope.engine.native import filtering, outer
from layerscope.engine.native import strided as strided_axes
from layerscope.engine.native.algorithms import Matrix
from layerscope.engine.native.correlate import balanced, segments
from layerscope.engine.native.filtering import Placed, applied, operations, patches
from layerscope.engine.native.ir import Array, Index, Value, bytes_of
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer, strided
from layerscope.engine.native.operations import Pair
from layerscope.engine.native.rows import flip, lane_sums

FAR = 256 << 10
"""Bytes of a core's second cache that both sides of some tiles may take."""

LEAST = 4
"""Tiles of a row that are taken at once at least."""


@dataclass(frozen=True)
class Part:
    """A part of the positions: algorithms, and a tile of moving × still channels (or registers of them)."""

    rows: Placed
    columns: Placed
    tile: tuple[int, int]
    turned: bool

    @property
    def raw(self) -> bool:
        """Whether the still side is taken as it is."""
        both = (self.rows.algorithm, self.columns.algorithm)
        return all(x == 1 for algorithm in both for row in algorithm.of_results() for x in row) and all(
            algorithm.results == 1 for algorithm in both
        )

    @property
    def products(self) -> int:
        return self.rows.algorithm.products * self.columns.algorithm.products


def parts(lanes: int, pair: Pair, sums: int, gain: float) -> list[Part]:
    """The parts of a gradient; none where the estimated time is not below `gain` times the definition's."""
    wide = pair.still >= lanes and pair.moving >= 4
    if pair.groups > 1 or len(pair.axes) != 2 or sums < 8 or lanes < 2:
        return []
    best: tuple[float, list[Part]] | None = None
    ways = [[*filtering.on_pair(axis), *strided_axes.on_pair(axis)] for axis in pair.axes]
    for rows, columns in itertools.product(*ways):
        cut = [_part(pair, r, c, sums, wide, lanes) for r, c in itertools.product(rows, columns)]
        price = sum(each for each, _ in cut)
        if best is None or price < best[0]:
            best = price, [part for _, part in cut]
    positions = math.prod(axis.count for axis in pair.axes)
    taps = math.prod(len(axis.taps) for axis in pair.axes)
    if best is None or best[0] == math.inf or best[0] > gain * positions * taps * pair.moving * pair.still * 1.15:
        return []
    return best[1]


def _part(pair: Pair, rows: Placed, columns: Placed, sums: int, wide: bool, lanes: int) -> tuple[float, Part]:
    one, other = rows.algorithm, columns.algorithm
    image = sum(map(bool, itertools.chain(*one.b))) * other.step + one.products * operations(other.b)
    if wide:
        part = Part(rows, columns, outer.choose(pair.moving, outer.padded(pair.still, lanes) // lanes, sums), True)
        right = one.products * (operations(other.of_results()) + 3 * other.products)
        each = 1.1 * part.products * pair.moving * pair.still
        each += pair.moving * 1.2 * (image + part.products) + pair.still * 4 * right
    else:
        part = Part(rows, columns, (1, max(1, min(pair.still, sums // (one.products * other.products)))), False)
        still = part.tile[1]
        if not part.raw or part.products > sums:
            return math.inf, part
        step = max(part.products * still, one.patch * other.patch + operations(one.b) * other.patch // 2)
        each = pair.moving * -(-pair.still // still) * (step + 0.2 * one.patch * other.patch + 1)
    return rows.apart * rows.tiles * columns.apart * columns.tiles * each + 500, part


def buffer(memory: Memory, pair: Pair, part: Part) -> Buffer:
    """Memory for a thread's sums: (row, column, moving, still), one register a sum or channels side by side."""
    width = outer.padded(pair.still, memory.module.lanes) // memory.module.lanes if part.turned else pair.still
    size = part.products * pair.moving * width
    return memory.layout.reserve(strided("partial", memory.module.vector, (size,)))


def write(k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer) -> None:
    """Add one block's part to a thread's sums."""
    (Turned if part.turned else _Writer)(k, pair, part, left, right, into).write()


Patches = Callable[[Kernel, Array, Index, int], list[Value]]
"""Writes some patches side by side, from an index on."""


def patches_of(strides: tuple[int, int], row: Sequence[float], columns: Matrix, step: int) -> Patches:
    """One row of a side of an image, as (column, patch); `strides` from cell to cell."""

    def made(k: Kernel, array: Array, at: Index, side: int) -> list[Value]:
        (values,) = patches(k, array, at, strides, (tuple(row),), columns, step, side)
        return values

    return made


class _Writer:
    def __init__(self, k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer) -> None:
        self.k, self.pair, self.part = k, pair, part
        self.rows, self.columns = part.rows.algorithm, part.columns.algorithm
        self.images = (k.memory.groups, part.rows.apart, part.columns.apart)
        self.lefts, self.rights = (
            (b.strides[1] * part.rows.apart, b.strides[2] * part.columns.apart) for b in (left, right)
        )
        first = sum(s * p.first for s, p in zip(left.strides[1:3], (part.rows, part.columns), strict=True))
        begin = sum(s * p.start for s, p in zip(self.rights, (part.rows, part.columns), strict=True))
        self.x, self.y = k.array(left, first), k.array(right, begin)
        # From group to group, from one interleaved image to the next along both axes, and from tile to tile.
        self.moves = [*left.strides[:3], self.lefts[0] * self.rows.step, self.lefts[1] * self.columns.step]
        self.stays = [*right.strides[:3], self.rights[0] * self.rows.results, self.rights[1] * self.columns.results]
        self.prepared(into)

    def prepared(self, into: Buffer) -> None:
        """Take the memory of the sums."""
        self.sums = self.k.array(into)

    def write(self) -> None:
        """For each channel and a few of the other side: all tiles, one after the other."""
        k, pair, part = self.k, self.pair, self.part
        each, tiles = pair.moving * pair.still, (*self.images, part.rows.tiles, part.columns.tiles)
        bounds = k.rows(tiles[3:], 3)
        for low, high, still in segments(pair.still, part.tile[1]):
            with k.loop(pair.moving) as (m, _), k.loop(high, still, low) as (s, _):
                base = k.dot([m, s], [pair.still, 1])
                spots = [k.add(base, n * each + j) for n in range(part.products) for j in range(still)]
                with k.nest(tiles, [k.load(self.sums, spot) for spot in spots], bounds=bounds) as (index, carry):
                    carry.values = self._tile(k.dot(index, self.moves, m), k.dot(index, self.stays, s), carry.values)
                for spot, value in zip(spots, carry.values, strict=True):
                    k.store(value, self.sums, spot)

    def _tile(self, at: Index, by: Index, sums: Sequence[Value]) -> list[Value]:
        k = self.k
        still = len(sums) // self.part.products
        ys, made = [k.load(self.y, k.add(by, j)) for j in range(still)], list(sums)
        image = patches(k, self.x, at, self.lefts, self.rows.b, self.columns.b, self.columns.step, 1)
        for n, x in enumerate(itertools.chain(*image)):
            for j, y in enumerate(ys):
                made[n * still + j] = k.fma(x, y, made[n * still + j])
        return made


class Turned(_Writer):
    """Both sides in memory for some rows of tiles, the still one transposed."""

    def __init__(self, k: Kernel, pair: Pair, part: Part, left: Buffer, right: Buffer, into: Buffer) -> None:
        super().__init__(k, pair, part, left, right, into)
        lanes, vector, columns = k.module.lanes, k.module.vector, self.columns.products
        self.registers = outer.padded(pair.still, lanes) // lanes
        # From tile to tile, with an item between them that keeps them apart in the cache.
        self.wide, self.high = pair.moving + 1, pair.still + 1
        tile = columns * (self.wide + self.high + self.registers * lanes) * bytes_of(vector)
        tiles = part.columns.tiles
        self.deep = max(1, min(part.rows.tiles, FAR // (tiles * tile)))
        parts = [(0, tiles, tiles)] if self.deep > 1 else balanced(tiles, max(LEAST, FAR // tile))
        self.across, self.parts = parts[0][-1], parts
        """Of a row of tiles, how many sides are made at once; loops over such parts."""
        self.count = self.deep * self.across
        self.span: tuple[Index, Index] = (0, pair.moving)
        """The moving channels of which sums are made."""
        self.workspace = k.memory.layout.workspace(vector, *self.shapes())

    def shapes(self) -> list[tuple[int, ...]]:
        """Memory for both sides, and for the still one transposed."""
        widths = (self.wide, self.high, self.k.module.lanes * self.registers)
        return [(self.columns.products, self.count, n) for n in widths]

    def write(self) -> None:
        k = self.k
        rows = k.shared(list(segments(self.part.rows.tiles, self.deep)))
        self.v, self.m, self.t = (k.array(buffer) for buffer in self.workspace)
        for at, by, deep in self.chunks(rows):
            self._rows(at, by, deep)

    def chunks(self, rows: Sequence[tuple[Index, Index, int]]) -> Iterator[tuple[Index, Index, int]]:
        """Loops over tiles whose sides are made at once: where they lie in both images, and how many rows of them."""
        k = self.k
        with k.nest(self.images) as (image, _):
            for low, end, deep in rows:
                with k.loop(end, deep, low) as (i, _):
                    for first, last, across in self.parts:
                        self.across = across
                        with k.loop(last, across, first) as (j, _):
                            index = [*image, i, j]
                            yield k.dot(index, self.moves), k.dot(index, self.stays), deep

    def _rows(self, at: Index, by: Index, deep: int) -> None:
        """All products of some rows of tiles."""
        last = None
        for row, factors in enumerate(self.rows.of_results()):
            self.sides(row, at, by, deep, factors != last)
            last = factors
            self.multiplied(row, deep)

    def sides(self, row: int, at: Index, by: Index, deep: int, still: bool) -> None:
        """Both sides for one row of products; the still one where it is not that of the row before."""
        columns, factors = self.columns, self.rows.of_results()[row]
        side = patches_of(self.lefts, self.rows.b[row], columns.b, columns.step)
        self._side(side, self.x, at, self.moves, self.v, self.span, self.wide, deep)
        if still:
            side = patches_of(self.rights, factors, columns.of_results(), columns.results)
            self._side(side, self.y, by, self.stays, self.m, (0, self.pair.still), self.high, deep)
            self._turn(deep)

    def _side(
        self,
        side: Patches,
        array: Array,
        at: Index,
        moves: Sequence[int],
        into: Array,
        span: tuple[Index, Index],
        width: int,
        deep: int,
    ) -> None:
        """One row of one side as (column, tile, channel)."""
        k, tiles = self.k, self.across
        with k.loop(deep) as (i, _):
            for low, end, count in segments(tiles, min(4, tiles)):
                with k.loop(end, count, low) as (j, _), k.loop(span[1], start=span[0]) as (channel, _):
                    to = k.dot([i, j, channel], [tiles * width, width, 1])
                    values = side(k, array, k.dot([i, j, channel], [*moves[3:], 1], at), count)
                    for number, value in enumerate(values):
                        column, p = divmod(number, count)
                        k.store(value, into, k.add(to, (column * self.count + p) * width))

    def _turn(self, deep: int) -> None:
        """The still side with the channels of one example side by side: (column, tile, example, register)."""
        k, lanes, tiles = self.k, self.k.module.lanes, self.across
        with k.nest((self.columns.products, deep * tiles)) as ((c, n), _):
            tile = k.dot([c, n], [self.count, 1])
            for low, end, count in segments(self.pair.still, lanes):
                with k.loop(end, count, low) as (s, _):
                    found = [k.load(self.m, k.dot([tile, s], [self.high, 1], j)) for j in range(count)]
                    found += [k.constant(0)] * (lanes - count)
                    for lane, value in enumerate(flip(k, found)):
                        at = k.dot([tile], [lanes * self.registers], lane * self.registers)
                        k.store(value, self.t, k.add(at, k.div(s, lanes)))

    def tiles(self) -> Sequence[tuple[Index, Index, int]]:
        """Tiles of moving channels: loops that follow each other as (begin, end, step)."""
        return list(segments(self.pair.moving, self.part.tile[0]))

    def multiplied(self, row: int, deep: int) -> None:
        """What all products of a row add to its sums."""
        k, pair, lanes, columns = self.k, self.pair, self.k.module.lanes, self.columns.products
        each, x = pair.moving * self.registers, self.v.of(k.module.real)
        for (mb, me, m), (sb, se, s) in itertools.product(self.tiles(), segments(self.registers, self.part.tile[1])):
            with k.loop(columns) as (c, _), k.loop(me, m, mb) as (mo, _), k.loop(se, s, sb) as (st, _):
                base = k.dot([c, mo, st], [each, self.registers, 1], row * columns * each)
                spots = [k.add(base, i * self.registers + j) for i in range(m) for j in range(s)]
                found = [k.load(self.sums, spot) for spot in spots]
                left = k.dot([c, mo], [self.count * self.wide * lanes, lanes])
                right = k.dot([c, st], [self.count * lanes * self.registers, 1])
                tiles = deep * self.across
                with k.loop(tiles, carry=found) as (n, around), k.loop(lanes, carry=around.values) as (lane, carry):
                    at = k.dot([n, lane], [self.wide * lanes, 1], left)
                    by = k.dot([n, lane], [lanes * self.registers, self.registers], right)
                    carry.values = around.values = outer.step(k, x, at, self.t, by, m, s, carry.values)
                for spot, value in zip(spots, around.values, strict=True):
                    k.store(value, self.sums, spot)


def unpack(k: Kernel, pair: Pair, part: Part, source: Array, target: Array) -> None:
    """Gᵀ sums G, added to the kernel's gradient."""
    rows, columns, lanes = part.rows.algorithm, part.columns.algorithm, k.module.lanes
    width = outer.padded(pair.still, lanes) if part.turned else pair.still
    each = pair.moving * width
    back = tuple(zip(*rows.g, strict=True)), tuple(zip(*columns.g, strict=True))
    window = pair.window[1]
    if part.turned:
        source = source.of(k.module.real)
    with k.nest((pair.moving, pair.still)) as ((m, s), _):
        place = k.dot([m, s], [width, 1])
        found = [k.load(source, k.add(place, n * each)) for n in range(part.products)]
        if not part.turned:
            found = list(_totals(k, found))
        across = [
            applied(k, back[1], found[r * columns.products : (r + 1) * columns.products])
            for r in range(rows.products)
        ]
        taps = [applied(k, back[0], [across[r][x] for r in range(rows.products)]) for x in range(len(back[1]))]
        to = k.dot([m, s], pair.strides[1:3])
        for (x, c), (y, r) in itertools.product(enumerate(part.columns.sources), enumerate(part.rows.sources)):
            at = k.add(to, (r * window + c) * pair.strides[0])
            k.store(k.fadd(k.load(target, at), taps[x][y]), target, at)


def _totals(k: Kernel, values: Sequence[Value]) -> Iterator[Value]:
    """The sum over the lanes of each register."""
    lanes = k.module.lanes
    for start in range(0, len(values), lanes):
        some = values[start : start + lanes]
        total = lane_sums(k, some)
        yield from (k.lane(total, n) for n in range(len(some)))
