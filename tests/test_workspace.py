"""What layers and operators hold in memory while they compute, by hand."""

import pytest

import layerscope as ls
from layerscope.analyses.memory import LayerMemory, memory
from layerscope.core import propagate
from layerscope.core.graph import trace_calls
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import (
    GRU,
    LSTM,
    RNN,
    Attention,
    Bidirectional,
    Conv2D,
    Dense,
    Dot,
    GRUCell,
    Input,
    LSTMCell,
    MultiHeadAttention,
    Opaque,
    Pipeline,
    SeparableConv2D,
    SimpleRNN,
    StackedRNNCells,
    TimeDistributed,
)
from layerscope.operators import attention as operators
from layerscope.operators.recurrent import Recurrent
from layerscope.operators.signal import FourierTransform
from layerscope.operators.transformers import SelfAttention


def found(graph, dtype=None):
    return memory(graph, propagate.types(graph), dtype)


def test_attention_holds_its_scores_twice():
    """256 positions, 64 wide, 4 heads of 16: each projection 65,536 bytes, the scores 4·256·256 floats: 1,048,576.

    At the softmax there are the values and the scores before and behind it, beside the input and the output.
    """
    start = Input((256, 64))
    part = 256 * 64 * 4
    scores = 4 * 256 * 256 * 4
    seen = found(trace_calls([start], [MultiHeadAttention(4, 16)([start, start])]))
    assert seen.layers[1] == LayerMemory(part, 2 * part + part + 2 * scores, part * 5 + scores, part + 2 * scores)
    assert (seen.peak, seen.peak_node, seen.at_least) == (2_293_760, 1, False)
    half = found(trace_calls([start], [MultiHeadAttention(4, 16)([start, start])]), dtype="float16")
    assert half.peak == 2_293_760 // 2


def test_attention_that_returns_its_scores_or_never_holds_them():
    start = Input((256, 64))
    part, scores = 256 * 64 * 4, 4 * 256 * 256 * 4
    returned = MultiHeadAttention(4, 16, return_attention_scores=True)([start, start])
    seen = found(trace_calls([start], list(returned)))
    assert (seen.layers[1].output, seen.layers[1].workspace) == (part + scores, 3 * part + scores)  # q, k, v, scores
    flash = found(trace_calls([start], [MultiHeadAttention(4, 16, flash_attention=True)([start, start])]))
    assert flash.layers[1].workspace == 4 * part  # q, k, v and the heads' results
    few = Input((2, 64))  # hardly any positions: then the projections are the most, with the scores before softmax
    small = found(trace_calls([few], [MultiHeadAttention(4, 16)([few, few])]))
    assert small.layers[1].workspace == 3 * 2 * 64 * 4 + 4 * 2 * 2 * 4


def test_attention_over_an_open_length():
    start = Input((None, 64), name="text")
    seen = found(trace_calls([start], [MultiHeadAttention(4, 16)([start, start])]))
    assert str(seen.layers[1].workspace) == (
        "max(16·text_length·text_length + 768·text_length, 32·text_length·text_length + 256·text_length)"
    )


OWN = [
    (Attention(), [(5, 8), (7, 8)], 2 * 5 * 7),  # scores, before and behind softmax
    (Attention(score_mode="concat"), [(5, 8), (7, 8)], 5 * 7 * 8 + 5 * 7),  # each pair's tanh, and their sums
    (Attention(return_attention_scores=True), [(5, 8), (7, 8)], 5 * 7),
    (SimpleRNN(4), [(9, 3)], 4 + 4 + 4),  # h, the sum, the new h
    (LSTM(4), [(9, 3)], 2 * 4 + 4 * 4 + 2 * 4),  # h and c, four gates, the new h and c
    (GRU(4, return_sequences=True), [(9, 3)], 4 + 3 * 4 + 4),
    (LSTMCell(4), [(3,), (4,), (4,)], 4 * 4),  # states come in and go out
    (RNN(StackedRNNCells([LSTMCell(4), GRUCell(2)])), [(9, 3)], 2 * (4 + 4 + 2) + 4 * 4),
    (Bidirectional(LSTM(4)), [(9, 3)], 4 + 4 + 32),  # both results, and a step
    (Bidirectional(LSTM(4, return_sequences=True), merge_mode="sum"), [(9, 3)], 2 * 9 * 4 + 32),
    (Bidirectional(LSTM(4), merge_mode=None), [(9, 3)], 32),
    (SeparableConv2D(5, 3, depth_multiplier=2), [(8, 8, 3)], 6 * 6 * 6),
    (SeparableConv2D(5, 3, activation="softmax"), [(8, 8, 3)], 6 * 6 * 3 + 6 * 6 * 5),
    (Conv2D(5, 3, activation="relu"), [(8, 8, 3)], 0),  # in the place of what it is put to
    (Dense(10, "softmax"), [(4,)], 10),
    (Dense(10, "glu"), [(4,)], 10),  # twice as much as it gives
    (TimeDistributed(Dense(10, "softmax")), [(7, 4)], 10),  # step by step
    (Pipeline([Dense(10), Dense(6, "softmax"), Dense(2)]), [(4,)], 10 + 6 + 6),
    (Dot(1, normalize=True), [(6,), (6,)], 12),
]


@pytest.mark.parametrize(("layer", "shapes", "floats"), OWN, ids=lambda part: getattr(part, "kind", None))
def test_what_a_layer_holds_by_itself(layer, shapes, floats):
    """In floats per example, by hand."""
    starts = [Input(shape) for shape in shapes]
    made = layer(starts)
    seen = found(trace_calls(starts, list(made) if isinstance(made, tuple) else [made]))
    row = seen.layers[-1]
    assert row.workspace == 4 * floats
    assert row.live == seen.inputs + row.output + 4 * floats


def lstm(kind, gates, **told):
    held = {"W": WeightType((1, gates * 5, 3)), "R": WeightType((1, gates * 5, 5))}
    return Recurrent(kind, 5, slots=(None, "W", "R"), parameters=held, **told)


HEADS = [(1, 4, 6, 8), (1, 4, 9, 8), (1, 4, 9, 8)]  # 4 heads of 8, 6 queries, 9 keys
PARTS = (None, None, None)
FUSED = {"input": WeightType((16, 48))}
OPERATORS = [
    (operators.Attention("Attention", slots=PARTS, results=1), HEADS, 2 * 4 * 6 * 9),
    (operators.Attention("Attention", slots=PARTS, results=4), HEADS, 4 * 6 * 9),  # an output holds the others
    (  # 3 past keys and values, which are put before the new ones in memory that nobody is given
        operators.Attention("Attention", slots=(*PARTS, "", None, None), results=1),
        [*HEADS, (1, 4, 3, 8), (1, 4, 3, 8)],
        2 * 4 * 6 * 12 + 2 * 4 * 12 * 8,
    ),
    (operators.Attention("FlexAttention", slots=PARTS, changed=True), HEADS, None),
    (operators.LinearAttention("LinearAttention", slots=PARTS, results=1), [(2, 5, 8)] * 3, 2 * 2 * 8 * 8),
    (SelfAttention("Attention", 4, slots=(None, "input"), parameters=FUSED), [(2, 5, 16)], 480 + 2 * 2 * 4 * 5 * 5),
    (lstm("LSTM", 4), [(7, 2, 3)], 2 * (2 + 4 + 2) * 5),
    (lstm("GRU", 3, direction="reverse"), [(7, 2, 3)], 2 * (1 + 3 + 1) * 5),
    (FourierTransform("DFT"), [(2, 16, 1)], None),  # only an algorithm says what it needs
]


@pytest.mark.parametrize(("layer", "shapes", "floats"), OPERATORS, ids=lambda part: getattr(part, "kind", None))
def test_what_an_operator_holds_by_itself(layer, shapes, floats):
    held = layer.workspace(*map(TensorType, shapes))
    assert held == (None if floats is None else 4 * floats)


def test_a_layer_of_which_nothing_is_known_makes_the_peak_a_lower_bound():
    start = Input((4,))
    mystery = Opaque("Mystery", [{"shape": ["batch", 6], "dtype": "float32"}], {"kernel": (4, 6)})
    trace = ls.trace(trace_calls([start], [mystery(start)]))
    assert (trace.journey.memory.at_least, trace.journey.cost.parameters_at_least) == (True, False)
    told = trace.render(width=100, columns=["name", "memory"])
    assert "at inference  at least 40 bytes alive at once, in mystery" in told
    assert "mystery                24        ≥ 40      unknown" in told
