"""Described layers in networks: figures known from elsewhere, layers within layers' settings, open sizes, files."""

from __future__ import annotations

import json

import pytest

import layerscope as ls
from layerscope import Input, layers
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Call, tensors, trace_calls
from layerscope.core.types import TensorType
from layerscope.sources import json as graph_json

X = TensorType((2, 10, 64))


def test_an_lstm_of_two_layers():
    x = TensorType((2, 10, 32))
    low, top = layers.LSTM(64, return_sequences=True), layers.LSTM(64)
    assert low.macs(x) + top.macs(*low.out(x)) == 1_146_880
    stack = layers.RNN([layers.LSTMCell(64), layers.LSTMCell(64)])
    assert stack.macs(x) == 1_146_880


def test_attention_with_four_heads():
    assert layers.MultiHeadAttention(4, 16).macs(X, X) == 353_280
    one = layers.Dense(64).macs(X)
    assert one + layers.Attention().macs(*(TensorType((2, 4, 10, 16)),) * 2) == 107_520


def test_tied_embeddings_are_counted_once():
    """Forth and back with one table: no products forth, one for each number of it and each position back."""
    forth = layers.ReversibleEmbedding(1000, 64, name="table")
    back = layers.ReversibleEmbedding(1000, 64, reverse=True, name="head")
    tokens = Input((10,), batch_size=2, dtype="int32")
    vectors = forth(tokens)
    ids = {"embeddings": "table/embeddings"}
    call = Call(back, (vectors,), back.out(vectors.type), weights=ids)
    found = ls.trace(trace_calls([tokens], [tensors(call)]))
    totals = {"parameters": 64_000, "trainable_parameters": 64_000, "macs": 1_280_000, "at_least": False}
    assert {key: found.totals[key] for key in totals} == totals


def extra(layer, *types):
    return [str(t) for t in layer.saved(*types).extra]


def test_what_backpropagation_through_time_keeps():
    """By hand, for 5 steps of 2 examples and 4 units."""
    x = TensorType((2, 5, 3))
    assert extra(layers.SimpleRNN(4), x) == ["(2, 5, 4)"]  # all outputs
    # i, f, o, g, c and tanh(c); all outputs
    assert extra(layers.LSTM(4), x) == ["(2, 5, 24)", "(2, 5, 4)"]
    # z, r, g and h·U + b; all outputs
    assert extra(layers.GRU(4), x) == ["(2, 5, 16)", "(2, 5, 4)"]
    # the outputs are the layer's own, which the graph counts
    whole = layers.LSTM(4, return_sequences=True).saved(x)
    assert (whole.inputs, whole.outputs, [str(t) for t in whole.extra]) == ((0,), (0,), ["(2, 5, 24)"])
    # softplus is followed back from its argument: one number more for each gate that it makes
    assert extra(layers.LSTM(4, "softplus"), x) == ["(2, 5, 28)", "(2, 5, 4)"]
    # nothing is squashed: c is f(c)
    assert extra(layers.LSTM(4, None), x) == ["(2, 5, 20)", "(2, 5, 4)"]
    dropped = layers.LSTM(4, dropout=0.5, recurrent_dropout=0.5).saved(x)
    assert dropped.inputs == ()
    assert [str(t) for t in dropped.extra] == [
        "(2, 5, 24)", "(2, 5, 3)", "(2, 5, 4)", "(2, 5, 4)", "(2, 3)", "(2, 4)",
    ]  # fmt: skip
    assert [t.dtype for t in dropped.extra[-2:]] == ["bool", "bool"]


def test_what_attention_keeps():
    """Projections of query, key and value, the heads' results, and the scores behind softmax."""
    saved = layers.MultiHeadAttention(4, 16).saved(X, X)
    assert saved.inputs == (0, 1)
    assert [str(t) for t in saved.extra] == ["(2, 10, 4, 16)"] * 4 + ["(2, 4, 10, 10)"]


def test_open_times_stay_open():
    tokens = Input(("time",), dtype="int32")
    y = layers.Embedding(50, 8)(tokens)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(y)
    y = layers.MultiHeadAttention(2, 4)(y, y)
    y = layers.TimeDistributed(layers.Dense(3))(y)
    last = layers.GRU(5)(y)
    assert (str(y.type), str(last.type)) == ("(batch, time, 3)", "(batch, 5)")
    found = ls.trace(trace_calls([tokens], [last])).to_json()
    assert [row["macs"] for row in found["layers"]] == [
        0, 0, "384·time", "16·time·time + 256·time", "24·time", "120·time",
    ]  # fmt: skip
    assert found["totals"]["parameters"] == 50 * 8 + 2 * 4 * (8 + 4 + 1) * 4 + 3 * (8 * 8 + 8) + 72 + 27 + 3 * 5 * (
        3 + 5 + 2
    )


def test_the_line_of_text_knows_them():
    found = ls.trace("10x3 | lstm 4 return_sequences=True | gru 5 | dense 2").to_json()
    assert [row["output_shape"] for row in found["layers"]] == [
        ["batch", 10, 3], ["batch", 10, 4], ["batch", 5], ["batch", 2],
    ]  # fmt: skip
    assert found["totals"]["macs"] == 10 * 4 * 7 * 4 + 10 * 3 * 9 * 5 + 10


def nested(depth: int):
    layer = layers.Dense(2)
    for _ in range(depth):
        layer = layers.TimeDistributed(layer)
    return layer


def as_json(layer, *shape):
    x = Input(shape, name="x")
    return graph_json.dump(trace_calls([x], [layer(x)]))


def test_a_layer_within_settings_is_saved_with_it():
    inner = layers.LSTM(4, return_sequences=True, name="steps")
    form = as_json(layers.Bidirectional(inner, "sum", layers.GRU(4, go_backwards=True, return_sequences=True)), 5, 3)
    assert form["nodes"][1]["settings"] == {
        "layer": {"kind": "LSTM", "settings": {"units": 4, "return_sequences": True}, "name": "steps"},
        "merge_mode": "sum",
        "backward_layer": {"kind": "GRU", "settings": {"units": 4, "return_sequences": True, "go_backwards": True}},
    }
    assert graph_json.dump(graph_json.load(json.loads(json.dumps(form)))) == form
    assert sorted(form["nodes"][1]["weights"])[0] == "backward/bias"


def test_lists_of_layers_are_saved():
    form = as_json(layers.RNN([layers.LSTMCell(4), layers.GRUCell(2)]), 5, 3)
    assert graph_json.dump(graph_json.load(json.loads(json.dumps(form)))) == form


def test_words_of_a_vocabulary_are_no_sizes():
    form = as_json(layers.IntegerLookup(vocabulary=["max", "a", "b"]), 5)
    form = json.loads(json.dumps(form))
    assert graph_json.load(form).nodes[1].layer.vocabulary == ("max", "a", "b")


def test_layers_stand_within_each_other_to_a_depth():
    deepest = json.loads(json.dumps(as_json(nested(16), *(2,) * 17)))
    assert graph_json.dump(graph_json.load(deepest)) == deepest
    deeper = deepest["nodes"][1]["settings"]
    while "layer" in deeper["layer"]["settings"]:
        deeper = deeper["layer"]["settings"]
    deeper["layer"] = {"kind": "TimeDistributed", "settings": {"layer": deeper["layer"]}}
    with pytest.raises(SourceError) as caught:
        graph_json.load(deepest)
    assert str(caught.value) == "time_distributed: more than 16 layers stand within each other's settings"


BAD = {
    "kind": ({"kind": "Densee", "settings": {}}, "time_distributed: unknown layer 'Densee'. Did you mean 'dense'"),
    "settings": ({"kind": "Dense", "settings": [3]}, "time_distributed: settings of the inner Dense must be an object"),
    "name": ({"kind": "Dense", "settings": {"units": 3}, "name": 7}, "time_distributed: the name of the inner Dense must be text"),
    "setting": ({"kind": "Dense", "settings": {"unit": 3}}, "time_distributed: Dense has no setting unit"),
    "value": ({"kind": "Dense", "settings": {"units": 0}}, "time_distributed: Dense: units must be at least 1, not 0"),
    "number": (3, "time_distributed: TimeDistributed: layer must be a layer, such as Dense(3), not 3"),
    "object": ({"kind": 3}, "time_distributed: TimeDistributed: layer must be a layer, such as Dense(3), not {'kind': 3}"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_malformed_inner_layers_are_refused(name):
    value, message = BAD[name]
    form = json.loads(json.dumps(as_json(layers.TimeDistributed(layers.Dense(2)), 5, 3)))
    form["nodes"][1]["settings"]["layer"] = value
    with pytest.raises(LayerscopeError) as caught:
        graph_json.load(form)
    assert str(caught.value).startswith(message)


def test_names_of_inner_weights_say_where_they_are():
    x = TensorType((2, 5, 3))
    both = layers.Bidirectional(layers.SimpleRNN(4)).weight_types(x)
    assert list(both) == [
        f"{way}/{role}" for way in ("forward", "backward") for role in ("kernel", "recurrent_kernel", "bias")
    ]
    stack = layers.RNN([layers.SimpleRNNCell(4), layers.SimpleRNNCell(2)]).weight_types(x)
    assert list(stack)[:4] == ["cell_0/kernel", "cell_0/recurrent_kernel", "cell_0/bias", "cell_1/kernel"]
    assert list(layers.TimeDistributed(layers.Dense(2)).weight_types(x)) == ["kernel", "bias"]
    pipeline = layers.Pipeline([layers.Rescaling(2), layers.Dense(4), layers.Dense(2)])
    assert list(pipeline.weight_types(x)) == ["layer_1/kernel", "layer_1/bias", "layer_2/kernel", "layer_2/bias"]
    assert extra(pipeline, x) == ["(2, 5, 3)", "(2, 5, 4)"]  # what both Dense layers take


MESSAGES = {
    "units": (lambda: layers.LSTM(0), "LSTM: units must be at least 1, not 0"),
    "glu": (lambda: layers.LSTM(4, "glu"), "LSTM: activation='glu' would halve the state; take one that keeps its size"),
    "dropout": (lambda: layers.GRU(2, dropout=1.5), "GRU: dropout must be between 0 and 1, not 1.5"),
    "cell": (lambda: layers.RNN(layers.Dense(2)), "RNN: cell must be a cell such as LSTMCell, or a list of cells, not Dense"),
    "cells": (lambda: layers.StackedRNNCells([layers.LSTM(2)]), "StackedRNNCells: cells: LSTM is no cell, which makes one step of an RNN"),
    "no cells": (lambda: layers.StackedRNNCells([]), "StackedRNNCells: cells must be a list of cells (LSTMCell, GRUCell, SimpleRNNCell, ...), not []"),
    "both ways": (lambda: layers.Bidirectional(layers.Dense(2)), "Bidirectional: takes a recurrent layer such as LSTM or GRU, not Dense"),
    "mode": (lambda: layers.Bidirectional(layers.LSTM(2), "max"), "Bidirectional: merge_mode must be one of 'concat', 'sum', 'mul', 'ave', None, not 'max'"),
    "direction": (
        lambda: layers.Bidirectional(layers.LSTM(2), "sum", layers.LSTM(2)),
        "Bidirectional: layer and backward_layer both have go_backwards=False; one must differ",
    ),
    "sequences": (
        lambda: layers.Bidirectional(layers.LSTM(2), "sum", layers.LSTM(2, go_backwards=True, return_sequences=True)),
        "Bidirectional: layer has return_sequences=False, but backward_layer has return_sequences=True",
    ),
    "units of both": (
        lambda: layers.Bidirectional(layers.LSTM(2), "sum", layers.LSTM(3, go_backwards=True)).out(TensorType((2, 5, 3))),
        "merge_mode='sum' needs outputs of one shape, but got (2, 2) and (2, 3)",
    ),
    "states": (
        lambda: layers.LSTM(2).out(TensorType((2, 5, 3)), TensorType((2, 2))),
        "takes a sequence alone or with its 2 initial states, but got 2 inputs",
    ),
    "state": (
        lambda: layers.GRU(2).out(TensorType((2, 5, 3)), TensorType((2, 3))), "initial state 1 must be (2, 2), but is (2, 3)",
    ),
    "stateful": (
        lambda: layers.GRU(2, stateful=True)(Input((5, 3))),
        "GRU: stateful=True needs a fixed batch size, but it is open: (batch, 5, 3). Give the Input batch_size.",
    ),
    "unroll": (
        lambda: layers.GRU(2, unroll=True)(Input((None, 3))),
        "GRU: unroll=True needs the number of steps, but it is open: (batch, length, 3)",
    ),
    "convolution": (
        lambda: layers.ConvLSTM1D(2, 3, strides=2, dilation_rate=2),
        "ConvLSTM1D: strides (2,) and dilation_rate (2,) cannot both be above 1",
    ),
    "heads": (lambda: layers.GroupQueryAttention(4, 3, 2), "GroupQueryAttention: num_query_heads (3) must be a multiple of num_key_value_heads (2)"),
    "score": (lambda: layers.Attention(score_mode="add"), "Attention: score_mode must be 'dot' or 'concat', not 'add'"),
    "equation": (
        lambda: layers.EinsumDense("ab-bc", 3),
        "EinsumDense: equation must be like 'abc,cd->abd', '...x,xy->...y' or 'ab...,bc->ac...', not 'ab-bc'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_mistakes_are_refused_with_a_reason(name):
    make, message = MESSAGES[name]
    with pytest.raises(LayerscopeError) as caught:
        make()
    assert str(caught.value) == message


def test_functions_of_the_last_axis_read_it_whole():
    """glu halves it; softmax over the width, where channels come first, lets each position see the whole row."""
    x = TensorType((2, 3, 5))
    halved = layers.EinsumDense("abc,cd->abd", (None, 6), "glu")
    assert str(halved.out(x)[0]) == "(2, 3, 3)"
    assert halved.operations(x).pointwise == 2 * 3 * 6
    frames = TensorType((1, 2, 1, 6, 7))
    plain, mixed = (layers.ConvLSTM2D(2, 3, data_format="channels_first", activation=a) for a in ("tanh", "softmax"))
    everything = plain.reach(0, frames)[0][1]
    assert plain.reach(0, frames)[0][4] != everything == mixed.reach(0, frames)[0][4]
