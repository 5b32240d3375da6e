"""Which cells of pooled windows read the same patch as an earlier cell of their window.

Of equals the first wins, and where patches are equal number for number the results are equal by the definition.
Algorithms of fewer products round them differently: some wherever a patch is not one number, others there, too. A
cell that repeats an earlier one of its window cannot win by the definition, so it suffices that it does not compete.
Neighbouring cells of the image are compared across all channels, once for a row of patches; a window's patches are
equal where all of their cells are. Results of patches of zeros are set to zero: relu leads no gradient back
from there.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.engine.native.correlate import segments
from layerscope.engine.native.filtering import Placed
from layerscope.engine.native.ir import Array, Index, Value, lanes, like
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.pulls import number
from layerscope.engine.native.stages import Stage

BLOCK = 8
"""Channels that are compared before it is asked whether any cells are equal so far."""

RIGHT, BELOW, ACROSS, BESIDE, ZERO = 1, 2, 4, 8, 16
"""A cell is the one on its right, the one below, the one below on its right; that on its right is the one below; it
is zero.
"""

WORDS = 4
"""Registers of bytes a window: three for cells that repeat others, and one that says which are zero."""


def suffice(stage: Stage) -> bool:
    """Whether equals need to be equal in each window alone: results go into a pool of 2×2 without padding, at most
    through a bias and a relu, and on to no other pool whose winners count.
    """
    if not stage.pool or not stage.pools_first or stage.pool.ties or stage.root is None:
        return False
    windows, axes = stage.pool.do.windows, stage.root.do.axes
    return (
        windows.window == (2, 2)
        and all(pair == (0, 0) for pair in windows.pads)
        and all(axis.stride == axis.step == 1 for axis in axes)
    )


def needed(rows: Placed, columns: Placed) -> bool:
    """Whether a part of an image is not computed by the definition, which keeps equals equal."""
    return any(p.algorithm.products < p.algorithm.results * len(p.sources) for p in (rows, columns))


def _results(placed: Placed) -> int:
    return placed.tiles * placed.algorithm.results - placed.shift


def price(rows: Placed, columns: Placed, do: Correlate) -> float:
    """The estimated time, in multiply–adds, where cells differ in the first channels."""
    grid = (rows.algorithm.results + do.window[0] - 1) * (_results(columns) + do.window[1] - 1)
    windows = rows.algorithm.results * _results(columns) / 4
    blocks = -(-do.inputs // BLOCK)
    return rows.tiles * (grid * (6 * min(do.inputs, BLOCK) + 2 * blocks) + windows * 4 * math.prod(do.window))


@dataclass(frozen=True)
class Repeats:
    """Those of a part, row of patches by row of patches. `image` is seen from the first cell of the first patch."""

    kernel: Kernel
    rows: Placed
    columns: Placed
    window: Sequence[int]
    image: Array
    cells: tuple[int, int]
    channels: tuple[int, int]
    memory: Array

    @staticmethod
    def items(rows: Placed, columns: Placed, window: Sequence[int]) -> int:
        """How many registers of bytes it needs: WORDS for each window, and one for each cell of a row of patches."""
        down, across = rows.algorithm.results + window[0] - 1, _results(columns) + window[1] - 1
        return WORDS * (_results(rows) // 2) * (_results(columns) // 2) + down * across

    @property
    def _wide(self) -> int:
        return _results(self.columns) + self.window[1] - 1

    @property
    def _first(self) -> int:
        """Where the cells lie."""
        return WORDS * (_results(self.rows) // 2) * (_results(self.columns) // 2)

    def make(self, place: Index, result: Index) -> None:
        """For the row of patches that begins at `place` in the image and with a row of results."""
        k, (row, column), wide = self.kernel, self.cells, self._wide
        tall = self.rows.algorithm.results + self.window[0] - 1
        with k.loop(tall - 1) as (r, _):
            here, to = k.add(place, k.mul(r, row)), k.mul(r, wide)
            with k.loop(wide - 1) as (c, _):
                self._compare(k.add(here, k.mul(c, column)), k.add(to, c), row, column)
            self._compare(k.add(here, (wide - 1) * column), k.add(to, wide - 1), row, 0)
        last = k.add(place, (tall - 1) * row)
        with k.loop(wide - 1) as (c, _):
            self._compare(k.add(last, k.mul(c, column)), k.add((tall - 1) * wide, c), 0, column)
        self._compare(k.add(last, (wide - 1) * column), tall * wide - 1, 0, 0)
        top = k.div(k.sub(result, self.rows.start), 2)
        with k.nest((self.rows.algorithm.results // 2, _results(self.columns) // 2)) as ((h, w), _):
            self._tell(k.dot([h, w], [2 * wide, 2]), self._place(k.add(top, h), w))

    def compete(self, row: Index, column: Index) -> tuple[list[Value], list[Value]]:
        """The lanes in which the second, third and fourth cell of a window repeat none before them; those in which
        each cell's patch is zero.
        """
        k = self.kernel
        at = self._place(k.sub(row, self.rows.start // 2), k.sub(column, self.columns.start // 2))
        *found, zero = (k.load(self.memory, k.add(at, n)) for n in range(WORDS))
        zeros = [k.both(zero, self._byte(1 << cell)) for cell in range(4)]
        mask = like("i1", zero.type)
        return (
            [k.put(mask, f"icmp eq {one}, zeroinitializer") for one in found],
            [k.put(mask, f"icmp ne {one}, zeroinitializer") for one in zeros],
        )

    def _place(self, row: Index, column: Index) -> Index:
        return self.kernel.dot([row, column], [WORDS * (_results(self.columns) // 2), WORDS])

    def _compare(self, at: Index, to: Index, down: int, right: int) -> None:
        """A cell with its neighbours; where the image ends there is none `down`, or `right`, and nobody asks."""
        k, to, (count, step) = self.kernel, self.kernel.add(to, self._first), self.channels
        k.store(self._byte(RIGHT | BELOW | ACROSS | BESIDE | ZERO), self.memory, to)
        for low, high, some in segments(count, BLOCK):
            with k.loop(high, some, low) as (first, _):
                before = k.load(self.memory, to)
                with k.when(self._any(before)):
                    masks: list[Value] = []
                    for n in range(some):
                        here = k.add(at, k.mul(k.add(first, n), step))
                        cell, beside, below, across = (
                            k.load(self.image, k.add(here, shift)) for shift in (0, right, down, down + right)
                        )
                        pairs = (
                            (cell, beside),
                            (cell, below),
                            (cell, across),
                            (beside, below),
                            (cell, k.constant(0)),
                        )
                        found = [k.compare("oeq", *pair) for pair in pairs]
                        masks = [k.both(*pair) for pair in zip(masks, found, strict=True)] if masks else found
                    k.store(k.both(before, self._bits(masks)), self.memory, to)

    def _tell(self, at: Index, to: Index) -> None:
        """Which cells of the window at a cell repeat one before them."""
        k = self.kernel
        first, second, third, fourth = (self._all(k.add(at, n)) for n in (0, 1, self._wide, self._wide + 1))
        alike = [
            [(first, RIGHT)],
            [(first, BELOW | BESIDE)],
            [(first, ACROSS), (second, BELOW), (third, RIGHT)],
        ]
        for n, pairs in enumerate(alike):
            found = [k.both(value, self._byte(bits)) for value, bits in pairs]
            total = found[0]
            for one in found[1:]:
                total = k.either(total, one)
            k.store(total, self.memory, k.add(to, n))
        zeros = [
            k.select(self._has(value, ZERO), self._byte(1 << cell), self._byte(0))
            for cell, value in enumerate((first, second, third, fourth))
        ]
        k.store(functools.reduce(k.either, zeros), self.memory, k.add(to, WORDS - 1))

    def _has(self, value: Value, bit: int) -> Value:
        k, found = self.kernel, self.kernel.both(value, self._byte(bit))
        return k.put(like("i1", value.type), f"icmp ne {found}, zeroinitializer")

    def _all(self, at: Index) -> Value:
        """What holds for all cells of the patch at a cell."""
        k, total = self.kernel, self._byte(RIGHT | BELOW | ACROSS | BESIDE | ZERO)
        for r, c in itertools.product(*map(range, self.window)):
            total = k.both(total, k.load(self.memory, k.add(at, self._first + r * self._wide + c)))
        return total

    def _byte(self, bits: int) -> Value:
        return number(self.kernel, bits, self.memory.item)

    def _bits(self, masks: Sequence[Value]) -> Value:
        k, total = self.kernel, self._byte(0)
        for mask, bit in zip(masks, (RIGHT, BELOW, ACROSS, BESIDE, ZERO), strict=True):
            total = k.either(total, k.select(mask, self._byte(bit), self._byte(0)))
        return total

    def _any(self, found: Value) -> Value:
        """Whether any bit is set."""
        k, wide = self.kernel, f"i{8 * lanes(found.type)}"
        return k.put("i1", f"icmp ne {k.put(wide, f'bitcast {found} to {wide}')}, 0")
