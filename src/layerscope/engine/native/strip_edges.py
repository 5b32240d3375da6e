"""Rows to spare in the last strips of an example hold zeros wherever others than pointwise operations read them."""

from __future__ import annotations

from collections.abc import Container

from layerscope.engine.native.draft import Draft
from layerscope.engine.native.operations import (
    Alive,
    Correlate,
    FromWinners,
    Means,
    Op,
    Pair,
    ToStrips,
    Within,
    fresh,
    rest,
)
from layerscope.engine.primitives import place, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.shape import Concatenate, Permute, Reshape, Slice
from layerscope.engine.program import Value

FIRST = (Correlate, FromWinners, Means, pool.PoolMaxAdjoint, place.ResizeLinearAdjoint, place.Pad)
"""Operations that read other rows of their first input than the one that they write."""

CLEAR = (ToStrips, Within, pool.PoolMax)
"""What writes zeros there. (A max pool reads no rows to spare, whatever they hold.)"""

KEEPING = (
    FromWinners, pool.PoolMaxAdjoint, Alive, Concatenate, Permute, Reshape, Slice, place.Pad,
    place.Repeat, place.RepeatAdjoint, place.Nails, place.PixelShuffle, place.PixelUnshuffle,
)  # fmt: skip
"""What makes rows of zeros of rows of zeros."""


def spare(draft: Draft, value: Value) -> bool:
    """Whether all strips of a value together have more rows than an example."""
    return value in draft.in_strips and rest(value)[0] * draft.strips > draft.in_strips[value]


def clear(draft: Draft) -> None:
    """Put zeros into rows to spare, where they are made, if anybody wants them to be zero."""
    wanted = {v for op in draft.ops for n, v in enumerate(op.inputs) if spare(draft, v) and _wants(op, n)}
    zeros = {value for value in (*draft.inputs.values(), *draft.in_strips) if not spare(draft, value)}
    zeros.update(draft.inputs.values())
    made: list[Op] = []
    for op in draft.ops:
        made.append(op)
        if _clear(draft, op, zeros):
            zeros.update(op.outputs)
            continue
        for value in set(op.outputs) & wanted:
            raw = fresh(value.type)
            draft.cut_like(raw, value)
            op.outputs = tuple(raw if v is value else v for v in op.outputs)
            made.append(Op(Within(), (raw,), (value,)))
            zeros.add(value)
    draft.ops = made


def _wants(op: Op, number: int) -> bool:
    sums = isinstance(op.do, reduce.Reduce) and 1 in op.do.axes
    return sums or isinstance(op.do, Pair) or (number == 0 and isinstance(op.do, FIRST))


def _clear(draft: Draft, op: Op, zeros: Container[Value]) -> bool:
    """Whether rows to spare in the result are zeros, given where they are."""
    if isinstance(op.do, CLEAR):
        return True
    quiet = [value in zeros for value in op.inputs if value in draft.in_strips]
    if isinstance(op.do, FromWinners | pool.PoolMaxAdjoint | reduce.ReduceMaxAdjoint):
        return quiet[:1] == [True]  # whichever the winners are
    if isinstance(op.do, Map):
        return op.do.function == "relu_grad" and op.inputs[0] in zeros
    if isinstance(op.do, reduce.Reduce | reduce.Expand):
        return 1 not in op.do.axes and bool(quiet) and all(quiet)
    if isinstance(op.do, place.Pad) and op.do.pads[0][1] < 0:
        return False  # rows of the image that are cut off
    return isinstance(op.do, KEEPING) and bool(quiet) and all(quiet)
