"""Whether lanes that hold no example hold zeros in a result, so that sums over the batch may count them."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.engine.native import pulls
from layerscope.engine.native.operations import Alive, Correlate, FromWinners, Op, RowSums, ToStrips, ToWhole, Within
from layerscope.engine.primitives import place, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.shape import Reshape

LINEAR = (
    ToStrips,
    ToWhole,
    Within,
    Correlate,
    pool.PoolMaxAdjoint,
    FromWinners,
    place.ResizeLinear,
    place.ResizeLinearAdjoint,
    place.Gather,
    RowSums,
    Reshape,
    *pulls.EMIT,
)
"""What makes zeros of zeros."""


def silences(op: Op, quiet: Sequence[bool]) -> bool:
    """Whether lanes without an example hold zero in the result, where those inputs do that are `quiet`."""
    if (isinstance(op.do, reduce.Expand) and 0 in op.do.axes) or isinstance(op.do, Alive):
        return True
    first = bool(quiet) and quiet[0]
    if isinstance(op.do, Map):
        name = op.do.function
        if name == "mul":
            return any(quiet)
        if name in ("add", "sub"):
            return all(quiet)
        return first and (name.endswith("_grad") or name in ("neg", "scale", "double", "half", "div"))
    if isinstance(op.do, reduce.Reduce):
        return first and op.do.how in ("sum", "mean")
    return first and isinstance(op.do, LINEAR)
