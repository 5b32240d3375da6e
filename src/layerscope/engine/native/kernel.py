"""A kernel: one stage as a function of pointers, and values at an index while it is written."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from layerscope.engine.native import functions, means, pointwise, pulls, strip_edges
from layerscope.engine.native.fusions import Stage
from layerscope.engine.native.ir import Array, Carry, Code, Index, Module, Value, like, vector
from layerscope.engine.native.layout import Buffer, Layout, strided
from layerscope.engine.native.operations import Alive, Op, Within, of_batch, rest
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.reduce import Expand
from layerscope.engine.program import Value as Node

FIRST, SEED, STEP, ERROR = range(4)
"""Places in a thread's counters: number of the block's first example in its batch; seed and step of random numbers;
1 + number of the plane that a switch missed, or 0.
"""


@dataclass(eq=False)
class Memory:
    """All buffers of a program: those of the layout, and the flat ones (without a batch axis)."""

    layout: Layout
    flat: dict[Node, Buffer] = field(default_factory=dict[Node, Buffer])
    sums: dict[Node, Buffer] = field(default_factory=dict[Node, Buffer])
    packed: dict[tuple[object, ...], Buffer] = field(default_factory=dict[tuple[object, ...], Buffer])
    planes: list[list[int]] = field(default_factory=list[list[int]])
    """Sizes of all planes into which switches point that come from outside."""

    def __post_init__(self) -> None:
        module = self.layout.module
        self.alive = self.layout.reserve(strided("scratch", module.vector, (self.layout.groups,)))
        self.once = (
            self.layout.reserve(strided("scratch", module.vector, (self.layout.groups,)))
            if self.strips > 1
            else self.alive
        )
        self.counters = self.layout.reserve(strided("scratch", "i64", (4,)))
        self.examples = self.layout.reserve(strided("scratch", module.real, (1,)))

    @property
    def module(self) -> Module:
        return self.layout.module

    @property
    def groups(self) -> int:
        return self.layout.groups

    @property
    def strips(self) -> int:
        """How many lanes hold an example."""
        return self.layout.schedule.draft.strips

    @property
    def together(self) -> int:
        """How many examples a register holds."""
        return self.module.lanes // self.strips

    def rows(self, value: Node) -> int:
        """How many rows an example has of a value that comes in strips; 0 of one that does not."""
        return self.layout.schedule.draft.in_strips.get(value, 0)

    def spare(self, value: Node) -> bool:
        """Whether all strips of a value together have more rows than an example."""
        return strip_edges.spare(self.layout.schedule.draft, value)

    def buffer(self, value: Node) -> Buffer:
        """Where a value lies."""
        return self.layout.of(value) if of_batch(value) else self.flat[value]

    def accumulator(self, value: Node, items: int) -> Buffer:
        """Registers of a thread in which a sum over the batch grows."""
        if value not in self.sums:
            self.sums[value] = self.layout.reserve(strided("sums", self.module.vector, (items,)))
        return self.sums[value]


class Kernel(Code):
    """A function whose parameters are pointers to the buffers that it turns out to use."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory.module, [])
        self.memory = memory
        self.uses: list[tuple[Buffer, int]] = []
        self.turns = 0
        """Turns of its outer loop that threads may share, from `low` to `high`; 0 where one thread does it all."""
        self._arrays: dict[tuple[int, int], Array] = {}

    def array(self, buffer: Buffer, shift: int = 0) -> Array:
        """A buffer, seen from the element at index 0 moved by `shift` items."""
        key = (id(buffer), shift)
        if key not in self._arrays:
            name = f"p{len(self.uses)}"
            self.parameters = [*self.parameters, (name, "ptr")]
            self.uses.append((buffer, shift))
            self._arrays[key] = Array(Value(f"%{name}", "ptr"), buffer.item, buffer.extent, -buffer.origin - shift)
        return self._arrays[key]

    def share(self, turns: int) -> tuple[Index, Index]:
        """Which turns of a loop are this thread's, where several work on a block: the first, and the one behind the
        last. Asked once a kernel.
        """
        if turns < 2:
            return 0, turns
        self.turns = turns
        self.parameters = [("low", "i64"), ("high", "i64"), *self.parameters]
        return Value("%low", "i64"), Value("%high", "i64")

    def rows(self, shape: Sequence[int], number: int = 1) -> dict[int, tuple[Index, Index]]:
        """Bounds for `nest`: of the loop over a shape's first axis, if it has any, this thread's turns."""
        return {number: self.share(shape[0])} if shape else {}

    def shared(self, parts: Sequence[tuple[int, int, int]]) -> list[tuple[Index, Index, int]]:
        """Of loops that follow each other as (begin, end, step), the turns that are this thread's."""
        counts = [(end - begin) // step for begin, end, step in parts]
        low, high = self.share(sum(counts))
        if not self.turns:
            return [*parts]
        found: list[tuple[Index, Index, int]] = []
        for number, ((begin, _, step), count) in enumerate(zip(parts, counts, strict=True)):
            before, bounds = sum(counts[:number]), [low, high]
            if len(parts) > 1:
                bounds = [self._within(self.sub(bound, before), count) for bound in bounds]
            first, last = (self.add(self.mul(bound, step), begin) for bound in bounds)
            found.append((first, last, step))
        return found

    def _within(self, index: Index, count: int) -> Value:
        above = self.intrinsic("smax", "i64", self.i64(index), self.i64(0))
        return self.intrinsic("smin", "i64", above, self.i64(count))

    def within(self, value: Node, row: Index) -> Value:
        """The lanes in which a row of a strip, counted from its first (it may lie in a neighbour), is one of the
        example's.
        """
        memory = self.memory
        each = rest(value)[0]
        wide = vector("i32", memory.module.lanes)
        first = ", ".join(f"i32 {lane // memory.together * each}" for lane in range(memory.module.lanes))
        here = self.splat(self.put("i32", f"trunc i64 {self.i64(row).name} to i32"))
        place = self.put(wide, f"add {here}, <{first}>")
        return self.put(like("i1", wide), f"icmp ult {place}, splat (i32 {memory.rows(value)})")

    @contextlib.contextmanager
    def nest(
        self,
        extents: Sequence[int],
        carry: Sequence[Value] = (),
        bounds: Mapping[int, tuple[Index, Index]] | None = None,
    ) -> Generator[tuple[list[Index], Carry]]:
        """Loops over all indices below the extents; the carry goes through all of them. Some may have other `bounds`,
        by their number.

        After it, the carry that was handed out holds the last values.
        """
        loops: list[tuple[contextlib.AbstractContextManager[tuple[Index, Carry]], Carry]] = []
        index: list[Index] = []
        values = list(carry)
        for number, extent in enumerate(extents):
            low, high = (bounds or {}).get(number, (0, extent))
            manager = self.loop(high, start=low, carry=values)
            i, state = manager.__enter__()
            loops.append((manager, state))
            index.append(i)
            values = state.values
        inner = Carry(values)
        yield index, inner
        for manager, state in reversed(loops):
            state.values = inner.values
            manager.__exit__(None, None, None)
            inner.values = state.values


class Scope:
    """The values of a stage at one index.

    An index runs over (group, *shape); `steps` and `starts` map it to places, as phases of a convolution need.
    """

    def __init__(self, kernel: Kernel, stage: Stage, starts: Sequence[int] = (), steps: Sequence[int] = ()) -> None:
        self.kernel, self.stage, self.memory = kernel, stage, kernel.memory
        rank = len(stage.shape) + 1
        self.starts = list(starts) or [0] * rank
        self.steps = list(steps) or [1] * rank
        self.uniforms: dict[Node, Value] = {}
        self.index: list[Index] = []
        self.values: dict[Node, Value] = {}
        self.pinned: dict[Node, Value] = {}
        self.blocks: dict[Op, means.Block] = {}
        for op in stage.all():
            for value in op.inputs:
                if value in self.memory.layout.schedule.uniform:
                    self.uniform(value)

    def at(self, index: Sequence[Index]) -> None:
        """Go to an index; what was computed at another one is forgotten."""
        self.index = list(index)
        self.values = {}

    # --- reading ---

    def uniform(self, value: Node) -> Value:
        """A number that is the same for all elements of an example, made before the loops."""
        if value not in self.uniforms:
            self.uniforms[value] = self._uniform(value)
        return self.uniforms[value]

    def _uniform(self, value: Node) -> Value:
        k, schedule = self.kernel, self.memory.layout.schedule
        if value not in schedule.uniform:
            return k.broadcast(k.array(self.memory.buffer(value)), 0)
        op = schedule.uniform[value]
        if isinstance(op.do, Map):
            return pointwise.emit(k, op.do.function, dict(op.do.constants), *(self.uniform(v) for v in op.inputs))
        number = self.uniform(op.inputs[0])
        if not isinstance(op.do, Expand) or not op.do.mean:
            return number
        expand = op.do
        shape = op.outputs[0].type.shape
        count = op.strips
        for axis in expand.axes:
            count *= 1 if axis == 0 else cast(int, shape[axis])
        total = k.constant(float(count))
        if 0 in expand.axes:
            total = k.fmul(total, k.broadcast(k.array(self.memory.examples), 0))
        return k.fdiv(number, total)

    def strides(self, value: Node) -> list[int]:
        """Items from one index to the next along each axis of the stage; 0 where the value is repeated."""
        buffer = self.memory.buffer(value)
        shape, strides = list(buffer.shape), list(buffer.strides)
        missing = len(self.stage.shape) + 1 - len(shape)
        shape, strides = [1] * missing + shape, [0] * missing + strides
        if of_batch(value):
            assert not missing, "values of different rank"
        return [0 if n == 1 else stride for n, stride in zip(shape, strides, strict=True)]

    def place(self, value: Node) -> tuple[Array, Index]:
        """Where a value lies at this index."""
        strides = self.strides(value)
        if of_batch(value) and self.memory.groups > 1:
            strides[0] = self.memory.buffer(value).strides[0]
        shift = sum(start * stride for start, stride in zip(self.starts, strides, strict=True))
        moves = [step * stride for step, stride in zip(self.steps, strides, strict=True)]
        return self.kernel.array(self.memory.buffer(value), shift), self.kernel.dot(self.index, moves)

    def load(self, value: Node) -> Value:
        """A value from memory at this index."""
        array, index = self.place(value)
        return self.kernel.load(array, index) if of_batch(value) else self.kernel.broadcast(array, index)

    def get(self, value: Node) -> Value:
        """A value at this index: in a register already, or loaded."""
        if value in self.uniforms:
            return self.uniforms[value]
        if value not in self.values:
            self.values[value] = self.load(value)
        return self.values[value]

    def read(self, value: Node, index: Sequence[Index]) -> Value:
        """A value of the batch from memory at any index (of the value's own axes)."""
        buffer = self.memory.buffer(value)
        return self.kernel.load(self.kernel.array(buffer), self.kernel.dot(index, buffer.strides))

    # --- computing ---

    def compute(self) -> None:
        """The stage's pointwise operations, in order."""
        for op in self.stage.ops:
            self.values[op.outputs[0]] = self._result(op)

    def _result(self, op: Op) -> Value:
        k = self.kernel
        if isinstance(op.do, Alive):
            return self.silenced(self.get(op.inputs[0]), op.do.once)
        if isinstance(op.do, Within):
            row = k.add(k.mul(self.index[1], self.steps[1]), self.starts[1])
            found = k.select(k.within(op.inputs[0], row), self.get(op.inputs[0]), k.constant(0))
            return self._met(op, found)
        if not isinstance(op.do, Map):
            return pulls.emit(self, op)
        constants: dict[str, float | Index] = {**dict(op.do.constants)}
        if op.do.function == "one_hot":
            constants["index"] = self.index[-1]
        shared = self._shared(op)
        if shared is not None:
            return shared
        values = [self.get(value) for value in op.inputs]
        return self._met(op, pointwise.emit(k, op.do.function, constants, *values))

    def _met(self, op: Op, result: Value) -> Value:
        """What is the same for all lanes becomes silent in those without an example where it first meets others."""
        meets = any(value in self.uniforms for value in op.inputs)
        return self.silenced(result) if meets and op.outputs[0] in self.memory.layout.schedule.silent else result

    def _shared(self, op: Op) -> Value | None:
        """Sigmoid and softplus of one value share their exponential."""
        function = cast(Map, op.do).function
        if function not in ("sigmoid", "softplus") or op.inputs[0] in self.uniforms:
            return None
        twins = [
            o
            for o in self.stage.ops
            if isinstance(o.do, Map) and o.do.function in ("sigmoid", "softplus") and o.inputs == op.inputs
        ]
        if len({cast(Map, o.do).function for o in twins}) < 2:
            return None
        pair = functions.sigmoid_softplus(self.kernel, self.get(op.inputs[0]))
        for twin in twins:
            self.values[twin.outputs[0]] = pair[cast(Map, twin.do).function == "softplus"]
        return self.values[op.outputs[0]]

    def silenced(self, value: Value, once: bool = False) -> Value:
        """The value in lanes with an example (`once`: in the first of each), 0 in the others."""
        k = self.kernel
        alive = k.load(
            k.array(self.memory.once if once else self.memory.alive), self.index[0] if self.memory.groups > 1 else 0
        )
        return k.select(k.compare("ogt", alive, k.constant(0)), value, k.constant(0))

    def store(self) -> None:
        """Write what others need."""
        for value in self.stage.stored:
            array, index = self.place(value)
            self.kernel.store(self.get(value), array, index)

    # --- sums over the batch ---

    def summand(self, op: Op) -> Value:
        """What this index adds to a sum; lanes without an example add nothing."""
        value = self.get(op.inputs[0])
        silent = op.inputs[0] in self.memory.layout.schedule.silent
        return value if silent else self.silenced(value)

    def kept(self, op: Op) -> list[int]:
        """The axes of the stage that a sum over the batch keeps."""
        return [axis for axis in range(1, op.inputs[0].type.rank) if axis not in op.do.axes]

    def accumulate(self, op: Op, value: Value) -> None:
        """Add to the sum at this index."""
        k, kept = self.kernel, self.kept(op)
        sizes = [rest(op.inputs[0])[axis - 1] for axis in kept]
        buffer = self.memory.accumulator(op.outputs[0], _product(sizes))
        strides = [_product(sizes[n + 1 :]) for n in range(len(sizes))]
        shift = sum(self.starts[axis] * s for axis, s in zip(kept, strides, strict=True))
        array = k.array(buffer, shift)
        place = k.dot(
            [self.index[axis] for axis in kept], [self.steps[a] * s for a, s in zip(kept, strides, strict=True)]
        )
        k.store(k.fadd(k.load(array, place), value), array, place)


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total
