"""Gradients of kernels: sums over positions and examples of products of two images.

Three forms. `lanes`: a tile of taps × channels × channels in registers, one partial sum a lane, added up over
the lanes at the end of a block. `pooled`: the same for one pair of channels and all taps, where the gradient
lies behind a 2×2 pool: each lane picks the patch under its winner. `outer`: for products with a matrix, rows of
one side times registers of the other side's channels, so that no lanes need adding up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from layerscope.engine.native import filtered_pairs, lined_pairs, outer, pair_rows
from layerscope.engine.native.correlate import LATENCY, segments
from layerscope.engine.native.ir import Array, Index, Value, like
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer, strided
from layerscope.engine.native.lines import Line
from layerscope.engine.native.operations import Op, Pair, PairPooled
from layerscope.engine.native.rows import lane_sums
from layerscope.engine.native.stages import Stage
from layerscope.engine.native.taps import Tap, product, spacing

WIDE = 2048
"""Products with a matrix of at least so many weights take the form `outer`."""


FORMS = {
    "lanes": "tile of taps × channels × channels, one sum a lane",
    "pooled": "one pair of channels, each lane's patch under its winner",
    "outer": "rows of numbers times registers of channels",
    "filtered": "fewer products",
    "rows": "fewer products, row by row",
    "lined": "fewer products along one axis",
}


def form(lanes: int, do: Pair | PairPooled) -> str:
    """Which of the forms of the definition suits."""
    if isinstance(do, PairPooled):
        return "pooled"
    if do.groups > 1 or (do.axes and lanes < 2):
        return "lanes"
    wide = do.still >= 2 * lanes and do.moving >= 4 if do.axes else do.moving * do.still >= WIDE
    return "outer" if wide else "lanes"


@dataclass(eq=False)
class Partial:
    """Where the sums of a thread lie, and how they become the gradient of the kernel's array."""

    op: Op
    form: str
    buffers: list[Buffer]
    tile: tuple[int, int, int]
    sums: int
    parts: list[filtered_pairs.Part] = field(default_factory=list[filtered_pairs.Part])
    once: bool = False
    """Whether all threads have one gradient."""
    line: Line | None = None

    @property
    def pair(self) -> Pair:
        return _pair_of(self.op)

    def natural(self, lanes: int) -> bool:
        """Whether the sums lie as the kernel's array does already."""
        pair = self.pair
        if self.form in ("rows", "lined"):
            return True
        taps = [sources for _, sources in product([axis.taps for axis in pair.axes], pair.window)]
        return (
            self.form == "outer"
            and taps == [(0,)]
            and pair.still % lanes == 0
            and pair.strides[1:3] == (pair.still, 1)
        )

    @property
    def title(self) -> str:
        """How it is computed, in words."""
        if self.line:
            return lined_pairs.titled(self.line)
        each = (
            f"{p.products} products for {p.rows.algorithm.results}×{p.columns.algorithm.results} positions"
            for p in self.parts
        )
        return "; ".join(dict.fromkeys(each)) + "; once for all threads" * self.once or FORMS[self.form]


def _pair_of(op: Op) -> Pair:
    return op.do.pair if isinstance(op.do, PairPooled) else cast(Pair, op.do)


def plan(memory: Memory, stage: Stage, sums: int, gain: float, large: int, once: bool = False) -> Partial:
    """The form that suits, with memory for its sums; those of a kernel above `large` bytes are made row by row, with
    `once` by all threads together.
    """
    assert stage.root is not None
    op, lanes, pair = stage.root, memory.module.lanes, _pair_of(stage.root)
    chosen, tile = form(lanes, op.do), (0, 1, 1)
    if isinstance(op.do, Pair) and (parts := filtered_pairs.parts(lanes, pair, sums, gain)):
        if pair_rows.suits(memory, pair, parts, large):
            return Partial(op, "rows", [pair_rows.buffer(memory, pair, once)], tile, sums, parts, once)
        buffers = [filtered_pairs.buffer(memory, pair, part) for part in parts]
        return Partial(op, "filtered", buffers, tile, sums, parts)
    if isinstance(op.do, Pair) and (line := lined_pairs.cut(lanes, pair, sums, gain, large, memory.module.real)):
        return Partial(op, "lined", [pair_rows.buffer(memory, pair, False)], tile, sums, line=line)
    count = math.prod(len(axis.taps) for axis in pair.axes) * pair.groups * pair.moving * pair.still
    if chosen == "outer":
        count = outer.size(pair, lanes)
    elif chosen == "lanes":
        tile = _choose(pair, sums)
    return Partial(op, chosen, [memory.layout.reserve(strided("partial", memory.module.real, (count,)))], tile, sums)


def _choose(pair: Pair, sums: int) -> tuple[int, int, int]:
    """Taps of the last axis, moving and still channels of a tile."""
    last = len(pair.axes[-1].taps) if pair.axes and _regular(pair.axes[-1].taps) is not None else 1
    best: tuple[float, tuple[int, int, int]] | None = None
    for taps, moving in itertools.product(range(1, min(last, 8) + 1), range(1, min(pair.moving, sums) + 1)):
        for still in range(1, min(pair.still, sums // max(1, taps * moving)) + 1):
            total = 0.0
            for parts in itertools.product(
                segments(last, taps), segments(pair.moving, moving), segments(pair.still, still)
            ):
                turns = math.prod((e - b) // t for b, e, t in parts)
                k, m, s = (t for *_, t in parts)
                total += turns * (max(k * m * s, LATENCY, k * m + s) + 0.3 * (k * m + s) + 1.0)
            if best is None or total < best[0]:
                best = total, (taps, moving, still)
    assert best is not None
    return best[1]


def _regular(taps: Sequence[Tap]) -> int | None:
    return spacing([tap.offset for tap in taps])


def write(memory: Memory, partial: Partial) -> list[Kernel]:
    """The kernels that add one block's part to a thread's sums."""
    if partial.parts:
        return [_filtered(memory, partial, number) for number in range(len(partial.parts))]
    kernel = Kernel(memory)
    if partial.line:
        left, right = (memory.buffer(value) for value in partial.op.inputs)
        lined_pairs.write(kernel, partial.pair, partial.line, left, right, partial.buffers[0], partial.sums)
        kernel.ret()
        return [kernel]
    {"lanes": _lanes, "pooled": _pooled, "outer": _outer}[partial.form](kernel, partial)
    kernel.ret()
    return [kernel]


def _filtered(memory: Memory, partial: Partial, number: int) -> Kernel:
    k = Kernel(memory)
    left, right = (memory.buffer(value) for value in partial.op.inputs)
    part, pair = partial.parts[number], partial.pair
    if partial.once:
        pair_rows.write_once(k, pair, part, left, right, partial.buffers[0], number == 0)
    elif partial.form == "rows":
        pair_rows.write(k, pair, part, left, right, partial.buffers[0])
    else:
        filtered_pairs.write(k, pair, part, left, right, partial.buffers[number])
    k.ret()
    return k


# --- lanes ---


@dataclass
class _Spot:
    """One tile: taps, channels, and where its sums start."""

    group: Index
    outer: list[Index]
    tap: Index
    moving: Index
    still: Index
    size: tuple[int, int, int]
    base: Index


def _tiles(k: Kernel, pair: Pair, tile: tuple[int, int, int]) -> Iterator[_Spot]:
    """Loops over all tiles; sums lie as (group, outer taps, tile of taps, tile, tile, tap, moving, still)."""
    outer = [len(axis.taps) for axis in pair.axes[:-1]]
    last = len(pair.axes[-1].taps) if pair.axes else 1
    each = last * pair.moving * pair.still
    with k.loop(pair.groups) as (group, _), k.nest(outer) as (over, _):
        flat: Index = 0
        for i, n in zip(over, outer, strict=True):
            flat = k.add(k.mul(flat, n), i)
        start = k.mul(k.add(k.mul(group, math.prod(outer)), flat), each)
        parts = (segments(last, tile[0]), segments(pair.moving, tile[1]), segments(pair.still, tile[2]))
        for (tb, te, tk), (mb, me, mk), (sb, se, sk) in itertools.product(*parts):
            with k.loop(te, tk, tb) as (t, _), k.loop(me, mk, mb) as (m, _), k.loop(se, sk, sb) as (s, _):
                base = k.add(start, k.mul(t, pair.moving * pair.still), k.mul(m, tk * pair.still), k.mul(s, tk * mk))
                yield _Spot(group, over, t, m, s, (tk, mk, sk), base)


def _offset(k: Kernel, pair: Pair, axis: int, tap: Index) -> Index:
    """The offset of a tap: arithmetic where they are evenly spaced, else a table."""
    taps = pair.axes[axis].taps
    step = _regular(taps)
    if step is not None:
        return k.add(k.mul(tap, step), taps[0].offset)
    if isinstance(tap, int):
        return taps[tap].offset
    return k.load(Array(k.module.table([t.offset for t in taps], "i64"), "i64", len(taps)), tap)


def _lanes(k: Kernel, partial: Partial) -> None:
    memory, pair = k.memory, cast(Pair, partial.op.do)
    left, right = (memory.buffer(value) for value in partial.op.inputs)
    x, g = k.array(left), k.array(right)
    sums = k.array(partial.buffers[0])
    counts = [axis.count for axis in pair.axes]
    strides = [left.strides[0], *(axis.stride * s for axis, s in zip(pair.axes, left.strides[1:], strict=False))]
    bounds = k.rows(counts)
    for spot in _tiles(k, pair, partial.tile):
        taps, moving, still = spot.size
        step = (_regular(pair.axes[-1].taps) or 0) * left.strides[-2] if pair.axes else 0
        at = k.add(k.mul(spot.group, pair.moving), spot.moving)
        for axis, tap in enumerate([*spot.outer, spot.tap] if pair.axes else []):
            at = k.add(at, k.mul(_offset(k, pair, axis, tap), left.strides[1 + axis]))
        by = k.add(k.mul(spot.group, pair.still), spot.still)
        start = [k.constant(0)] * (taps * moving * still)
        with k.nest((memory.groups, *counts), start, bounds=bounds) as (q, carry):
            xs = k.dot(q, strides, at)
            gs = k.dot(q, right.strides[:-1], by)
            loaded = [k.load(g, k.add(gs, s)) for s in range(still)]
            made = list(carry.values)
            for t, m in itertools.product(range(taps), range(moving)):
                value = k.load(x, k.add(xs, t * step + m))
                for s in range(still):
                    n = (t * moving + m) * still + s
                    made[n] = k.fma(value, loaded[s], made[n])
            carry.values = made
        _add_lane_sums(k, sums, spot.base, carry.values)


def _add_lane_sums(k: Kernel, sums: Array, base: Index, values: Sequence[Value]) -> None:
    """Add each register's lanes to the scalars from `base` on."""
    lanes = k.module.lanes
    for start in range(0, len(values), lanes):
        part = values[start : start + lanes]
        total = lane_sums(k, part)
        if lanes > 1 and len(part) < lanes:
            total = k.shuffle(total, None, range(len(part)))
        array = sums.of(total.type) if lanes > 1 else sums
        # Tiles start anywhere, so the array is addressed in scalars and read unaligned.
        place = Array(sums.pointer, sums.item, sums.extent, sums.first)
        _add_unaligned(k, place, k.add(base, start), total)
        del array


def _add_unaligned(k: Kernel, array: Array, index: Index, value: Value) -> None:
    count = len(value.type) and (1 if not value.type.startswith("<") else int(value.type[1:].split(" ")[0]))
    if k.module.checked:
        k.load(array, k.add(index, count - 1))
    pointer = k.address(array, index)
    size = 4 if k.module.real == "float" else 8
    old = k.put(value.type, f"load {value.type}, {pointer}, align {size}")
    k.line(f"store {k.fadd(old, value)}, {pointer}, align {size}")


# --- pooled ---


def _pooled(k: Kernel, partial: Partial) -> None:
    do, memory = cast(PairPooled, partial.op.do), k.memory
    x, g, w = (memory.buffer(value) for value in partial.op.inputs)
    xs, gs, ws, sums = k.array(x), k.array(g), k.array(w), k.array(partial.buffers[0])
    pair = do.pair
    shape = [len(axis.taps) for axis in pair.axes]
    first = sum(axis.taps[0].offset * s for axis, s in zip(pair.axes, x.strides[1:], strict=False))
    count = math.prod(shape)
    bounds = k.rows(g.shape[1:-1])
    with k.loop(pair.moving) as (m, _), k.loop(pair.still) as (s, _):
        with k.nest(g.shape[:-1], [k.constant(0)] * count, bounds=bounds) as (q, carry):
            gradient = k.load(gs, k.dot(q, g.strides[:-1], s))
            winner = k.load(ws, k.dot(q, w.strides[:-1], s))
            at = k.dot(q, [x.strides[0], *(2 * n for n in x.strides[1:-1])], k.add(m, first))
            patch = _patch(k, xs, at, x.strides[1:-1], shape, winner)
            carry.values = [k.fma(gradient, p, old) for p, old in zip(patch, carry.values, strict=True)]
        _add_lane_sums(k, sums, k.mul(k.add(k.mul(m, pair.still), s), count), carry.values)


def _patch(
    k: Kernel, x: Array, at: Index, strides: Sequence[int], shape: Sequence[int], winner: Value
) -> list[Value]:
    """The patch under each lane's winner: of two neighbours along each axis, one by the winner's bit."""
    bits = like("i1", winner.type)
    item = winner.type.split(" x ")[1][:-1] if winner.type.startswith("<") else winner.type
    two = f"splat ({item} 1)" if winner.type.startswith("<") else "1"
    masks = [k.put(bits, f"icmp ugt {winner}, {two}"), k.put(bits, f"trunc {winner} to {bits}")]
    if len(shape) == 1:
        masks = masks[1:]
    sizes = [n + 1 for n in shape]
    grid = {
        cell: k.load(x, k.add(at, sum(c * s for c, s in zip(cell, strides, strict=True))))
        for cell in itertools.product(*(range(n) for n in sizes))
    }
    for axis, mask in enumerate(masks):
        sizes[axis] -= 1
        grid = {
            cell: k.select(mask, grid[(*cell[:axis], cell[axis] + 1, *cell[axis + 1 :])], grid[cell])
            for cell in itertools.product(*(range(n) for n in sizes))
        }
    return list(grid.values())


# --- outer ---


def _outer(k: Kernel, partial: Partial) -> None:
    left, right = (k.memory.buffer(value) for value in partial.op.inputs)
    outer.write(k, cast(Pair, partial.op.do), left, right, partial.buffers[0], partial.sums)


# --- from a thread's sums to the gradient ---


def unpack(memory: Memory, partial: Partial, into: Buffer) -> Kernel:
    """The kernel that brings a thread's sums into the order of the kernel's array; folded taps are added up."""
    k = Kernel(memory)
    target, pair = k.array(into), partial.pair
    with k.loop(into.extent) as (i, _):
        k.store(k.constant(0, k.module.real), target, i)
    for part, buffer in zip(partial.parts, partial.buffers, strict=False):
        filtered_pairs.unpack(k, pair, part, k.array(buffer), target)
    taps, source = product([axis.taps for axis in pair.axes], pair.window), k.array(partial.buffers[0])
    if partial.form == "outer":
        outer.unpack(k, pair, source, target)
    elif partial.form == "pooled":
        with k.loop(pair.moving) as (m, _), k.loop(pair.still) as (s, _):
            base = k.mul(k.add(k.mul(m, pair.still), s), len(taps))
            to = k.dot([m, s], pair.strides[1:3])
            for number, (_, sources) in enumerate(taps):
                _put_tap(k, source, k.add(base, number), target, to, pair.strides[0], sources)
    elif partial.form == "lanes":
        _unpack_lanes(k, pair, partial.tile, source, target, [sources for _, sources in taps])
    k.ret()
    return k


def _put_tap(
    k: Kernel, source: Array, place: Index, target: Array, to: Index, stride: int, sources: Sequence[int]
) -> None:
    value = k.load(source, place)
    for tap in sources:
        at = k.add(to, tap * stride)
        k.store(k.fadd(k.load(target, at), value), target, at)


def _unpack_lanes(
    k: Kernel,
    pair: Pair,
    tile: tuple[int, int, int],
    source: Array,
    target: Array,
    sources: Sequence[tuple[int, ...]],
) -> None:
    """Tables say which of the kernel's taps each tap of the sums belongs to."""
    starts = [sum(len(s) for s in sources[:n]) for n in range(len(sources) + 1)]
    flat = [tap for s in sources for tap in s]
    bounds = Array(k.module.table(starts, "i64"), "i64", len(starts))
    table = Array(k.module.table(flat, "i64"), "i64", len(flat))
    last = len(pair.axes[-1].taps) if pair.axes else 1
    outer = [len(axis.taps) for axis in pair.axes[:-1]]
    for spot in _tiles(k, pair, tile):
        taps, moving, still = spot.size
        with k.nest((taps, moving, still)) as ((t, m, s), _):
            number: Index = 0
            for i, n in zip(spot.outer, outer, strict=True):
                number = k.add(k.mul(number, n), i)
            number = k.add(k.mul(number, last), spot.tap, t)
            value = k.load(source, k.add(spot.base, k.dot([t, m, s], [moving * still, still, 1])))
            to = k.dot([k.add(spot.moving, m), k.add(spot.still, s), spot.group], pair.strides[1:])
            begin, end = k.load(bounds, number), k.load(bounds, k.add(number, 1))
            with k.loop(end, start=begin) as (entry, _):
                at = k.add(to, k.mul(k.load(table, entry), pair.strides[0]))
                k.store(k.fadd(k.load(target, at), value), target, at)
