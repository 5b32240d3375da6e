"""A mean pool and a convolution of one position change places where that takes less.

Both are linear, one along the image alone and one along channels alone, so their order is free: a pool behind a
convolution to fewer channels goes over fewer numbers. On the way back the pool's adjoint comes first likewise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerscope.core.sizes import numbers
from layerscope.engine.native.operations import Op, fresh, rest
from layerscope.engine.primitives import conv, pool
from layerscope.engine.program import Value

if TYPE_CHECKING:
    from layerscope.engine.native.draft import Draft

MOVED = 16.0
"""Multiply–adds that a number costs which a pool makes."""


@dataclass(eq=False)
class _Pair:
    """A pool and the convolution behind it, and what goes the same way back: the kernel's gradients, and adjoints of
    pools with the adjoint of the convolution before them.
    """

    pool: Op
    conv: Op
    kernels: Sequence[Op]
    back: Sequence[tuple[Op, Op]]

    def pays(self) -> bool:
        """Whether the convolution takes less before the pool than behind it."""
        (*around, channels), (*within, filters) = rest(self.pool.inputs[0]), rest(self.conv.outputs[0])
        large, small = math.prod(around), math.prod(within)
        each = channels * filters / self.conv.do.geometry.groups * (1 + len(self.kernels) + len(self.back))
        ways = bool(self.kernels or self.back)
        behind = small * (each + MOVED * channels) + MOVED * channels * large * len(self.back)
        before = large * (each + MOVED * filters * ways) + MOVED * filters * small
        return before < behind


def commute(draft: Draft) -> None:
    """Let convolutions of one position go before mean pools."""
    maker, users = draft.maker(), draft.users()
    for op in list(draft.ops):
        made = maker.get(op.inputs[0]) if isinstance(op.do, conv.Conv) and _single(op) else None
        if made is not None and isinstance(made.do, pool.PoolMean):
            pair = _found(draft, made, op, maker, users)
            if pair is not None and pair.pays():
                _exchange(draft, pair)
    draft.prune()


def _single(op: Op) -> bool:
    """Whether a convolution, its adjoint or its kernel's gradient reads one position for each."""
    window = op.do.window if isinstance(op.do, conv.ConvKernel) else numbers(op.inputs[1].type.shape[:-2])
    geometry: conv.Geometry = op.do.geometry
    return {*window, *geometry.strides} == {1} and not any(map(any, geometry.pads))


def _found(
    draft: Draft, pooled: Op, op: Op, maker: Mapping[Value, Op], users: Mapping[Value, Sequence[Op]]
) -> _Pair | None:
    (value,), kernel = pooled.outputs, op.inputs[1]
    kernels = [user for user in users[value] if user is not op]
    for user in kernels:
        if not isinstance(user.do, conv.ConvKernel) or not _single(user) or user.inputs[1] is value:
            return None
    back: list[tuple[Op, Op]] = []
    for other in draft.ops:
        if isinstance(other.do, pool.PoolMeanAdjoint) and other.do.windows == pooled.do.windows:
            turned = maker.get(other.inputs[0])
            same = turned is not None and isinstance(turned.do, conv.ConvTranspose) and turned.inputs[1] is kernel
            if turned is not None and same and _single(turned) and len(users[other.inputs[0]]) == 1:
                back.append((turned, other))
    return _Pair(pooled, op, kernels, back)


def _exchange(draft: Draft, pair: _Pair) -> None:
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


def _over(value: Value, sizes: Sequence[int]) -> Value:
    """A new value with the same channels over other sizes."""
    shape = value.type.shape
    return fresh(value.type.with_shape((shape[0], *sizes, shape[-1])))
