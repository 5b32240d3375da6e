"""Initializers, regularizers and constraints of Keras's recurrent layers: the same arguments, read with their values."""

from __future__ import annotations

import inspect

import pytest
from tests.test_recurrent_settings import CELLS, CONVOLVED, OF_CELLS, WANTED, WHOLE, data

import layerscope as ls
from layerscope import initializers, layers
from layerscope.core import named
from layerscope.core.dataclasses import fields

keras = pytest.importorskip("keras")


def theirs(key, value):
    """One of ours as Keras has it."""
    if isinstance(value, str):
        return value
    name, settings = value[named.kind_of(key)], value["settings"]
    return getattr(getattr(keras, f"{named.kind_of(key)}s"), name)(**settings)


GIVEN = {key: theirs(key, value) for key, value in WANTED.items()}
SHAPES = dict.fromkeys(WHOLE, (5, 3)) | {name: shape for name, (_, shape) in CONVOLVED.items()}


def made(name, **told):
    return getattr(keras.layers, name)(4, *([3] if name in CONVOLVED else []), **told)


@pytest.mark.parametrize("name", [*SHAPES, *CELLS])
def test_arguments_and_defaults_are_keras_s(name):
    signature = inspect.signature(getattr(keras.layers, name).__init__).parameters
    wanted = {key: one.default for key, one in signature.items() if named.kind_of(key)}
    assert {f.name: f.default for f in fields(getattr(layers, name)) if named.kind_of(f.name)} == wanted


def named_by(found):
    """As they are compared: by what they are, not by whether a name or its settings said so."""
    homes = {"initializer": initializers, "regularizer": ls.regularizers, "constraint": ls.constraints}
    return {key: homes[named.kind_of(key)].get(value).to_json() for key, value in found.items()}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
@pytest.mark.parametrize("form", ["memory", "file", "text"])
@pytest.mark.parametrize("name", SHAPES)
def test_they_are_read_with_their_values(name, form, tmp_path):
    x = keras.Input(SHAPES[name])
    model = keras.Model(x, made(name, **GIVEN)(x))
    what = model
    if form != "memory":
        what = tmp_path / ("model.keras" if form == "file" else "model.json")
        model.save(what) if form == "file" else what.write_text(model.to_json())
    layer = ls.trace(what).graph.nodes[1].layer
    lost = {"activity_regularizer"} if name == "SimpleRNN" else set()  # Keras (3.15.1) takes it, and drops it
    assert named_by(data(layer)) == named_by({key: value for key, value in WANTED.items() if key not in lost})


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_within_other_layers():
    x = keras.Input((5, 3))
    both = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True, **GIVEN))
    cells = [getattr(keras.layers, name)(4, **{key: GIVEN[key] for key in OF_CELLS}) for name in CELLS]
    graph = ls.trace(keras.Model(x, keras.layers.RNN(cells)(both(x)))).graph
    first, second = (node.layer for node in graph.nodes[1:])
    assert named_by(data(first.layer)) == named_by(data(first.backward)) == named_by(WANTED)
    wanted = named_by({key: WANTED[key] for key in OF_CELLS})
    assert [named_by(data(cell)) for cell in second.cell.cells] == [wanted] * 3


class Own(keras.regularizers.Regularizer):
    """Somebody's own."""

    def __call__(self, x):
        return 0.0 * keras.ops.sum(x)

    def get_config(self):
        return {}


def test_defaults_are_told_as_such_and_what_is_unknown_is_left_out():
    x = keras.Input((5, 3))
    y = keras.layers.GRU(4, return_sequences=True)(x)
    y = keras.layers.LSTM(4, kernel_regularizer=Own(), kernel_initializer=keras.initializers.Identity())(y)
    graph = ls.trace(keras.Model(x, y)).graph
    assert [data(node.layer) for node in graph.nodes[1:]] == [{}, {}]
