"""Operations whose result at an index is read from a few places: padding, upsampling, slices, means of windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from layerscope.core.sizes import numbers
from layerscope.engine.native import draws, means
from layerscope.engine.native.ir import Index, Value, like
from layerscope.engine.native.operations import AtWinner, Copy, Means, Op, Places, rest
from layerscope.engine.primitives import place, pool
from layerscope.engine.primitives.random import Random
from layerscope.engine.primitives.reduce import Expand
from layerscope.engine.primitives.shape import Permute, Slice
from layerscope.engine.program import Value as Node

if TYPE_CHECKING:
    from layerscope.engine.native.kernel import Kernel, Scope


def inside(k: Kernel, index: Index, size: int) -> Value | None:
    """Whether 0 <= index < size; None when it surely is."""
    if isinstance(index, int):
        return None if 0 <= index < size else k.icmp("ult", k.i64(index), size)
    return k.icmp("ult", index, size)


def all_of(k: Kernel, conditions: Sequence[Value | None]) -> Value | None:
    """The conjunction; None when all surely hold."""
    found: Value | None = None
    for condition in conditions:
        if condition is not None:
            found = condition if found is None else k.both(found, condition)
    return found


def clamped(k: Kernel, index: Index, size: int) -> Index:
    """The nearest index within 0 ... size - 1."""
    if isinstance(index, int):
        return min(max(index, 0), size - 1)
    low = k.intrinsic("smax", "i64", index, k.i64(0))
    return k.intrinsic("smin", "i64", low, k.i64(size - 1))


def cells(
    k: Kernel, windows: pool.Windows, image: Node, at: Sequence[Index]
) -> Iterator[tuple[int, Value | None, list[Index]]]:
    """The cells of the window at an index, row-major: number, whether it is real, and its index in the image. That is
    clamped, but for rows of a strip, which may lie in its margin.
    """
    sizes, rows = rest(image)[:-1], k.memory.rows(image)
    for number, cell in enumerate(itertools.product(*(range(n) for n in windows.window))):
        conditions: list[Value | None] = []
        index: list[Index] = []
        for axis, (i, c) in enumerate(zip(at, cell, strict=True)):
            begin, end = windows.pads[axis]
            where = k.add(k.mul(i, windows.strides[axis]), c - begin)
            if not axis and rows:
                if begin > c or leaves(windows, rows, c):
                    conditions.append(k.within(image, where))
            elif begin > c or end > 0:
                conditions.append(inside(k, where, sizes[axis]))
                where = clamped(k, where, sizes[axis])
            index.append(where)
        yield number, all_of(k, conditions), index


def leaves(windows: pool.Windows, rows: int, cell: int) -> bool:
    """Whether a cell of the last window along the first axis lies beyond an image of so many rows."""
    last = (rows + sum(windows.pads[0]) - windows.window[0]) // windows.strides[0]
    return last * windows.strides[0] + cell - windows.pads[0][0] >= rows


def number(k: Kernel, cell: int, type: str) -> Value:
    """The number of a cell in all lanes."""
    return Value(f"splat ({type.split(' x ')[1][:-1]} {cell})" if type.startswith("<") else str(cell), type)


def is_cell(k: Kernel, winner: Value, cell: int) -> Value:
    """The lanes whose winner is this cell."""
    return k.put(like("i1", winner.type), f"icmp eq {winner}, {number(k, cell, winner.type).name}")


def _copy(s: Scope, op: Op) -> Value:
    return s.read(op.inputs[0], s.index)


def _repeat(s: Scope, op: Op) -> Value:
    middle = [s.kernel.div(i, f) for i, f in zip(s.index[1:-1], op.do.factors, strict=True)]
    return s.read(op.inputs[0], [s.index[0], *middle, s.index[-1]])


def _repeat_adjoint(s: Scope, op: Op) -> Value:
    k, total = s.kernel, None
    for offsets in itertools.product(*(range(f) for f in op.do.factors)):
        middle = [k.add(k.mul(i, f), o) for i, f, o in zip(s.index[1:-1], op.do.factors, offsets, strict=True)]
        value = s.read(op.inputs[0], [s.index[0], *middle, s.index[-1]])
        total = value if total is None else k.fadd(total, value)
    assert total is not None
    return total


def _nails(s: Scope, op: Op) -> Value:
    k = s.kernel
    middle = [k.div(i, f) for i, f in zip(s.index[1:-1], op.do.factors, strict=True)]
    hits = [
        k.icmp("eq", k.rem(i, f), 0) if f > 1 else None for i, f in zip(s.index[1:-1], op.do.factors, strict=True)
    ]
    value = s.read(op.inputs[0], [s.index[0], *middle, s.index[-1]])
    hit = all_of(k, hits)
    return value if hit is None else k.select(hit, value, k.constant(0))


def _nth(s: Scope, op: Op) -> Value:
    middle = [s.kernel.mul(i, f) for i, f in zip(s.index[1:-1], op.do.factors, strict=True)]
    return s.read(op.inputs[0], [s.index[0], *middle, s.index[-1]])


def _pad(s: Scope, op: Op) -> Value:
    k, sizes, cut = s.kernel, rest(op.inputs[0]), s.memory.rows(op.inputs[0]) > 0
    conditions: list[Value | None] = []
    middle: list[Index] = []
    for axis, (i, (before, after), n) in enumerate(zip(s.index[1:-1], op.do.pads, sizes, strict=False)):
        where = k.add(i, -before)
        if (before > 0 or after > 0) and not (cut and not axis):  # around strips there are zeros
            conditions.append(inside(k, where, n))
            where = clamped(k, where, n)
        middle.append(where)
    value = s.read(op.inputs[0], [s.index[0], *middle, s.index[-1]])
    real = all_of(k, conditions)
    return value if real is None else k.select(real, value, k.constant(0))


def _slice(s: Scope, op: Op) -> Value:
    do, index = cast(Slice, op.do), list(s.index)
    (start,) = numbers([do.start])
    index[do.axis] = s.kernel.add(index[do.axis], start)
    return s.read(op.inputs[0], index)


def _permute(s: Scope, op: Op) -> Value:
    index: list[Index] = [0] * len(s.index)
    for here, there in enumerate(op.do.order):
        index[there] = s.index[here]
    return s.read(op.inputs[0], index)


def _expand(s: Scope, op: Op) -> Value:
    (x,), k, do = op.inputs, s.kernel, op.do
    kept = len(x.type.shape) == len(do.shape)
    index = [0 if axis in do.axes else i for axis, i in enumerate(s.index) if kept or axis not in do.axes]
    count = float(op.strips * math.prod(numbers(do.shape[axis] for axis in do.axes if axis)))
    if 0 not in do.axes:
        value = s.read(x, index)
        return k.fdiv(value, k.constant(count)) if do.mean else value
    buffer = s.memory.buffer(x)
    value = k.broadcast(k.array(buffer), k.dot(index, buffer.strides))
    if do.mean:
        examples = k.broadcast(k.array(s.memory.examples), 0)
        value = k.fdiv(value, k.fmul(k.constant(count), examples))
    return s.silenced(value)


def _places(s: Scope, op: Op) -> Value:
    """The winner's number in its window as its flat place in the plane."""
    k, windows, plane = s.kernel, op.do.windows, op.do.plane
    winner = k.convert("sext", s.read(op.inputs[0], s.index), "i32")
    start: Index = 0
    for i, stride, (begin, _), n in zip(s.index[1:-1], windows.strides, windows.pads, plane, strict=True):
        start = k.add(k.mul(start, n), k.mul(i, stride), -begin)
    flat = k.splat(k.put("i32", f"trunc i64 {k.i64(start).name} to i32"))
    for turn, cell in enumerate(itertools.product(*(range(n) for n in windows.window))):
        offset = 0
        for c, n in zip(cell, plane, strict=True):
            offset = offset * n + c
        hit, step = is_cell(k, winner, turn), number(k, offset, winner.type)
        flat = k.put(flat.type, f"add {flat}, {k.select(hit, step, number(k, 0, winner.type)).name}")
    return flat


def _shuffle(s: Scope, op: Op) -> Value:
    """(…, h, w, c) from channel (c·r + h % r)·s + w % s at (h // r, w // s)."""
    k, channel = s.kernel, s.index[-1]
    middle: list[Index] = []
    for i, f in zip(s.index[1:-1], op.do.factors, strict=True):
        middle.append(k.div(i, f))
        channel = k.add(k.mul(channel, f), k.rem(i, f))
    return s.read(op.inputs[0], [s.index[0], *middle, channel])


def _unshuffle(s: Scope, op: Op) -> Value:
    k, channel = s.kernel, s.index[-1]
    middle: list[Index] = []
    for i, f in reversed(list(zip(s.index[1:-1], op.do.factors, strict=True))):
        middle.append(k.add(k.mul(i, f), k.rem(channel, f)))
        channel = k.div(channel, f)
    return s.read(op.inputs[0], [s.index[0], *middle[::-1], channel])


def _at_winner(scope: Scope, op: Op) -> Value:
    k, found = scope.kernel, scope.kernel.constant(0)
    winner = scope.read(op.inputs[1], scope.index)
    for cell, _, index in cells(k, op.do.windows, op.inputs[0], scope.index[1:-1]):
        value = scope.read(op.inputs[0], [scope.index[0], *index, scope.index[-1]])
        found = k.select(is_cell(k, winner, cell), value, found)
    return found


EMIT: dict[type, Callable[[Any, Op], Value]] = {
    Copy: _copy,
    place.Repeat: _repeat,
    place.RepeatAdjoint: _repeat_adjoint,
    place.Nails: _nails,
    place.Nth: _nth,
    place.Pad: _pad,
    place.PixelShuffle: _shuffle,
    place.PixelUnshuffle: _unshuffle,
    Means: means.emit,
    Slice: _slice,
    Permute: _permute,
    Places: _places,
    AtWinner: _at_winner,
    Random: draws.emit,
    Expand: _expand,
}


def emit(scope: Scope, op: Op) -> Value:
    """The result of an operation at the scope's index."""
    return EMIT[type(op.do)](scope, op)
