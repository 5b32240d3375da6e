"""Cost, memory and fields of every layer's examples: known or unknown, but never without sense."""

from __future__ import annotations

import pytest

from layerscope.analyses.journey import journey
from layerscope.analyses.positions import of_input, of_layer
from layerscope.core.contract import Example
from layerscope.core.costs import Operations
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls
from layerscope.core.sizes import names
from layerscope.core.types import BATCH, TensorType
from layerscope.layers.input_layer import InputLayer

from .cases import all_examples, title


def numbers_only(*types: TensorType) -> bool:
    """All sizes are numbers, but for the batch."""
    return all(names(size) <= {BATCH} for type in types for size in type.shape)


CASES = [case for case in all_examples() if case.inputs and numbers_only(*case.inputs, *case.outputs)]


def alone(case: Example) -> Graph:
    """The network of this layer only."""
    starts = []
    for number, type in enumerate(case.inputs):
        batch, *shape = type.shape
        layer = InputLayer(tuple(shape), batch, type.dtype, type.plane, name=f"in{number}")
        starts.append(Symbolic(Call(layer, (), (type,))))
    made = case.layer(*starts)
    return trace_calls(starts, made if isinstance(made, tuple) else [made])


@pytest.mark.parametrize("case", CASES, ids=title)
def test_cost_and_memory(case):
    graph = alone(case)
    found = journey(graph)
    step, memory = found.steps[-1], found.memory
    assert step.macs is None or (isinstance(step.macs, int) and step.macs >= 0)
    assert isinstance(step.operations, Operations | None)
    if step.operations is not None:
        columns = vars(step.operations)
        assert all(isinstance(n, int) and n >= 0 for n in columns.values()), columns
    assert step.memory is not None
    shared = case.layer.shares(*case.inputs)
    made = [type.bind({BATCH: 1}).bytes for type in case.outputs]
    assert step.memory.output == sum(made if shared is None else made[1:])
    assert shared is None or made[0] <= case.inputs[shared].bind({BATCH: 1}).bytes
    own = step.memory.workspace
    assert own is None or (isinstance(own, int) and own >= 0)
    assert step.memory.live == memory.inputs + step.memory.output + (own or 0)
    assert memory.at_least == (own is None)
    assert memory.peak == step.memory.live
    assert memory.weights == sum(
        4 * row.size for row in graph.parameters.values() if row.dtype in ("float32", "int32")
    )
    assert step.memory.saved is None or step.memory.saved >= 0


def test_hardly_an_example_has_open_sizes():
    assert len([case for case in all_examples() if case.inputs]) - len(CASES) < 20


@pytest.mark.parametrize("case", CASES, ids=title)
def test_seeing_is_the_inverse_of_being_reached(case):
    """The middle position of the output sees the input positions that reach it, and no others."""
    graph = alone(case)
    found = journey(graph)
    seen = of_layer(graph, found)
    middle = tuple(n // 2 for n in seen.sizes)
    seen = of_layer(graph, found, position=middle)
    for one in seen.inputs:
        for axis, size in enumerate(one.sizes):
            if one.indices is None:
                continue
            low, high = one.indices[axis].hull
            assert 0 <= low <= high < size
            for line in {max(low - 1, 0), low, high, min(high + 1, size - 1)}:
                place = tuple(part.hull[0] for part in one.indices)
                place = (*place[:axis], line, *place[axis + 1 :])
                reached = of_input(graph, found, place, input=one.input)[found.steps[-1].name]
                through = reached.indices is not None and all(
                    any(a <= n <= b for a, b in part.intervals)
                    for n, part in zip(middle, reached.indices, strict=True)
                )
                assert through == any(a <= line <= b for a, b in one.indices[axis].intervals)
