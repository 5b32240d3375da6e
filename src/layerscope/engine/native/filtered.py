"""Convolutions by the algorithms of filtering.py: fewer products, more additions.

The image is cut into parts, each with an algorithm for its rows and one for its columns. The kernel's side is made
once a batch. For a few patches side by side the image's side is made, either of all rows, or, where that is more
than the nearest cache holds, of one row after the other, while what the rows make of results waits in memory. A
kernel's side that is far is read once for several rows of patches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from layerscope.engine.native import fetching
from layerscope.engine.native.algorithms import Matrix
from layerscope.engine.native.correlate import packed, segments
from layerscope.engine.native.filtering import applied, patches
from layerscope.engine.native.ir import Array, Index, Value, bytes_of, vector
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.panels import Panels
from layerscope.engine.native.parts import Part, block, passing
from layerscope.engine.native.repeats import Repeats
from layerscope.engine.native.spots import Spots
from layerscope.engine.native.stages import Stage

FAR = 1 << 20
"""Bytes of the kernel's side from which on several rows of patches share it, and of the image's side then."""

SLOTS = 8
"""Patches, or some of them side by side, that share it."""

Asks = Callable[[Index, int], Sequence[Index]]
"""Asks for what is needed next before one of some loops (number, how many), or tells what it shall ask for."""


def write(memory: Memory, stage: Stage, found: Sequence[Part], sums: int, large: int) -> list[Kernel]:
    """A kernel for each part; that of a kernel of more than `large` bytes is made in panels."""
    return [_Filtered(memory, stage, part, sums, large).kernel for part in found]


class _Filtered(Spots):
    """Writes the kernel of a part."""

    def __init__(self, memory: Memory, stage: Stage, part: Part, sums: int, large: int) -> None:
        super().__init__(memory, stage, part)
        assert stage.root is not None
        self.limit, self.wide = sums, len(self.columns.inputs)
        # Rows that wait for each other are made one by one, so that one of them stays in the nearest cache.
        self.kept = len(self.rows.inputs) if self.rows.few else max(map(len, self.rows.alike))
        self.block = block(
            self.columns, part.side, self.kept if self.rows.few else 1, self.do.inputs, bytes_of(memory.module.vector)
        )
        packing = part.packing(self.do.window)
        numbers = packing.products * self.do.inputs * self.do.outputs
        size = numbers * bytes_of(memory.module.real)
        self.far = not self.rows.few and size > min(FAR, large) and part.rows.tiles * part.columns.tiles > 1
        self.down = max(1, min(part.rows.tiles, SLOTS // self.row)) if self.far else 1
        slots = self.down * self.row if self.far else 1
        if self.far:
            item = self.kept * self.wide * part.side * slots * bytes_of(memory.module.vector)
            self.block = min(self.do.inputs, max(16, FAR // item // 16 * 16))
        self.waits = not self.rows.few or self.block < self.do.inputs
        self.passing = passing(self.rows, self.columns, part.side * self.do.outputs, sums)
        if self.passing:
            self.block, self.waits = self.do.inputs, False
        shapes = [
            (slots, self.kept, self.block, self.wide, part.side),
            (slots, len(self.rows.sums), self.do.outputs, self.columns.results, part.side),
            (len(self.columns.sums), part.side, part.channels),
        ]
        weights = math.prod(self.do.window) * self.do.inputs * self.do.outputs * bytes_of(memory.module.real)
        self.panels = Panels.of(self.kernel, stage, part, self.block) if self.far and weights > large else None
        shapes += [self.panels.shape] if self.panels else []
        told = Repeats.items(part.rows, part.columns, self.do.window) if part.told else 0
        shapes += [(-(-told * memory.module.lanes // bytes_of(memory.module.vector)),)] if told else []
        buffers = memory.layout.workspace(memory.module.vector, *shapes)
        self.v, self.y, self.m = (self.kernel.array(buffer) for buffer in buffers[:3])
        buffer = memory.buffer(stage.root.inputs[0])
        first = sum(s * placed.first for s, placed in zip(self.strides[1:3], (part.rows, part.columns), strict=True))
        self.x = self.kernel.array(buffer, first)
        self.repeats = None
        if told:
            own = self.kernel.array(buffers[-1]).of(vector("i8", memory.module.lanes))
            placed, channels = (part.rows, part.columns), (self.do.inputs, self.strides[3])
            self.repeats = Repeats(self.kernel, *placed, self.do.window, self.x, self.cells, channels, own)
            self.compete = self.repeats.compete
        if self.panels:
            self.w = self.panels.into(buffers[3])
        else:
            self.w = self.kernel.array(packed(memory, stage.root.inputs[1], self.do, packing, numbers))
        self.far_image = fetching.far(buffer)
        self._loops()
        self.kernel.ret()

    def _loops(self) -> None:
        """For each of the images that lie interleaved (`residue`: the first cell of one), all rows of patches."""
        k = self.kernel
        rows = k.shared(list(segments(self.part.rows.tiles, self.down)))
        with k.nest((self.memory.groups, *self.apart[1:])) as ((group, *self.residue), _):
            if self.far:
                for low, high, count in rows:
                    with k.loop(high, count, low) as (i, _):
                        self._together(group, i, count)
                return
            ((low, high, _),) = rows
            with k.loop(high, start=low) as (i, _):
                self._tell(group, i)
                for _, place, index, side in self.across(group, i):
                    self._patches(index, place, side)

    def _tell(self, group: Index, i: Index) -> None:
        """Which cells of a row's windows repeat others."""
        if self.repeats:
            place, index = self.spot(group, i, 0)
            self.repeats.make(place, index[1])

    def _together(self, group: Index, i: Index, count: int) -> None:
        """Some rows of patches for which the kernel's side, which is far, is read once."""
        k, inputs = self.kernel, self.do.inputs

        def slots() -> Iterator[tuple[Index, Index, list[Index], int]]:
            with k.loop(count) as (r, _):
                for n, place, index, side in self.across(group, k.add(i, r)):
                    yield k.add(k.mul(r, self.row), n), place, index, side

        size = len(self.rows.sums) * self.do.outputs * self.columns.results * self.part.side
        if self.block < inputs:
            with k.loop(count * self.row * size) as (n, _):
                k.store(k.constant(0), self.y, n)
        for low, high, some in segments(inputs, self.block):
            with k.loop(high, some, low) as (ci, _), k.loop(len(self.rows.sums)) as (number, _):
                first, each = 0, self.kept * some * self.wide * self.part.side
                for rows in self.rows.alike:
                    with k.when(k.icmp("eq", number, first)):
                        for slot, place, _, side in slots():
                            here = k.add(place, k.mul(ci, self.strides[3]))
                            self._image((rows,), here, some, side, k.mul(slot, each))
                    first += len(rows)
                for c, channels in self._tiles_of(number, ci, some):
                    for slot, _, _, side in slots():
                        made = self._row(number, c, ci, some, channels, side, k.mul(slot, each))
                        self._wait(made, self._spots(number, c, channels, side, k.mul(slot, size)))
        if self.repeats:
            with k.loop(count) as (r, _):
                self._tell(group, k.add(i, r))
        for slot, _, index, side in slots():
            self._waited(index, side, k.mul(slot, size))

    def _waited(self, index: list[Index], side: int, start: Index) -> None:
        """The results of rows that waited."""
        k, rows = self.kernel, range(len(self.rows.sums))
        with k.loop(self.do.outputs) as (c, _):
            made = [[k.load(self.y, at) for at in self._spots(n, c, 1, side, start)] for n in rows]
            self._results(index, made, c, 1, side)

    def _patches(self, index: list[Index], place: Index, side: int) -> None:
        k, inputs = self.kernel, self.do.inputs
        if self.passing:
            self._results(index, self._all_rows(place, side), 0, self.do.outputs, side)
            return
        if self.block < inputs:
            with k.loop(len(self.rows.sums) * self.do.outputs * self.columns.results * side) as (n, _):
                k.store(k.constant(0), self.y, n)
        for low, high, count in segments(inputs, self.block):
            with k.loop(high, count, low) as (ci, _):
                here = k.add(place, k.mul(ci, self.strides[3]))
                if self.rows.few:
                    self._image(self.rows.alike, here, count, side)
                if not self.waits:
                    for c, channels in self._tiles():
                        made = [self._row(n, c, ci, count, channels, side) for n in range(len(self.rows.sums))]
                        self._results(index, made, c, channels, side)
                    continue
                for number in self._row_sums(here, count, side):
                    for c, channels in self._tiles():
                        asks = self._asks(number, c, here, count, side)
                        made = self._row(number, c, ci, count, channels, side, asks=asks)
                        self._wait(made, self._spots(number, c, channels, side))
        if self.waits:
            self._waited(index, side, 0)

    def _row_sums(self, place: Index, count: int, side: int) -> Iterator[Index]:
        """The row sums; in a loop, each with its row of the image's side, where each has one of its own."""
        k = self.kernel
        if self.rows.few:
            yield from range(len(self.rows.sums))
            return
        with k.loop(len(self.rows.sums)) as (number, _):
            first = 0
            for some in self.rows.alike:
                with k.when(k.icmp("eq", number, first)):
                    self._image((some,), place, count, side)
                first += len(some)
            yield number

    def _tiles(self) -> Iterator[tuple[Index, int]]:
        """Loops over tiles of output channels."""
        for first, last, channels in segments(self.do.outputs, self.part.channels):
            with self.kernel.loop(last, channels, first) as (c, _):
                yield c, channels

    def _tiles_of(self, number: Index, ci: Index, count: int) -> Iterator[tuple[Index, int]]:
        """`_tiles`, where panels are made for them."""
        k, panels = self.kernel, self.panels
        if panels is None:
            yield from self._tiles()
            return
        for low, high, wide in segments(self.do.outputs, panels.channels):
            with k.loop(high, wide, low) as (base, _):
                panels.make(number, base, wide, ci, count)
                for first, last, channels in segments(wide, self.part.channels):
                    with k.loop(last, channels, first) as (c, _):
                        yield k.add(base, c), channels

    def _image(self, rows: Sequence[Matrix], place: Index, count: int, side: int, start: Index = 0) -> None:
        """Rows of Bᵀ d B as (row, input channel, column, patch) in memory."""
        k, each = self.kernel, self.wide * side
        with k.loop(count) as (ci, _):
            to = k.add(k.mul(ci, each), start)
            for r, values in enumerate(self._image_at(rows, k.add(place, k.mul(ci, self.strides[3])), side)):
                for number, value in enumerate(values):
                    k.store(value, self.v, k.add(to, r * count * each + number))

    def _image_at(self, rows: Sequence[Matrix], at: Index, side: int) -> Iterator[list[Value]]:
        """Rows of (column, patch) for one input channel."""
        for some in rows:
            yield from patches(
                self.kernel, self.x, at, self.cells, some, self.columns.inputs, self.columns.step, side
            )

    def _all_rows(self, place: Index, side: int) -> list[list[Value]]:
        """Every row sum, back along the columns, where all sums of all outputs stay in registers."""
        k, rows, columns, outputs = self.kernel, self.rows, self.columns, self.do.outputs
        size, tile = len(columns.sums), side * outputs
        each = columns.products * outputs
        zero = [k.constant(0)] * (len(rows.sums) * size * tile)
        with k.loop(self.do.inputs, carry=zero) as (ci, carry):
            made = list(carry.values)
            image = self._image_at(self.rows.alike, k.add(place, k.mul(ci, self.strides[3])), side)
            for r, left in enumerate(image):
                for number, at in self._readers(r):
                    u = k.add(k.mul(ci, each), at * self.do.inputs * each)
                    own = slice(number * size * tile, (number + 1) * size * tile)
                    made[own] = self._products(made[own], columns.sums, left, u, outputs, side)
            carry.values = made
        return [
            self._back(carry.values[n * size * tile : (n + 1) * size * tile], tile) for n in range(len(rows.sums))
        ]

    def _readers(self, row: int) -> Iterator[tuple[int, int]]:
        """Row sums that read a row of the image's side, and which row product that is, in their order."""
        order = [(number, product) for number, products in enumerate(self.rows.sums) for product in products]
        for at, (number, product) in enumerate(order):
            if self.rows.input_of(product) == row:
                yield number, at

    def _back(self, sums: Sequence[Value], tile: int) -> list[Value]:
        """A row sum's (sum, patch, channel) back along the columns: (column, patch, channel)."""
        k, columns = self.kernel, self.columns
        made = [applied(k, columns.back, [sums[s * tile + n] for s in range(len(columns.sums))]) for n in range(tile)]
        return [made[n][x] for x in range(columns.results) for n in range(tile)]

    def _row(
        self,
        number: Index,
        c: Index,
        ci: Index,
        count: int,
        channels: int,
        side: int,
        start: Index = 0,
        asks: Asks = lambda _number, _loops: (),
    ) -> list[Value]:
        """A row sum, back along the columns: (column, patch, channel)."""
        k, columns, inputs = self.kernel, self.columns, self.do.inputs
        known = number if isinstance(number, int) else 0
        rows, each = len(self.rows.sums[known]), columns.products * channels
        before = k.mul(number, rows)
        if isinstance(number, int):
            before = sum(len(products) for products in self.rows.sums[:number])
        sizes = [columns.products * inputs * self.do.outputs, rows * inputs * columns.products, each]
        weight = self.panels.start(c) if self.panels else k.dot([before, c, ci], sizes)
        if isinstance(number, int):
            first: Index = self.rows.input_of(self.rows.sums[number][0])
        else:  # the place of the row among those that are made together
            places = [n for some in self.rows.alike for n in range(len(some))]
            first = k.load(Array(k.module.table(places, "i64"), "i64", len(places)), number)
        image = k.add(k.mul(first, count * self.wide * side), start)
        tile, size = side * channels, len(columns.sums)
        width = min(size, max(1, self.limit // tile))
        runs = [(0, rows * count)] if count == inputs else [(r, count) for r in range(rows)]
        if width == size:
            sums = self._sums(columns.sums, 0, image, weight, runs, channels, side, asks(0, 1))
        else:
            for low, high, some in segments(size, width):
                with k.loop(high, some, low) as (first, _):
                    taken, near = columns.sums[:some], asks(k.div(first, width), -(-size // width))
                    made = self._sums(taken, first, image, weight, runs, channels, side, near)
                    for n, value in enumerate(made):
                        k.store(value, self.m, k.add(k.mul(first, tile), n))
            sums = [k.load(self.m, n) for n in range(size * tile)]
        return self._back(sums, tile)

    def _sums(
        self,
        taken: Sequence[tuple[int, ...]],
        first: Index,
        image: Index,
        weight: Index,
        runs: Sequence[tuple[int, int]],
        channels: int,
        side: int,
        near: Sequence[Index],
    ) -> list[Value]:
        """Some sums of a row, from the sum `first` on: products over rows of the sum and input channels."""
        k, (each, wide, _) = self.kernel, self._steps(channels)
        sums = [k.constant(0)] * (len(taken) * side * channels)
        image, weight = k.add(image, k.mul(first, side)), k.add(weight, k.mul(first, wide))
        for r, turns in runs:
            with k.loop(turns, carry=sums) as (n, carry):
                v = k.add(image, k.mul(k.add(n, r * turns), self.wide * side))
                u = k.add(weight, k.mul(k.add(n, r * self.do.inputs), each))
                for at in near:
                    fetching.fetch(k, self.x, k.add(at, k.mul(n, self.strides[3])))
                carry.values = self._products(carry.values, taken, v, u, channels, side)
            sums = carry.values
        return sums

    def _asks(self, number: Index, c: Index, place: Index, count: int, side: int) -> Asks:
        """Asks for a row of the patches beside those that begin at `place`: the cells that they do not share."""
        k, (rows, columns), loops = self.kernel, self.cells, -(-self.do.outputs // self.part.channels)
        wide = (side - 1) * self.columns.step + self.columns.patch
        at = k.add(place, k.dot([number], [rows], wide * columns))

        def ask(number: Index, passes: int) -> Sequence[Index]:
            if not self.far_image:
                return ()
            loop = k.add(k.mul(k.div(c, self.part.channels), passes), number)
            cells, turns = (side * self.columns.step, columns), (count, self.strides[3])
            share = fetching.Share(cells, turns, loop, loops * passes)
            if share.items > fetching.FEW:
                return share.each_turn(k, at)
            share.at_once(k, self.x, at)
            return ()

        return ask

    def _steps(self, channels: int) -> tuple[int, int, int]:
        """From one of the kernel's numbers to the next input channel, column, and channel of the tile."""
        return self.panels.steps if self.panels else (self.columns.products * channels, channels, 1)

    def _products(
        self,
        sums: Sequence[Value],
        taken: Sequence[tuple[int, ...]],
        image: Sequence[Value] | Index,
        u: Index,
        channels: int,
        side: int,
    ) -> list[Value]:
        """One input channel of one row; its image's side is (column, patch), as values or from an index on."""
        k, made, (_, wide, step) = self.kernel, list(sums), self._steps(channels)
        for number, products in enumerate(taken):
            for product in products:
                start = self.columns.input_of(product) * side
                if isinstance(image, int | Value):
                    left = [k.load(self.v, k.add(image, start + p)) for p in range(side)]
                else:
                    left = image[start : start + side]
                for j in range(channels):
                    w = k.broadcast(self.w, k.add(u, product * wide + j * step))
                    for p in range(side):
                        n = (number * side + p) * channels + j
                        made[n] = k.fma(left[p], w, made[n])
        return made

    def _spots(self, number: Index, c: Index, channels: int, side: int, first: Index = 0) -> list[Index]:
        """Where a row waits: (column, patch, channel)."""
        k, each = self.kernel, self.columns.results * side
        start = k.dot([number, c], [self.do.outputs * each, each], first)
        order = itertools.product(range(self.columns.results), range(side), range(channels))
        return [k.add(start, j * each + x * side + p) for x, p, j in order]

    def _wait(self, values: Sequence[Value], spots: Sequence[Index]) -> None:
        for value, spot in zip(values, spots, strict=True):
            if self.block < self.do.inputs:
                value = self.kernel.fadd(self.kernel.load(self.y, spot), value)
            self.kernel.store(value, self.y, spot)

    def _results(
        self, index: list[Index], rows: Sequence[Sequence[Value]], c: Index, channels: int, side: int
    ) -> None:
        """Back along the rows, and on to what follows, in the order of (row, column, channel)."""
        k, columns = self.kernel, self.columns.results
        made = [applied(k, self.rows.back, [row[n] for row in rows]) for n in range(len(rows[0]))]
        order = [(x * side + p) * channels + j for p in range(side) for x in range(columns) for j in range(channels)]
        sums = [made[n][y] for y in range(self.rows.results) for n in order]
        self.finish([1, self.rows.results, columns * side], index, c, channels, sums)
