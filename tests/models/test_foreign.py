"""Other frameworks, where there are none: what is refused before they are imported, and frozen weights."""

import json
import subprocess
import sys

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.core.errors import ExportError
from layerscope.core.types import TensorType
from layerscope.layers import Opaque
from layerscope.sources import json as graph_json
from layerscope.targets import keras as target

ASKING = """
import sys, layerscope as ls
try:
    ls.from_keras("model.keras")
except ls.LayerscopeError as error:
    print(error)
import layerscope.targets.keras
print(sorted(name for name in ("keras", "tensorflow", "jax", "torch") if name in sys.modules))
"""


def test_nothing_is_imported_unasked():
    done = subprocess.run([sys.executable, "-c", ASKING], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "this is no Keras 3 model in memory but a str: load it first, keras.models.load_model('model.keras')",
        "[]",
    ]


def test_what_keras_cannot_express():
    image = ls.Input((None, None, 4))
    x = layers.Conv2D(4, 3, strides=2, dilation_rate=2, padding="same", name="both")(image)
    model = ls.Model(image, Opaque("Mystery", (TensorType((2, 8)),), name="dark")(x))
    with pytest.raises(ExportError) as caught:
        model.to_keras()
    assert str(caught.value) == (
        "this model cannot become a Keras model:\n"
        "  both (Conv2D): Keras has no strides together with dilation_rate, and what can stand for it needs pads that "
        "depend on the open size of its input. Give the Input whole sizes, or this layer padding='valid'\n"
        "  dark (Mystery): it is described only: its shapes are known, but not what it computes"
    )


def test_tied_weights():
    """Two layers with one weight, which a JSON graph can say."""
    given = ls.Input((3,))
    model = ls.Model(given, layers.Dense(3, "tanh", name="b")(layers.Dense(3, "relu", name="a")(given)))
    text = model.to_json().replace('"b/kernel"', '"a/kernel"')
    tied = ls.Model.from_graph(graph_json.load(json.loads(text)))
    assert tied.count_params() == 15
    with pytest.raises(ExportError) as caught:
        tied.to_keras()
    assert str(caught.value) == (
        "this model cannot become a Keras model:\n"
        "  b (Dense): its kernel is that of a, but in Keras two layers cannot share one weight"
    )


def test_without_keras(monkeypatch):
    given = ls.Input((3,))
    model = ls.Model(given, layers.Dense(3)(given))
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ExportError) as caught:
        target.to_keras(model)
    assert str(caught.value) == (
        "Keras cannot be imported (import of keras halted; None in sys.modules). Install Keras 3 and a backend, for "
        "example pip install keras jax, and say which one by the environment variable KERAS_BACKEND=jax (or torch, or "
        "tensorflow)"
    )


def frozen() -> ls.Model:
    """As JSON says it: the first of two layers is frozen."""
    given = ls.Input((4,))
    data = json.loads(ls.Model(given, layers.Dense(1, name="free")(layers.Dense(4, name="still")(given))).to_json())
    for id, row in data["parameters"].items():
        row["trainable"] = not id.startswith("still")
    return ls.Model.from_graph(graph_json.load(data))


def test_frozen_weights_stay_as_they_are(tmp_path):
    """Also in a file, and as a part of another model."""
    model = frozen()
    model.save(tmp_path / "model.npz")
    outer = ls.Sequential([ls.Input((4,)), model])
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    for one in (model, ls.load_model(tmp_path / "model.npz"), outer):
        assert [variable.trainable for variable in one.weights] == [False, False, True, True]
        before = one.get_weights()
        one.compile("sgd", "mse")
        one.fit(x, x[:, :1], epochs=1, verbose=0)
        same = [np.array_equal(a, b) for a, b in zip(before, one.get_weights(), strict=True)]
        assert same == [True, True, False, False]
        assert "Non-trainable params: 20 (80.00 B)" in text_of(one)


def text_of(model: ls.Model) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)
