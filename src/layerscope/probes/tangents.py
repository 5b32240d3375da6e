"""The derivative of a network at one input: tangents pushed forward, cotangents pulled back, in float64.

Both work through the primitives of the reference engine, so what is differentiated is what is computed. Where a
function has a kink (relu at 0, equal numbers in a window of max pooling), it is the derivative that training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core import lowering, propagate
from layerscope.core.contract import described_only
from layerscope.core.errors import TrainingError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.sizes import names
from layerscope.core.types import BATCH, TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.primitives.map import FUNCTIONS, Map
from layerscope.engine.primitives.place import Gather
from layerscope.engine.primitives.pool import PoolMax
from layerscope.engine.primitives.random import Random
from layerscope.engine.primitives.reduce import Reduce
from layerscope.engine.primitives.shape import Concatenate
from layerscope.engine.program import Instruction, Key, Program, Value
from layerscope.engine.reference import run

Array = NDArray[Any]
Weights = dict[str, Array]
DOUBLE = np.dtype(np.float64)
TOGETHER = 64
"""Tangents or cotangents that go through the network at a time."""


class Derivative:
    """The derivative of tensors of a graph at one input, an array (1, …) of float64.

    `weights` are by id. `tensors` are those of interest; `value(tensor)` is what it holds for this input.
    Errors: TrainingError for a layer that is described only.
    """

    def __init__(self, graph: Graph, weights: Weights, tensors: Sequence[Edge], at: Array) -> None:
        self.tensors, self.at = list(tensors), np.asarray(at, np.float64)
        self._weights = {("weight", id): np.asarray(array, np.float64) for id, array in weights.items()}
        self._program, self._places = _lowered(graph, self.tensors)
        self._back: dict[Edge, tuple[list[Instruction], Value, Value | None]] = {}
        self._values = self._forward()

    def moved(self, at: Array) -> Derivative:
        """The derivative of the same tensors at another input."""
        other = copy(self)
        other.at = np.asarray(at, np.float64).reshape(self.at.shape)
        other._values = other._forward()
        return other

    def value(self, tensor: Edge) -> Array:
        """What the tensor holds, without the batch's axis."""
        return self._values[self._places[tensor].index][0]

    def size(self, tensor: Edge) -> int:
        """How many numbers the tensor holds."""
        return int(self.value(tensor).size)

    def _forward(self) -> dict[int, Array]:
        program = self._program
        feeds = {**self._weights, ("data", 0): self.at}
        values = {value.index: feeds[key] for key, value in program.inputs.items()}
        with np.errstate(all="ignore"):
            for step in program.instructions:
                arrays = [values[value.index] for value in step.inputs]
                made = step.primitive.run(Frame(1, DOUBLE), *arrays)
                values.update((value.index, array) for value, array in zip(step.outputs, made, strict=True))
        return values

    def push(self, tangents: Array, seen: Callable[[Edge, Array], None]) -> None:
        """J·v for each row of `tangents` (p, numbers of the input); `seen` is told (p, numbers) of each tensor.

        Each is forgotten when nothing needs it any more.
        """
        program, wanted = self._program, {}
        for tensor in self.tensors:
            wanted.setdefault(self._places[tensor].index, []).append(tensor)
        last = {value.index: n for n, step in enumerate(program.instructions) for value in step.inputs}
        moving = {program.inputs["data", 0].index: tangents.reshape(len(tangents), *self.at.shape[1:])}
        frame = Frame(len(tangents), DOUBLE)
        for number, step in enumerate(program.instructions):
            for value, array in _moved(step, self._values, moving, frame):
                moving[value.index] = array
                for tensor in wanted.get(value.index, ()):
                    seen(tensor, array.reshape(len(tangents), -1))
            for value in step.inputs:
                if last[value.index] <= number:
                    moving.pop(value.index, None)
            for value in step.outputs:
                if value.index not in last:
                    moving.pop(value.index, None)

    def pushed(self, tensor: Edge, tangents: Array) -> Array:
        """J·v at one tensor for each row of `tangents`, (p, numbers of the tensor)."""
        found = np.zeros((len(tangents), self.size(tensor)))
        for start in range(0, len(tangents), TOGETHER):
            rows = slice(start, start + TOGETHER)

            def keep(one: Edge, array: Array, rows: slice = rows) -> None:
                if one == tensor:
                    found[rows] = array

            self.push(tangents[rows], keep)
        return found

    def pulled(self, tensor: Edge, cotangents: Array) -> Array:
        """uᵀ·J for each row of `cotangents` (p, numbers of the tensor): (p, numbers of the input)."""
        found = np.zeros((len(cotangents), self.at[0].size))
        if tensor not in self._back:
            self._back[tensor] = self._backward(tensor)
        steps, seed, gradient = self._back[tensor]
        if gradient is None:
            return found
        last = {value.index: n for n, step in enumerate(steps) for value in step.inputs}
        for start in range(0, len(cotangents), TOGETHER):
            some = cotangents[start : start + TOGETHER]
            values = {seed.index: some.reshape(len(some), *self.value(tensor).shape)}
            with np.errstate(all="ignore"):
                for number, step in enumerate(steps):
                    arrays = [self._repeated(value, values, len(some)) for value in step.inputs]
                    made = step.primitive.run(Frame(len(some), DOUBLE), *arrays)
                    values.update((value.index, array) for value, array in zip(step.outputs, made, strict=True))
                    for value in step.inputs:
                        if last[value.index] <= number and value is not gradient:
                            values.pop(value.index, None)
            found[start : start + len(some)] = values[gradient.index].reshape(len(some), -1)
        return found

    def _repeated(self, value: Value, values: Mapping[int, Array], count: int) -> Array:
        """A gradient; or what the network held there, once for each of them."""
        if value.index in values:
            return values[value.index]
        held = self._values[value.index]
        return np.broadcast_to(held, (count, *held.shape[1:])) if _batched(value) else held

    def _backward(self, tensor: Edge) -> tuple[list[Instruction], Value, Value | None]:
        """The instructions that make the gradient of the input from that of the tensor, behind those forward."""
        program, forward = Program(), self._program
        program.instructions, program.values = list(forward.instructions), list(forward.values)
        program.inputs, program._varying = dict(forward.inputs), set(forward._varying)
        place = self._places[tensor]
        seed = program.input(("seed",), place.type)
        (gradient,) = program.differentiate(place, seed, [program.inputs["data", 0]])
        if gradient is None:
            return [], seed, None
        program.output(("gradient",), gradient)
        held = set(self._values)
        steps = [step for step in program.pruned().instructions if step.outputs[0].index not in held]
        return steps, seed, gradient


def _batched(value: Value) -> bool:
    """Whether a value has one row for each example."""
    return bool(value.type.shape) and BATCH in names(value.type.shape[0])


def _lowered(graph: Graph, tensors: Sequence[Edge]) -> tuple[Program, dict[Edge, Value]]:
    """The graph as primitives, differentiable by its first input, and where the tensors are in it."""
    program, table = Program(), graph.parameters
    types = propagate.input_types(graph)
    seeds: dict[int, tuple[lowering.Value, ...]] = {
        node: (program.input(("data", number), types[node][0], True),) for number, node in enumerate(graph.inputs)
    }

    def lower(node: Node, values: tuple[lowering.Value, ...]) -> tuple[lowering.Value, ...]:
        if not node.layer.executable:
            raise TrainingError(described_only(node.layer, f"{node.label} ({node.layer.kind})"))
        weights = {
            role: program.input(("weight", id), TensorType(table[id].shape, table[id].dtype))
            for role, id in node.weights.items()
        }
        return node.layer.lower(program, *values, training=False, **weights)

    found = propagate.forward(graph, seeds, lower)
    places: dict[Edge, Value] = {}
    for node, output in tensors:
        value = found[node][output]
        assert isinstance(value, Value)
        if value in program.inputs.values() or value in places.values():  # a layer that hands on what it is given
            value = program.map("add", value, program.map("scale", value, factor=0.0))
        places[node, output] = value
    return program, places


def _moved(
    step: Instruction, values: dict[int, Array], moving: dict[int, Array], frame: Frame
) -> Iterator[tuple[Value, Array]]:
    """The tangent of an instruction's first result, where one of its operands moves."""
    given = [moving.get(value.index) for value in step.inputs]
    primitive = step.primitive
    if all(tangent is None for tangent in given) or isinstance(primitive, Random):
        return
    held = [values[value.index] for value in step.inputs]
    result = values[step.outputs[0].index]
    if isinstance(primitive, Map):
        tangent = _mapped(primitive, step, given, held, result)
        if tangent is not None:
            yield step.outputs[0], np.broadcast_to(tangent, (frame.batch, *result.shape[1:]))
        return
    if isinstance(primitive, PoolMax):
        switches = np.repeat(values[step.outputs[1].index], frame.batch, axis=0)
        assert given[0] is not None
        yield step.outputs[0], Gather().run(frame, given[0], switches)[0]
        return
    if isinstance(primitive, Reduce) and primitive.how in ("max", "argmax"):
        if primitive.how == "max":
            assert given[0] is not None
            yield step.outputs[0], _largest(primitive, held[0], given[0], result.shape)
        return
    whole = [
        np.repeat(x, frame.batch, axis=0) if _batched(value) else x
        for x, value in zip(held, step.inputs, strict=True)
    ]
    if isinstance(primitive, Concatenate):
        parts = [np.zeros_like(x) if tangent is None else tangent for tangent, x in zip(given, whole, strict=True)]
        yield step.outputs[0], primitive.run(frame, *parts)[0]
        return
    total: Array | None = None  # all others are linear in each operand
    for number, tangent in enumerate(given):
        if tangent is not None:
            part = primitive.run(frame, *whole[:number], np.ascontiguousarray(tangent), *whole[number + 1 :])[0]
            total = part if total is None else total + part
    assert total is not None
    yield step.outputs[0], total


def _mapped(
    primitive: Map, step: Instruction, given: Sequence[Array | None], held: Sequence[Array], result: Array
) -> Array | None:
    """A pointwise function moves by its derivative, which is also its adjoint."""
    total: Array | None = None
    for number, rule in enumerate(FUNCTIONS[primitive.function].grads):
        tangent = given[number]
        if rule is None or tangent is None:
            continue
        small = Program()
        operands = [small.input(("x", n), value.type) for n, value in enumerate(step.inputs)]
        made = rule(
            small, small.input(("g",), step.outputs[0].type), small.input(("r",), step.outputs[0].type), *operands,
            **dict(primitive.constants),
        )  # fmt: skip
        small.output(("t",), made)
        feeds: dict[Key, Array] = {("g",): tangent, ("r",): result}
        feeds.update({("x", n): x for n, x in enumerate(held)})
        needed = small.pruned()
        arrays = {key: feeds[key] for key in needed.inputs}
        part = run(needed, arrays, Frame(len(tangent), DOUBLE))["t",]
        total = part if total is None else total + part
    return total


def _largest(primitive: Reduce, x: Array, tangent: Array, shape: tuple[int, ...]) -> Array:
    """The tangent of the first of the largest numbers over axes."""
    rest = [axis for axis in range(x.ndim) if axis not in primitive.axes]
    order = (*rest, *primitive.axes)
    sizes = [x.shape[axis] for axis in rest]
    winner = x.transpose(order).reshape(*sizes, -1).argmax(axis=-1)
    rows = tangent.transpose(order).reshape(len(tangent), *sizes[1:], -1)
    index = np.repeat(winner[..., None], len(tangent), axis=0)
    return np.take_along_axis(rows, index, axis=-1).reshape(len(tangent), *shape[1:])
