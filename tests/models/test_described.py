"""Layers that can be traced but not computed, by kind or by settings: who refuses them, and with what words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import TrainingError
from layerscope.core.reach import Window
from layerscope.engine.plan import Job

CHANNELS = (
    "data_format='channels_first' is not supported; layers here are channels last: (batch, height, width, channels)"
)
FUNCTIONS = (
    "can be traced, but not computed or trained; those that can: "
    "linear, relu, leaky_relu, elu, gelu, sigmoid, tanh, softmax, softplus, celu, exponential, gelu_tanh, hard_shrink, "
    "hard_sigmoid, hard_silu, hard_tanh, log_sigmoid, log_softmax, mish, relu6, selu, silu, soft_shrink, softsign, "
    "sparse_plus, sparse_sigmoid, squareplus, tanh_shrink"
)
INTERPOLATIONS = "can be traced, but not computed or trained; those that can: nearest, bilinear"
ONLY = "is described only: it can be traced, but not computed or trained"

CASES: dict[str, tuple[Layer, tuple[int, ...], str]] = {
    "sparse": (layers.Conv2D(2, 3, activation="SparseMax"), (8, 6, 3), f": activation='sparsemax' {FUNCTIONS}"),
    "bound": (layers.Dense(4, "threshold"), (5,), f": activation='threshold' {FUNCTIONS}"),
    "glu": (layers.Activation("GLU"), (6,), f": activation='glu' {FUNCTIONS}"),
    "transposed": (layers.Conv2DTranspose(2, 3, data_format="channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "pool": (layers.MaxPooling2D(data_format="channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "mean": (layers.AveragePooling2D(data_format="channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "global": (layers.GlobalAveragePooling2D("channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "pad": (layers.ZeroPadding2D(1, "channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "crop": (layers.Cropping2D(1, "channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "flat": (layers.Flatten("channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "up": (layers.UpSampling2D(2, "channels_first"), (3, 8, 6), f": {CHANNELS}"),
    "cubic": (layers.UpSampling2D(2, interpolation="bicubic"), (8, 6, 3), f": interpolation='bicubic' {INTERPOLATIONS}"),
    "noise": (
        layers.Dropout(0.5, noise_shape=(1, 1, 1, 3)), (8, 6, 3),
        ": noise_shape must have None for the batch, so that each example has random numbers of its own",
    ),
    "rest": (layers.GaussianDropout(1), (8, 6, 3), ": with rate=1 nothing is left to compute with"),
    "mask": (layers.Masking(), (8, 6), f" {ONLY}"),
}  # fmt: skip


def model(layer: Layer, shape: tuple[int, ...]) -> ls.Model:
    x = ls.Input(shape)
    return ls.Model(x, layer(x), name="net")


@pytest.mark.parametrize("name", CASES)
def test_it_is_traced(name):
    layer, shape, _ = CASES[name]
    assert not layer.executable
    trace = ls.trace(model(layer, shape))
    assert trace.to_json()["layers"][1]["kind"] == layer.kind


@pytest.mark.parametrize("name", CASES)
def test_training_names_the_layer_and_the_reason(name):
    layer, shape, message = CASES[name]
    net = model(layer, shape)
    with pytest.raises(TrainingError) as caught:
        _ = Job(net.graph).inference
    label = net.graph.nodes[1].label
    assert str(caught.value) == f"{label} ({layer.kind}){message}"
    x = np.zeros((2, *shape), np.float32)
    with pytest.raises(TrainingError) as caught:
        net.predict(x, verbose=0)
    assert str(caught.value) == f"{label} ({layer.kind}){message}"
    y = np.zeros((2, *net.output_shape[1:]), np.float32)
    net.compile(loss="mse")
    with pytest.raises(TrainingError) as caught:
        net.fit(x, y, verbose=0)
    assert str(caught.value) == f"{label} ({layer.kind}){message}"


@pytest.mark.parametrize("name", CASES)
def test_called_on_an_array_it_says_why_not(name):
    layer, shape, message = CASES[name]
    with pytest.raises(TrainingError) as caught:
        layer(np.zeros((2, *shape), np.float32))
    assert str(caught.value) == f"{layer.kind}{message}"


def test_the_first_reason_stands():
    layer = layers.Conv2D(2, 3, activation="sparsemax", data_format="channels_first")
    assert layer.obstacle == CHANNELS


def test_only_that_layer_is_not_executable():
    """An answer of each layer: others of its kind, and the same layer with another setting, go on."""
    layer = layers.Conv2D(2, 3, activation="sparsemax")
    assert not layer.executable
    assert layers.Conv2D.executable
    assert layers.Conv2D(2, 3).executable
    assert replace(layer, activation="relu").executable
    assert replace(layer, activation="relu")(np.zeros((1, 4, 4, 1), np.float32)).shape == (1, 2, 2, 2)


def test_it_comes_back_from_json(tmp_path):
    net = model(layers.SpectralNormalization(layers.Conv2D(2, 3, activation="silu"), 2), (8, 6, 3))
    path = tmp_path / "graph.json"
    trace = ls.trace(net)
    trace.save(path)
    assert ls.trace(path).to_json() == trace.to_json()


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_add_puts_axes_in_behind_the_batch(engine):
    """As Keras does: (batch, 3) to (batch, 4, 5, 3) is one number for each channel of an image."""
    x, y = ls.Input((4, 5, 3)), ls.Input((3,))
    net = ls.Model([x, y], layers.Add()([y, x, y]))
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(6, 4, 5, 3)).astype(np.float32), rng.normal(size=(6, 3)).astype(np.float32)
    net.compile(loss="mse", engine=engine)
    np.testing.assert_allclose(net.predict([a, b], verbose=0), a + 2 * b[:, None, None, :], rtol=1e-6)
    assert net.graph.nodes[2].layer.reach(0, *(t[0] for t in propagate.types(net.graph)[:2][::-1]))[0] == (
        Window(0),
        Window(3),
    )
