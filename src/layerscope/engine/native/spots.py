"""Where the patches of a part of a convolution lie, and the index of their results."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.engine.native.correlate import Tiled, segments
from layerscope.engine.native.ir import Index
from layerscope.engine.native.kernel import Memory
from layerscope.engine.native.parts import Part
from layerscope.engine.native.stages import Stage


class Spots(Tiled):
    """The kernel of a part, which goes through its patches."""

    def __init__(self, memory: Memory, stage: Stage, part: Part) -> None:
        super().__init__(memory, stage)
        self.part, self.rows, self.columns = part, part.rows.algorithm, part.columns.algorithm
        self.apart = [1, part.rows.apart, part.columns.apart]
        self.cells = (self.strides[1] * part.rows.apart, self.strides[2] * part.columns.apart)
        """From one cell of a patch to the next."""
        self.residue: list[Index] = [0, 0]
        """The first cell of one of the images that lie interleaved."""
        shifted = bool(part.columns.shift)
        self.row = sum((b - a) // n for a, b, n in segments(part.columns.regular, part.side)) + shifted
        """How many times some patches side by side are taken in a row of patches."""

    def across(self, group: Index, i: Index) -> Iterator[tuple[Index, Index, list[Index], int]]:
        """Loops over a row of patches, some side by side at once: (number, place in the image, index of the first
        result, how many).
        """
        k, columns = self.kernel, self.part.columns
        before = 0
        for begin, end, side in segments(columns.regular, self.part.side):
            with k.loop(end, side, begin) as (j, _):
                yield (k.add(k.div(k.sub(j, begin), side), before), *self.spot(group, i, j), side)
            before += (end - begin) // side
        if columns.shift:
            yield (before, *self.spot(group, i, columns.tiles - 1), 1)

    def spot(self, group: Index, i: Index, j: Index) -> tuple[Index, list[Index]]:
        """Where a patch lies in the image, and the index of its first result."""
        k = self.kernel
        place, index = k.mul(group, self.strides[0]), [group]
        both = zip((i, j), (self.part.rows, self.part.columns), self.strides[1:3], self.residue, strict=True)
        for number, placed, cell, residue in both:
            each, stride = placed.algorithm.results, cell * placed.apart
            result = k.mul(number, each)
            if placed.shift:  # step and results are the same there
                last = placed.tiles * each - placed.shift - each
                result = (
                    min(result, last) if isinstance(result, int) else k.intrinsic("smin", "i64", result, k.i64(last))
                )
                place = k.add(place, k.mul(result, stride))
            else:
                place = k.add(place, k.mul(number, placed.algorithm.step * stride))
            place = k.add(place, k.mul(residue, cell))
            index.append(k.add(k.mul(k.add(result, placed.start), placed.apart), residue))
        return place, index
