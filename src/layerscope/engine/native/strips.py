"""Examples in strips: each lane holds some rows of an image, so that one large image fills several lanes.

Cut along its first axis into `count` strips, an example takes as many lanes. A register holds fewer examples then
and a block needs less memory. Lane s·E + e holds strip s of example e, with E examples in a register. What a kernel
reads beyond a strip's edge is copied from the neighbours' lanes into the margin (`roots.halo`), which elsewhere is
zero, so kernels compute a strip as they would a whole image. Where rows do not divide evenly, the last strips have
some to spare, which hold zeros wherever others read them (`strip_edges`). Values without such an axis, and those that
an operation cannot take in strips (`strip_rules`), are whole: all lanes of an example hold the same, and sums over
the batch count the first.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any, cast

from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.engine.native import strip_edges, strip_rules
from layerscope.engine.native.draft import Draft
from layerscope.engine.native.operations import Alive, Op, Pair, ToStrips, ToWhole, effort, fresh, of_batch
from layerscope.engine.native.strip_rules import RULES, Rows, rows_of
from layerscope.engine.primitives import pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.random import Random
from layerscope.engine.program import Value


class Impossible(Exception):
    """The program has something that strips cannot serve."""


def cut(draft: Draft, count: int) -> Draft:
    """A draft for examples in `count` strips, of as many rows as take the least time. Raises Impossible."""
    found: list[Draft] = []
    for rows in strip_rules.settled(draft, count):
        tried = draft.copy()
        with contextlib.suppress(Impossible):
            _Cutter(tried, rows).run()
            found.append(tried)
    if not found:
        raise Impossible
    return min(found, key=lambda tried: sum(map(effort, tried.ops)))


class _Cutter:
    def __init__(self, draft: Draft, rows: Rows) -> None:
        self.draft, self.rows = draft, rows
        self.strips: dict[Value, Value] = {}  # the same number in strips, for values of the given program
        self.wholes: dict[Value, Value] = {}
        self.cut: set[Value] = set()  # values that come in strips
        self.winners = {op.outputs[1] for op in draft.ops if isinstance(op.do, pool.PoolMax)}
        self.ops: list[Op] = []

    def run(self) -> None:
        draft = self.draft
        for key, value in draft.inputs.items():
            if self._image(value) and value.type.dtype != "int32":
                draft.inputs[key] = self._made(value, self._each(value))
        for op in draft.ops:
            if not self._in_strips(op):
                self._whole(op)
        draft.outputs = {key: self.strips[v] if v in self.cut else v for key, v in draft.outputs.items()}
        draft.ops, draft.strips = self.ops, self.rows.count
        draft.in_strips = {strip: rows_of(value) for value, strip in self.strips.items()}
        strip_edges.clear(draft)

    def _image(self, value: Value) -> bool:
        return of_batch(value) and value.type.rank > 2 and self._each(value) > 0

    def _each(self, value: Value) -> int:
        return self.rows.of(rows_of(value))

    def local(self, type: TensorType, each: int) -> TensorType:
        """The type of a strip of so many rows."""
        return type.with_shape((type.shape[0], each, *type.shape[2:]))

    def _made(self, value: Value, each: int) -> Value:
        """A value that comes in strips."""
        self.cut.add(value)
        self.rows.known[rows_of(value)] = each
        self.strips[value] = fresh(self.local(value.type, each))
        return self.strips[value]

    # --- the two forms of a value ---

    def _strip(self, value: Value) -> Value:
        if value not in self.strips:
            if value in self.winners:
                raise Impossible
            each = self.rows.known[rows_of(value)] = self._each(value)
            self.strips[value] = fresh(self.local(value.type, each))
            self.ops.append(Op(ToStrips(self.rows.count), (value,), (self.strips[value],)))
        return self.strips[value]

    def _entire(self, value: Value) -> Value:
        if value not in self.cut:
            return value
        if value in self.winners:
            raise Impossible
        if value not in self.wholes:
            self.wholes[value] = fresh(value.type)
            self.ops.append(Op(ToWhole(self.rows.count), (self.strips[value],), (self.wholes[value],)))
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
        inputs, found = self._taken(op), rule(op, self.rows)
        if inputs is None or found is None:
            return False
        do, each = found
        outputs = op.outputs
        if not self._sums_up(op):
            if not all(self.rows.agrees(rows_of(value), each) for value in outputs):
                return False
            outputs = tuple(self._made(value, each) for value in outputs)
        inputs = tuple(self._strip(value) if strip else self._entire(value) for value, strip in inputs)
        self.ops.append(Op(do, inputs, outputs, op.label, op.ties, self._share(op)))
        return True

    def _sums_up(self, op: Op) -> bool:
        """Whether the result has no strips: sums over the axis that is cut."""
        return isinstance(op.do, Pair) or (isinstance(op.do, reduce.Reduce) and 1 in op.do.axes)

    def _share(self, op: Op) -> Fraction | int:
        """How many strips a mean, or what is shared out, goes over; rows to spare do not count."""
        over = isinstance(op.do, reduce.Reduce | reduce.Expand) and 1 in op.do.axes
        if not over and not isinstance(op.do, Random):
            return 1
        rows = rows_of((op.inputs if isinstance(op.do, reduce.Reduce) else op.outputs)[0])
        return Fraction(rows, self.rows.of(rows))

    def _taken(self, op: Op) -> list[tuple[Value, bool]] | None:
        """The inputs, and whether each is taken in strips."""
        found: list[tuple[Value, bool]] = []
        rank, rows = op.outputs[0].type.rank, max((rows_of(v) for v in (*op.inputs, *op.outputs)), default=0)
        for value in op.inputs:
            if not of_batch(value):
                own = numbers(value.type.shape)
                if isinstance(op.do, Map) and len(own) >= rank - 1 and own[1 - rank] != 1:
                    return None  # a number of its own for each row
                found.append((value, False))
            elif isinstance(op.do, reduce.Expand):
                found.append((value, 1 not in op.do.axes))
            elif isinstance(op.do, Map) and rows_of(value) == 1 < rows:
                found.append((value, False))
            else:
                if not self._each(value):
                    return None
                found.append((value, True))
        return found
