"""Layers called on arrays: built at the first call, computed at once, in slices of the batch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from layerscope.core import propagate, sizes
from layerscope.core.contract import Layer, described_only
from layerscope.core.errors import DataError, LayerscopeError, ShapeError, TrainingError
from layerscope.core.graph import Graph, Node
from layerscope.core.types import BATCH, TensorType, show
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Key, Program
from layerscope.engine.reference import run
from layerscope.models import variables as store
from layerscope.models.variables import Variable
from layerscope.utils import generator

Array = NDArray[Any]
SLICE_BYTES = 128 << 20
"""About how many bytes of inputs and outputs are computed at a time."""

_programs: WeakKeyDictionary[Layer, dict[tuple[Any, ...], Program]] = WeakKeyDictionary()


def variables(layer: Layer) -> list[Variable]:
    """The layer's variables, trainable first."""
    found = store.of(layer).values()
    return sorted(found, key=lambda variable: not variable.learned)


def follow(layer: Layer) -> None:
    """Freeze the layer's variables, or let them be trained again, as its `trainable` says."""
    store.follow(layer)


def assign(layer: Layer, arrays: Sequence[Array]) -> None:
    """Replace the arrays of the layer's variables."""
    store.assign_all(variables(layer), arrays, layer.name or layer.kind)


def count(layer: Layer) -> int:
    """Number of elements of the layer's weights."""
    return store.count(layer)


def call(layer: Layer, inputs: Sequence[Any], training: bool = False) -> Array | tuple[Array, ...]:
    """What the layer makes of arrays whose first axis is the batch.

    Numbers become float32 (switches stay integers). Large batches are computed slice by slice, so
    memory grows with the result and not with the intermediate steps.
    Errors: ShapeError, naming the layer, where the arrays do not fit.
    """
    title = f"{layer.name} ({layer.kind})" if layer.name else layer.kind
    arrays = _given(layer, inputs, title)
    if not layer.executable:
        raise TrainingError(described_only(layer, title))
    batch = {len(array) if array.ndim else 0 for array in arrays}
    if len(batch) != 1 or 0 in batch:
        given = ", ".join(show(array.shape) for array in arrays) or "nothing"
        raise ShapeError(f"needs arrays whose first axis, the batch, has one size above 0, but got {given}").at(title)
    types = [_type(layer, number, array) for number, array in enumerate(arrays)]
    try:
        outputs = layer.out(*types)
        weights = store.build(layer, *types)
    except ShapeError as error:
        raise error.at(title) from None
    program = _program(layer, types, weights, training and not layer.still)
    made = _sliced(program, types, outputs, arrays, weights, batch.pop())
    return made[0] if len(made) == 1 else tuple(made)


def through(graph: Graph, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a graph whose layers act as in training."""

    def rule(node: Node, fed: tuple[Array, ...]) -> tuple[Array, ...]:
        made = call(node.layer, fed, training=True)
        return made if isinstance(made, tuple) else (made,)

    seeds = {node: (array,) for node, array in zip(graph.inputs, arrays, strict=True)}
    made = propagate.forward(graph, seeds, rule)
    return [made[node][number] for node, number in graph.outputs]


def _type(layer: Layer, number: int, array: Array) -> TensorType:
    dtype = "int32" if number in layer.integer_inputs else "float32"
    return TensorType((sizes.named(BATCH), *array.shape[1:]), dtype)


def _given(layer: Layer, inputs: Sequence[Any], title: str) -> list[Array]:
    """One array for each input. Nested lists of numbers are one array, unless the layer takes several."""
    if inputs and all(isinstance(value, list | tuple | int | float) for value in inputs):
        with contextlib.suppress(ShapeError, DataError):
            whole = _array(inputs, title)
            layer.out(_type(layer, 0, whole))
            return [whole]
    return [_array(value, title) for value in inputs]


def _array(value: Any, title: str) -> Array:
    try:
        array = np.asarray(value)
    except LayerscopeError:
        raise
    except ValueError as error:
        raise DataError(f"{title}: not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{title}: needs numbers, but got an array of {array.dtype}")
    return array


def _program(layer: Layer, types: Sequence[TensorType], weights: dict[str, Variable], training: bool) -> Program:
    known = _programs.setdefault(layer, {})
    key = (training, *(type.shape[1:] for type in types))
    if key not in known:
        program = Program()
        values = [program.input(("data", number), type) for number, type in enumerate(types)]
        wired = {role: program.input(("weight", role), TensorType(v.shape)) for role, v in weights.items()}
        for number, value in enumerate(layer.lower(program, *values, training=training, **wired)):
            program.output(("output", number), value)
        known[key] = program.pruned()
    return known[key]


def _sliced(
    program: Program,
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    arrays: Sequence[Array],
    weights: dict[str, Variable],
    batch: int,
) -> list[Array]:
    each = sum(4 * sizes.number(sizes.bind(t.elements, {BATCH: 1})) for t in (*types, *outputs))
    step = max(1, SLICE_BYTES // max(each, 1))
    seed = int(generator().integers(2**31)) if _draws(program) else 0
    fixed: dict[Key, Array] = {
        ("weight", role): np.asarray(variable.array, np.float32) for role, variable in weights.items()
    }
    results: list[Array] = []
    for number, start in enumerate(range(0, batch, step)):
        part = slice(start, min(start + step, batch))
        feeds: dict[Key, Array] = {
            ("data", n): np.ascontiguousarray(array[part], np.int32 if type.dtype == "int32" else np.float32)
            for n, (array, type) in enumerate(zip(arrays, types, strict=True))
        }
        made = run(program, feeds | fixed, Frame(part.stop - part.start, np.dtype(np.float32), seed, number))
        parts = [made["output", n] for n in range(len(outputs))]
        if step >= batch:
            return [_own(part, arrays) for part in parts]
        if not results:
            results = [np.empty((batch, *p.shape[1:]), p.dtype) for p in parts]
        for result, p in zip(results, parts, strict=True):
            result[part] = p
    return results


def _own(result: Array, inputs: Sequence[Array]) -> Array:
    """A result that no later change of an input reaches."""
    shared = any(np.may_share_memory(result, array) for array in inputs)
    return result.copy() if shared else np.ascontiguousarray(result)


def _draws(program: Program) -> bool:
    from layerscope.engine.primitives.random import Random

    return any(isinstance(step.primitive, Random) for step in program.instructions)
