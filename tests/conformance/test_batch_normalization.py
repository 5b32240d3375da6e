"""Training with batch normalisation: residual networks against Keras in float32 and PyTorch in float64."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers as kl

from . import keras_oracle
from .targets_helpers import first, last

RNG = np.random.default_rng(8)
IMAGES = RNG.random((96, 8, 8, 3)).astype("float32")
LABELS = RNG.integers(0, 4, 96)
BATCH, STEPS = 16, 24


def residual(kl, start):
    """A small residual network with each form of the layer: (symbol in) → logits."""

    def normed(x, filters, strides=1, **told):
        x = kl.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        return kl.BatchNormalization(**told)(x)

    x = kl.Activation("relu")(normed(start, 6))
    for filters, strides, told in ((6, 1, {}), (9, 2, {"momentum": 0.7}), (9, 1, {"scale": False})):
        y = kl.Activation("relu")(normed(x, filters, strides, **told))
        y = normed(y, filters, epsilon=1e-2)
        if strides > 1:
            x = normed(x, filters, strides, center=False)
        x = kl.Activation("relu")(kl.Add()([x, y]))
    x = kl.GlobalAveragePooling2D()(x)
    return kl.Dense(4)(kl.BatchNormalization()(kl.Dense(7)(x)))


def fitted(model, optimizer, **compiled):
    model.compile(optimizer, ls.losses.SparseCategoricalCrossentropy(from_logits=True), **compiled)
    asked = {"batch_size": BATCH, "epochs": STEPS * BATCH // len(IMAGES), "shuffle": False, "verbose": 0}
    return model.fit(IMAGES.astype(compiled.get("precision", "float32")), LABELS, **asked).history["loss"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of JAX, about itself
def test_keras_trains_alike():
    """Losses of four epochs, all weights and moving averages behind them; and back in Keras."""
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    keras = keras_oracle.modules()[0]
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 3))
    theirs = keras.Model(image, residual(keras.layers, image))
    theirs.compile(keras.optimizers.SGD(0.1, 0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ours = ls.from_keras(theirs)
    asked = {"batch_size": BATCH, "epochs": 4, "shuffle": False, "verbose": 0}
    back = ours.to_keras()
    expected = theirs.fit(IMAGES, LABELS, **asked).history["loss"]
    np.testing.assert_allclose(ours.fit(IMAGES, LABELS, **asked).history["loss"], expected, rtol=2e-4)
    np.testing.assert_allclose(back.fit(IMAGES, LABELS, **asked).history["loss"], expected, rtol=2e-4)
    for layer in theirs.layers:
        mine = [weight.numpy() for weight in ours.get_layer(layer.name).weights]
        for one, other in zip(mine, layer.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-2, atol=2e-3)
    same = ls.from_keras(theirs)
    np.testing.assert_allclose(same.predict(IMAGES), np.asarray(theirs(IMAGES)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_pytorch_trains_alike_in_double_precision(engine):
    """Every batch's loss, by hand in PyTorch; its running variance is another one (docs/disagreements.md)."""
    torch = pytest.importorskip("torch")
    ls.utils.set_random_seed(4)
    start = ls.Input((8, 8, 3))
    model = ls.Model(start, residual(kl, start))
    model.compile("sgd", ls.losses.SparseCategoricalCrossentropy(from_logits=True), precision="float64")
    net = model.to_torch().double().train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, momentum=0.9)
    x, y = torch.tensor(IMAGES).double().permute(0, 3, 1, 2), torch.tensor(LABELS)
    losses = []
    for step in range(STEPS):
        at = slice(step * BATCH % len(x), step * BATCH % len(x) + BATCH)
        loss = torch.nn.functional.cross_entropy(net(x[at]), y[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    per_epoch = np.array(losses).reshape(-1, len(x) // BATCH).mean(axis=1)
    told = fitted(model, ls.optimizers.SGD(0.1, 0.9), precision="float64", engine=engine)
    np.testing.assert_allclose(told, per_epoch, rtol=1e-9)
    assert told[-1] < 0.8 * told[0]
    means = [mine for mine in model.weights if mine.role == "moving_mean"]
    running = [buffer.numpy() for name, buffer in net.named_buffers() if name.endswith("running_mean")]
    assert len(means) == len(running) == 9
    for mine, other in zip(means, running, strict=True):
        np.testing.assert_allclose(mine.numpy(), other, rtol=1e-8, atol=1e-12)


SETTINGS = ({}, {"scale": False}, {"center": False}, {"center": False, "scale": False}, {"axis": 1})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("told", SETTINGS, ids=str)
@pytest.mark.parametrize("shape", [(8, 8, 3), (6,), (5, 3), (2, 3, 4, 2)], ids=str)
def test_it_is_written_for_others(shape, told):
    """ONNX, PyTorch and Keras compute what ours does; and Keras's comes back."""
    runtime, torch = pytest.importorskip("onnxruntime"), pytest.importorskip("torch")
    pytest.importorskip("keras")
    rng = np.random.default_rng(len(shape))
    start = ls.Input(shape)
    model = ls.Model(start, kl.BatchNormalization(epsilon=0.01, **told)(start))
    model.set_weights([rng.random(array.shape) + 0.3 for array in model.get_weights()])
    x = rng.normal(size=(4, *shape)).astype("float32")
    wanted = model.predict(x)
    session = runtime.InferenceSession(model.to_onnx().SerializeToString())
    made = model.to_torch().eval()(torch.from_numpy(first(x))).detach()
    keras_model = model.to_keras()
    found = [
        session.run(None, {session.get_inputs()[0].name: x})[0],
        last(made.numpy()),
        np.asarray(keras_model(x)),
        ls.from_keras(keras_model).predict(x),
    ]
    for one in found:
        np.testing.assert_allclose(one, wanted, rtol=2e-6, atol=2e-6)
    assert np.abs(wanted).max() > 1
