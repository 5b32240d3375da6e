"""Which algorithm computes which part of an image: the parts of a convolution, by estimated time.

An image is cut along each axis into one or two parts (filtering.on_axis); each part has an algorithm for its rows and
one for its columns. Times are in multiply–adds; what is added to them for other instructions was measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from layerscope.engine.native import correlate, filtering, repeats, strided
from layerscope.engine.native.algorithms import Algorithm
from layerscope.engine.native.correlate import LATENCY, NEAR, Plan, Tile, segments
from layerscope.engine.native.filtering import Placed, operations
from layerscope.engine.native.kernel import Memory
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.options import Options
from layerscope.engine.native.stages import Stage

PART = 1500
"""What a part costs beside its time: it is code to be compiled."""

STRIDED = 1.15
"""How many times the estimated time patches of a stride take, where there are many sums."""

PACKED = 3.0
"""What a number of the kernel's side costs, which is made once a batch."""

FITS = 40 << 10
"""Bytes of patches that stay in the nearest cache while rows are made of them one by one."""


@dataclass(frozen=True)
class Packing:
    """The kernel's side: (row sum, tile of channels, its rows, input channel, column, channel of the tile).

    `sources` are the kernel's taps, row by row, as the algorithms take them.
    """

    rows: Algorithm
    columns: Algorithm
    sources: tuple[int, ...]
    channels: int

    @property
    def products(self) -> int:
        return self.rows.products * self.columns.products


@dataclass(frozen=True)
class Part:
    """A part of the image: algorithms, patches side by side, output channels of a tile; whether cells that repeat an
    earlier one of their window are told apart (repeats.py).
    """

    rows: Placed
    columns: Placed
    side: int
    channels: int
    told: bool = False

    def packing(self, window: Sequence[int]) -> Packing:
        """How the kernel is prepared for it."""
        sources = tuple(r * window[1] + c for r in self.rows.sources for c in self.columns.sources)
        return Packing(self.rows.algorithm, self.columns.algorithm, sources, self.channels)


def cut(memory: Memory, stage: Stage, found: Sequence[Plan], sums: int, options: Options) -> list[Part]:
    """The parts of a convolution; none where the estimated time is not below `gain` times the definition's."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    if do.groups > 1 or len(do.axes) != 2 or sums < 8 or memory.module.lanes < 2:
        return []
    if stage.pool and stage.pool.do.windows.window != (2, 2):
        return []
    sizes = found[0].extents[1:] if stage.pool else stage.shape[:-1]
    even, ties, told = bool(stage.pool), stage.root.ties, stage.root.ties and repeats.suffice(stage)
    twice = not (stage.sums or stage.planes)  # what is computed twice must not be added up twice
    ways = [
        [*filtering.on_axis(axis, n, even, ties and not told, twice), *strided.on_axis(axis, n, even, ties)]
        for axis, n in zip(do.axes, sizes, strict=True)
    ]
    best: tuple[float, list[Part]] | None = None
    for rows, columns in itertools.product(*ways):
        cut = [_tiled(r, c, do, sums, options.loads, told) for r, c in itertools.product(rows, columns)]
        found_parts = _alike([part for _, part in cut])
        packings = {part.packing(do.window) for part in found_parts}
        price = sum(each for each, _ in cut) + PACKED * sum(p.products for p in packings) * do.inputs * do.outputs
        if best is None or price < best[0]:
            best = price, found_parts
    if best is None or best[0] * (STRIDED if _strided(best[1]) else 1) > options.gain * definition(do, found):
        return []
    return best[1]


def _strided(found: Sequence[Part]) -> bool:
    algorithms = (placed.algorithm for part in found for placed in (part.rows, part.columns))
    return any(algorithm.step > algorithm.results and not algorithm.few for algorithm in algorithms)


def _alike(found: Sequence[Part]) -> list[Part]:
    """Parts of the same algorithms with the same tile of channels, that of the largest part: they share the kernel's
    side then.
    """
    made: list[Part] = []
    for part in found:
        same = [
            p
            for p in found
            if (p.rows.algorithm, p.columns.algorithm) == (part.rows.algorithm, part.columns.algorithm)
        ]
        largest = max(same, key=lambda p: p.rows.tiles * p.columns.tiles)
        fits = part.side <= largest.side
        made.append(replace(part, channels=largest.channels) if fits else part)
    return made


def definition(do: Correlate, found: Sequence[Plan]) -> float:
    """The estimated time of the plain tiles."""
    return sum(
        correlate.cost(plan.extents[1:], do.outputs, Tile(plan.tile.positions[1:], plan.tile.channels))
        * len(plan.packing.taps)
        * do.inputs
        for plan in found
    )


def _tiled(rows: Placed, columns: Placed, do: Correlate, sums: int, loading: float, told: bool) -> tuple[float, Part]:
    """The estimated time of a part, with the tile for which it is least."""
    told = told and repeats.needed(rows, columns)
    best: tuple[float, Part] | None = None
    sides = range(1, min(columns.tiles, 4) + 1)
    if not rows.algorithm.few:
        sides = (_side(rows.algorithm, columns, do.inputs),)
    for side, channels in itertools.product(sides, range(1, min(do.outputs, 8) + 1)):
        if side * channels * columns.algorithm.together > sums:
            continue
        if passing(rows.algorithm, columns.algorithm, side * do.outputs, sums):
            channels = do.outputs
        price = 0.0
        for begin, end, p in segments(columns.tiles, side):
            price += (end - begin) // p * _price(rows.algorithm, columns.algorithm, do, p, channels, sums, loading)
        if best is None or price < best[0]:
            best = price, Part(rows, columns, side, channels, told)
    assert best is not None
    telling = repeats.price(rows, columns, do) if told else 0
    return rows.apart * columns.apart * rows.tiles * best[0] + telling + PART, best[1]


def _side(rows: Algorithm, columns: Placed, inputs: int) -> int:
    """How many patches side by side, of which rows are made one by one: as many as the nearest cache keeps meanwhile;
    where it keeps not even one, two share what is read of the kernel's side.
    """
    step, patch = columns.algorithm.step, columns.algorithm.patch
    if patch <= 4:
        return min(2, columns.tiles)
    sides = range(1, min(columns.tiles, 4) + 1)
    fitting = [n for n in sides if rows.patch * ((n - 1) * step + patch) * inputs * 64 <= FITS]
    return max(fitting, default=min(2, columns.tiles))


def block(columns: Algorithm, side: int, rows: int, inputs: int, bytes: int) -> int:
    """How many input channels' sides are made at once."""
    return min(inputs, max(8, NEAR // (rows * len(columns.inputs) * side * bytes) // 8 * 8))


def passing(rows: Algorithm, columns: Algorithm, tile: int, sums: int) -> bool:
    """Whether all sums of all outputs fit into registers, so that the image's side need not lie in memory."""
    return len(rows.sums) * len(columns.sums) * tile <= sums


def _price(
    rows: Algorithm, columns: Algorithm, do: Correlate, side: int, tile: int, sums: int, loading: float
) -> float:
    """The estimated time of patches side by side; `loading` is that of a load."""
    wide = (side - 1) * columns.step + columns.patch
    reads = sum(map(bool, itertools.chain(*rows.inputs))) * wide
    image = reads + len(rows.inputs) * operations(columns.inputs) * side
    if passing(rows, columns, side * do.outputs, sums):
        weights = rows.products * columns.products * do.outputs
        return do.inputs * (0.4 * image + max(weights * side, 1.2 * weights + rows.patch * wide, LATENCY))
    price = do.inputs * 1.2 * (image + len(rows.inputs) * len(columns.inputs) * side)
    for first, last, channels in segments(do.outputs, tile):
        each = side * channels
        passes = -(-len(columns.sums) // max(1, sums // each))
        loads = len(columns.inputs) * side + columns.products * channels
        step = max(columns.products * each, LATENCY * passes, loading * loads) + 0.1 * loads + passes
        once = do.inputs * rows.products * step
        if passes > 1:  # sums of a pass wait in memory for the others
            once += 1.5 * each * len(columns.sums) * len(rows.sums)
        once += each * len(rows.sums) * (0.7 * operations(columns.back) + (0 if rows.few else 3) * columns.results)
        once += each * 0.7 * operations(rows.back) * columns.results
        if rows.few:  # what does not stay in registers meanwhile
            held = (len(rows.sums) - 1) * columns.results * each + min(sums, len(columns.sums) * each)
            once += 6 * max(0, held - sums - 2)
        price += (last - first) // channels * once
    return price


def described(found: Sequence[Part]) -> str:
    """The parts in words: products for results."""
    each = dict.fromkeys(
        f"{part.rows.algorithm.products * part.columns.algorithm.products} products for "
        f"{part.rows.algorithm.results}×{part.columns.algorithm.results} results, "
        f"tile of {part.side} patches × {part.channels} channels"
        for part in found
    )
    return "; ".join(each)
