"""A stage, and when a pool may become part of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from layerscope.engine.native.draft import Draft, disjoint
from layerscope.engine.native.operations import Correlate, Op, of_batch, rest
from layerscope.engine.native.taps import spacing
from layerscope.engine.primitives import pool
from layerscope.engine.primitives.map import Map
from layerscope.engine.program import Value

Users = Mapping[Value, Sequence[Op]]
"""Who reads each value."""


NARROW = 512
"""Pairs of channels up to which a kernel's gradient is found pair by pair."""


@dataclass(eq=False)
class Stage:
    """One loop nest over `shape` (without the batch), in a segment: all blocks of a batch go through one before the
    next begins. A `shared` stage comes behind its segment: each thread computes a part of it for all blocks.
    """

    root: Op | None
    shape: tuple[int, ...]
    ops: list[Op] = field(default_factory=list[Op])
    pool: Op | None = None
    pools_first: bool = False
    spreads: list[Op] = field(default_factory=list[Op])
    sums: list[Op] = field(default_factory=list[Op])
    planes: list[Op] = field(default_factory=list[Op])
    stored: list[Value] = field(default_factory=list[Value])
    segment: int = 0
    shared: bool = False

    def all(self) -> list[Op]:
        """Every operation of the stage."""
        first = [self.root] if self.root else []
        return [*first, *self.ops, *([self.pool] if self.pool else []), *self.spreads, *self.sums, *self.planes]

    def makes(self) -> set[Value]:
        return {value for op in self.all() for value in op.outputs}

    def indexed(self) -> set[Value]:
        """Values that are in registers at the stage's index."""
        found = {value for op in self.ops for value in op.outputs}
        return found | (set(self.root.outputs) if self.root and isinstance(self.root.do, Correlate) else set())


def takes_pooled(op: Op, spread: Op, users: Users) -> bool:
    """Whether reading a pool's gradient where it was before it is spread pays: nobody else needs it spread, or there
    are few pairs of channels.
    """
    pair, windows = op.do, spread.do.windows
    offsets = [[tap.offset for tap in axis.taps] for axis in pair.axes]
    return (
        disjoint(windows)
        and windows.window == (2, 2)
        and pair.groups == 1
        and all(axis.stride == 1 for axis in pair.axes)
        and all(spacing(found) in (0, 1) and len(found) <= 4 for found in offsets)
        and (len(users[spread.outputs[0]]) == 1 or pair.moving * pair.still <= NARROW)
    )


def whole(stage: Stage, op: Op, users: Users) -> bool:
    """Whether windows cover the image exactly; or nobody notices that results at the edge are not computed, or are
    computed beyond it.
    """
    sizes, counts = rest(op.inputs[0])[:-1], rest(op.outputs[0])[:-1]
    if all(n == m * k for n, m, k in zip(sizes, counts, op.do.windows.window, strict=True)):
        return True
    held = stage.indexed()
    simple = all(v in held or (not of_batch(v) and v.type.rank < 2) for o in stage.ops for v in o.inputs)
    return _alone(stage, op, users) and simple and not stage.sums


def _alone(stage: Stage, op: Op, users: Users) -> bool:
    """Whether only the stage and the pool read what is in the stage's registers."""
    inside = [*stage.ops, op]
    return all(user in inside for value in stage.indexed() for user in users.get(value, ()))


def may_pool_first(stage: Stage, op: Op, users: Users, draft: Draft) -> bool:
    """Whether a bias and a relu may follow the pool: nobody else sees them, and no gradient passes where they make
    equal what was not.
    """
    assert stage.root is not None
    names = [o.do.function if isinstance(o.do, Map) else "" for o in stage.ops]
    last = [stage.root.outputs[0], *(o.outputs[0] for o in stage.ops)]
    chain = all(o.inputs[0] is value for o, value in zip(stage.ops, last, strict=False))
    simple = names in (["add"], ["relu"], ["add", "relu"]) and op.inputs[0] is last[-1]
    bias = all(not of_batch(v) and v.type.rank < 2 for o in stage.ops for v in o.inputs[1:])
    masked = _masked(op, "relu" in names, users, draft)
    return chain and simple and bias and masked and _alone(stage, op, users) and not stage.sums


def _masked(op: Op, relu: bool, users: Users, draft: Draft) -> bool:
    """Whether switches only lead gradients back, which are zero where the pooled value is."""
    for user in users.get(op.outputs[1], ()):
        if not isinstance(user.do, pool.PoolMaxAdjoint):
            return False
        mask = next((o for o in draft.ops if user.inputs[0] in o.outputs), None)
        masks = mask is not None and isinstance(mask.do, Map) and mask.do.function == "relu_grad"
        if relu and not (masks and mask is not None and mask.inputs[1] is op.outputs[0]):
            return False
    return True
