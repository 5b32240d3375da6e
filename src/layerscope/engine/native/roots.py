"""Stages that are plain loops: pointwise, reductions, concatenation, and values put at places."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import cast

from layerscope.core.errors import TrainingError
from layerscope.engine.native import means, poolings, resizing, views
from layerscope.engine.native.ir import Array, Index, Value
from layerscope.engine.native.kernel import ERROR, Kernel, Memory, Scope
from layerscope.engine.native.layout import Buffer, margin, strided
from layerscope.engine.native.operations import FromWinners, Op, ToStrips, ToWhole, rest
from layerscope.engine.native.planes import OfRows
from layerscope.engine.native.stages import Stage
from layerscope.engine.primitives import place, pool, reduce
from layerscope.engine.primitives.matmul import Dots
from layerscope.engine.primitives.shape import Concatenate
from layerscope.engine.program import Value as Node


def pointwise(memory: Memory, stage: Stage) -> Kernel:
    """A stage without a root: its operations at each index; sums that keep no axis stay in registers."""
    kernel = Kernel(memory)
    scope = Scope(kernel, stage)
    if means.of(stage):
        means.nest(scope, lambda: _step(scope, []))
        kernel.ret()
        return kernel
    whole = [op for op in stage.sums if not scope.kept(op)]
    sums = [kernel.constant(0) for _ in whole]
    with kernel.nest((memory.groups, *stage.shape), sums, kernel.rows(stage.shape)) as (index, carry):
        scope.at(index)
        _step(scope, whole)
        for n, op in enumerate(whole):
            carry.values[n] = kernel.fadd(carry.values[n], scope.summand(op))
    for op, total in zip(whole, carry.values, strict=True):
        scope.accumulate(op, total)
    kernel.ret()
    return kernel


def _step(scope: Scope, whole: Sequence[Op]) -> None:
    """What a stage without a root does at an index, but for sums that stay in registers."""
    scope.compute()
    scope.store()
    for op in scope.stage.spreads:
        poolings.spread(scope, op)
    for op in scope.stage.sums:
        if op not in whole:
            scope.accumulate(op, scope.summand(op))


def rooted(memory: Memory, stage: Stage) -> Kernel:
    """A stage with a root that has a loop nest of its own."""
    assert stage.root is not None
    kernel = Kernel(memory)
    do: object = stage.root.do
    write = ROOTS.get(type(do))
    if write is None:
        raise TrainingError(f"the native engine has no form of {type(do).__name__}; compile with engine='reference'")
    write(Scope(kernel, stage), stage.root)
    kernel.ret()
    return kernel


def _over(scope: Scope, shape: Sequence[int], body: Callable[[], None], shared: bool = False) -> None:
    bounds = scope.kernel.rows(shape) if shared else None
    with scope.kernel.nest((scope.memory.groups, *shape), bounds=bounds) as (index, _):
        scope.at(index)
        body()


def clear(k: Kernel, buffer: Buffer) -> None:
    """Zeros in all of a buffer, its margin included."""
    array = k.array(buffer, -buffer.origin)
    with k.loop(buffer.extent) as (i, _):
        k.store(Value("zeroinitializer", buffer.item), array, i)


def _pool_max(scope: Scope, op: Op) -> None:
    _over(scope, rest(op.outputs[0]), lambda: poolings.pool_max(scope, op), shared=True)


def _strict(scope: Scope, op: Op) -> None:
    """Let the scope's index run over the input's shape."""
    scope.stage = Stage(op, rest(op.inputs[0]))


def _write(scope: Scope, value: Node, index: Sequence[Index], number: Value) -> None:
    buffer = scope.memory.buffer(value)
    scope.kernel.store(number, scope.kernel.array(buffer), scope.kernel.dot(index, buffer.strides))


def _reduce(scope: Scope, op: Op) -> None:
    """Over axes of one example."""
    k, do = scope.kernel, cast(reduce.Reduce, op.do)
    shape = rest(op.inputs[0])
    inner = list(do.axes)
    outer = [axis for axis in range(1, len(shape) + 1) if axis not in inner]
    how = do.how
    start = -math.inf if how in ("max", "argmax") else 0.0
    sizes = [shape[axis - 1] for axis in outer]
    with k.nest((scope.memory.groups, *sizes), bounds=k.rows(sizes)) as (kept, _):
        first = [k.constant(start)] + ([k.constant(0), k.constant(0)] if how == "argmax" else [])
        with k.nest([shape[axis - 1] for axis in inner], first) as (over, carry):
            value = scope.read(op.inputs[0], _merged(kept, outer, over, inner))
            carry.values = _reduced(k, how, carry.values, value)
        result = carry.values[-1] if how == "argmax" else carry.values[0]
        result = _across(scope, op, result)
        if how == "mean":
            count = op.strips * math.prod(shape[axis - 1] for axis in inner)
            count *= do.count if isinstance(do, OfRows) else 1
            result = k.fdiv(result, k.constant(float(count)))
        index = _merged(kept, outer, [0] * len(inner), inner) if do.keep else kept
        _write(scope, op.outputs[0], index, result)


def _reduced(k: Kernel, how: str, found: Sequence[Value], value: Value) -> list[Value]:
    if how in ("sum", "mean"):
        return [k.fadd(found[0], value)]
    better = k.either(k.compare("ogt", value, found[0]), k.compare("uno", value, value))
    best = k.select(better, value, found[0])
    if how == "max":
        return [best]
    # The second number counts the turns, the third is the count at the best value.
    return [best, k.fadd(found[1], k.constant(1)), k.select(better, found[1], found[2])]


def _across(scope: Scope, op: Op, value: Value) -> Value:
    """The sum or the largest of an example's strips, in all of its lanes."""
    k, lanes, distance = scope.kernel, scope.kernel.module.lanes, scope.memory.together
    while op.strips > 1 and distance < lanes:
        other = k.shuffle(value, None, [(n + distance) % lanes for n in range(lanes)])
        value = k.fadd(value, other) if op.do.how in ("sum", "mean") else _reduced(k, "max", [value], other)[0]
        distance *= 2
    return value


def _merged(kept: Sequence[Index], outer: Sequence[int], over: Sequence[Index], inner: Sequence[int]) -> list[Index]:
    index: list[Index] = [kept[0]] + [0] * (len(outer) + len(inner))
    for axis, i in zip(outer, kept[1:], strict=True):
        index[axis] = i
    for axis, i in zip(inner, over, strict=True):
        index[axis] = i
    return index


def _reduce_max_adjoint(scope: Scope, op: Op) -> None:
    """Two passes: which is the first of the largest, then its gradient there and zeros elsewhere."""
    k, (g, x) = scope.kernel, op.inputs
    shape, inner = rest(x), list(cast(reduce.ReduceMaxAdjoint, op.do).axes)
    outer = [axis for axis in range(1, len(shape) + 1) if axis not in inner]
    sizes = [shape[axis - 1] for axis in inner]
    with k.nest((scope.memory.groups, *(shape[axis - 1] for axis in outer))) as (kept, _):
        with k.nest(sizes, [k.constant(-math.inf), k.constant(0), k.constant(0)]) as (over, carry):
            value = scope.read(x, _merged(kept, outer, over, inner))
            carry.values = _reduced(k, "argmax", carry.values, value)
        winner = carry.values[2]
        gradient = scope.read(
            g, _merged(kept, outer, [0] * len(inner), inner) if g.type.rank == x.type.rank else kept
        )
        with k.nest(sizes, [k.constant(0)]) as (over, turn):
            here = k.compare("oeq", winner, turn.values[0])
            _write(scope, op.outputs[0], _merged(kept, outer, over, inner), k.select(here, gradient, k.constant(0)))
            turn.values = [k.fadd(turn.values[0], k.constant(1))]


def _dots(scope: Scope, op: Op) -> None:
    """Four columns at a time share what is read of a row."""
    k, (x, y) = scope.kernel, op.inputs
    (rows, size), columns = rest(x), rest(y)[0]
    for start in range(0, columns, columns - columns % 4 or columns):
        width = 4 if start + 4 <= columns else 1
        count = (columns - start) // width
        with k.nest((scope.memory.groups, rows, count)) as ((group, i, turn), _):
            first = k.add(k.mul(turn, width), start)
            places = [k.add(first, n) for n in range(width)]
            with k.loop(size, carry=[k.constant(0)] * width) as (n, carry):
                left = scope.read(x, [group, i, n])
                carry.values = [
                    k.fma(left, scope.read(y, [group, j, n]), total)
                    for j, total in zip(places, carry.values, strict=True)
                ]
            for j, total in zip(places, carry.values, strict=True):
                _write(scope, op.outputs[0], [group, i, j], total)


def _concatenate(scope: Scope, op: Op) -> None:
    start, axis = 0, cast(Concatenate, op.do).axis % op.outputs[0].type.rank
    bounds = scope.kernel.rows(rest(op.outputs[0])) if axis > 1 else None
    for value in op.inputs:
        if not views.within(scope.memory.layout.views, value, op.outputs[0]):
            with scope.kernel.nest((scope.memory.groups, *rest(value)), bounds=bounds) as (index, _):
                moved = list(index)
                moved[axis] = scope.kernel.add(moved[axis], start)
                _write(scope, op.outputs[0], moved, scope.read(value, index))
        start += rest(value)[axis - 1]


# --- strips of examples ---


def _to_whole(scope: Scope, op: Op) -> None:
    """Each strip's rows to all lanes of its example."""
    k, together, rows, total = scope.kernel, scope.memory.together, rest(op.inputs[0])[0], rest(op.outputs[0])[0]
    with k.nest((scope.memory.groups, *rest(op.inputs[0]))) as (index, _):
        value = scope.read(op.inputs[0], index)
        for strip in range(op.do.count):
            order = [strip * together + n % together for n in range(k.module.lanes)]
            row = k.add(index[1], strip * rows)
            spare = (strip + 1) * rows > total
            with k.when(k.icmp("slt", row, total)) if spare else contextlib.nullcontext():
                _write(scope, op.outputs[0], [index[0], row, *index[2:]], k.shuffle(value, None, order))


def _to_strips(scope: Scope, op: Op) -> None:
    """Each lane keeps the rows of its strip; rows to spare are zero."""
    k, lanes, rows, total = scope.kernel, scope.kernel.module.lanes, rest(op.outputs[0])[0], rest(op.inputs[0])[0]
    with k.nest((scope.memory.groups, *rest(op.outputs[0]))) as (index, _):
        found: Value | None = None
        for strip in range(op.do.count):
            row = k.add(index[1], strip * rows)
            if (strip + 1) * rows > total:
                row = k.intrinsic("smin", "i64", k.i64(row), k.i64(total - 1))
            value = scope.read(op.inputs[0], [index[0], row, *index[2:]])
            start = strip * scope.memory.together
            found = (
                value if found is None else k.shuffle(found, value, [n + lanes * (n >= start) for n in range(lanes)])
            )
        assert found is not None
        if scope.memory.spare(op.outputs[0]):
            found = k.select(k.within(op.outputs[0], index[1]), found, k.constant(0))
        _write(scope, op.outputs[0], index, found)


def halo(memory: Memory, buffer: Buffer) -> Kernel | None:
    """The kernel that fills the margin above and below strips from the neighbours' lanes, if there is such a margin.

    At the image's own edges it stays zero.
    """
    (above, below), row = margin(buffer), buffer.strides[1]
    if not above and not below:
        return None
    kernel = Kernel(memory)
    k, lanes, together, rows = kernel, memory.module.lanes, memory.together, buffer.shape[1]
    array, zero = k.array(buffer, -buffer.origin), Value("zeroinitializer", buffer.item)
    down = [lanes] * together + list(range(lanes - together))
    up = [*range(together, lanes), *[lanes] * together]
    pairs = [(n, rows + n, down) for n in range(above)]  # the last rows of the strip above
    pairs += [(above + rows + n, above + n, up) for n in range(below)]
    cell, channels = buffer.strides[-2], buffer.shape[-1]  # a view has some channels of each cell
    with k.nest((buffer.shape[0], row // cell, channels)) as (index, _):
        start = k.dot(index, [buffer.strides[0], cell, 1], buffer.origin % cell)
        for to, of, order in pairs:
            value = k.load(array, k.add(start, of * row))
            k.store(k.shuffle(value, zero, order), array, k.add(start, to * row))
    k.ret()
    return kernel


# --- switches that point anywhere: lane by lane ---


def _targets(scope: Scope, switches: Node, plane: Sequence[int], buffer: Buffer) -> list[Index]:
    """For each lane the place in a plane (in registers) where its switch points; outside ones are noted."""
    k, planes = scope.kernel, scope.memory.planes
    flat = scope.read(switches, scope.index)
    if list(plane) not in planes:
        planes.append(list(plane))
    found: list[Index] = []
    for lane in range(k.module.lanes):
        place = k.put("i64", f"sext {k.lane(flat, lane)} to i64")
        wrong = k.icmp("uge", place, math.prod(plane))
        counters = k.array(scope.memory.counters)
        with k.when(wrong):
            k.store(k.i64(1 + planes.index(list(plane))), counters, ERROR)
        place = k.put("i64", f"select {wrong}, i64 0, {place}")
        at: Index = k.add(k.mul(scope.index[0], buffer.strides[0]), k.mul(scope.index[-1], buffer.strides[-1]))
        for axis in range(len(plane) - 1, -1, -1):
            at = k.add(at, k.mul(k.rem(place, plane[axis]), buffer.strides[1 + axis]))
            place = k.i64(k.div(place, plane[axis]))
        found.append(at)
    return found


def _lane_array(k: Kernel, buffer: Buffer) -> Array:
    array = k.array(buffer)
    item = array.item.split(" x ")[1][:-1] if array.item.startswith("<") else array.item
    return array.of(item)


def _unpool(scope: Scope, op: Op) -> None:
    k, (x, switches) = scope.kernel, op.inputs
    buffer, plane = scope.memory.buffer(op.outputs[0]), rest(op.outputs[0])[:-1]
    clear(k, buffer)
    _strict(scope, op)

    def body() -> None:
        value = scope.load(x)
        array = _lane_array(k, buffer)
        for lane, at in enumerate(_targets(scope, switches, plane, buffer)):
            k.store(k.lane(value, lane), array, k.add(k.mul(at, k.module.lanes), lane))

    _over(scope, rest(x), body)


def _picked(scope: Scope, op: Op, keep: Callable[[list[Index], int, Index], Value] | None) -> None:
    k, (x, switches) = scope.kernel, op.inputs
    buffer = scope.memory.buffer(x)
    places = _targets(scope, switches, rest(x)[:-1], buffer)
    result = k.constant(0)
    for lane, at in enumerate(places):
        value = k.load(_lane_array(k, buffer), k.add(k.mul(at, k.module.lanes), lane))
        if keep:
            value = k.select(keep(places, lane, at), value, k.constant(0, k.module.real))
        result = value if k.module.lanes == 1 else k.put(result.type, f"insertelement {result}, {value}, i64 {lane}")
    _write(scope, op.outputs[0], scope.index, result)


def _gather(scope: Scope, op: Op) -> None:
    _over(scope, rest(op.outputs[0]), lambda: _picked(scope, op, None))


def _gather_last(scope: Scope, op: Op) -> None:
    """Only who wrote last to a place (in row-major order) gets what stands there."""
    k, memory = scope.kernel, scope.memory
    buffer = memory.buffer(op.inputs[0])
    owner = strided("scratch", f"<{k.module.lanes} x i32>" if k.module.lanes > 1 else "i32", buffer.shape)
    memory.layout.reserve(owner)
    shape, plane = rest(op.outputs[0]), rest(op.inputs[0])[:-1]
    array = _lane_array(k, owner)

    def order() -> Value:
        strides = [math.prod(shape[n + 1 :]) for n in range(len(shape))]
        return k.put("i32", f"trunc i64 {k.i64(k.dot(scope.index[1:], strides)).name} to i32")

    def write() -> None:
        for lane, at in enumerate(_targets(scope, op.inputs[1], plane, owner)):
            k.store(order(), array, k.add(k.mul(at, k.module.lanes), lane))

    def mine(places: list[Index], lane: int, at: Index) -> Value:
        last = k.load(array, k.add(k.mul(owners[lane], k.module.lanes), lane))
        return k.put("i1", f"icmp eq {last}, {order().name}")

    owners: list[Index] = []

    def pick() -> None:
        owners[:] = _targets(scope, op.inputs[1], plane, owner)
        _picked(scope, op, mine)

    _over(scope, shape, write)
    _over(scope, shape, pick)


ROOTS: dict[type, Callable[[Scope, Op], None]] = {
    pool.PoolMax: _pool_max,
    FromWinners: poolings.from_winners,
    place.ResizeLinear: resizing.resize,
    place.ResizeLinearAdjoint: resizing.adjoint,
    place.Unpool: _unpool,
    place.Gather: _gather,
    place.GatherLast: _gather_last,
    reduce.Reduce: _reduce,
    OfRows: _reduce,
    reduce.ReduceMaxAdjoint: _reduce_max_adjoint,
    Concatenate: _concatenate,
    ToStrips: _to_strips,
    ToWhole: _to_whole,
    Dots: _dots,
}
