"""A kernel's side that is far from the caches, made where it is needed: a panel of it at a time.

G g Gᵀ of a large kernel, 36 numbers for 9 weights with F4, would be more memory than the weights, their gradients and
the images together, all of it written and read once a batch. Made from the weights for one row of products, some
input channels and some output channels, it stays in the nearest cache, and serves several rows of patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from layerscope.engine.native.algorithms import Matrix
from layerscope.engine.native.filtering import applied
from layerscope.engine.native.ir import Array, Index, Value, bytes_of
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Correlate
from layerscope.engine.native.parts import Part
from layerscope.engine.native.stages import Stage


def fitting(do: Correlate, lanes: int, block: int) -> bool:
    """Whether channels that are neighbours in the kernel's array fill registers."""
    if do.strides[2] == 1:
        return do.outputs % lanes == 0
    return do.strides[1] == 1 and do.inputs % lanes == 0 and block % lanes == 0


class Panels:
    """Panels of the kernel's side: `channels` outputs wide, for at most `block` inputs. `rows` and `columns` are G of
    both axes, `sources` the kernel's taps as they take them.

    Numbers lie as (input, column, output) where outputs are neighbours in the kernel's array, as
    (column, output, input) where inputs are; `steps` are the distances along input, column and output.
    """

    def __init__(
        self,
        k: Kernel,
        stage: Stage,
        rows: Matrix,
        columns: Matrix,
        sources: Sequence[int],
        channels: int,
        block: int,
    ) -> None:
        assert stage.root is not None
        self.k, self.do, self.rows, self.columns = k, cast(Correlate, stage.root.do), rows, columns
        self.sources, self.channels, self.block = sources, channels, block
        self.source, self.across = k.array(k.memory.flat[stage.root.inputs[1]]), self.do.strides[2] == 1
        self.steps = (len(columns) * channels, channels, 1) if self.across else (1, channels * block, block)

    @classmethod
    def of(cls, k: Kernel, stage: Stage, part: Part, block: int) -> Panels | None:
        """Panels for a part, where rows of products have one product each and channels fill registers."""
        assert stage.root is not None
        do, rows = cast(Correlate, stage.root.do), part.rows.algorithm
        if not fitting(do, k.module.lanes, block) or list(rows.sums) != [(n,) for n in range(rows.products)]:
            return None
        channels = min(do.outputs, math.lcm(k.module.lanes, part.channels))
        return cls(k, stage, rows.g, part.columns.algorithm.g, part.packing(do.window).sources, channels, block)

    @property
    def shape(self) -> tuple[int, ...]:
        """Registers of a panel."""
        return (len(self.columns), self.channels * self.block // self.k.module.lanes)

    def into(self, buffer: Buffer) -> Array:
        """Take memory; as numbers."""
        self.target = self.k.array(buffer)
        self.base: Index = 0
        return self.target.of(self.k.module.real)

    def start(self, c: Index) -> Index:
        """Where an output of the panel that was made last begins."""
        return self.k.mul(self.k.sub(c, self.base), self.steps[2])

    def make(self, row: Index, base: Index, wide: int, ci: Index, count: int) -> None:
        """The panel of a row of products: `wide` outputs from `base` on, `count` inputs from `ci` on."""
        k, lanes, real, g = self.k, self.k.module.lanes, self.k.module.real, self.rows
        self.base, high = base, len(g[0])
        table = Array(k.module.table([x for one in g for x in one], real), real, len(g) * high)
        factors = [k.splat(k.load(table, k.add(k.mul(row, high), y))) for y in range(high)] if len(g) > 1 else []
        extents = (count, wide // lanes) if self.across else (wide, count // lanes)
        with k.nest(extents) as ((one, n), _):
            many = k.mul(n, lanes)
            spot = (one, many) if self.across else (many, one)
            start = k.dot([k.add(ci, spot[0]), k.add(base, spot[1])], self.do.strides[1:3])
            to = k.dot([*spot], [self.steps[0], self.steps[2]])
            for number, value in enumerate(applied(k, self.columns, self._row(start, factors))):
                place = k.add(to, number * self.steps[1])
                k.store(value, self.target, k.div(place, lanes))

    def _row(self, start: Index, factors: list[Value]) -> list[Value]:
        """A row of G times the kernel's rows: as many registers as the kernel has columns."""
        k, wide, stride = self.k, len(self.columns[0]), self.do.strides[0]
        found: list[Value] = []
        for x in range(wide):
            taps = [self._load(k.add(start, source * stride)) for source in self.sources[x::wide]]
            total = k.fmul(factors[0], taps[0]) if factors else taps[0]
            for factor, tap in zip(factors[1:], taps[1:], strict=True):
                total = k.fma(factor, tap, total)
            found.append(total)
        return found

    def _load(self, at: Index) -> Value:
        k, vector = self.k, self.k.module.vector
        if k.module.checked:  # the last number of the register too
            k.load(self.source, k.add(at, k.module.lanes - 1))
        return k.put(vector, f"load {vector}, {k.address(self.source, at)}, align {bytes_of(k.module.real)}")
