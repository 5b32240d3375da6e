"""The kernels of lines.py: convolutions with fewer products along one axis.

For a few tiles of results the image's side is made, of all products, some input channels at a time, and multiplied
product by product with the kernel's side; what that makes of results waits until all channels have passed, and is
brought back then. The kernel's side is made once a batch (packing.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import cast

from layerscope.engine.native.correlate import Plan, Tiled, Writer, balanced, packed, segments
from layerscope.engine.native.filtering import applied
from layerscope.engine.native.ir import Array, Index, Value
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.lines import Line
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.stages import Stage
from layerscope.engine.native.taps import spacing


def write(memory: Memory, stage: Stage, line: Line, left: Sequence[Plan]) -> list[Kernel]:
    """The kernel of the whole tiles, and those of what is left."""
    assert stage.root is not None
    do, kernel = cast(Correlate, stage.root.do), stage.root.inputs[1]
    plain = [_Left(memory, stage, plan, plan.weights(memory, do, kernel), line).kernel for plan in left]
    return [_Lined(memory, stage, line).kernel, *plain]


class _Left(Writer):
    """Plain tiles of the results behind a line's whole tiles."""

    def __init__(self, memory: Memory, stage: Stage, plan: Plan, weights: Buffer, line: Line) -> None:
        self.line = line
        super().__init__(memory, stage, plan, weights)

    def finish(
        self, tiles: Sequence[int], index: Sequence[Index], c: Index, channels: int, sums: Sequence[Value]
    ) -> None:
        moved, axis, line = list(index), self.line.axis + 1, self.line
        moved[axis] = self.kernel.add(moved[axis], line.tiles * line.row.algorithm.results * line.apart)
        super().finish(tiles, moved, c, channels, sums)


Part = tuple[tuple[int, int, int], tuple[int, int, int], int]
"""Loops over tiles of the row and over positions across, each as (begin, end, step); how many results are missing in
the last tile.
"""


class Chunks:
    """The tiles and positions of a line in chunks: `deep` tiles of the row and `side` positions across it are in work
    at once; where it is tiles of the row that are computed side by side, there is one position across. `offsets` are
    those of the taps along each axis, `counts` the groups and the results along each axis.
    """

    def __init__(self, k: Kernel, line: Line, offsets: Sequence[Sequence[int]], counts: Sequence[int]) -> None:
        self.k, self.line, self.row, self.counts = k, line, line.row, counts
        self.taps, self.spaces = [len(some) for some in offsets], [spacing(some) or 0 for some in offsets]
        self.offsets = offsets
        self.along = line.across == line.axis
        self.planes = [n for n in range(len(offsets)) if n not in (line.axis, line.across)]
        # Positions across that are read beyond those in work.
        self.reach = 0 if self.along else offsets[line.across][-1] - offsets[line.across][0]

    def first(self, strides: Sequence[int]) -> int:
        """Where the first tap of the first result lies."""
        return sum(s * some[0] for s, some in zip(strides[1:], self.offsets, strict=False))

    def wide(self, deep: int, side: int) -> int:
        """Registers that one channel of one product takes: patches × positions across."""
        return self.row.slots(deep) * (side + self.reach)

    def plane_steps(self, each: int) -> list[int]:
        """From tap to tap of the planes, the last of which are `each` apart."""
        taps = [self.taps[n] for n in self.planes]
        return [math.prod(taps[n + 1 :]) * each for n in range(len(taps))]

    def moves(self, strides: Sequence[int]) -> tuple[list[int], list[int]]:
        """Taps along each of the planes, and how far apart they lie in memory."""
        return [self.taps[n] for n in self.planes], [self.spaces[n] * strides[n + 1] for n in self.planes]

    def parts(self, over: int = 0) -> list[Part]:
        """The chunks, where the last tile of the row misses `over` results."""
        line = self.line
        across = [(0, 1, 1)] if self.along else balanced(self.counts[line.across + 1], line.side)
        tiles = balanced(line.tiles, line.side) if self.along else balanced(line.tiles, line.deep)
        *before, (begin, end, deep) = tiles
        ends = [(begin, end, deep)]
        if over:
            ends = [(begin, end - deep, deep)] * (begin < end - deep) + [(end - deep, end, deep)]
        found = [(part, 0) for part in (*before, *ends)]
        found[-1] = ends[-1], over
        return [(part, some, missing) for part, missing in found for some in across]

    def loops(self, parts: Sequence[Part], rows: bool = False) -> Iterator[tuple[list[Index], int, int, int]]:
        """Loops over this thread's chunks: index of the first result, tiles, positions across, results missing. With
        `rows` each thread has rows of its own along the first axis: what grows there is no other's.
        """
        if rows:
            yield from self._by_rows(parts)
            return
        k, line, others = self.k, self.line, self._others()
        each = line.apart * math.prod(self.counts[n] for n in others)
        turns = [each * ((b - a) // n) * ((d - c) // m) for (a, b, n), (c, d, m), _ in parts]
        shared = k.shared([(0, count, 1) for count in turns])
        for ((a, b, deep), (c, d, side), over), (low, high, _) in zip(parts, shared, strict=True):
            with k.loop(high, 1, low) as (turn, _):
                left, first = self._split(turn, (d - c) // side)
                left, tile = self._split(left, (b - a) // deep)
                left, residue = self._split(left, line.apart)
                at: list[Index] = []
                for axis in reversed(others):
                    left, place = self._split(left, self.counts[axis])
                    at.insert(0, place)
                first, tile = k.add(k.mul(first, side), c), k.add(k.mul(tile, deep), a)
                yield self._index(at, residue, tile, first), deep, side, over

    def _by_rows(self, parts: Sequence[Part]) -> Iterator[tuple[list[Index], int, int, int]]:
        k, line, others = self.k, self.line, self._others()
        bounds, own = dict[int, tuple[Index, Index]](), dict[tuple[int, int, int], tuple[Index, Index, int]]()
        number = [line.axis, line.across].index(0) if 0 in (line.axis, line.across) else None
        if number is None:
            bounds = k.rows(self.counts[1:])
        else:  # rows are tiles, or positions across
            spans = list(dict.fromkeys((tiles, across)[number] for tiles, across, _ in parts))
            own = dict(zip(spans, k.shared(spans), strict=True))
        for *both, over in parts:
            (low, high, deep), (begin, end, side) = (own.get(s, s) if n == number else s for n, s in enumerate(both))
            with (
                k.nest([*(self.counts[n] for n in others), line.apart], bounds=bounds) as ((*at, residue), _),
                k.loop(high, deep, low) as (tile, _),
                k.loop(end, side, begin) as (first, _),
            ):
                yield self._index(at, residue, tile, first), deep, side, over

    def _others(self) -> list[int]:
        """Groups and planes, by their number in an index."""
        return [0, *(n + 1 for n in self.planes)]

    def _index(self, at: Sequence[Index], residue: Index, tile: Index, first: Index) -> list[Index]:
        """Of a chunk's first result."""
        k, line = self.k, self.line
        index: list[Index] = [0] * len(self.counts)
        for axis, place in zip(self._others(), at, strict=True):
            index[axis] = place
        index[line.axis + 1] = k.add(k.mul(tile, self.row.algorithm.results * line.apart), residue)
        if not self.along:
            index[line.across + 1] = first
        return index

    def _split(self, turn: Index, count: int) -> tuple[Index, Index]:
        """A turn of nested loops: of the outer ones, and of one of `count` turns."""
        k = self.k
        return (turn, 0) if count == 1 else (k.div(turn, count), k.rem(turn, count))

    def tables(self, starts: Sequence[int]) -> list[Array]:
        """For each product its first group, the one behind its last, and where its part begins."""
        k, products = self.k, self.row.algorithm.products
        columns = (*zip(*map(self.row.of, range(products)), strict=True), starts)
        return [Array(k.module.table(some, "i64"), "i64", products) for some in columns]


class _Lined(Tiled):
    """Writes the kernel of whole tiles."""

    def __init__(self, memory: Memory, stage: Stage, line: Line) -> None:
        super().__init__(memory, stage)
        assert stage.root is not None
        self.line, self.row, self.algorithm, do = line, line.row, line.row.algorithm, self.do
        counts = [axis.phases[0].count for axis in do.axes]
        if stage.pool:
            window = stage.pool.do.windows.window
            counts = [n // w * w for n, w in zip(counts, window, strict=True)]
        offsets = [[tap.offset for tap in axis.phases[0].taps] for axis in do.axes]
        self.chunks = Chunks(self.kernel, line, offsets, [memory.groups, *counts])
        deep, side = line.size
        planes = math.prod(self.chunks.moves(self.strides)[0])
        self.apart[line.axis + 1] = line.apart
        self.each = planes * line.block * self.chunks.wide(deep, side)  # registers from product to product
        shapes = [(self.algorithm.products, n) for n in (self.each, do.outputs * deep * side)]
        self.v, self.m = (self.kernel.array(b) for b in memory.layout.workspace(memory.module.vector, *shapes))
        self.x = self.kernel.array(memory.buffer(stage.root.inputs[0]), self.chunks.first(self.strides))
        self.packing = line.packing
        kernel = packed(memory, stage.root.inputs[1], do, self.packing, self.packing.size(do))
        self.w = self.kernel.array(kernel)
        for index, deep, side, _ in self.chunks.loops(self.chunks.parts(), rows=bool(stage.planes)):
            self._chunk(index, deep, side)
        self.kernel.ret()

    def _chunk(self, index: list[Index], deep: int, side: int) -> None:
        """Some tiles, for some positions across."""
        k, do, line = self.kernel, self.do, self.line
        place = k.dot(index, self.strides[: len(index)])
        if line.block < do.inputs:
            with k.loop(self.algorithm.products * do.outputs * deep * side) as (n, _):
                k.store(k.constant(0), self.m, n)
        for low, high, count in balanced(do.inputs, line.block):
            with k.loop(high, count, low) as (ci, _):
                self._image(k.add(place, k.mul(ci, self.strides[-1])), count, deep, side)
                self._multiplied(ci, count, deep, side)
        self._results(index, deep, side)

    # --- the image's side ---

    def _image(self, place: Index, count: int, deep: int, side: int) -> None:
        """Bᵀ d as (product, tap of the planes, input channel, patch, position across)."""
        k, line, chunks = self.kernel, self.line, self.chunks
        wide, across = chunks.wide(deep, side), side + chunks.reach
        cell, (taps, moves) = self.strides[line.axis + 1] * line.apart, chunks.moves(self.strides)
        with k.nest(taps) as (plane, _), k.loop(across) as (s, _), k.loop(count) as (ci, _):
            at = k.add(place, k.dot(plane, moves), k.mul(ci, self.strides[-1]))
            at = k.add(at, k.mul(s, self.strides[line.across + 1]))
            to = k.add(k.dot(plane, chunks.plane_steps(count * wide)), k.mul(ci, wide), s)
            loaded: dict[int, Value] = {}
            for number, (start, wanted) in enumerate(self.row.patches(deep)):
                rows = tuple(self.algorithm.b[p] for p in wanted)
                used = [any(row[y] for row in rows) for y in range(self.algorithm.patch)]
                for y in (start + n for n, read in enumerate(used) if read):
                    if y not in loaded:
                        loaded[y] = k.load(self.x, k.add(at, y * cell))
                cells = [loaded[start + y] if read else k.constant(0) for y, read in enumerate(used)]
                for p, value in zip(wanted, applied(k, rows, cells), strict=True):
                    k.store(value, self.v, k.add(to, p * self.each + number * across))

    # --- products ---

    def _multiplied(self, ci: Index, count: int, deep: int, side: int) -> None:
        """What some input channels add to the products' sums, which are (product, channel, tile, position across)."""
        k, do, products = self.kernel, self.do, self.algorithm.products
        tables = self.chunks.tables([self.packing.before(p, do) for p in range(products)])
        turns, width = (1, deep) if self.chunks.along else (deep, side)
        size = deep * side
        with k.loop(products) as (p, _):
            low, high, start = (k.load(table, p) for table in tables)
            each = k.mul(k.sub(high, low), len(self.packing.sources) * do.inputs)
            for first, last, channels in segments(do.outputs, self.line.channels):
                with k.loop(last, channels, first) as (c, _), k.loop(turns) as (t, _):
                    spot = k.dot([p, c, t], [do.outputs * size, size, width])
                    image = k.dot([p, t], [self.each, side + self.chunks.reach])
                    weight = k.add(start, k.mul(each, c), k.mul(ci, channels))
                    made = self._tile(weight, image, (low, high), count, deep, side, channels)
                    for number, value in enumerate(made):
                        s, j = divmod(number, channels)
                        at = k.add(spot, j * size + s)
                        if self.line.block < do.inputs:
                            value = k.fadd(k.load(self.m, at), value)
                        k.store(value, self.m, at)

    def _tile(
        self,
        weight: Index,
        image: Index,
        groups: tuple[Value, Value],
        count: int,
        deep: int,
        side: int,
        channels: int,
    ) -> list[Value]:
        """A tile of registers as (position, channel): all taps, a product's groups, and some input channels."""
        k, chunks, inputs, (low, high) = self.kernel, self.chunks, self.do.inputs, groups
        wide, across, width = chunks.wide(deep, side), side + chunks.reach, deep if chunks.along else side
        order = [n for n in range(len(chunks.taps)) if n != self.line.axis]
        taps = [chunks.taps[n] for n in order]
        planes = dict(zip(chunks.planes, chunks.plane_steps(count * wide), strict=True))
        moves = [planes[n] if n in planes else chunks.spaces[n] for n in order]
        behind = [math.prod(taps[n + 1 :]) for n in range(len(taps))]
        moved = self.row.slot(1, deep) * across
        with k.nest(taps, [k.constant(0)] * (width * channels)) as (tap, outer):
            from_tap = k.add(image, k.dot(tap, moves))
            of_tap = k.sub(k.mul(k.dot(tap, behind), k.sub(high, low)), low)
            with k.loop(high, start=low, carry=outer.values) as (g, middle):
                v = k.add(from_tap, k.mul(g, moved))
                w = k.add(weight, k.mul(k.add(of_tap, g), inputs * channels))
                with k.loop(count, carry=middle.values) as (n, inner):
                    here, there = k.add(v, k.mul(n, wide)), k.add(w, k.mul(n, channels))
                    inner.values = self._step(inner.values, here, there, width, channels)
                middle.values = inner.values
            outer.values = middle.values
        return outer.values

    def _step(self, sums: Sequence[Value], v: Index, w: Index, width: int, channels: int) -> list[Value]:
        """One input channel: positions × channels multiply–adds; the fewer of the two stay in registers."""
        k, made = self.kernel, list(sums)

        def weights(j: int) -> Value:
            return k.broadcast(self.w, k.add(w, j))

        if channels < width:
            held = [weights(j) for j in range(channels)]
            for s in range(width):
                x = k.load(self.v, k.add(v, s))
                for j, one in enumerate(held):
                    made[s * channels + j] = k.fma(x, one, made[s * channels + j])
            return made
        loaded = [k.load(self.v, k.add(v, s)) for s in range(width)]
        for j in range(channels):
            one = weights(j)
            for s, x in enumerate(loaded):
                made[s * channels + j] = k.fma(x, one, made[s * channels + j])
        return made

    # --- results ---

    def _results(self, index: list[Index], deep: int, side: int) -> None:
        """Aᵀ of the products' sums, and on to what follows."""
        k, line, results = self.kernel, self.line, self.algorithm.results
        along, size = self.chunks.along, deep * side
        turns, width = (1, deep) if along else (deep, side)
        tiles = [1] * len(index)
        tiles[line.across + 1] = width
        tiles[line.axis + 1] = results * width if along else results
        axis, across = line.axis + 1, line.across + 1
        with k.loop(self.do.outputs) as (c, _), k.loop(turns) as (t, _):
            found: list[list[Value]] = []
            for s in range(width):
                at = k.dot([c, t], [size, width], s)
                sums = [k.load(self.m, k.add(at, p * self.do.outputs * size)) for p in range(self.algorithm.products)]
                found.append(applied(k, self.algorithm.a, sums))
            here = list(index)
            here[axis] = k.add(here[axis], k.mul(t, results * line.apart))
            made: list[Value] = []
            for position in itertools.product(*map(range, tiles)):
                y = position[axis]
                made.append(found[y // results if along else position[across]][y % results])
            self.finish(tiles, here, c, 1, made)
