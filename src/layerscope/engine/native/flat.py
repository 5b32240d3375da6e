"""Values without a batch axis: what becomes of sums over the batch; losses, metrics, and the optimizer's update.

Pointwise operations of one shape that feed each other form a group, which is one loop over elements that the
threads share. Sums over the batch are read as the sum of every thread's part, in the order of the threads. A sum over
all elements (the norm of a gradient) waits for the group that makes them, and one thread adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from layerscope.core.errors import TrainingError
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.engine.native import pointwise
from layerscope.engine.native.ir import Array, Index, Value, lanes, vector
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import Op, Share, elements, fresh
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.primitives.shape import Reshape
from layerscope.engine.primitives.table import Table
from layerscope.engine.program import Value as Node


@dataclass(eq=False)
class Group:
    """One loop over the elements of a shape. `level`: how many groups must have run before."""

    size: int
    level: int
    ops: list[Op] = field(default_factory=list[Op])

    def made(self) -> set[Node]:
        """What the group's operations make."""
        return {value for op in self.ops for value in op.outputs}


def size(value: Node) -> int:
    """How many elements a value without a batch has."""
    return elements(numbers(value.type.shape))


def spread(op: Op) -> None:
    """Let one number that is repeated over all elements be a pointwise operation, which takes it as it is."""
    if isinstance(op.do, Expand) and size(op.inputs[0]) == 1:
        share = 1 / size(op.outputs[0]) if op.do.mean else 1.0
        op.do = Map("scale", (("factor", share),))


def grouped(ops: Sequence[Op]) -> list[Group]:
    """Pointwise operations in groups; an operation joins the group of one of its inputs where sizes agree.

    One that reads nothing made here waits for who needs it behind a sum, so that a weight is read in the loop that
    writes it.
    """
    grouping = _Grouping()
    for op in ops:
        spread(op)
        _check(op)
        if any(value in grouping.home for value in op.inputs) or _is_total(op):
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
    if _is_total(op):
        return
    known = isinstance(op.do, Map | Reshape | Share | Table)
    if not known or (isinstance(op.do, Map) and op.do.function == "one_hot"):
        raise TrainingError(
            f"the native engine has no {type(op.do).__name__} of values without a batch; "
            "compile with engine='reference'"
        )
    if any(size(value) not in (1, size(op.outputs[0])) for value in op.inputs):
        raise TrainingError(
            "the native engine has no broadcasting between values without a batch; compile with engine='reference'"
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
        count, total = size(op.outputs[0]), _is_total(op)
        self._prepare(op, count, total)
        near = self._near(op)
        if not near:
            for one in [self.waiting[value] for value in op.inputs if value in self.waiting]:
                self.place(one)
            near = self._near(op)
        level = max((g.level for g in near), default=0)
        fitting = [g for g in near if not total and g.size == count and g.level == level]
        if fitting:
            group = fitting[0]
            for other in fitting[1:]:  # groups of one level do not depend on each other
                group.ops += other.ops
                self.home |= dict.fromkeys(other.made(), group)
                self.groups.remove(other)
        else:
            group = Group(count, level + 1 if near else 0)
            self.groups.append(group)
        self._join(op, group)

    def _prepare(self, op: Op, count: int, total: bool) -> None:
        """Place what waits for the operation and cannot stand in its loop."""
        for value in op.inputs:
            one = self.waiting.get(value)
            if one is None:
                continue
            if total or size(value) != count:
                self.place(one)
            else:
                self._prepare(one, count, total)

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


def copied(value: Node) -> Op:
    """An operation that only hands a value on."""
    return Op(Map("constant"), (value,), (fresh(TensorType(value.type.shape)),))


@dataclass(eq=False)
class Parts:
    """What every thread has of a sum over the batch; `stride` is the distance of two threads in bytes."""

    buffers: Mapping[Node, Buffer]


def write(memory: Memory, group: Group, parts: Parts, stores: Mapping[Node, Buffer]) -> Kernel:
    """The kernel of a group: parameters low, high (elements), threads, stride (bytes between threads)."""
    k = Kernel(memory)
    k.parameters = [("low", "i64"), ("high", "i64"), ("threads", "i64"), ("stride", "i64")]
    k.noalias = False
    low, high = Value("%low", "i64"), Value("%high", "i64")
    writer = _Elements(k, group, parts, stores)
    if group.size == 1:
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
        self.k, self.group, self.parts, self.stores = k, group, parts, stores

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
                self._store(values[value], buffer, index)

    def _share(self, do: Share, value: Value) -> Value:
        k = self.k
        examples = k.load(k.array(k.memory.examples), 0)
        count = k.fmul(examples, k.constant(do.count, k.module.real))
        return k.fdiv(value, k.splat(count, lanes(value.type)) if value.type.startswith("<") else count)

    def _of_table(self, table: Table, index: Index, count: int) -> Value:
        real = self.k.module.real
        array = Array(self.k.module.table(table.numbers, real), real, len(table.numbers), 0)
        return self._loaded(array, index, vector(real, count))

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
        k, alone = self.k, size(value) == 1
        width = 1 if alone else count
        type = vector(k.module.real, width)
        if value in self.parts.buffers:
            found = self._summed(self.parts.buffers[value], 0 if alone else index, type)
        else:
            array = k.array(k.memory.flat[value])
            found = self._loaded(array, 0 if alone else index, type)
        return k.splat(found, count) if alone and count > 1 else found

    def _loaded(self, array: Array, index: Index, type: str) -> Value:
        k = self.k
        self._check(array, index, type)
        return k.put(type, f"load {type}, {k.address(array, index)}, align {4 if k.module.real == 'float' else 8}")

    def _store(self, value: Value, buffer: Buffer, index: Index) -> None:
        k = self.k
        array = k.array(buffer)
        self._check(array, index, value.type)
        k.line(f"store {value}, {k.address(array, index)}, align {4 if k.module.real == 'float' else 8}")

    def _check(self, array: Array, index: Index, type: str) -> None:
        if self.k.module.checked and type.startswith("<"):
            self.k.load(array, self.k.add(index, int(type[1:].split(" ")[0]) - 1))

    def _summed(self, buffer: Buffer, index: Index, type: str) -> Value:
        """The sum of all threads' parts, in the order of the threads."""
        k = self.k
        array = k.array(buffer)
        first = self._loaded(array, index, type)
        with k.loop(Value("%threads", "i64"), 1, k.i64(1), carry=[first]) as (t, carry):
            far = k.put("ptr", f"getelementptr i8, {array.pointer}, {k.i64(k.mul(t, Value('%stride', 'i64')))}")
            other = self._loaded(Array(far, array.item, array.extent, array.first), index, type)
            carry.values = [k.fadd(carry.values[0], other)]
        return carry.values[0]
