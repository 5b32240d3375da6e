"""Gradients of wide kernels: numbers of one side times registers of the other side's channels.

One side is transposed row by row of positions, so that a register holds channels of one example; the other side
is read one number at a time. What grows in registers is then the gradient itself: no lanes need adding up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from layerscope.engine.native.correlate import LATENCY, segments
from layerscope.engine.native.ir import Array, Index, Value
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Pair
from layerscope.engine.native.rows import flip
from layerscope.engine.native.taps import product

Tiles = list[tuple[Index, Index, int]]
"""Loops that follow each other: (begin, end, step)."""


def padded(n: int, lanes: int) -> int:
    """Channels up to whole registers."""
    return -(-n // lanes) * lanes


def size(pair: Pair, lanes: int) -> int:
    """How many numbers the sums are: (taps, moving channels, still channels up to whole registers)."""
    return math.prod(len(axis.taps) for axis in pair.axes) * pair.moving * padded(pair.still, lanes)


def choose(moving: int, registers: int, sums: int) -> tuple[int, int]:
    """Moving channels and registers of still channels of a tile."""
    best: tuple[float, tuple[int, int]] | None = None
    for across in range(1, min(registers, 4) + 1):
        for down in range(1, min(moving, sums // across) + 1):
            total = 0.0
            for (mb, me, mk), (sb, se, sk) in itertools.product(segments(moving, down), segments(registers, across)):
                turns = ((me - mb) // mk) * ((se - sb) // sk)
                total += turns * (max(mk * sk, LATENCY, mk + sk) + 0.3 * (mk + sk) + 1.0)
            if best is None or total < best[0]:
                best = total, (down, across)
    assert best is not None
    return best[1]


def write(k: Kernel, pair: Pair, left: Buffer, right: Buffer, into: Buffer, sums: int) -> None:
    """One block's part: for each row of positions transpose the still side, then all tiles over that row."""
    memory, lanes = k.memory, k.module.lanes
    registers = padded(pair.still, lanes) // lanes
    counts = [axis.count for axis in pair.axes]
    row = counts[-1] if counts else 1
    (flipped,) = memory.layout.workspace(memory.module.vector, (row, lanes, registers))
    still, turned = k.array(right), k.array(flipped)
    tile = choose(pair.moving, registers, sums)
    parts: Tiles = [*segments(pair.moving, tile[0])]
    span: tuple[Index, Index] = (0, row)
    if not counts:
        parts = k.shared(list(segments(pair.moving, tile[0])))
    elif len(counts) == 1:
        span = k.share(row)
    with k.nest((memory.groups, *counts[:-1]), bounds=k.rows(counts[:-1])) as (outer, _):
        start = k.dot(outer, right.strides[: len(outer)])
        with k.loop(span[1], start=span[0]) as (q, _):
            step = right.strides[-2] if counts else 0
            _turn(k, still, k.add(start, k.mul(q, step)), turned, k.mul(q, lanes * registers), pair.still)
        own = k.array(into).of(memory.module.vector)
        _tiles(k, pair, left, outer, turned, own, span, registers, (parts, tile[1]))


def _turn(k: Kernel, source: Array, place: Index, target: Array, at: Index, channels: int) -> None:
    """The channels of one position as one row of registers for each lane."""
    lanes = k.module.lanes
    registers = padded(channels, lanes) // lanes
    for begin, end, count in segments(channels, lanes):
        with k.loop(end, count, begin) as (c, _):
            found = [k.load(source, k.add(place, c, n)) for n in range(count)]
            found += [k.constant(0)] * (lanes - count)
            for lane, value in enumerate(flip(k, found)):
                k.store(value, target, k.add(at, lane * registers, k.div(c, lanes)))


def _tiles(
    k: Kernel,
    pair: Pair,
    left: Buffer,
    outer: Sequence[Index],
    turned: Array,
    sums: Array,
    span: tuple[Index, Index],
    registers: int,
    tile: tuple[Tiles, int],
) -> None:
    lanes = k.module.lanes
    x = k.array(left).of(k.module.real)
    moving, across = tile
    strides = [left.strides[0], *(axis.stride * s for axis, s in zip(pair.axes, left.strides[1:], strict=False))]
    start = k.dot(outer, strides[: len(outer)])
    offsets = [sum(o * s for o, s in zip(found, left.strides[1:], strict=False)) for found, _ in _taps(pair)]
    table = Array(k.module.table(offsets, "i64"), "i64", len(offsets))
    with k.loop(len(offsets)) as (tap, _):
        base = k.add(start, offsets[0] if len(offsets) == 1 else k.load(table, tap))
        for (mb, me, mk), (sb, se, sk) in itertools.product(moving, segments(registers, across)):
            with k.loop(me, mk, mb) as (m, _), k.loop(se, sk, sb) as (s, _):
                place = k.dot([tap, m, s], [pair.moving * registers, registers, 1])
                spots = [k.add(place, i * registers + j) for i in range(mk) for j in range(sk)]
                found = [k.load(sums, spot) for spot in spots]
                with (
                    k.loop(span[1], start=span[0], carry=found) as (q, around),
                    k.loop(lanes, carry=around.values) as (lane, carry),
                ):
                    by = k.dot([q, lane], [lanes * registers, registers], s)
                    at = k.add(k.mul(k.dot([q], strides[-1:] if pair.axes else [0], k.add(base, m)), lanes), lane)
                    carry.values = step(k, x, at, turned, by, mk, sk, carry.values)
                    around.values = carry.values
                for spot, value in zip(spots, around.values, strict=True):
                    k.store(value, sums, spot)


def step(
    k: Kernel, x: Array, at: Index, turned: Array, by: Index, down: int, across: int, sums: Sequence[Value]
) -> list[Value]:
    """Numbers of one example's moving channels, from `at` on, times registers of its still ones, from `by` on."""
    made = list(sums)
    loaded = [k.load(turned, k.add(by, j)) for j in range(across)]
    for i in range(down):
        value = k.splat(k.load(x, k.add(at, i * k.module.lanes)))
        for j in range(across):
            made[i * across + j] = k.fma(value, loaded[j], made[i * across + j])
    return made


def _taps(pair: Pair) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return product([axis.taps for axis in pair.axes], pair.window)


def unpack(k: Kernel, pair: Pair, source: Array, target: Array) -> None:
    """From (tap, moving, still up to whole registers) to the kernel's array, which is zero before."""
    width = padded(pair.still, k.module.lanes)
    for number, (_, sources) in enumerate(_taps(pair)):
        with k.nest((pair.moving, pair.still)) as (index, _):
            value = k.load(source, k.dot(index, [width, 1], number * pair.moving * width))
            for tap in sources:
                at = k.dot(index, pair.strides[1:3], tap * pair.strides[0])
                k.store(k.fadd(k.load(target, at), value), target, at)
