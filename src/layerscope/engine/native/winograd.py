"""3×3 convolutions of stride 1 with 16 products for four results where the definition has 36.

Winograd's F(2×2, 3×3): Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A on tiles of 4×4 inputs. The kernel's side is made once a
batch; the input's side once for some tiles side by side, into memory that stays in the nearest cache; products run
row by row of the 4×4, so that their sums stay in registers and the way back is two additions.
Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from layerscope.engine.native import correlate
from layerscope.engine.native.correlate import LATENCY, NEAR, Plan, Tile, Writer, segments
from layerscope.engine.native.draft import Correlate
from layerscope.engine.native.ir import Array, Code, Index, Value, bytes_of
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer, strided
from layerscope.engine.native.stages import Stage
from layerscope.engine.program import Value as Node


@dataclass(frozen=True)
class Packing:
    """The kernel's side: (row, tile of channels, input channel, column, channel of the tile); `sources` are the
    kernel's taps in the order of their offsets, row by row.
    """

    sources: tuple[int, ...]
    channels: int


def _tiles(rows: int, columns: int, outputs: int, inputs: int, sums: int) -> tuple[float, int, int]:
    """Estimated time, tiles side by side, and output channels."""
    best: tuple[float, int, int] | None = None
    for side in range(1, min(columns, 4) + 1):
        for channels in range(1, min(outputs, 6) + 1):
            if 4 * side * channels > sums:
                continue
            total = 0.0
            for begin, end, p in segments(columns, side):
                once = inputs * 1.5 * (28 * p + 8)
                for first, last, c in segments(outputs, channels):
                    n, loads = 4 * p * c, 4 * (p + c)
                    products = 4 * inputs * (max(n, LATENCY, loads) + 0.2 * loads + 1.0)
                    once += (last - first) // c * (products + 60 * p * c)
                total += (end - begin) // p * once
            if best is None or total < best[0]:
                best = total, side, channels
    assert best is not None
    return rows * best[0], best[1], best[2]


def suits(stage: Stage, plan: Plan, sums: int) -> bool:
    """Whether the stage is such a convolution, and is estimated to gain."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    _, *sizes = plan.extents
    plain = do.groups == 1 and len(sizes) == 2 and all(axis.stride == axis.step == 1 for axis in do.axes)
    if not plain or sums < 8 or any(n % 2 for n in sizes):
        return False
    for phase in plan.phases:
        offsets = [tap.offset for tap in phase.taps]
        if len(offsets) != 3 or offsets[2] - offsets[0] != 2 or any(len(tap.sources) > 1 for tap in phase.taps):
            return False
    if stage.pool and stage.pool.do.windows.window != (2, 2):
        return False
    direct = correlate.cost(plan.extents[1:], do.outputs, Tile(plan.tile.positions[1:], plan.tile.channels))
    rows, columns = (n // 2 for n in sizes)
    return _tiles(rows, columns, do.outputs, do.inputs, sums)[0] < 0.9 * direct * 9 * do.inputs


def write(memory: Memory, stage: Stage, plan: Plan, sums: int) -> Kernel:
    """The kernel of a stage whose root is such a convolution."""
    assert stage.root is not None
    do, kernel = cast(Correlate, stage.root.do), stage.root.inputs[1]
    rows, columns = (n // 2 for n in plan.extents[1:])
    _, side, channels = _tiles(rows, columns, do.outputs, do.inputs, sums)
    packing = Packing(tuple(sources[0] for _, sources in plan.packing.taps), channels)
    return _Winograd(memory, stage, plan, packing, _packed(memory, kernel, do, packing), side).kernel


def _packed(memory: Memory, kernel: Node, do: Correlate, packing: Packing) -> Buffer:
    key = (kernel, do.strides, packing)
    if key not in memory.packed:
        buffer = strided("packed", memory.module.real, (16 * do.inputs * do.outputs,))
        memory.packed[key] = memory.layout.reserve(buffer)
        memory.layout.packings.append((kernel, do, packing, buffer))
    return memory.packed[key]


class _Winograd(Writer):
    def __init__(
        self, memory: Memory, stage: Stage, plan: Plan, packing: Packing, weights: Buffer, side: int
    ) -> None:
        assert stage.root is not None
        self.side, self.channels = side, packing.channels
        do, vector = cast(Correlate, stage.root.do), memory.module.vector
        # What a row of patches takes stays in half of the nearest cache.
        room = NEAR // (4 * side * bytes_of(vector))
        self.block = do.inputs if do.inputs <= room else max(8, room // 8 * 8)
        self.patches = memory.layout.reserve(strided("scratch", vector, (self.block, 4, side)))
        self.rows = memory.layout.reserve(strided("scratch", vector, (2, do.outputs, 2, side)))
        super().__init__(memory, stage, plan, weights)

    def loops(self) -> None:
        k, do = self.kernel, self.do
        groups, height, width = self.plan.extents
        self.v, self.y = k.array(self.patches), k.array(self.rows)
        with k.loop(groups) as (group, _), k.loop(height // 2) as (i, _):
            for begin, end, side in segments(width // 2, self.side):
                with k.loop(end, side, begin) as (j, _):
                    index = [group, k.mul(i, 2), k.mul(j, 2)]
                    if self.block < do.inputs:
                        self._clear(side)
                    for low, high, count in segments(do.inputs, self.block):
                        with k.loop(high, count, low) as (ci, _):
                            self._rows(k.dot(index, self.strides[:3]), ci, count, side)
                    for first, last, channels in segments(do.outputs, self.channels):
                        with k.loop(last, channels, first) as (c, _):
                            self.finish([1, 2, 2 * side], index, c, channels, self._results(c, channels, side))

    def _clear(self, side: int) -> None:
        with self.kernel.loop(self.do.outputs * 4 * side) as (n, _):
            self.kernel.store(self.kernel.constant(0), self.y, n)

    def _rows(self, place: Index, ci: Index, count: int, side: int) -> None:
        """What `count` input channels add to the rows of results."""
        for row in range(4):
            self._patches(row, self.kernel.add(place, self.kernel.mul(ci, self.strides[-1])), count, side)
            for first, last, channels in segments(self.do.outputs, self.channels):
                with self.kernel.loop(last, channels, first) as (c, _):
                    self._row(row, c, ci, count, channels, side)

    def _patches(self, row: int, place: Index, count: int, side: int) -> None:
        """A row of Bᵀ d B of some tiles side by side, for every input channel; neighbours share columns."""
        k = self.kernel
        _, down, right, channel = self.strides
        a, b, minus = ((0, 2, True), (1, 2, False), (2, 1, True), (1, 3, True))[row]
        with k.loop(count) as (ci, _):
            at = k.add(place, k.mul(ci, channel))
            columns: list[Value] = []
            for x in range(2 * side + 2):
                one, other = (k.load(self.x, k.add(at, y * down + x * right)) for y in (a, b))
                columns.append(k.fsub(one, other) if minus else k.fadd(one, other))
            for p in range(side):
                d = columns[2 * p : 2 * p + 4]
                found = [k.fsub(d[0], d[2]), k.fadd(d[1], d[2]), k.fsub(d[2], d[1]), k.fsub(d[1], d[3])]
                for column, value in enumerate(found):
                    k.store(value, self.v, k.add(k.mul(ci, 4 * side), column * side + p))

    def _row(self, row: int, c: Index, start: Index, count: int, channels: int, side: int) -> None:
        """A row of products, back along the columns, added to the rows of results that it belongs to."""
        k, inputs = self.kernel, self.do.inputs
        zero = [k.constant(0)] * (4 * side * channels)
        weights = k.dot([c, start], [inputs * 4, 4 * channels], row * self.do.outputs * inputs * 4)
        with k.loop(count, carry=zero) as (ci, carry):
            u = k.add(weights, k.mul(ci, 4 * channels))
            carry.values = self._products(carry.values, k.mul(ci, 4 * side), u, channels, side)
        found = _back_columns(k, carry.values, side * channels)
        for y, first, minus in ((0, 0, False), (1, 1, row > 1)):
            if not y <= row <= y + 2:
                continue
            for number, value in enumerate(found):
                spot = self._spot(y, c, channels, side, number)
                if row > first or self.block < inputs:
                    old = k.load(self.y, spot)
                    value = k.fsub(old, value) if minus else k.fadd(old, value)
                k.store(value, self.y, spot)

    def _spot(self, y: int, c: Index, channels: int, side: int, number: int) -> Index:
        """Where the result (column of the tile, tile, channel) of a row lies until all rows have been added."""
        x, rest = divmod(number, side * channels)
        p, j = divmod(rest, channels)
        k = self.kernel
        return k.add(k.mul(c, 2 * side), y * self.do.outputs * 2 * side + (j * 2 + x) * side + p)

    def _results(self, c: Index, channels: int, side: int) -> list[Value]:
        """The results of the tiles, in the order of (row, column, channel)."""
        order = [(x * side + p) * channels + j for p in range(side) for x in range(2) for j in range(channels)]
        return [
            self.kernel.load(self.y, self._spot(y, c, channels, side, number)) for y in range(2) for number in order
        ]

    def _products(self, sums: Sequence[Value], v: Index, u: Index, channels: int, side: int) -> list[Value]:
        k, made = self.kernel, list(sums)
        for column in range(4):
            left = [k.load(self.v, k.add(v, column * side + p)) for p in range(side)]
            for j in range(channels):
                w = k.broadcast(self.w, k.add(u, column * channels + j))
                for p in range(side):
                    n = (column * side + p) * channels + j
                    made[n] = k.fma(left[p], w, made[n])
        return made


def _back_columns(k: Code, m: Sequence[Value], each: int) -> list[Value]:
    """Aᵀ along the columns, which are the outer index: two values from four."""
    first = [k.fadd(k.fadd(m[n], m[each + n]), m[2 * each + n]) for n in range(each)]
    second = [k.fsub(k.fsub(m[each + n], m[2 * each + n]), m[3 * each + n]) for n in range(each)]
    return first + second


def pack(memory: Memory, kernel: Node, do: Correlate, packing: Packing, buffer: Buffer) -> Kernel:
    """G g Gᵀ of every pair of channels."""
    k = Kernel(memory)
    source, target = k.array(memory.flat[kernel]), k.array(buffer)
    for begin, end, tile in segments(do.outputs, packing.channels):
        with k.loop(end, tile, begin) as (c, _), k.nest((do.inputs, tile)) as ((ci, j), _):
            start = k.dot([ci, k.add(c, j)], do.strides[1:3])
            _pack_one(k, source, start, do.strides[0], packing.sources, target, (c, ci, j), tile, do)
    k.ret()
    return k


def _pack_one(
    k: Kernel,
    source: Array,
    start: Index,
    stride: int,
    sources: Sequence[int],
    target: Array,
    at: tuple[Index, Index, Index],
    tile: int,
    do: Correlate,
) -> None:
    g = [[k.load(source, k.add(start, sources[3 * y + x] * stride)) for x in range(3)] for y in range(3)]
    columns = [_kernel_side(k, [g[y][x] for y in range(3)]) for x in range(3)]
    c, ci, j = at
    for row in range(4):
        found = _kernel_side(k, [columns[x][row] for x in range(3)])
        for column, value in enumerate(found):
            place = k.dot([c, ci], [do.inputs * 4, 4 * tile], row * do.outputs * do.inputs * 4 + column * tile)
            k.store(value, target, k.add(place, j))


def _kernel_side(k: Code, g: Sequence[Value]) -> list[Value]:
    """G g for three values: the ends, and half of the sum with the middle added or taken away."""
    half = k.constant(0.5, g[0].type)
    ends = k.fmul(k.fadd(g[0], g[2]), half)
    middle = k.fmul(g[1], half)
    return [g[0], k.fadd(ends, middle), k.fsub(ends, middle), g[2]]
