"""Initializers, regularizers and constraints of recurrent layers: as data, in text, in Python, and wrong ones."""

from __future__ import annotations

import json
from inspect import signature

import pytest

import layerscope as ls
from layerscope import Input, constraints, initializers, layers, regularizers
from layerscope.core import named
from layerscope.core.contract import changed_settings
from layerscope.core.dataclasses import fields
from layerscope.core.errors import SettingError, TextError, UnknownNameError
from layerscope.core.graph import trace_calls
from layerscope.sources import json as graph_json
from layerscope.telling import written

GIVEN = {
    "kernel_initializer": initializers.Constant(0.5),
    "recurrent_initializer": initializers.RandomNormal(0.0, 0.25, 7),
    "bias_initializer": "ones",
    "kernel_regularizer": regularizers.L1L2(0.25, 0.5),
    "recurrent_regularizer": "l2",
    "bias_regularizer": regularizers.L2(0.125),
    "activity_regularizer": regularizers.L1(2.0),
    "kernel_constraint": constraints.MaxNorm(2.0, [0, 1]),
    "recurrent_constraint": constraints.MinMaxNorm(0.5, 1.0, 0.5, [0]),
    "bias_constraint": "non_neg",
}
OF_CELLS = {key: value for key, value in GIVEN.items() if key != "activity_regularizer"}
WHOLE = {
    "SimpleRNN": lambda **told: layers.SimpleRNN(4, **told),
    "LSTM": lambda **told: layers.LSTM(4, **told),
    "GRU": lambda **told: layers.GRU(4, **told),
}
CONVOLVED = {
    "ConvLSTM1D": (lambda **told: layers.ConvLSTM1D(4, 3, **told), (5, 8, 2)),
    "ConvLSTM2D": (lambda **told: layers.ConvLSTM2D(4, 3, **told), (5, 8, 8, 2)),
    "ConvLSTM3D": (lambda **told: layers.ConvLSTM3D(4, 3, **told), (5, 8, 8, 8, 2)),
}
CELLS = ("SimpleRNNCell", "LSTMCell", "GRUCell")


def data(layer):
    """The settings of training, as data."""
    told = {key: value for key, value in changed_settings(layer).items() if named.kind_of(key)}
    return {key: value.to_json() if hasattr(value, "to_json") else value for key, value in told.items()}


WANTED = {key: value.to_json() if hasattr(value, "to_json") else value for key, value in GIVEN.items()}


def graph_of(layer, shape=(5, 3)):
    x = Input(shape)
    return trace_calls([x], [layer(x)])


def saved(graph):
    return graph_json.load(json.loads(json.dumps(graph_json.dump(graph))))


@pytest.mark.parametrize("name", [*WHOLE, *CONVOLVED])
def test_they_are_kept_in_a_file(name):
    make, shape = (WHOLE[name], (5, 3)) if name in WHOLE else CONVOLVED[name]
    graph = graph_of(make(**GIVEN), shape)
    assert data(graph.nodes[1].layer) == WANTED
    again = saved(graph)
    assert data(again.nodes[1].layer) == WANTED
    assert graph_json.dump(again) == graph_json.dump(graph)


def test_they_are_kept_in_layers_within_layers():
    cells = [getattr(layers, name)(4, **OF_CELLS) for name in CELLS]
    wanted = {key: value for key, value in WANTED.items() if key in OF_CELLS}
    inner = saved(graph_of(layers.RNN(cells))).nodes[1].layer.cell
    assert [data(cell) for cell in inner] == [wanted] * 3
    both = saved(graph_of(layers.Bidirectional(layers.LSTM(4, **GIVEN)))).nodes[1].layer
    assert [data(part) for part in (both.layer, both.backward)] == [WANTED, WANTED]


@pytest.mark.parametrize("name", WHOLE)
def test_they_are_kept_in_a_line_of_text_and_in_python(name):
    graph = graph_of(WHOLE[name](**GIVEN))
    line = written.one_line(graph)
    assert data(ls.trace(line).graph.nodes[1].layer) == WANTED
    told = {}
    exec(written.python(graph), told)
    assert data(told["model"].graph.nodes[1].layer) == WANTED


def test_as_they_stand_in_text():
    graph = graph_of(layers.GRU(4, kernel_regularizer="l1_l2", bias_constraint=constraints.MaxNorm(2.0, [0])))
    assert written.one_line(graph) == (
        "5x3 | gru 4 kernel_regularizer=l1_l2 bias_constraint=MaxNorm(max_value=2.0,axis=0,)"
    )
    made = ls.trace("5x3 | flatten | dense 2 kernel_regularizer=l2(l2=1e-3) kernel_initializer=constant(value=2)")
    assert regularizers.get(made.graph.nodes[2].layer.kernel_regularizer) == regularizers.L2(0.001)
    assert initializers.get(made.graph.nodes[2].layer.kernel_initializer) == initializers.Constant(2)
    assert ls.trace("5x3 | gru 4 bias_regularizer=none").graph.nodes[1].layer.bias_regularizer is None


def test_initializers_are_those_of_the_weights():
    types = layers.LSTM(4, **GIVEN).weight_types(
        *(node.layer.out()[0] for node in graph_of(layers.LSTM(4)).nodes[:1])
    )
    assert [types[role].initializer for role in ("kernel", "recurrent_kernel", "bias")] == [
        GIVEN["kernel_initializer"], GIVEN["recurrent_initializer"], "ones",
    ]  # fmt: skip


KNOWN = "l1, l1_l2, l2, orthogonal_regularizer"
WRONG = {
    "name": (
        lambda: layers.LSTM(4, kernel_regularizer="l3"),
        UnknownNameError,
        "unknown kernel_regularizer of LSTM 'l3'. Did you mean 'l2' or 'l1'?",
    ),
    "initializer": (
        lambda: layers.ConvLSTM2D(4, 3, bias_initializer="zero"),
        UnknownNameError,
        "unknown bias_initializer of ConvLSTM2D 'zero'. Did you mean 'zeros'?",
    ),
    "number": (
        lambda: layers.GRU(4, recurrent_regularizer=0.01),
        SettingError,
        "GRU: recurrent_regularizer must be a name such as 'l1', an object of layerscope.regularizers, or its form as "
        "data, not 0.01",
    ),
    "another kind": (
        lambda: layers.SimpleRNN(4, bias_constraint=regularizers.L2(0.5)),
        SettingError,
        "SimpleRNN: bias_constraint must be a name such as 'non_neg', an object of layerscope.constraints, or its form "
        "as data, not L2(l2=0.5)",
    ),
    "none": (
        lambda: layers.LSTMCell(4, kernel_initializer=None),
        SettingError,
        "LSTMCell: kernel_initializer must be a name such as 'zeros', an object of layerscope.initializers, or its form "
        "as data, not None",
    ),
    "data": (
        lambda: layers.GRUCell(4, kernel_constraint={"constraint": "Norm", "settings": {}}),
        UnknownNameError,
        "unknown kernel_constraint of GRUCell 'Norm'. Did you mean 'max_norm' or 'unit_norm' or 'min_max_norm'?",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones(name):
    make, kind, message = WRONG[name]
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == message


TEXTS = {
    "lstm 4 kernel_regularizer=l3": "unknown kernel_regularizer of LSTM 'l3'. Did you mean 'l2' or 'l1'?",
    "dense 4 kernel_regularizer=7": f"unknown kernel_regularizer of Dense '7'. Known: {KNOWN}.",
    "gru 4 bias_constraint=max_norm(2)": (
        "'max_norm(2)' is no constraint: write it as non_neg, or with settings as MaxNorm(max_value=2,axis=0,1)"
    ),
    "gru 4 bias_regularizer=l2(l2=1": "'l2(l2=1' is no regularizer: write it as l1, or with settings as L2(l2=0.01)",
    "gru 4 bias_regularizer=l2(l2=-1)": "GRU: bias_regularizer: l2: l2 must be a number of at least 0, not -1",
    "gru 4 bias_regularizer=L1L2(l3=1)": "unknown setting of GRU: bias_regularizer: L1L2 'l3'. Did you mean 'l2' or 'l1'?",
    "dense 4 kernel_constraint=NonNeg(axis=1)": "Dense: kernel_constraint: NonNeg has no settings, so no 'axis'",
    "dense 4 kernel_constraint=MaxNorm(max_value=x)": (
        "Dense: kernel_constraint: MaxNorm: max_value must be a number of at least 0, not 'x'"
    ),
    "lstm 4 kernel_initializer=constant(value": (
        "'constant(value' is no initializer: write it as zeros, or with settings as Constant(value=0.1)"
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_wrong_ones_in_text(text):
    with pytest.raises(TextError) as caught:
        ls.trace(f"5x3 | {text}")
    assert caught.value.message == TEXTS[text]
    word = text.split()[-1]
    assert (caught.value.start, caught.value.length) == (6 + text.index(word), len(word))


def test_names_are_those_of_the_classes():
    """Layers and text must not load the classes, some of which need NumPy, so their names stand apart."""
    homes = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}
    assert set(named.NAMES["initializer"]) == set(initializers.NAMED)
    classes = {named.alike(cls.__name__) for cls in initializers.CLASSES}
    assert classes - {named.alike(name) for name in initializers.NAMED} == {named.alike(n) for n in named.AS_DATA}
    for what in ("regularizer", "constraint"):
        assert {cls.names[0] for cls in homes[what].CLASSES} == set(named.NAMES[what])
        for cls in homes[what].CLASSES:
            for name in (cls.__name__, *cls.names):
                assert named.SETTINGS[named.alike(name)] == tuple(signature(cls).parameters)
    for what, home in homes.items():
        for name in named.NAMES[what]:
            assert home.get(name) is not None
        assert named.from_text(named.WITH_SETTINGS[what], what)[what] in {cls.__name__ for cls in home.CLASSES}


def test_each_recurrent_layer_has_them_all():
    ends = [("kernel", "recurrent", "bias"), ("_initializer", "_regularizer", "_constraint")]
    wanted = {stem + end for stem in ends[0] for end in ends[1]}
    for name in (*WHOLE, *CONVOLVED, *CELLS):
        found = {one.name for one in fields(getattr(layers, name)) if named.kind_of(one.name)}
        assert found == wanted | ({"activity_regularizer"} if name not in CELLS else set())
