"""What operators made for PyTorch answer, by hand: square brackets, adaptive pooling, stacked cells, experts, fusing."""

from __future__ import annotations

import pytest

from layerscope.analyses.memory import memory
from layerscope.core.costs import Operations, Saved
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.core.graph import Call, Symbolic, trace_calls
from layerscope.core.indices import Indices
from layerscope.core.propagate import types
from layerscope.core.reach import EVERYTHING, Fixed
from layerscope.core.sizes import named
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import InputLayer
from layerscope.operators._operator import ABSENT
from layerscope.operators.attention import Attention
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.pooling import AdaptivePooling
from layerscope.operators.products import GroupedProduct
from layerscope.operators.recurrent import StackedRecurrent
from layerscope.operators.slicing import Indexed, Split


def read_by(way, output, size):
    """The indices of an axis that an output index reads."""
    if way is EVERYTHING:
        return set(range(size))
    pulled = way.pull(Indices(((output, output),))).clip(size)
    return {n for low, high in pulled.intervals for n in range(low, high + 1)}


def test_square_brackets_read_what_they_name():
    """x[1:7:2, None, 3, ...] of (9, 5, 4)."""
    x = TensorType((9, 5, 4))
    layer = Indexed("getitem", ((0, 1, 3, 2), None, (2, 0, 4, 1)), ((1, 3),))
    assert layer.out(x) == (TensorType((3, 1, 4)),)
    ((rows, columns, last),) = layer.reach(0, x)
    assert [read_by(rows, n, 9) for n in range(3)] == [{1}, {3}, {5}]
    assert columns == Fixed(3)
    assert [read_by(last, n, 4) for n in range(4)] == [{0}, {1}, {2}, {3}]
    assert (layer.macs(x), layer.operations(x), layer.saved(x)) == (0, Operations(), Saved())


@pytest.mark.parametrize(
    ("picks", "taken", "message"),
    [
        (((0, 0, 2, 1),), (), "takes the axes [0] of (2, 3), which are not each of its 2 axes once"),
        (((0, 0, 2, 1), (1, 2, 2, 1)), (), "takes 2 from 2 in steps of 1 of axis 1 of (2, 3)"),
        (((0, 0, 2, 1),), ((1, 3),), "takes index 3 of axis 1 of (2, 3)"),
    ],
)
def test_square_brackets_that_leave_the_tensor(picks, taken, message):
    with pytest.raises(LayerscopeError) as caught:
        Indexed("getitem", picks, taken).out(TensorType((2, 3)))
    assert str(caught.value) == message


def test_adaptive_pooling_counts_the_cells_of_each_share():
    """7 cells in 3 shares: 0–2, 2–4, 4–6; 4 in 2."""
    x = TensorType((2, 3, 7, 4))
    layer = AdaptivePooling("AdaptiveAvgPool", (3, 2))
    assert layer.out(x) == (TensorType((2, 3, 3, 2)),)
    assert layer.operations(x) == Operations(pooling=2 * 3 * (3 + 3 + 3) * 4)
    ((_, _, rows, columns),) = layer.reach(0, x)
    assert [read_by(rows, n, 7) for n in range(3)] == [{0, 1, 2}, {2, 3, 4}, {4, 5, 6}]
    assert [read_by(columns, n, 4) for n in range(2)] == [{0, 1}, {2, 3}]
    assert layer.saved(x) == Saved()
    largest = AdaptivePooling("AdaptiveMaxPool", (None, 1), True)
    assert largest.out(x) == (TensorType((2, 3, 7, 1)), TensorType((2, 3, 7, 1), "int64"))
    assert largest.saved(x) == Saved(outputs=(1,))


def cells(kind, gates, **told):
    shapes = {"w": (gates * 64, 32), "r": (gates * 64, told.get("projection") or 64)}
    return StackedRecurrent(
        kind, 64, slots=(None, ABSENT, *shapes), parameters={n: WeightType(s) for n, s in shapes.items()}, **told
    )


def test_stacked_cells():
    x = TensorType((10, 2, 32))
    lstm = cells("LSTM", 4, layers=2)
    assert lstm.macs(x) == 1_146_880
    assert lstm.out(x) == (TensorType((10, 2, 64)), TensorType((2, 2, 64)), TensorType((2, 2, 64)))
    assert lstm.operations(x) == Operations(bias=20 * 2 * 64 * 8, pointwise=20 * 2 * 64 * 13)
    both = cells("GRU", 3, bidirectional=True, bias=False, batch_first=True)
    turned = TensorType((2, 10, 32))
    assert both.macs(turned) == 2 * 20 * 3 * 64 * (32 + 64)
    assert both.out(turned) == (TensorType((2, 10, 128)), TensorType((2, 2, 64)))
    assert both.operations(turned) == Operations(pointwise=2 * 20 * 64 * 11)
    small = cells("LSTM", 4, projection=16)
    assert small.macs(x) == 20 * (4 * 64 * (32 + 16) + 64 * 16)
    assert small.out(x) == (TensorType((10, 2, 16)), TensorType((1, 2, 16)), TensorType((1, 2, 64)))
    ((steps, batch, features),) = lstm.reach(0, x)
    assert (steps, features, read_by(batch, 1, 2)) == (EVERYTHING, EVERYTHING, {1})
    assert lstm.saved(x).outputs == (0,)
    with pytest.raises(SettingError) as caught:
        StackedRecurrent("CfC", 3)
    assert str(caught.value) == "a recurrent operator is one of RNN, LSTM, GRU, not 'CfC'"


def test_one_step_of_a_cell():
    x = TensorType((2, 32))
    layer = cells("LSTM", 4, cell=True)
    assert layer.out(x) == (TensorType((2, 64)),) * 2
    assert layer.macs(x) == 2 * 4 * 64 * (32 + 64)


def test_experts():
    rows = TensorType((32, 8))
    layer = GroupedProduct("grouped_mm", slots=(None, "w"), parameters={"w": WeightType((4, 8, 16))})
    assert (layer.out(rows), layer.macs(rows)) == ((TensorType((32, 16)),), 32 * 8 * 16)
    turned = GroupedProduct("grouped_mm", True, slots=(None, "w"), parameters={"w": WeightType((4, 16, 8))})
    assert turned.macs(rows) == layer.macs(rows)
    with pytest.raises(LayerscopeError) as caught:
        layer.out(TensorType((32, 9)))
    assert str(caught.value) == "the size of a row is 9, but what the matrices take is 8"


def test_fused_attention_holds_no_scores():
    heads = TensorType((2, 4, 100, 8))
    plain, fused = (
        Attention("Attention", slots=(None, None, None), results=1, fused=fused) for fused in (False, True)
    )
    assert plain.macs(heads, heads, heads) == fused.macs(heads, heads, heads) == 2 * 4 * 100 * 100 * 16
    assert plain.workspace(heads, heads, heads) == 2 * (2 * 4 * 100 * 100 * 4)
    assert fused.workspace(heads, heads, heads) == 0
    assert fused.saved(heads, heads, heads) == Saved((0, 1, 2), (0,), (TensorType((2, 4, 100)),))


def chain(*layers):
    start = InputLayer((4, 8), 2)
    value = Symbolic(Call(start, (), start.out()))
    first = value
    for layer in layers:
        call = Call(layer, (value,), layer.out(value.type))
        value = Symbolic(call, len(call.types) - 1)
    return trace_calls([first], [value])


@pytest.mark.parametrize(("view", "bytes"), [(None, 2 * 4 * 8 * 4), (0, 0), (-1, 2 * 4 * 8 * 4), (7, 2 * 4 * 8 * 4)])
def test_where_outputs_lie(view, bytes):
    """A function in place, or all parts of a split, lie in the memory of the input; a number that is none is ignored."""
    for layer in (Pointwise("relu", view_of=view), Split("chunk", 1, (1, 3), view_of=view)):
        graph = chain(layer)
        assert memory(graph, types(graph)).outputs == bytes


def test_a_size_that_follows_from_the_batch_is_kept():
    batch = named("batch")
    layer = Indexed("getitem", ((0, 0, batch * 2, 1),))
    assert layer.out(TensorType((batch * 2,))) == (TensorType((batch * 2,)),)
