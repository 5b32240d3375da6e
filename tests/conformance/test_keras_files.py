"""Keras's own networks and layers, from their files and in memory: shapes and parameters are Keras's own."""

from __future__ import annotations

import json

import numpy as np
import pytest

import layerscope as ls
from layerscope.layers import Opaque
from layerscope.layers._activation import NAMES, OWN
from layerscope.sources._keras import files as keras_file

from . import keras_oracle
from .keras_comparing import keras_shapes, shapes_of, size
from .keras_every_layer import SAMPLES


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small", "EfficientNetB0"])
def test_an_application_from_a_saved_archive(keras, tmp_path, monkeypatch, name):
    # random numbers would take Keras a minute; a trace reads no weights
    zeros = lambda self, shape, dtype=None: np.zeros(shape, dtype)  # noqa: E731
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
    model = getattr(keras.applications, name)(weights=None)
    path = tmp_path / "saved.keras"
    model.save(path)
    path.rename(tmp_path / "saved")
    trace = ls.trace(tmp_path / "saved")
    assert shapes_of(trace.graph) == keras_shapes(model)
    assert trace.totals["parameters"] == model.count_params()
    assert trace.totals["trainable_parameters"] == size(model.trainable_weights)
    assert ls.trace(model).to_json() == trace.to_json(), "the model in memory is that in the file"


# --- every layer ---


def built(keras, kind):
    sample = SAMPLES[kind]
    inputs = [keras.Input(shape, dtype=sample.dtype, name=f"x{n}") for n, shape in enumerate(sample.shapes)]
    layer = sample.make(keras.layers)
    outputs = layer(*inputs) if len(inputs) == 1 or not sample.together else layer(inputs)
    return keras.Model(inputs, outputs, name="net"), layer


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_layer_in_a_file_and_in_memory(keras, kind):
    model, layer = built(keras, kind)
    for graph in (keras_file.load(json.loads(model.to_json())), ls.trace(model).graph):
        assert shapes_of(graph) == keras_shapes(model)
        rows = graph.parameters.values()
        assert sum(row.size for row in rows) == model.count_params()
        assert sum(row.size for row in rows if row.trainable) == size(model.trainable_weights)
        assert not [node.label for node in graph.nodes if isinstance(node.layer, Opaque)]
        (node,) = (one for one in graph.nodes if one.name == layer.name)
        assert node.layer.kind in (kind, type(layer).__name__)
        assert ls.trace(graph).totals["at_least"] is False


def test_activations_of_all_kinds_are_read(keras):
    others = ("get", "serialize", "deserialize")
    # Keras says of a layer that ends with glu that it has all channels, and computes half of them
    names = [
        name for name, made in vars(keras.activations).items() if callable(made) and name not in (*others, "glu")
    ]
    assert set(NAMES) <= {*names, *OWN}
    image = x = keras.Input((4, 4, 8))
    for name in names:
        x = keras.layers.Conv2D(8, 1, activation=name, name=f"conv_{name}")(x)
    assert OWN == ("gelu_tanh",), "which Keras says with a setting, so as an operation of its own"
    model = keras.Model(image, keras.ops.gelu(x, approximate=True))
    graph = keras_file.load(json.loads(model.to_json()))
    assert shapes_of(graph) == keras_shapes(model)
    assert ls.trace(graph).totals == ls.trace(model).totals
    assert not ls.trace(graph).totals["at_least"]


def test_functions_of_keras_ops_in_a_file_and_in_memory(keras):
    ops = keras.ops
    image = keras.Input((6, 4, 8), name="image")
    x = ops.transpose(image, (0, 2, 1, 3))[:, 1:, ::2]  # (3, 3, 8)
    x = ops.concatenate([x, ops.swapaxes(x, 1, 2)], axis=-1)  # (3, 3, 16)
    x = ops.squeeze(ops.expand_dims(ops.moveaxis(x, -1, 1), 2), 2)  # (16, 3, 3)
    x = ops.reshape(x, (-1, 16, 9))
    x = ops.stack([x, 2 * x, ops.where(x > 0, x, -x)], axis=1)  # (3, 16, 9)
    x = ops.matmul(x, ops.transpose(x, (0, 1, 3, 2)))  # (3, 16, 16)
    x = ops.einsum("bijk,bijk->bik", x, ops.softmax(x, axis=-1))
    x = ops.clip(ops.sqrt(ops.square(x)) / 3.0, 0.0, 1.0) ** 2
    x = ops.max(x, axis=1) - ops.mean(ops.cast(x, "float16"), axis=(1,))
    x, y = ops.split(ops.repeat(x, 2, axis=-1), 2, axis=-1)
    model = keras.Model(image, [x, ops.logsumexp(y, axis=-1, keepdims=True), ops.argmax(y, axis=-1)], name="net")
    filed, live = keras_file.load(json.loads(model.to_json())), ls.trace(model).graph
    for graph in (filed, live):
        assert shapes_of(graph) == keras_shapes(model)
        assert not [node.label for node in graph.nodes if isinstance(node.layer, Opaque)]
    totals = ls.trace(filed).totals
    assert totals == ls.trace(live).totals
    assert totals["macs"] == 3 * 16 * 16 * 9 + 3 * 16 * 16
    assert not totals["at_least"]
    rows = {row["name"]: row for row in ls.trace(filed).layers}
    assert rows["get_item"]["receptive_field"] != "everything", "a slice is followed"
