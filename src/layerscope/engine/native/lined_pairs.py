"""Gradients of kernels with fewer products along one axis (lines.py): Gᵀ [Σ (Bᵀ d) ⊙ (A y)], product by product.

For some tiles of the row and positions across both sides of one product are made, the still one transposed, so that a
register holds channels of one example. Groups of taps, and those along other axes, meet the same still side. When all
tiles of a block have passed, Gᵀ brings the product's sums to what a thread has of the gradient, in the order of the
kernel's array, and the next product takes their memory. What the last tile misses of the row is zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from layerscope.engine.native import outer
from layerscope.engine.native.correlate import segments
from layerscope.engine.native.ir import ITEM_BYTES, Array, Index, Value
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.lined import Chunks
from layerscope.engine.native.lines import MAKING, PART, Grouped, Line, described, rows, sources_of
from layerscope.engine.native.operations import Pair
from layerscope.engine.native.rows import flip
from layerscope.engine.native.taps import spacing

WORK = 384 << 10
"""Bytes of both sides of one product that are in work at once."""


def cut(lanes: int, pair: Pair, sums: int, gain: float, large: int, real: str) -> Line | None:
    """How a gradient is found along one axis; None where that takes no less time."""
    strides, bytes = pair.strides, ITEM_BYTES[real]
    whole = pair.still % lanes == 0 and strides[2] == 1 and strides[0] % lanes == 0 and strides[1] % lanes == 0
    if pair.groups > 1 or not pair.axes or not whole or pair.moving < 4 or sums < 8 or lanes < 2:
        return None
    if math.prod(pair.window) * pair.moving * pair.still * bytes > large:
        return None
    if any(axis.stride != 1 or spacing([t.offset for t in axis.taps]) is None for axis in pair.axes):
        return None
    if any(len(tap.sources) != 1 for axis in pair.axes for tap in axis.taps):
        return None
    positions, taps = (math.prod(n) for n in zip(*((a.count, len(a.taps)) for a in pair.axes), strict=True))
    best: tuple[float, Line] | None = None
    for axis, found in enumerate(pair.axes):
        apart = spacing([tap.offset for tap in found.taps])
        if len(found.taps) < 3 or not apart or found.count % apart:
            continue
        for row in rows(len(found.taps)):
            for line in _ways(pair, axis, row, sums, lanes, bytes, apart):
                price = _price(pair, line, lanes)
                if best is None or price < best[0]:
                    best = price, line
    definition = positions * taps * pair.moving * pair.still * 1.15
    return None if best is None or best[0] > 0.9 * gain * definition else best[1]


def _ways(pair: Pair, axis: int, row: Grouped, sums: int, lanes: int, bytes: int, apart: int) -> Iterator[Line]:
    tiles = -(-pair.axes[axis].count // apart // row.algorithm.results)
    channels = outer.choose(pair.moving, pair.still // lanes, sums)[0]
    sources = sources_of(pair.axes, pair.window, axis)
    for across in range(len(pair.axes)):
        counts = tiles if across == axis else pair.axes[across].count
        for side in range(1, min(counts, 16) + 1):
            for deep in (1,) if across == axis else range(1, min(tiles, 6) + 1):
                line = Line(axis, across, row, tiles, side, deep, channels, pair.moving, sources, apart)
                size, wide = _sizes(pair, line)
                if (wide * (pair.moving + 1) + size * pair.still) * lanes * bytes <= WORK or side * deep == 1:
                    yield line


def _sizes(pair: Pair, line: Line) -> tuple[int, int]:
    """Tiles in work at once, and patches of the moving side with the taps of all planes."""
    (deep, side), axes = line.size, [[t.offset for t in axis.taps] for axis in pair.axes]
    reach = 0 if line.across == line.axis else axes[line.across][-1] - axes[line.across][0]
    planes = math.prod(len(a) for n, a in enumerate(axes) if n not in (line.axis, line.across))
    return deep * side, planes * line.row.slots(deep) * (side + reach)


def _price(pair: Pair, line: Line, lanes: int) -> float:
    """The estimated time in multiply–adds."""
    algorithm, (size, wide), (deep, side) = line.row.algorithm, _sizes(pair, line), line.size
    others = line.apart * math.prod(a.count for n, a in enumerate(pair.axes) if n not in (line.axis, line.across))
    across = 1 if line.across == line.axis else pair.axes[line.across].count
    chunks = others * -(-across // side) * -(-line.tiles // deep)
    tiles = others * across * line.tiles
    products, taps = line.row.products * len(line.sources), len(line.sources[0])
    price = 1.15 * products * tiles * pair.moving * pair.still
    image = MAKING * wide * pair.moving * (2 * algorithm.patch + 2)
    still = MAKING * size * pair.still * (2 * algorithm.results + 9)
    price += algorithm.products * chunks * (image + still)
    sums = products * pair.moving * pair.still / lanes
    return PART + price + 1.2 * chunks * sums + 2.0 * algorithm.products * taps * sums / line.row.products


def write(k: Kernel, pair: Pair, line: Line, left: Buffer, right: Buffer, into: Buffer, sums: int) -> None:
    """Add one block's part to what a thread has of the gradient."""
    _Writer(k, pair, line, left, right, into, sums).write()


def titled(line: Line) -> str:
    """In words."""
    return described(line, "positions").split(",")[0]


class _Writer:
    def __init__(
        self, k: Kernel, pair: Pair, line: Line, left: Buffer, right: Buffer, into: Buffer, sums: int
    ) -> None:
        self.k, self.pair, self.line, self.row, self.limit = k, pair, line, line.row, sums
        self.algorithm, self.lanes = line.row.algorithm, k.module.lanes
        self.registers = pair.still // self.lanes
        self.lefts, self.rights = left.strides, right.strides
        offsets = [[tap.offset for tap in axis.taps] for axis in pair.axes]
        counts = [k.memory.groups, *(axis.count for axis in pair.axes)]
        self.chunks = Chunks(k, line, offsets, counts)
        self.over = line.tiles * self.algorithm.results - pair.axes[line.axis].count // line.apart
        self.wide = pair.moving + 1  # an item more keeps positions apart in the cache
        size, wide = _sizes(pair, line)
        self.part = pair.moving * self.registers  # registers of a tap's sums
        shapes = [
            (wide, self.wide),
            (size, self.lanes * self.registers),
            (line.row.products, len(line.sources), self.part),
        ]
        buffers = k.memory.layout.workspace(k.module.vector, *shapes)
        self.v, self.t, self.sums = (k.array(buffer) for buffer in buffers)
        self.x, self.g = k.array(left, self.chunks.first(left.strides)), k.array(right)
        self.target = k.array(into).of(k.module.vector)

    def write(self) -> None:
        """All products, one after the other."""
        k, algorithm = self.k, self.algorithm
        parts, numbers, count = self.chunks.parts(self.over), range(algorithm.products), len(self.line.sources)
        starts = list(itertools.accumulate((b - a for a, b in map(self.row.of, numbers)), initial=0))
        tables = self.chunks.tables([n * count * self.part for n in starts[:-1]])
        images = self._table([x for line in algorithm.b for x in line])
        stills = self._table([algorithm.a[y][p] for p in numbers for y in range(algorithm.results)])
        with k.loop(starts[-1] * count * self.part) as (n, _):
            k.store(k.constant(0), self.sums, n)
        for index, deep, side, over in self.chunks.loops(parts):
            with k.loop(algorithm.products) as (p, _):
                low, high, start = (k.load(table, p) for table in tables)
                factors = self._factors(images, p, algorithm.patch)
                self._image(k.dot(index, self.lefts[: len(index)]), factors, deep, side, over)
                factors = self._factors(stills, p, algorithm.results)
                self._still(k.dot(index, self.rights[: len(index)]), factors, deep, side, over)
                self._multiplied(start, (low, high), deep, side)
        for p in numbers:
            self._back(p, starts[p] * count * self.part)

    def _table(self, numbers: Sequence[float]) -> Array:
        real = self.k.module.real
        return Array(self.k.module.table(numbers, real), real, len(numbers))

    def _factors(self, table: Array, product: Index, count: int) -> list[Value]:
        k = self.k
        return [k.splat(k.load(table, k.add(k.mul(product, count), n))) for n in range(count)]

    # --- both sides ---

    def _sum(self, factors: Sequence[Value], cells: Sequence[Value | None]) -> Value:
        """Factors times the cells that there are."""
        k, total = self.k, None
        for factor, cell in zip(factors, cells, strict=True):
            if cell is not None:
                total = k.fmul(factor, cell) if total is None else k.fma(factor, cell, total)
        return k.constant(0) if total is None else total

    def _image(self, place: Index, factors: Sequence[Value], deep: int, side: int, over: int) -> None:
        """The moving side of a product as (tap of the planes, patch, position across, channel)."""
        k, line, chunks, algorithm = self.k, self.line, self.chunks, self.algorithm
        cell, across = self.lefts[line.axis + 1] * line.apart, side + chunks.reach
        end = deep * algorithm.results - over + len(line.sources[0]) - 1  # cells that results read
        (taps, moves), step = chunks.moves(self.lefts), algorithm.step
        steps = chunks.plane_steps(self.row.slots(deep) * across * self.wide)
        for number, count, start in self._runs(deep, end):
            with (
                k.loop(count) as (n, _),
                k.nest(taps) as (plane, _),
                k.loop(across) as (s, _),
                k.loop(self.pair.moving) as (m, _),
            ):
                at = k.add(place, k.dot(plane, moves), k.mul(s, self.lefts[line.across + 1]), m)
                at = k.add(at, k.mul(n, step * cell))
                to = k.add(k.dot(plane, steps), k.mul(s, self.wide), m)
                spots = range(start, start + algorithm.patch)
                cells = [k.load(self.x, k.add(at, y * cell)) if 0 <= y < end else None for y in spots]
                each = across * self.wide
                k.store(self._sum(factors, cells), self.v, k.add(to, k.mul(n, each), number * each))

    def _runs(self, deep: int, end: int) -> list[tuple[int, int, int]]:
        """Patches as (the first, how many, its first cell): those side by side that lie within the row together."""
        found: list[tuple[int, int, int]] = []
        for number, (start, _) in enumerate(self.row.patches(deep)):
            before, count, first = found[-1] if found else (0, 0, 0)
            follows = start == first + count * self.algorithm.step and first >= 0
            if found and follows and start + self.algorithm.patch <= end:
                found[-1] = before, count + 1, first
            else:
                found.append((number, 1, start))
        return found

    def _still(self, place: Index, factors: Sequence[Value], deep: int, side: int, over: int) -> None:
        """The still side of a product as (tile, position across, example, register of channels)."""
        k, line, results = self.k, self.line, self.algorithm.results
        cell, each = self.rights[line.axis + 1] * line.apart, self.lanes * self.registers
        whole = deep - bool(over)
        for low, high, held in ((0, whole, results), (whole, deep, results - over)):
            if low == high:
                continue
            with k.loop(high, 1, low) as (t, _), k.loop(side) as (s, _):
                at = k.add(place, k.mul(s, self.rights[line.across + 1]), k.mul(t, results * cell))
                with k.loop(self.pair.still, self.lanes) as (c, _):
                    found: list[Value] = []
                    for n in range(self.lanes):
                        cells = [k.load(self.g, k.add(at, c, n + y * cell)) for y in range(held)]
                        found.append(self._sum(factors, [*cells, *[None] * (results - held)]))
                    to = k.add(k.mul(k.add(s, k.mul(t, side)), each), k.div(c, self.lanes))
                    for lane, value in enumerate(flip(k, found)):
                        k.store(value, self.t, k.add(to, lane * self.registers))

    # --- products ---

    def _multiplied(self, start: Value, groups: tuple[Value, Value], deep: int, side: int) -> None:
        """What some tiles add to a product's sums, from `start` on: (group, other axes' tap, moving, register)."""
        k, pair, chunks, lanes, line = self.k, self.pair, self.chunks, self.lanes, self.line
        across, x, count = side + chunks.reach, self.v.of(k.module.real), len(line.sources)
        order = [n for n in range(len(pair.axes)) if n != line.axis]
        taps = [chunks.taps[n] for n in order]
        steps = chunks.plane_steps(self.row.slots(deep) * across)
        planes = dict(zip(chunks.planes, steps, strict=True))
        moves = [planes[n] if n in planes else chunks.spaces[n] for n in order]
        behind = [math.prod(taps[n + 1 :]) for n in range(len(taps))]
        down, wide = outer.choose(pair.moving, self.registers, self.limit)
        moved = self.row.slot(1, deep) * across
        with k.loop(groups[1], start=groups[0]) as (g, _), k.nest(taps) as (tap, _):
            number = k.add(k.mul(k.sub(g, groups[0]), count), k.dot(tap, behind))
            sums = k.add(start, k.mul(number, self.part))
            patch = k.mul(k.add(k.mul(g, moved), k.dot(tap, moves)), self.wide)
            for (mb, me, m), (sb, se, s) in itertools.product(
                segments(pair.moving, down), segments(self.registers, wide)
            ):
                with k.loop(me, m, mb) as (mo, _), k.loop(se, s, sb) as (st, _):
                    base = k.add(sums, k.mul(mo, self.registers), st)
                    spots = [k.add(base, i * self.registers + j) for i in range(m) for j in range(s)]
                    with k.nest((deep, side, lanes), [k.constant(0)] * len(spots)) as ((t, q, lane), carry):
                        at = k.dot([t, q], [across * self.wide * lanes, self.wide * lanes], k.mul(patch, lanes))
                        at = k.add(at, k.mul(mo, lanes), lane)
                        each = lanes * self.registers
                        by = k.dot([t, q, lane], [side * each, each, self.registers], st)
                        carry.values = outer.step(k, x, at, self.t, by, m, s, carry.values)
                    for spot, value in zip(spots, carry.values, strict=True):  # sums of sums: smaller errors
                        k.store(k.fadd(k.load(self.sums, spot), value), self.sums, spot)

    # --- back ---

    def _back(self, product: int, start: int) -> None:
        """Gᵀ of a product's sums, added to the gradient."""
        k, pair, lanes, g = self.k, self.pair, self.lanes, self.algorithm.g[product]
        tap, moving = (stride // lanes for stride in pair.strides[:2])
        low, high = self.row.of(product)
        count, row = len(self.line.sources), len(self.line.sources[0])
        places = [source * tap for sources in self.line.sources for source in sources]
        table = Array(k.module.table(places, "i64"), "i64", len(places))
        with k.loop(count) as (u, _):
            spots = [k.load(table, k.add(k.mul(u, row), t)) for t in range(row)]
            with k.nest((pair.moving, self.registers)) as ((m, s), _):
                at, to = k.dot([u, m, s], [self.part, self.registers, 1], start), k.dot([m, s], [moving, 1])
                for number, group in enumerate(self.row.groups[low:high]):
                    value = k.load(self.sums, k.add(at, number * count * self.part))
                    for n, t in enumerate(group.taps):
                        if factor := g[group.first + n]:
                            here = k.add(to, spots[t])
                            made = k.fma(value, k.constant(factor), k.load(self.target, here))
                            k.store(made, self.target, here)
