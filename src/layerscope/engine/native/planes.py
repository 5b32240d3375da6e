"""Means and sums over whole planes, begun while a convolution's results are in registers.

Each row of an image has a number for each channel, to which every tile adds its part of the row; what is left to do
afterwards is to add up the rows. The image itself need not lie in memory, where nobody else reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from layerscope.engine.native.draft import Draft
from layerscope.engine.native.fusions import Stage
from layerscope.engine.native.operations import Correlate, Op, RowSums, fresh
from layerscope.engine.native.taps import Axis
from layerscope.engine.primitives.reduce import Reduce

WHOLE = 4
"""Results of the largest tiles; where an image is not made of whole ones, some may be computed twice."""


@dataclass(frozen=True)
class OfRows(Reduce):
    """The same over sums of rows; `count` is how many numbers each of them is the sum of."""

    count: int = 1


def joins(stage: Stage, op: Op) -> bool:
    """Whether sums over planes may begin in a stage: it makes each element once."""
    do = cast(Reduce, op.do)
    rank = op.inputs[0].type.rank
    if do.how not in ("sum", "mean") or set(do.axes) != set(range(1, rank - 1)) or rank < 4:
        return False
    if stage.root is None or not isinstance(stage.root.do, Correlate) or stage.pool or stage.spreads:
        return False
    plain = stage.root.do.groups > 1 or any(_plain(axis) for axis in stage.root.do.axes)
    whole = all(n % WHOLE == 0 for n in stage.shape[:-1])
    return op.inputs[0] in stage.indexed() and (plain or whole)


def _plain(axis: Axis) -> bool:
    """Whether no algorithm with fewer products goes along an axis."""
    return axis.stride > 1 or all(len(phase.taps) == 1 for phase in axis.phases)


def split(draft: Draft, op: Op) -> tuple[Op, Op]:
    """Sums of rows, and what remains of the operation."""
    (value,), do = op.inputs, cast(Reduce, op.do)
    batch, rows, *columns, channels = value.type.shape
    made = fresh(value.type.with_shape((batch, rows, *(1 for _ in columns), channels)))
    draft.cut_like(made, value)
    remaining = OfRows(do.how, do.axes, do.keep, math.prod(cast(Sequence[int], columns)))
    return Op(RowSums(), (value,), (made,), op.label), Op(
        remaining, (made,), op.outputs, op.label, op.ties, op.strips
    )
