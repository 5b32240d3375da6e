"""Examples in strips: each lane holds some rows of an image, so that one large image fills several lanes.

Cut along its first axis into `count` strips, an example takes as many lanes. A register holds fewer examples then
and a block needs less memory. Lane s·E + e holds strip s of example e, with E examples in a register. What a kernel
reads beyond a strip's edge is copied from the neighbours' lanes into the margin (`roots.halo`), which elsewhere is
zero, so kernels compute a strip as they would a whole image. Values without such an axis, and those that an operation
cannot take in strips, are whole: all lanes of an example hold the same, and sums over the batch count the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.engine.native.draft import Draft
from layerscope.engine.native.operations import Alive, AtWinner, Correlate, Op, Pair, fresh, of_batch
from layerscope.engine.native.taps import Axis
from layerscope.engine.primitives import place, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.random import Random
from layerscope.engine.primitives.shape import Concatenate, Permute, Reshape, Slice
from layerscope.engine.program import Value


class Impossible(Exception):
    """The program has something that strips cannot serve."""


@dataclass(frozen=True)
class ToStrips:
    """From the whole example in each of its lanes to a strip in each."""

    count: int


@dataclass(frozen=True)
class ToWhole:
    """From strips to the whole example in each of its lanes."""

    count: int


def cut(draft: Draft, count: int) -> None:
    """Rewrite a draft for examples in `count` strips. Raises Impossible."""
    _Cutter(draft, count).run()


def _rows(value: Value) -> int:
    """The size of the axis that is cut; 0 where there is none."""
    shape = value.type.shape
    return numbers(shape[1:2])[0] if of_batch(value) and len(shape) > 1 else 0


class _Cutter:
    def __init__(self, draft: Draft, count: int) -> None:
        self.draft, self.count = draft, count
        self.strips: dict[Value, Value] = {}  # the same number in strips, for values of the given program
        self.wholes: dict[Value, Value] = {}
        self.cut: set[Value] = set()  # values that come in strips
        self.winners = {op.outputs[1] for op in draft.ops if isinstance(op.do, pool.PoolMax)}
        self.ops: list[Op] = []

    def run(self) -> None:
        draft = self.draft
        for key, value in draft.inputs.items():
            if self._image(value) and value.type.dtype != "int32":
                draft.inputs[key] = self._made(value)
        for op in draft.ops:
            if not self._in_strips(op):
                self._whole(op)
        draft.outputs = {key: self.strips[v] if v in self.cut else v for key, v in draft.outputs.items()}
        draft.ops, draft.strips, draft.in_strips = self.ops, self.count, set(self.strips.values())

    def _image(self, value: Value) -> bool:
        return of_batch(value) and value.type.rank > 2 and self._divides(value)

    def _divides(self, value: Value) -> bool:
        rows = _rows(value)
        return rows > 0 and rows % self.count == 0

    def local(self, type: TensorType) -> TensorType:
        """The type of a strip."""
        (rows,) = numbers(type.shape[1:2])
        return type.with_shape((type.shape[0], rows // self.count, *type.shape[2:]))

    def _made(self, value: Value) -> Value:
        """A value that comes in strips."""
        self.cut.add(value)
        self.strips[value] = fresh(self.local(value.type))
        return self.strips[value]

    # --- the two forms of a value ---

    def _strip(self, value: Value) -> Value:
        if value not in self.strips:
            if value in self.winners:
                raise Impossible
            self.strips[value] = fresh(self.local(value.type))
            self.ops.append(Op(ToStrips(self.count), (value,), (self.strips[value],)))
        return self.strips[value]

    def _entire(self, value: Value) -> Value:
        if value not in self.cut:
            return value
        if value in self.winners:
            raise Impossible
        if value not in self.wholes:
            self.wholes[value] = fresh(value.type)
            self.ops.append(Op(ToWhole(self.count), (self.strips[value],), (self.wholes[value],)))
        return self.wholes[value]

    # --- operations ---

    def _whole(self, op: Op) -> None:
        """As it is, on whole examples; what is summed over the batch counts once."""
        op.inputs = tuple(self._entire(value) for value in op.inputs)
        sums = isinstance(op.do, reduce.Reduce) and 0 in op.do.axes and of_batch(op.inputs[0])
        if isinstance(op.do, Pair) or sums:
            once = Op(Alive(once=True), (op.inputs[-1],), (fresh(op.inputs[-1].type),))
            self.ops.append(once)
            op.inputs = (*op.inputs[:-1], once.outputs[0])
        self.ops.append(op)

    def _in_strips(self, op: Op) -> bool:
        """Put an operation into strips, if it can be and one of its inputs is, or if it makes an image of numbers."""
        rule = RULES.get(cast("type[Any]", op.do.__class__))
        makes = isinstance(op.do, reduce.Expand | Random) and self._image(op.outputs[0])
        if rule is None or not (makes or any(value in self.cut for value in op.inputs)):
            return False
        do = rule(op, self.count)
        if do is None:
            return False
        inputs = self._taken(op)
        if inputs is None:
            return False
        outputs = op.outputs
        if not self._sums_up(op):
            if not all(self._divides(value) for value in outputs):
                return False
            outputs = tuple(self._made(value) for value in outputs)
        inputs = tuple(self._strip(value) if strip else self._entire(value) for value, strip in inputs)
        self.ops.append(Op(do, inputs, outputs, op.label, op.ties, self._share(op)))
        return True

    def _sums_up(self, op: Op) -> bool:
        """Whether the result has no strips: sums over the axis that is cut."""
        return isinstance(op.do, Pair) or (isinstance(op.do, reduce.Reduce) and 1 in op.do.axes)

    def _share(self, op: Op) -> int:
        """How many strips a mean, or what is shared out, goes over."""
        over = isinstance(op.do, reduce.Reduce | reduce.Expand) and 1 in op.do.axes
        return self.count if over or isinstance(op.do, Random) else 1

    def _taken(self, op: Op) -> list[tuple[Value, bool]] | None:
        """The inputs, and whether each is taken in strips."""
        found: list[tuple[Value, bool]] = []
        rank, rows = op.outputs[0].type.rank, max((_rows(v) for v in (*op.inputs, *op.outputs)), default=0)
        for value in op.inputs:
            if not of_batch(value):
                own = numbers(value.type.shape)
                if isinstance(op.do, Map) and len(own) >= rank - 1 and own[1 - rank] != 1:
                    return None  # a number of its own for each row
                found.append((value, False))
            elif isinstance(op.do, reduce.Expand):
                found.append((value, 1 not in op.do.axes))
            elif isinstance(op.do, Map) and _rows(value) == 1 < rows:
                found.append((value, False))
            else:
                if not self._divides(value):
                    return None
                found.append((value, True))
        return found


# --- what each operation is in strips; None where it must be whole ---

Rule = Callable[[Op, int], Any]


def _same(op: Op, count: int) -> Any:
    return op.do


def _evenly(op: Op, count: int) -> Any:
    """Rows of a result come of as many rows of the input everywhere."""
    a, b = _rows(op.inputs[0]), _rows(op.outputs[0])
    return op.do if (a % b == 0 or b % a == 0) else None


def _near(low: int, high: int, rows: int) -> bool:
    """Whether what is read lies in a strip or in its neighbours."""
    return -low <= rows and high - (rows - 1) <= rows


def _correlate(op: Op, count: int) -> Any:
    do: Correlate = op.do
    if not do.axes:
        return None
    axis = do.axes[0]
    each = {phase.count for phase in axis.phases}
    if len(each) != 1:
        return None
    (n,) = each
    if n % count or _rows(op.inputs[0]) != n * axis.stride or _rows(op.outputs[0]) != n * axis.step:
        return None
    local = Axis(axis.stride, axis.step, tuple(replace(phase, count=n // count) for phase in axis.phases))
    if not _near(*local.reads(), n * axis.stride // count):
        return None
    return replace(do, axes=(local, *do.axes[1:]))


def _pair(op: Op, count: int) -> Any:
    do: Pair = op.do
    if not do.axes:
        return None
    axis = do.axes[0]
    if axis.count % count or _rows(op.inputs[0]) != axis.count * axis.stride or _rows(op.inputs[1]) != axis.count:
        return None
    local = replace(axis, count=axis.count // count)
    if not _near(*local.reads(), axis.count * axis.stride // count):
        return None
    return replace(do, axes=(local, *do.axes[1:]))


def _windows(op: Op, count: int) -> Any:
    """Pools whose windows lie side by side along the axis that is cut."""
    do, sizes = op.do, [_rows(v) for v in (*op.inputs, *op.outputs)]
    windows: pool.Windows = do.windows
    k = windows.window[0]
    if windows.strides[0] != k or windows.pads[0] != (0, 0) or max(sizes) != min(sizes) * k:
        return None
    if isinstance(do, pool.PoolMaxAdjoint | pool.PoolMeanAdjoint):
        (rows,) = numbers(do.sizes[:1])
        return replace(do, sizes=(rows // count, *do.sizes[1:]))
    return do


def _reduce(op: Op, count: int) -> Any:
    do: reduce.Reduce = op.do
    if 0 in do.axes:
        return do if 1 in do.axes and do.how in ("sum", "mean") else None
    return None if 1 in do.axes and do.how == "argmax" else do


def _reduce_max_adjoint(op: Op, count: int) -> Any:
    return None if 1 in op.do.axes else op.do


def _expand(op: Op, count: int) -> Any:
    do: reduce.Expand = op.do
    if 0 in do.axes and 1 not in do.axes:
        return None
    (rows,) = numbers(do.shape[1:2])
    return None if rows % count else replace(do, shape=(do.shape[0], rows // count, *do.shape[2:]))


def _random(op: Op, count: int) -> Any:
    (rows,) = numbers(op.do.type.shape[1:2])
    shape = (op.do.type.shape[0], rows // count, *op.do.type.shape[2:])
    return replace(op.do, type=op.do.type.with_shape(shape))


def _reshape(op: Op, count: int) -> Any:
    rows = _rows(op.inputs[0])
    if op.outputs[0].type.rank < 2 or rows != _rows(op.outputs[0]):
        return None
    return Reshape((op.do.shape[0], rows // count, *op.do.shape[2:]))


def _pad(op: Op, count: int) -> Any:
    return op.do if tuple(op.do.pads[0]) == (0, 0) else None


def _along(op: Op, count: int) -> Any:
    return op.do if op.do.axis % op.outputs[0].type.rank > 1 else None


def _permute(op: Op, count: int) -> Any:
    return op.do if op.do.order[1] == 1 else None


RULES: dict[type, Rule] = {
    Map: _same,
    Alive: _same,
    Correlate: _correlate,
    Pair: _pair,
    pool.PoolMax: _windows,
    pool.PoolMaxAdjoint: _windows,
    pool.PoolMean: _windows,
    pool.PoolMeanAdjoint: _windows,
    AtWinner: _windows,
    reduce.Reduce: _reduce,
    reduce.ReduceMaxAdjoint: _reduce_max_adjoint,
    reduce.Expand: _expand,
    Random: _random,
    Reshape: _reshape,
    Concatenate: _along,
    Slice: _along,
    Permute: _permute,
    place.Pad: _pad,
    place.Repeat: _evenly,
    place.RepeatAdjoint: _evenly,
    place.Nails: _evenly,
    place.PixelShuffle: _evenly,
    place.PixelUnshuffle: _evenly,
}
