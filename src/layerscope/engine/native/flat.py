"""Values without a batch axis: what becomes of sums over the batch; losses, metrics, and the optimizer's update.

Pointwise operations of one shape that feed each other form a group, which is one loop over elements that the
threads share. Sums over the batch are read as the sum of every thread's part, in the order of the threads. A sum over
all elements (the norm of a gradient) waits for the group that makes them, and one thread adds them up. What goes
along axes (nests.py, peaks.py) is a group by itself: it waits for who makes what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from layerscope.core.errors import TrainingError
from layerscope.core.types import TensorType
from layerscope.engine.native import nests, peaks, pointwise
from layerscope.engine.native.flat_memory import FlatMemory, Parts, size
from layerscope.engine.native.ir import Array, Index, Value, lanes, vector
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Op, Share, fresh
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.primitives.shape import Reshape
from layerscope.engine.primitives.table import Table
from layerscope.engine.program import Value as Node


@dataclass(eq=False)
class Group:
    """One loop over the elements of a shape, or over `size` places that each have a largest one. `level`: how many
    groups must have run before; `nest`: what its only operation is along axes.
    """

    size: int
    level: int
    ops: list[Op] = field(default_factory=list[Op])
    nest: nests.Nest | peaks.Peak | None = None

    def made(self) -> dict[Node, Op]:
        """What the group's operations make, in order."""
        return {value: op for op in self.ops for value in op.outputs}


def plain(ops: Sequence[Op]) -> list[Op]:
    """The operations without broadcasting: what is repeated along axes is so by an operation of its own. One number
    for all elements is taken as it is.
    """
    found: list[Op] = []
    for op in ops:
        if isinstance(op.do, Expand) and size(op.inputs[0]) == 1:
            share = 1 / size(op.outputs[0]) if op.do.mean else 1.0
            op.do = Map("scale", (("factor", share),))
        for value in dict.fromkeys(nests.broadcasts(op)):
            full = fresh(op.outputs[0].type)
            found.append(Op(nests.repeated(value, full), (value,), (full,), op.label))
            op.inputs = tuple(full if one is value else one for one in op.inputs)
        found.append(op)
    return found


def grouped(ops: Sequence[Op]) -> list[Group]:
    """Pointwise operations in groups; an operation joins the group of one of its inputs where sizes agree.

    One that reads nothing made here waits for who needs it behind a sum, so that a weight is read in the loop that
    writes it.
    """
    grouping = _Grouping()
    for op in ops:
        _check(op)
        if any(value in grouping.home for value in op.inputs) or _alone(op):
            grouping.place(op)
        else:
            grouping.waiting |= dict.fromkeys(op.outputs, op)
    for op in dict.fromkeys(grouping.waiting.values()):
        if op.outputs[0] in grouping.waiting and not grouping.wanted(op):
            grouping.place(op)
    for op in dict.fromkeys(grouping.waiting.values()):
        if op.outputs[0] in grouping.waiting:
            grouping.place(op)
    return grouping.groups


def _check(op: Op) -> None:
    """TrainingError for what has no form without a batch."""
    if _alone(op):
        return
    known = isinstance(op.do, Map | Reshape | Share | Table)
    if not known or (isinstance(op.do, Map) and op.do.function == "one_hot"):
        raise TrainingError(
            f"the native engine has no {type(op.do).__name__} of values without a batch; "
            "compile with engine='reference'"
        )


class _Grouping:
    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.home: dict[Node, Group] = {}
        self.waiting: dict[Node, Op] = {}

    def wanted(self, op: Op) -> bool:
        """Whether it reads nothing made here, but goes with an operation that waits, too, and does."""
        if self._near(op):
            return False
        users = [one for one in self.waiting.values() if op.outputs[0] in one.inputs]
        return any(size(one.outputs[0]) == size(op.outputs[0]) and self._near(one) for one in users)

    def place(self, op: Op) -> None:
        """Into a group that there is, or a new one; with what waits for it."""
        for value in op.outputs:
            self.waiting.pop(value, None)
        count, alone = size(op.outputs[0]), _alone(op)
        self._prepare(op, count, alone)
        near = self._near(op)
        if not near:
            for one in [self.waiting[value] for value in op.inputs if value in self.waiting]:
                self.place(one)
            near = self._near(op)
        level = max((g.level for g in near), default=0)
        last = [g for g in near if g.level == level]
        fitting = [g for g in last if not alone and g.size == count and not g.nest]
        if fitting and len(fitting) == len(last):  # all that it reads is there, or made in the same turn
            group = fitting[0]
            for other in fitting[1:]:  # groups of one level do not depend on each other
                group.ops += other.ops
                self.home |= dict.fromkeys(other.made(), group)
                self.groups.remove(other)
        else:
            form = None if _is_total(op) else _along_axes(op)
            turns = form.turns if isinstance(form, peaks.Peak) else count
            group = Group(turns, level + 1 if near else 0, nest=form)
            self.groups.append(group)
        self._join(op, group)

    def _prepare(self, op: Op, count: int, alone: bool) -> None:
        """Place what waits for the operation and cannot stand in its loop."""
        for value in op.inputs:
            one = self.waiting.get(value)
            if one is None:
                continue
            if alone or size(value) != count:
                self.place(one)
            else:
                self._prepare(one, count, alone)

    def _near(self, op: Op) -> list[Group]:
        """The groups that the operation, and what waits for it, reads from."""
        found: dict[Group, None] = {}
        for value in op.inputs:
            if value in self.home:
                found[self.home[value]] = None
            elif value in self.waiting:
                found |= dict.fromkeys(self._near(self.waiting[value]))
        return list(found)

    def _join(self, op: Op, group: Group) -> None:
        """The operation goes into a group, behind what waits for it."""
        for value in op.outputs:
            self.waiting.pop(value, None)
        for value in op.inputs:
            if value in self.waiting:
                self._join(self.waiting[value], group)
        group.ops.append(op)
        self.home |= dict.fromkeys(op.outputs, group)


def _is_total(op: Op) -> bool:
    """Whether it adds up all elements of a value."""
    return isinstance(op.do, Reduce) and op.do.how == "sum" and set(op.do.axes) == set(range(op.inputs[0].type.rank))


def _alone(op: Op) -> bool:
    """Whether it reads elements that other turns of a loop, or other threads, have made."""
    return _is_total(op) or _along_axes(op) is not None


def _along_axes(op: Op) -> nests.Nest | peaks.Peak | None:
    return nests.nest(op) or peaks.peak(op)


def copied(value: Node) -> Op:
    """An operation that only hands a value on."""
    return Op(Map("constant"), (value,), (fresh(TensorType(value.type.shape)),))


def write(memory: Memory, group: Group, parts: Parts, stores: Mapping[Node, Buffer]) -> Kernel:
    """The kernel of a group: parameters low, high (elements), threads, stride (bytes between threads)."""
    k = Kernel(memory)
    k.parameters = [("low", "i64"), ("high", "i64"), ("threads", "i64"), ("stride", "i64")]
    k.noalias = False
    low, high = Value("%low", "i64"), Value("%high", "i64")
    writer = _Elements(k, group, parts, stores)
    if group.nest:
        (op,) = group.ops
        form, buffer = group.nest, stores[op.outputs[0]]
        if isinstance(form, peaks.Peak):
            peaks.write(writer.memory, form, op, buffer)
        else:
            nests.write(writer.memory, form, op, buffer)
    elif group.size == 1:
        with k.when(k.icmp("slt", low, high)):  # only one of the threads is given it
            writer.at(0, 1)
    else:
        count = k.module.lanes
        span = k.sub(high, low)
        whole = k.add(low, k.mul(k.div(span, count), count))
        with k.loop(whole, count, low) as (i, _):
            writer.at(i, count)
        if count > 1:
            with k.loop(high, 1, whole) as (i, _):
                writer.at(i, 1)
    k.ret()
    return k


class _Elements:
    def __init__(self, k: Kernel, group: Group, parts: Parts, stores: Mapping[Node, Buffer]) -> None:
        self.k, self.group, self.stores = k, group, stores
        self.memory = FlatMemory(k, parts)

    def at(self, index: Index, count: int) -> None:
        """Compute `count` elements from an index on."""
        values: dict[Node, Value] = {}

        def get(value: Node) -> Value:
            if value not in values:
                values[value] = self._load(value, index, count)
            return values[value]

        for op in self.group.ops:
            if isinstance(op.do, Reduce):
                values[op.outputs[0]] = self._total(op.inputs[0])
                continue
            if isinstance(op.do, Table):
                values[op.outputs[0]] = self._of_table(op.do, index, count)
                continue
            inputs = [get(value) for value in op.inputs]
            if isinstance(op.do, Map):
                values[op.outputs[0]] = pointwise.emit(self.k, op.do.function, dict(op.do.constants), *inputs)
            elif isinstance(op.do, Share):
                values[op.outputs[0]] = self._share(op.do, inputs[0])
            else:
                values[op.outputs[0]] = inputs[0]
        for value, buffer in self.stores.items():
            if value in values and value in self.group.made():
                self.memory.store(values[value], buffer, index)

    def _share(self, do: Share, value: Value) -> Value:
        k = self.k
        examples = k.load(k.array(k.memory.examples), 0)
        count = k.fmul(examples, k.constant(do.count, k.module.real))
        return k.fdiv(value, k.splat(count, lanes(value.type)) if value.type.startswith("<") else count)

    def _of_table(self, table: Table, index: Index, count: int) -> Value:
        real = self.k.module.real
        array = Array(self.k.module.table(table.numbers, real), real, len(table.numbers), 0)
        return self.memory.loaded(array, index, vector(real, count))

    def _total(self, value: Node) -> Value:
        """The sum of all elements: lanes side by side, then across."""
        k = self.k
        count, lanes = size(value), k.module.lanes
        whole = count - count % lanes
        wide = vector(k.module.real, lanes)
        with k.loop(k.i64(whole), lanes, k.i64(0), carry=[k.constant(0.0, wide)]) as (i, carry):
            carry.values = [k.fadd(carry.values[0], self._load(value, i, lanes))]
        total = carry.values[0]
        parts = [k.lane(total, lane) for lane in range(lanes)] if lanes > 1 else [total]
        parts += [self._load(value, index, 1) for index in range(whole, count)]
        while len(parts) > 1:
            odd = parts[-1:] if len(parts) % 2 else []
            parts = [k.fadd(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)] + odd
        return parts[0]

    def _load(self, value: Node, index: Index, count: int) -> Value:
        if size(value) > 1:
            return self.memory.load(value, index, count)
        return self.k.splat(self.memory.load(value, 0, 1), count)


def needed(ops: Sequence[Op], wanted: set[Node]) -> set[Node]:
    """All values that some values are made from."""
    found = set(wanted)
    for op in reversed(ops):
        if set(op.outputs) & found:
            found.update(op.inputs)
    return found
