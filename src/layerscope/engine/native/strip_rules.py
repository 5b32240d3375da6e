"""What each operation is where examples are in strips, and how many rows a strip of its result has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from layerscope.core.sizes import numbers
from layerscope.engine.native.draft import Draft
from layerscope.engine.native.operations import Alive, AtWinner, Correlate, FromWinners, Means, Op, Pair, of_batch
from layerscope.engine.native.taps import Axis, Phase
from layerscope.engine.primitives import place, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.random import Random
from layerscope.engine.primitives.shape import Concatenate, Permute, Reshape, Slice
from layerscope.engine.program import Value

SPARE = 1.25
"""How many rows all strips together may have, for one of an example."""

EVEN = (1, 2, 4, 8, 16, 32)
"""Numbers that the rows of an image's strip may be made divisible by, so that smaller images behind it are cut as it
is.
"""


def rows_of(value: Value) -> int:
    """The size of the axis that is cut; 0 where there is none."""
    shape = value.type.shape
    return numbers(shape[1:2])[0] if of_batch(value) and len(shape) > 1 else 0


@dataclass
class Rows:
    """How many rows a strip has where an example has so many; the same for all values of as many rows."""

    count: int
    known: dict[int, int] = field(default_factory=dict[int, int])

    def of(self, rows: int) -> int:
        """The rows of a strip; 0 where strips would hold too little."""
        each = self.known.get(rows, -(-rows // self.count))
        return each if self.agrees(rows, each) else 0

    def agrees(self, rows: int, each: int) -> bool:
        """Whether strips of `each` rows hold an example of `rows` rows, as others like it are held."""
        return 0 < rows <= self.count * each <= SPARE * rows and self.known.get(rows, each) == each


def settled(draft: Draft, count: int) -> Iterator[Rows]:
    """Ways to cut the images that a program is given."""
    images = [value for value in draft.inputs.values() if of_batch(value) and value.type.rank > 2]
    made = {rows_of(value) for op in draft.ops for value in op.outputs if value.type.rank > 2}
    least, seen = min((n for n in made if n >= count), default=1), list[dict[int, int]]()
    for factor in EVEN:
        known: dict[int, int] = {}
        for rows in {rows_of(value) for value in images}:
            each = -(-rows // (count * factor)) * factor
            if count * each <= SPARE * rows and factor * least <= 2 * rows:
                known[rows] = each
        if known not in seen:
            seen.append(known)
            yield Rows(count, dict(known))


Rule = Callable[[Op, Rows], "tuple[Any, int] | None"]
"""The operation and its result's rows of a strip; None where examples must be whole."""


def _same(op: Op, rows: Rows) -> tuple[Any, int] | None:
    return op.do, rows.of(rows_of(op.outputs[0]))


def _scaled(op: Op, rows: Rows) -> tuple[Any, int] | None:
    """Rows of a result come of as many rows of the input everywhere."""
    a, b = rows_of(op.inputs[0]), rows_of(op.outputs[0])
    each = rows.of(a)
    if a % b and b % a:
        return None
    return (op.do, each * (b // a)) if b >= a else _divided(op.do, each, a // b)


def _resize(op: Op, rows: Rows) -> tuple[Any, int] | None:
    """Rows lie between rows; the last axis is another matter."""
    return _scaled(op, rows) if len(op.do.factors) > 1 else None


def _divided(do: Any, each: int, factor: int) -> tuple[Any, int] | None:
    return None if each % factor else (do, each // factor)


def _near(low: int, high: int, each: int) -> bool:
    """Whether what is read lies in a strip or in its neighbours."""
    return -low <= each and high - (each - 1) <= each


def _moved(axis: Axis, each: int) -> tuple[Axis, int] | None:
    """An axis in strips of `each` rows of the input, and the rows of the result."""
    count, left = divmod(each, axis.stride)
    if left or not count or len(axis.phases) != axis.step:
        return None
    local = Axis(axis.stride, axis.step, tuple(Phase(p.start, count, p.taps) for p in axis.phases))
    return (local, count * axis.step) if _near(*local.reads(), each) else None


def _correlate(op: Op, rows: Rows) -> tuple[Any, int] | None:
    do: Correlate | FromWinners | Means = op.do
    moved = _moved(do.axes[0], rows.of(rows_of(op.inputs[0]))) if do.axes else None
    return moved and (replace(do, axes=(moved[0], *do.axes[1:])), moved[1])


def _pair(op: Op, rows: Rows) -> tuple[Any, int] | None:
    do: Pair = op.do
    if not do.axes or do.axes[0].count != rows_of(op.inputs[1]):
        return None
    moving, still = (rows.of(rows_of(value)) for value in op.inputs)
    local = replace(do.axes[0], count=still)
    if not still or moving != still * local.stride or not _near(*local.reads(), moving):
        return None
    return replace(do, axes=(local, *do.axes[1:])), 0


def _pool(op: Op, rows: Rows) -> tuple[Any, int] | None:
    windows: pool.Windows = op.do.windows
    window, stride, (begin, _) = windows.window[0], windows.strides[0], windows.pads[0]
    each = rows.of(rows_of(op.inputs[0]))
    count, left = divmod(each, stride)
    near = _near(-begin, (count - 1) * stride + window - 1 - begin, each)
    return None if left or not count or not near else (op.do, count)


def _side_by_side(op: Op, rows: Rows) -> tuple[Any, int] | None:
    """Adjoints of pools whose windows lie side by side along the rows, and what stands at their winners."""
    do, windows = op.do, op.do.windows
    window = windows.window[0]
    if windows.strides[0] != window or windows.pads[0][0]:
        return None
    windows = replace(windows, pads=((0, 0), *windows.pads[1:]))
    each = rows.of(rows_of(op.inputs[1] if isinstance(do, AtWinner) else op.inputs[0]))
    if isinstance(do, AtWinner):
        fits = rows.of(rows_of(op.inputs[0])) == window * each
        return (replace(do, windows=windows), each) if fits else None
    return replace(do, windows=windows, sizes=(each * window, *do.sizes[1:])), each * window


def _reduce(op: Op, rows: Rows) -> tuple[Any, int] | None:
    do: reduce.Reduce = op.do
    total, each = rows_of(op.inputs[0]), rows.of(rows_of(op.inputs[0]))
    if 1 not in do.axes:
        return None if 0 in do.axes else (do, each)
    sums = do.how in ("sum", "mean")
    largest = do.how == "max" and 0 not in do.axes and each * rows.count == total
    return (do, 0) if sums or largest else None


def _reduce_max_adjoint(op: Op, rows: Rows) -> tuple[Any, int] | None:
    return None if 1 in op.do.axes else _same(op, rows)


def _expand(op: Op, rows: Rows) -> tuple[Any, int] | None:
    do: reduce.Expand = op.do
    each = rows.of(rows_of(op.outputs[0]))
    if 0 in do.axes and 1 not in do.axes:
        return None
    return replace(do, shape=(do.shape[0], each, *do.shape[2:])), each


def _random(op: Op, rows: Rows) -> tuple[Any, int] | None:
    each, type = rows.of(rows_of(op.outputs[0])), op.do.type
    return replace(op.do, type=type.with_shape((type.shape[0], each, *type.shape[2:]))), each


def _reshape(op: Op, rows: Rows) -> tuple[Any, int] | None:
    total = rows_of(op.inputs[0])
    if op.outputs[0].type.rank < 2 or total != rows_of(op.outputs[0]):
        return None
    return Reshape((op.do.shape[0], rows.of(total), *op.do.shape[2:])), rows.of(total)


def _pad(op: Op, rows: Rows) -> tuple[Any, int] | None:
    before, each = op.do.pads[0][0], rows.of(rows_of(op.inputs[0]))
    return (op.do, each) if _near(-before, each - 1 - before, each) else None


def _along(op: Op, rows: Rows) -> tuple[Any, int] | None:
    return _same(op, rows) if op.do.axis % op.outputs[0].type.rank > 1 else None


def _permute(op: Op, rows: Rows) -> tuple[Any, int] | None:
    return _same(op, rows) if op.do.order[1] == 1 else None


RULES: dict[type, Rule] = {
    Map: _same,
    Alive: _same,
    Correlate: _correlate,
    FromWinners: _correlate,
    Means: _correlate,
    Pair: _pair,
    pool.PoolMax: _pool,
    pool.PoolMaxAdjoint: _side_by_side,
    AtWinner: _side_by_side,
    reduce.Reduce: _reduce,
    reduce.ReduceMaxAdjoint: _reduce_max_adjoint,
    reduce.Expand: _expand,
    Random: _random,
    Reshape: _reshape,
    Concatenate: _along,
    Slice: _along,
    Permute: _permute,
    place.Pad: _pad,
    place.Repeat: _scaled,
    place.RepeatAdjoint: _scaled,
    place.Nails: _scaled,
    place.ResizeLinear: _resize,
    place.ResizeLinearAdjoint: _scaled,
    place.PixelShuffle: _scaled,
    place.PixelUnshuffle: _scaled,
}
