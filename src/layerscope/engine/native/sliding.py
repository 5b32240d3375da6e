"""Convolutions of one channel with one (depthwise): a row of results stays in registers while the cells that its
neighbours share pass by.

For one row of the kernel, its weights stay in registers too: each cell of the image is loaded once and multiplied
with every weight under which it lies. Tiles would load it once for each of them, as many loads as multiply–adds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from layerscope.engine.native.correlate import LATENCY, Plan, Tile, Writer, segments
from layerscope.engine.native.ir import Index, Value
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.stages import Stage
from layerscope.engine.native.taps import spacing

TAPS = 8
"""Weights of a row that are in registers at once, at most."""


def plans(memory: Memory, stage: Stage, found: Sequence[Plan], sums: int) -> list[Plan]:
    """The phases with tiles that are rows; none where this form does not suit."""
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    wide = all(len(plan.phases[-1].taps) > 1 for plan in found) if do.axes else False
    if stage.pool or not wide or do.inputs > 1 or do.outputs > 1:
        return []
    return [replace(plan, tile=_tile(plan, do, sums)) for plan in found]


def _tile(plan: Plan, do: Correlate, sums: int) -> Tile:
    """As many neighbouring results as registers allow beside weights, in turns that are as even as they can be."""
    count, taps = plan.extents[-1], len(plan.phases[-1].taps)
    held = min(taps, -(-taps // _pieces(taps)))
    best = min(range(1, max(1, min(count, sums + 2 - held)) + 1), key=lambda wide: _cost(count, wide, taps, do))
    return Tile((*[1] * (len(plan.extents) - 1), best), 1)


def _cost(count: int, wide: int, taps: int, do: Correlate) -> float:
    """Estimated time of a row of results for one row of the kernel."""
    total = 0.0
    for begin, end, results in segments(count, wide):
        loads = taps + min(results * taps, (results - 1) * do.axes[-1].stride + taps)
        total += (end - begin) // results * (max(results, LATENCY / 2) * taps + 0.3 * loads + 1)
    return total


def _pieces(taps: int) -> int:
    return -(-taps // TAPS)


def write(memory: Memory, stage: Stage, found: Sequence[Plan]) -> list[Kernel]:
    """The kernels of a stage whose root is such a convolution: one for each phase."""
    assert stage.root is not None
    do, kernel = cast(Correlate, stage.root.do), stage.root.inputs[1]
    return [_Writer(memory, stage, plan, plan.weights(memory, do, kernel)).kernel for plan in found]


class _Writer(Writer):
    """Writes the kernel of one phase."""

    def _taps(
        self, sums: list[Value], place: Index, weight: Index, offsets: Sequence[int], channels: int
    ) -> list[Value]:
        """Rows of the kernel one after the other, as loops where their offsets are regular."""
        k = self.kernel
        *outer, row = (
            [tap.offset - first for tap in phase.taps]
            for phase, first in zip(self.plan.phases, self.first, strict=True)
        )
        steps, strides = [spacing(found) for found in outer], self.strides[1:]
        if math.prod(map(len, outer)) * len(row) * len(sums) <= 160 or None in steps:
            for number, taps in enumerate(itertools.product(*outer)):
                offset = sum(t * s for t, s in zip(taps, strides, strict=False))
                sums = self._row(sums, k.add(place, offset), k.add(weight, number * len(row)), row)
            return sums
        with k.nest([len(found) for found in outer], sums) as (taps, carry):
            moves = [cast(int, step) * s for step, s in zip(steps, strides, strict=False)]
            each = [math.prod(len(found) for found in outer[n + 1 :]) * len(row) for n in range(len(outer))]
            here, at = k.add(place, k.dot(taps, moves)), k.add(weight, k.dot(taps, each))
            carry.values = self._row(carry.values, here, at, row)
        return carry.values

    def _row(self, sums: Sequence[Value], place: Index, weight: Index, row: Sequence[int]) -> list[Value]:
        """One row of the kernel, for neighbouring results."""
        k, made = self.kernel, list(sums)
        stride, step = self.do.axes[-1].stride, self.strides[-2]
        size = -(-len(row) // _pieces(len(row)))
        for first in range(0, len(row), size):
            piece = row[first : first + size]
            weights = [k.broadcast(self.w, k.add(weight, first + n)) for n in range(len(piece))]
            meets: dict[int, list[tuple[int, Value]]] = {}
            for result in range(len(made)):
                for tap, w in zip(piece, weights, strict=True):
                    meets.setdefault(result * stride + tap, []).append((result, w))
            for cell in sorted(meets):
                x = k.load(self.x, k.add(place, cell * step))
                for result, w in meets[cell]:
                    made[result] = k.fma(x, w, made[result])
        return made
