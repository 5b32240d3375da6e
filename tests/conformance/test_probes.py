"""Probes against other frameworks: gradients of PyTorch, initial weights in Keras."""

import numpy as np
import pytest
import torch

import layerscope as ls
from layerscope import initializers, sources
from layerscope.layers import Conv2D, PixelShuffle2D
from layerscope.probes.effective_field import effective_field
from layerscope.studies.weighted import weighted

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
TEXTS = [
    "12x12x2 | conv 4 3 same relu | maxpool 2 | conv 3 3 same tanh | upsample 2 bilinear | conv 2 3 same",
    "10x11x1 | conv 3 3 stride 2 relu | convt 2 4 stride 2 same | avgpool 2",
    "14x14x1 | conv 4 3 same dilation 2 relu | conv 4 3 same dilation 3 relu | conv 2 2 same",
]


def test_effective_fields_are_those_of_pytorch():
    for seed, text in enumerate(TEXTS):
        model = ls.Model.from_graph(sources.read(text))
        random = np.random.default_rng(seed)
        height, width, channels = (int(n) for n in model.input_types[0].shape[1:])  # pyright: ignore
        images = random.standard_normal((3, height, width, channels)).astype(np.float32)
        weights = {id: variable.numpy() for id, variable in model._variables.items()}
        found = effective_field(model.graph, weights, images=images)
        module = model.to_torch().double()
        x = torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float64, requires_grad=True)
        y = module(x)
        row, column = found.position
        signs = torch.tensor(np.random.default_rng([0, 0]).choice([-1.0, 1.0], y.shape[1]))
        (y[:, :, row, column] * signs).sum().backward()
        assert x.grad is not None
        squares = x.grad.numpy() ** 2
        wanted = squares.sum(axis=(0, 1))
        np.testing.assert_allclose(found.influence, wanted / wanted.sum(), rtol=1e-9, atol=1e-12)


def test_icnr_becomes_the_initializer_of_keras_that_it_is_made_of(tmp_path):
    x = ls.Input((4, 4, 1))
    layer = Conv2D(4, 3, kernel_initializer=initializers.ICNR(2, initializers.HeNormal(seed=3)))
    model = ls.Model(x, PixelShuffle2D(2)(layer(x)))
    made = model.to_keras()
    assert type(made.layers[1].kernel_initializer).__name__ == "VarianceScaling"
    np.testing.assert_array_equal(made.layers[1].get_weights()[0], model.get_weights()[0])


def test_weights_of_a_keras_file_are_taken(tmp_path):
    model = ls.Model.from_graph(sources.read("6x6x1 | conv 2 3 relu | maxpool 2"))
    model.export(tmp_path / "m.keras")
    found = weighted(tmp_path / "m.keras")
    assert found.told == f"weights of {tmp_path / 'm.keras'}"
    np.testing.assert_array_equal(found.model.get_weights()[0], model.get_weights()[0])
