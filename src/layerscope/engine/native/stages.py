"""From operations to stages: what runs as one loop nest.

A stage has a root (a convolution, a pool, ...) or none, and pointwise operations on the same indices that
are computed in registers while the root's result is there. An operation joins the latest stage that makes or
reads one of its inputs, if everything else that it reads exists by then; so the sum of a loss, its gradient
and a bias gradient become part of the loop that has the numbers in hand.

Where an example needs a sum over the batch (batch normalisation), a new segment of stages begins: it runs when all
blocks have gone through the one before, and the sum is known. What is then made of one image and such sums is light:
it is made where it is wanted, so that the image is kept for later segments and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from layerscope.core.errors import TrainingError
from layerscope.engine.native import fusions, means, planes, pointwise, pulls
from layerscope.engine.native.draft import Draft, disjoint, from_winners
from layerscope.engine.native.fusions import Stage
from layerscope.engine.native.light import Light
from layerscope.engine.native.operations import Alive, Correlate, Op, Pair, PairPooled, Within, fresh, of_batch, rest
from layerscope.engine.native.silence import silences
from layerscope.engine.primitives import pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.shape import Reshape
from layerscope.engine.program import Value

PULLS = tuple(pulls.EMIT)
"""Operations whose result at an index is read from few known indices of inputs that lie in memory."""


@dataclass(eq=False)
class Schedule:
    """Everything in order. Flat operations are those without a batch axis: before the blocks, between two segments
    (by the number of the first of the two), and after the blocks.
    """

    draft: Draft
    before: list[Op] = field(default_factory=list[Op])
    between: list[list[Op]] = field(default_factory=list[list[Op]])
    stages: list[Stage] = field(default_factory=list[Stage])
    after: list[Op] = field(default_factory=list[Op])
    aliases: dict[Value, Value] = field(default_factory=dict[Value, Value])
    uniform: dict[Value, Op] = field(default_factory=dict[Value, Op])
    needed: set[Value] = field(default_factory=set[Value])
    silent: set[Value] = field(default_factory=set[Value])

    @property
    def flats(self) -> list[Op]:
        """All operations without a batch axis."""
        return [*self.before, *(op for ops in self.between for op in ops), *self.after]

    def origin(self, value: Value) -> Value:
        """The value whose memory this one is."""
        while value in self.aliases:
            value = self.aliases[value]
        return value


class Scheduler:
    """Puts the operations of a draft into stages."""

    def __init__(self, draft: Draft) -> None:
        self.plan = Schedule(draft)
        self.users = draft.users()
        self.made: dict[Value, int] = dict.fromkeys(draft.inputs.values(), -1)
        self.tail: dict[Value, int] = {}  # what comes of sums over the batch: known behind this segment
        self.sums: set[Value] = set()
        self.totals: dict[Value, Value] = {}
        self.ends: list[int] = []  # the last stage of each segment that is closed
        self.silent = self.plan.silent
        self.light = Light(draft, self.tail, self.plan.uniform)
        self.twins: dict[tuple[int, Value], Value] = {}  # what a light value is in a stage
        self.settled: dict[tuple[int, Value], Value] = {}  # light values in memory, for a segment
        self.quiet: dict[Value, Value] = {}  # the same with zeros in lanes without an example

    def run(self) -> Schedule:
        for op in self.plan.draft.ops:
            self._place(op)
        self._decide_stores()
        self._move_early()
        self._gradients_first()
        return self.plan

    def _gradients_first(self) -> None:
        """A kernel's gradient goes before the convolution that leads back beyond its image, whose results may be
        written over it then.
        """
        stages = self.plan.stages
        for number in range(1, len(stages)):
            pair, place = stages[number], number
            if pair.root is None or not isinstance(pair.root.do, Pair | PairPooled) or pair.shared:
                continue
            read = {self.plan.origin(value) for op in pair.all() for value in op.inputs}
            while place and _free(stages[place - 1], pair, read):
                place -= 1
            stages.insert(place, stages.pop(number))

    def _move_early(self) -> None:
        """Flat operations that blocks read run before them, or behind the segment that they wait for; all others
        after the blocks.
        """
        plan = self.plan
        plan.between = [[] for _ in self.ends]
        moved: set[Op] = set()
        read = {v for stage in plan.stages for op in stage.all() for v in op.inputs}
        read |= {v for op in plan.uniform.values() for v in op.inputs}
        for op in reversed(plan.after):
            if set(op.outputs) & read:
                segment = self.tail.get(op.outputs[0], -1)
                (plan.before if segment < 0 else plan.between[segment]).insert(0, op)
                moved.add(op)
                read.update(op.inputs)
        plan.after = [op for op in plan.after if op not in moved]

    # --- where each operation goes ---

    def _place(self, op: Op) -> None:
        if not any(of_batch(value) for value in (*op.inputs, *op.outputs)):
            self._flat(op)
            return
        if len(self.ends) in (self.tail.get(value, -1) for value in op.inputs):
            self._close()
        op.inputs = tuple(self._total(self.quiet.get(value, value)) for value in op.inputs)
        if self.light.takes(op):
            return
        if not isinstance(op.do, Map | Within) and not self._is_uniform(op):
            op.inputs = tuple(self._in_memory(value) for value in op.inputs)
        if isinstance(op.do, Reshape) and op.inputs[0] not in self.plan.uniform:
            self.plan.aliases[op.outputs[0]] = op.inputs[0]
            self._note(op, self.made[op.inputs[0]])
        elif self._is_uniform(op):
            self.plan.uniform[op.outputs[0]] = op
            self._note(op, max((self.made[value] for value in op.inputs), default=-1))
        elif isinstance(op.do, reduce.Reduce) and 0 in op.do.axes:
            self._sum(op)
        elif isinstance(op.do, reduce.Reduce):
            self._reduce(op)
        elif isinstance(op.do, (Map, Alive, Within, *PULLS)):
            self._pointwise(op)
        elif isinstance(op.do, Pair):
            self._pair(op)
        elif (isinstance(op.do, pool.PoolMax) and self._joins_pool(op)) or (
            isinstance(op.do, pool.PoolMaxAdjoint) and self._joins_spread(op)
        ):
            pass
        else:
            self._own(op, rest(op.outputs[0]))

    def _in_memory(self, value: Value) -> Value:
        """A value that lies in memory, for who reads at other indices than it writes."""
        if value in self.light:
            here = len(self.ends), value
            if here not in self.settled:
                made = self.light.again(value)
                self._pointwise(made, self.ends[-1] + 1 if self.ends else 0)
                self.settled[here] = made.outputs[0]
                self.twins[self.made[made.outputs[0]], value] = made.outputs[0]
            return self.settled[here]
        if value not in self.plan.uniform:
            return value
        written = Op(Alive(), (value,), (fresh(value.type),))
        self.plan.draft.cut_like(written.outputs[0], value)
        self._pointwise(written)
        return written.outputs[0]

    def _here(self, value: Value, number: int) -> Value:
        """A value in a stage."""
        if value not in self.light:
            return value
        settled = self.settled.get((self.plan.stages[number].segment, value))
        if settled is not None and self.made[settled] < number:
            return settled
        if (number, value) not in self.twins:
            made = self.light.again(value)
            self._join(made, number)
            self.twins[number, value] = made.outputs[0]
        return self.twins[number, value]

    def _close(self) -> None:
        """End a segment: what comes of its sums is known to all stages from here on."""
        self.ends.append(len(self.plan.stages) - 1)
        for value in list(self.tail):
            self._known_behind(value, self.tail[value])

    def _known_behind(self, value: Value, segment: int) -> None:
        self.tail[value] = segment
        self.made[value] = self.ends[segment] if segment < len(self.ends) else len(self.plan.stages)

    def _total(self, value: Value) -> Value:
        """For a sum over the batch, of which every thread has its part, one number for all of them."""
        if value not in self.sums:
            return value
        if value not in self.totals:
            added = Op(Map("constant"), (value,), (fresh(value.type),))
            self._flat(added)
            self.totals[value] = added.outputs[0]
        return self.totals[value]

    def _flat(self, op: Op) -> None:
        self.plan.after.append(op)
        segment = max((self.tail.get(value, -1) for value in op.inputs), default=-1)
        for value in op.outputs:
            self.made[value] = -1
            if segment >= 0:
                self._known_behind(value, segment)

    def _is_uniform(self, op: Op) -> bool:
        """Whether all elements of an example are one number."""
        if isinstance(op.do, reduce.Expand | Reshape):
            return not op.inputs[0].type.rank or op.inputs[0] in self.plan.uniform
        return (
            isinstance(op.do, Map)
            and op.do.function != "one_hot"
            and all(value in self.plan.uniform or not value.type.rank for value in op.inputs)
        )

    def _note(self, op: Op, stage: int) -> None:
        for value in op.outputs:
            self.made[value] = stage
        if silences(op, [value in self.silent for value in op.inputs]):
            self.silent.update(op.outputs)

    def _append(self, stage: Stage) -> int:
        """A new stage in this segment; its number."""
        stage.segment = len(self.ends)
        self.plan.stages.append(stage)
        return len(self.plan.stages) - 1

    def _own(self, op: Op, shape: tuple[int, ...]) -> Stage:
        stage = Stage(op, shape)
        self._note(op, self._append(stage))
        return stage

    def _ready(self, op: Op, bases: set[Value], number: int) -> bool:
        """Whether all inputs exist when stage `number` runs: before it, or in its registers."""
        stage = self.plan.stages[number]
        held = stage.indexed()
        for value in bases:
            if value in held and not isinstance(op.do, PULLS):
                continue
            if self.made[value] >= number:
                return False
        return True

    def _candidates(self, bases: set[Value]) -> list[int]:
        wanted = bases - set(self.plan.uniform)
        found = [
            number
            for number, stage in enumerate(self.plan.stages)
            if wanted & stage.makes() or any(wanted & set(o.inputs) for o in stage.ops)
        ]
        return found[::-1]

    def _pointwise(self, op: Op, first: int = 0) -> None:
        """Into a stage that there is, number `first` or later, or a new one."""
        shape, bases = rest(op.outputs[0]), self.light.bases(op.inputs)
        for number in self._candidates(bases):
            stage = self.plan.stages[number]
            if number < first:
                break
            if stage.shape == shape and self._may_join(stage, op, bases) and self._ready(op, bases, number):
                self._join(op, number)
                return
        self._join(op, self._append(Stage(None, shape)))

    def _join(self, op: Op, number: int) -> None:
        op.inputs = tuple(self._here(value, number) for value in op.inputs)
        self.plan.stages[number].ops.append(op)
        self._note(op, number)

    def _may_join(self, stage: Stage, op: Op, bases: set[Value]) -> bool:
        if stage.root is None:
            return means.fit(op, stage) and (not stage.spreads or not isinstance(op.do, PULLS))
        if not isinstance(stage.root.do, Correlate) or stage.pool or stage.spreads:
            return False
        simple = isinstance(op.do, Alive | Within) or (isinstance(op.do, Map) and pointwise.cheap(op.do.function))
        return simple and bases & stage.indexed() != set()

    def _sum(self, op: Op) -> None:
        if op.do.how not in ("sum", "mean"):
            raise TrainingError(
                f"the native engine has no {op.do.how} over the batch; compile with engine='reference'"
            )
        (value,) = op.inputs
        number = self.made[value]
        joins = number >= 0 and value in self.plan.stages[number].indexed()
        if not joins:
            number = self._append(Stage(None, rest(value)))
        self.plan.stages[number].sums.append(op)
        self._note(op, number)
        self.sums.add(op.outputs[0])
        self._known_behind(op.outputs[0], self.plan.stages[number].segment)

    def _reduce(self, op: Op) -> None:
        """Over axes of an example: where these are planes, begun by the stage that makes them."""
        number = self.made[op.inputs[0]]
        if number >= 0 and self.plan.stages[number].segment == len(self.ends):
            stage = self.plan.stages[number]
            if planes.joins(stage, op):
                rows, op = planes.split(self.plan.draft, op)
                stage.planes.append(rows)
                self._note(rows, number)
        self._own(op, rest(op.outputs[0]))

    def _pair(self, op: Op) -> None:
        if not any(value in self.silent for value in op.inputs):
            op.inputs = (op.inputs[0], self._silenced(op.inputs[1]))
        spread = next((s for stage in self.plan.stages for s in stage.all() if op.inputs[1] in s.outputs), None)
        if spread and isinstance(spread.do, pool.PoolMaxAdjoint) and fusions.takes_pooled(op, spread, self.users):
            op.do = PairPooled(op.do, spread.do.windows)
            op.inputs = (op.inputs[0], *spread.inputs)
        self.sums.add(op.outputs[0])
        self._known_behind(op.outputs[0], self._own(op, ()).segment)

    def _silenced(self, value: Value) -> Value:
        """The value with zeros in lanes without an example, which all others may read as well."""
        silenced = Op(Alive(), (value,), (fresh(value.type),))
        self.plan.draft.cut_like(silenced.outputs[0], value)
        self._pointwise(silenced)
        (self.quiet[value],) = silenced.outputs
        for stage in self.plan.stages[self.made[silenced.outputs[0]] + 1 :]:
            for op in stage.all():
                op.inputs = tuple(self.quiet.get(v, v) if v is value else v for v in op.inputs)
        return silenced.outputs[0]

    def _joins_pool(self, op: Op) -> bool:
        number = self.made[op.inputs[0]]
        if number < 0 or not disjoint(op.do.windows) or len(op.do.windows.window) > 2:
            return False
        stage = self.plan.stages[number]
        fits = (
            stage.root is not None
            and isinstance(stage.root.do, Correlate)
            and op.inputs[0] in stage.indexed()
            and stage.pool is None
            and len(stage.root.do.axes) == len(op.do.windows.window)
            and all(len(axis.phases) == 1 for axis in stage.root.do.axes)
            and math.prod(op.do.windows.window) <= 16
        )
        if fits and fusions.whole(stage, op, self.users):
            stage.pool = op
            stage.pools_first = fusions.may_pool_first(stage, op, self.users, self.plan.draft)
            self._note(op, number)
            return True
        return False

    def _joins_spread(self, op: Op) -> bool:
        number = self.made[op.inputs[0]]
        if number < 0 or not disjoint(op.do.windows) or self.made[op.inputs[1]] >= number:
            return False
        stage = self.plan.stages[number]
        if op.inputs[0] not in stage.indexed() or stage.shape != rest(op.inputs[0]):
            return False
        if stage.root is not None and any(len(axis.phases) > 1 for axis in stage.root.do.axes):
            return False
        stage.spreads.append(op)
        self._note(op, number)
        return True

    # --- what must lie in memory ---

    def _decide_stores(self) -> None:
        plan = self.plan
        needed = {plan.origin(value) for value in plan.draft.outputs.values()}
        for stage in plan.stages:
            held = stage.indexed()
            for op in stage.all():
                own = op is stage.root or isinstance(op.do, PULLS)
                for value in op.inputs:
                    if own or value not in held:
                        needed.add(plan.origin(value))
        for stage in plan.stages:
            if stage.root and isinstance(stage.root.do, pool.PoolMaxAdjoint):
                stage.root.do = from_winners(stage.root)
            inside = [v for op in (*([stage.root] if stage.root else []), *stage.ops) for v in op.outputs]
            stage.stored = [value for value in inside if value in needed and of_batch(value)]
            stage.spreads = [op for op in stage.spreads if op.outputs[0] in needed]
        plan.needed = needed
        self.plan.stages = [
            s for s in plan.stages if s.stored or s.pool or s.spreads or s.sums or s.planes or _ends(s)
        ]


def _ends(stage: Stage) -> bool:
    return stage.root is not None and isinstance(stage.root.do, Pair | PairPooled)


def scheduled(draft: Draft) -> Schedule:
    """The operations of a draft in stages."""
    return Scheduler(draft).run()


def _free(before: Stage, pair: Stage, read: set[Value]) -> bool:
    """Whether a convolution makes nothing that a kernel's gradient, which stands behind it, reads."""
    alone = before.root is not None and isinstance(before.root.do, Correlate) and before.segment == pair.segment
    return alone and not before.makes() & read
