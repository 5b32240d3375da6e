"""A mean pool and a convolution of one position change places where that takes less.

Both are linear, one along the image alone and one along channels alone, so their order is free: a pool behind a
convolution to fewer channels goes over fewer numbers, and a convolution behind a pool of stride 2 over a quarter of
the positions. A bias may lie between. On the way back the adjoints change places likewise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerscope.core.sizes import numbers
from layerscope.engine.native.operations import Op, fresh, rest
from layerscope.engine.primitives import conv, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.program import Value

if TYPE_CHECKING:
    from layerscope.engine.native.draft import Draft

MOVED = 16.0
"""Multiply–adds that a number costs which a pool makes."""


@dataclass(eq=False)
class _Pair:
    """A pool and a convolution, one of which reads the other's result; and what goes the same way back: the kernel's
    gradients, and the adjoints of both, in the order in which they are done.
    """

    pool: Op
    conv: Op
    kernels: Sequence[Op]
    back: Sequence[tuple[Op, Op]]

    def gain(self) -> float:
        """By how much the convolution takes less behind the pool than before it."""
        large, small = (math.prod(rest(value)[:-1]) for value in (self.pool.inputs[0], self.pool.outputs[0]))
        channels, filters = rest(self.conv.inputs[0])[-1], rest(self.conv.outputs[0])[-1]
        each = channels * filters / self.conv.do.geometry.groups * (1 + len(self.kernels) + len(self.back))
        pooled = MOVED * channels * (small + large * bool(self.back))
        made = MOVED * filters * (small + large * bool(self.kernels or self.back))
        return large * each + made - small * each - pooled


def commute(draft: Draft) -> None:
    """Bring convolutions of one position and mean pools into the order that takes less."""
    for turn in (_before, _behind):
        maker, users = draft.maker(), draft.users()
        for op in list(draft.ops):
            if turn(draft, op, maker, users):
                maker, users = draft.maker(), draft.users()
        draft.prune()


def _single(op: Op) -> bool:
    """Whether a convolution, its adjoint or its kernel's gradient reads one position for each."""
    window = op.do.window if isinstance(op.do, conv.ConvKernel) else numbers(op.inputs[1].type.shape[:-2])
    geometry: conv.Geometry = op.do.geometry
    return {*window, *geometry.strides} == {1} and not any(map(any, geometry.pads))


def _over(value: Value, sizes: Sequence[int]) -> Value:
    """A new value with the same channels over other sizes."""
    shape = value.type.shape
    return fresh(value.type.with_shape((shape[0], *sizes, shape[-1])))


def _returns(op: Op, pooled: Op) -> bool:
    """Whether an operation is the adjoint of such a pool."""
    back = isinstance(op.do, pool.PoolMeanAdjoint) and op.do.windows == pooled.do.windows
    return back and rest(op.outputs[0])[:-1] == rest(pooled.inputs[0])[:-1]


# --- a convolution that stands behind a pool goes before it ---


def _before(draft: Draft, op: Op, maker: Mapping[Value, Op], users: Mapping[Value, Sequence[Op]]) -> bool:
    made = maker.get(op.inputs[0]) if isinstance(op.do, conv.Conv) and _single(op) else None
    if made is None or not isinstance(made.do, pool.PoolMean):
        return False
    (value,) = made.outputs
    kernels = [user for user in users[value] if user is not op]
    if not all(isinstance(user.do, conv.ConvKernel) and user.inputs[1] is not value for user in kernels):
        return False
    pair = _Pair(made, op, kernels, _adjoints(draft, made, op, maker, users))
    if pair.gain() >= 0:
        return False
    _convolve_first(draft, pair)
    return True


def _adjoints(
    draft: Draft, pooled: Op, op: Op, maker: Mapping[Value, Op], users: Mapping[Value, Sequence[Op]]
) -> list[tuple[Op, Op]]:
    """The convolution's adjoint and the pool's behind it."""
    found: list[tuple[Op, Op]] = []
    for other in draft.ops:
        if _returns(other, pooled):
            first = maker.get(other.inputs[0])
            same = first is not None and isinstance(first.do, conv.ConvTranspose) and first.inputs[1] is op.inputs[1]
            if first is not None and same and _single(first) and len(users[other.inputs[0]]) == 1:
                found.append((first, other))
    return found


def _convolve_first(draft: Draft, pair: _Pair) -> None:
    op, (x,), sizes = pair.conv, pair.pool.inputs, rest(pair.pool.inputs[0])[:-1]
    first = _over(op.outputs[0], sizes)
    draft.ops.insert(draft.ops.index(op), Op(op.do, (x, op.inputs[1]), (first,), op.label))
    op.do, op.inputs, op.label = pair.pool.do, (first,), pair.pool.label
    spread: dict[Value, Value] = {}
    gradients = {kernel: kernel.inputs[1] for kernel in pair.kernels}
    gradients |= {other: turned.inputs[0] for turned, other in pair.back}
    for user in sorted(gradients, key=draft.ops.index):
        g = gradients[user]
        if g not in spread:
            spread[g] = _over(g, sizes)
            made = Op(pool.PoolMeanAdjoint(pair.pool.do.windows, sizes), (g,), (spread[g],), pair.pool.label)
            draft.ops.insert(draft.ops.index(user), made)
        if user in pair.kernels:
            user.inputs = (x, spread[g])
    for turned, other in pair.back:
        other.do, other.label = replace(turned.do, sizes=sizes), turned.label
        other.inputs = (spread[turned.inputs[0]], turned.inputs[1])


# --- a convolution that stands before a pool goes behind it ---


def _behind(draft: Draft, op: Op, maker: Mapping[Value, Op], users: Mapping[Value, Sequence[Op]]) -> bool:
    added = maker.get(op.inputs[0]) if isinstance(op.do, pool.PoolMean) else None
    made = maker.get(added.inputs[0]) if added is not None and _biased(added) else added
    if made is None or added is None or not isinstance(made.do, conv.Conv) or not _single(made):
        return False
    if any(len(users[value]) > 1 for value in (*made.outputs, *added.outputs)):
        return False
    spreads = [other for other in draft.ops if _same_way(other, op, made, users)]
    readers = [(spread, user) for spread in spreads for user in users[spread.outputs[0]]]
    kernels = [user for _, user in readers if isinstance(user.do, conv.ConvKernel)]
    back = [(spread, user) for spread, user in readers if isinstance(user.do, conv.ConvTranspose)]
    pair = _Pair(op, made, kernels, back)
    if pair.gain() <= 0:
        return False
    _pool_first(draft, pair, added)
    for spread, user in readers:
        if isinstance(user.do, reduce.Reduce):  # what is spread adds up to what it was
            user.inputs = spread.inputs
    return True


def _biased(op: Op) -> bool:
    """Whether an operation adds a number for each channel."""
    return (
        isinstance(op.do, Map)
        and op.do.function == "add"
        and op.inputs[1].type.shape == op.outputs[0].type.shape[-1:]
    )


def _same_way(op: Op, pooled: Op, made: Op, users: Mapping[Value, Sequence[Op]]) -> bool:
    """Whether an operation is the pool's adjoint, which nobody reads but for the convolution's gradients and sums."""
    if not _returns(op, pooled):
        return False
    x, kernel = made.inputs
    planes, found = range(1, op.outputs[0].type.rank - 1), users.get(op.outputs[0], ())
    for user in found:
        do = user.do
        sums = isinstance(do, reduce.Reduce) and do.how == "sum" and not do.keep and {*planes} <= {*do.axes}
        weighed = isinstance(do, conv.ConvKernel) and user.inputs == (x, op.outputs[0])
        turned = isinstance(do, conv.ConvTranspose) and user.inputs == (op.outputs[0], kernel)
        if not (sums or weighed or turned) or (not sums and not _single(user)):
            return False
    return any(not isinstance(user.do, reduce.Reduce) for user in found)


def _pool_first(draft: Draft, pair: _Pair, added: Op) -> None:
    op, (x, kernel), sizes = pair.pool, pair.conv.inputs, rest(pair.pool.outputs[0])[:-1]
    pooled, made = _over(x, sizes), _over(pair.conv.outputs[0], sizes)
    place, maker = draft.ops.index(op), draft.maker()
    draft.ops.insert(place, Op(op.do, (x,), (pooled,), op.label))
    if added is pair.conv:
        op.do, op.inputs, op.label = pair.conv.do, (pooled, kernel), pair.conv.label
    else:
        draft.ops.insert(place + 1, Op(pair.conv.do, (pooled, kernel), (made,), pair.conv.label))
        op.do, op.inputs, op.label = added.do, (made, *added.inputs[1:]), added.label
    for user in pair.kernels:
        user.inputs = (pooled, maker[user.inputs[1]].inputs[0])
    for spread, user in pair.back:
        turned = _over(user.outputs[0], sizes)
        first = Op(replace(user.do, sizes=sizes), (spread.inputs[0], kernel), (turned,), user.label)
        draft.ops.insert(draft.ops.index(user), first)
        user.do, user.inputs, user.label = spread.do, (turned,), spread.label
