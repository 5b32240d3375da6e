"""A program: primitives in order, each with the values that it reads and makes.

It is the `Builder` that layers, losses and optimizers lower into, and what an engine runs.
`differentiate` extends a program by the adjoints of its instructions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from layerscope.core import lowering
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.engine.primitives import conv, matmul, place, pool, random, reduce, table
from layerscope.engine.primitives.base import Primitive
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.shape import Concatenate, Permute, Reshape

Key = tuple[Hashable, ...]
"""What an input or output of a program is: ("data", 0), ("weight", "conv2d/kernel"), ("loss",) ..."""


@dataclass(frozen=True, eq=False)
class Value:
    """One intermediate result."""

    index: int
    type: TensorType


@dataclass(frozen=True, eq=False)
class Instruction:
    """A primitive put to values."""

    primitive: Primitive
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    label: str = ""


class Program:
    """A list of instructions with named inputs and outputs."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.inputs: dict[Key, Value] = {}
        self.outputs: dict[Key, Value] = {}
        self.values: list[Value] = []
        self._varying: set[int] = set()
        self._logits: dict[tuple[int, str], lowering.Value] = {}
        self._fresh: dict[int, Value] = {}
        self._streams = 0
        self.label = ""
        """What is being lowered: the layer's name, which its instructions and their adjoints carry."""

    # --- building ---

    def _value(self, type: TensorType) -> Value:
        value = Value(len(self.values), type)
        self.values.append(value)
        return value

    def input(self, key: Key, type: TensorType, differentiable: bool = False) -> Value:
        """The input of this name; made at its first mention."""
        if key not in self.inputs:
            self.inputs[key] = self._value(type)
            if differentiable:
                self._varying.add(self.inputs[key].index)
        return self.inputs[key]

    def output(self, key: Key, value: lowering.Value) -> None:
        """Make a value an output under this name."""
        self.outputs[key] = self._mine(value)

    def _mine(self, value: lowering.Value) -> Value:
        assert isinstance(value, Value), "a value of another program"
        assert self.values[value.index] is value, "a value of another program"
        return value

    def add(self, primitive: Primitive, *inputs: lowering.Value) -> tuple[Value, ...]:
        """Append a primitive; its results."""
        read = tuple(self._mine(value) for value in inputs)
        made = tuple(self._value(type) for type in primitive.out(*(value.type for value in read)))
        self.instructions.append(Instruction(primitive, read, made, self.label))
        if any(value.index in self._varying for value in read):
            self._varying.update(value.index for value in made)
        return made

    def differentiable(self, value: lowering.Value) -> bool:
        """Whether a gradient of this value leads to an input that wants one."""
        return self._mine(value).index in self._varying

    # --- the vocabulary (see core.lowering.Builder) ---

    def conv(
        self,
        x: lowering.Value,
        kernel: lowering.Value,
        strides: Sequence[int],
        pads: lowering.Pads,
        dilation: Sequence[int],
        groups: int,
    ) -> Value:
        geometry = conv.Geometry(tuple(strides), pads, tuple(dilation), groups)
        return self.add(conv.Conv(geometry), x, kernel)[0]

    def conv_transpose(
        self,
        x: lowering.Value,
        kernel: lowering.Value,
        strides: Sequence[int],
        pads: lowering.Pads,
        dilation: Sequence[int],
        groups: int,
        sizes: Sequence[Size],
    ) -> Value:
        geometry = conv.Geometry(tuple(strides), pads, tuple(dilation), groups)
        return self.add(conv.ConvTranspose(geometry, tuple(sizes)), x, kernel)[0]

    def matmul(self, x: lowering.Value, matrix: lowering.Value) -> Value:
        return self.add(matmul.MatMul(), x, matrix)[0]

    def pool_max(
        self, x: lowering.Value, window: Sequence[int], strides: Sequence[int], pads: lowering.Pads
    ) -> tuple[Value, Value]:
        pooled, switches = self.add(pool.PoolMax(pool.Windows(tuple(window), tuple(strides), pads)), x)
        return pooled, switches

    def pool_mean(
        self, x: lowering.Value, window: Sequence[int], strides: Sequence[int], pads: lowering.Pads
    ) -> Value:
        return self.add(pool.PoolMean(pool.Windows(tuple(window), tuple(strides), pads)), x)[0]

    def unpool(self, x: lowering.Value, switches: lowering.Value, plane: Sequence[Size]) -> Value:
        return self.add(place.Unpool(tuple(plane)), x, switches)[0]

    def repeat(self, x: lowering.Value, factors: Sequence[int]) -> Value:
        return self.add(place.Repeat(tuple(factors)), x)[0]

    def nails(self, x: lowering.Value, factors: Sequence[int]) -> Value:
        return self.add(place.Nails(tuple(factors)), x)[0]

    def pixel_shuffle(self, x: lowering.Value, factors: Sequence[int]) -> Value:
        return self.add(place.PixelShuffle(tuple(factors)), x)[0]

    def resize_linear(self, x: lowering.Value, factors: Sequence[int]) -> Value:
        return self.add(place.ResizeLinear(tuple(factors)), x)[0]

    def pad(self, x: lowering.Value, pads: lowering.Pads) -> Value:
        return self.add(place.Pad(pads), x)[0]

    def reshape(self, x: lowering.Value, shape: tuple[Size, ...]) -> Value:
        return self.add(Reshape(shape), x)[0]

    def permute(self, x: lowering.Value, order: Sequence[int]) -> Value:
        return self.add(Permute(tuple(order)), x)[0]

    def concatenate(self, values: Sequence[lowering.Value], axis: int) -> Value:
        return self.add(Concatenate(axis), *values)[0]

    def dots(self, x: lowering.Value, y: lowering.Value) -> Value:
        return self.add(matmul.Dots(), x, y)[0]

    def map(self, function: str, *values: lowering.Value, **constants: float) -> Value:
        return self.add(Map(function, tuple(sorted(constants.items()))), *values)[0]

    def reduce(self, how: str, x: lowering.Value, axes: Sequence[int], keep: bool = False) -> Value:
        return self.add(reduce.Reduce(how, tuple(axes), keep), x)[0]

    def random(self, type: TensorType, seed: int = 0, law: str = "uniform") -> Value:
        self._streams += 1
        return self.add(random.Random(type, self._streams, seed, law))[0]

    def table(self, numbers: Sequence[float], shape: tuple[int, ...]) -> Value:
        return self.add(table.Table(tuple(map(float, numbers)), shape))[0]

    def update(self, weight: lowering.Value, fresh: lowering.Value) -> None:
        first = next((old for old, new in self._fresh.items() if new is weight), self._mine(weight).index)
        self._fresh[first] = self._mine(fresh)

    def latest(self, weight: Value) -> Value:
        """What a weight is by now: itself, or what a layer made of it (`update`)."""
        return self._fresh.get(weight.index, weight)

    def note_logits(self, probabilities: lowering.Value, kind: str, logits: lowering.Value) -> None:
        self._logits[self._mine(probabilities).index, kind] = logits

    def logits_of(self, probabilities: lowering.Value, kind: str) -> lowering.Value | None:
        return self._logits.get((self._mine(probabilities).index, kind))

    # --- differentiation ---

    def sum_to(self, value: Value, type: TensorType) -> Value:
        """The adjoint of broadcasting from `type`: sums over the axes that were repeated."""
        extra = value.type.rank - type.rank
        repeated = [a for a in range(type.rank) if type.shape[a] == 1 and value.type.shape[a + extra] != 1]
        if not extra:
            return self.reduce("sum", value, repeated, keep=True) if repeated else value
        # At once, since only a sum over the batch itself is one that blocks can share.
        summed = self.reduce("sum", value, (*range(extra), *(a + extra for a in repeated)))
        return self.reshape(summed, type.shape) if repeated else summed

    def differentiate(self, of: lowering.Value, start: Value, wanted: Sequence[Value]) -> list[Value | None]:
        """Gradients of `of` (whose own gradient is `start`) with respect to the `wanted` values.

        None where `of` does not depend on the value.
        """
        gradients: dict[int, Value] = {self._mine(of).index: start}
        for instruction in reversed(list(self.instructions)):
            found = [gradients.get(value.index) for value in instruction.outputs]
            if not any(found) or not any(self.differentiable(value) for value in instruction.inputs):
                continue
            self.label = instruction.label
            parts = instruction.primitive.adjoint(self, instruction.inputs, instruction.outputs, found)
            for value, part in zip(instruction.inputs, parts, strict=True):
                if part is not None and self.differentiable(value):
                    earlier = gradients.get(value.index)
                    gradients[value.index] = self.map("add", earlier, part) if earlier else part
        self.label = ""
        return [gradients.get(value.index) for value in wanted]

    def pruned(self) -> Program:
        """The same program without instructions that no output needs."""
        needed = {value.index for value in self.outputs.values()}
        kept: list[Instruction] = []
        for instruction in reversed(self.instructions):
            if any(value.index in needed for value in instruction.outputs):
                kept.append(instruction)
                needed.update(value.index for value in instruction.inputs)
        small = Program()
        small.instructions, small.values = kept[::-1], self.values
        small.inputs = {key: value for key, value in self.inputs.items() if value.index in needed}
        small.outputs = dict(self.outputs)
        return small
