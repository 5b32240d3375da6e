"""Layers of one and three spatial axes and by depth on the native engine: it trains them as the reference does."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope import layers as ls
from layerscope import utils
from layerscope.models import Sequential

NETWORKS = {
    "a sequence, causal and dilated": (
        (37, 3),
        lambda: [
            ls.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=3, activation="relu"),
            ls.MaxPooling1D(3, 2, padding="same"), ls.Conv1D(4, 4, strides=3), ls.GlobalAveragePooling1D(), ls.Dense(2),
        ],
    ),
    "a sequence there and back": (
        (24, 2),
        lambda: [
            ls.ZeroPadding1D((1, 2)), ls.AveragePooling1D(3, 2, padding="same"), ls.Conv1D(3, 3, padding="same"),
            ls.UpSampling1D(2), ls.Conv1DTranspose(4, 4, strides=3, padding="same", output_padding=1, activation="tanh"),
            ls.Cropping1D((2, 1)), ls.GlobalMaxPooling1D(keepdims=True),
        ],
    ),
    "upsampling folded into a convolution of a sequence": (
        (13, 2), lambda: [ls.UpSampling1D(3), ls.Conv1D(5, 3, padding="same", activation="relu"), ls.MaxPooling1D(2)],
    ),
    "a volume": (
        (6, 7, 5, 2),
        lambda: [
            ls.Conv3D(4, (3, 2, 3), padding="same", activation="relu"), ls.MaxPooling3D(2, padding="same"),
            ls.Conv3D(4, 2, groups=2), ls.GlobalMaxPooling3D(), ls.Dense(3),
        ],
    ),
    "a volume there and back": (
        (3, 4, 5, 2),
        lambda: [
            ls.AveragePooling3D((1, 2, 2)), ls.Conv3DTranspose(3, 3, strides=(1, 2, 2), padding="same"),
            ls.UpSampling3D((2, 1, 1)), ls.ZeroPadding3D(((0, 1), (1, 0), (1, 1))), ls.Conv3D(2, 3),
            ls.Cropping3D(((1, 0), (0, 1), (0, 0))), ls.GlobalAveragePooling3D(keepdims=True),
        ],
    ),
    "upsampling folded into a convolution of a volume": (
        (2, 3, 3, 2), lambda: [ls.UpSampling3D(2), ls.Conv3D(2, 3, padding="same", activation="relu"), ls.MaxPooling3D(2)],
    ),
    "single channels": (
        (15, 17, 3),
        lambda: [
            ls.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu"), ls.MaxPooling2D(2),
            ls.SeparableConv2D(5, (2, 3), strides=2, depth_multiplier=2), ls.DepthwiseConv2D(2, dilation_rate=(1, 2), padding="same"),
        ],
    ),
    "single channels of a sequence": (
        (19, 4),
        lambda: [
            ls.DepthwiseConv1D(5, strides=2, depth_multiplier=3), ls.SeparableConv1D(4, 3, dilation_rate=2, activation="elu"),
            ls.UpSampling1D(2), ls.DepthwiseConv1D(3, padding="same"),
        ],
    ),
}  # fmt: skip


def trained(name, engine):
    """Predictions before, losses of two epochs, and the weights after them."""
    shape, layers = NETWORKS[name]
    utils.set_random_seed(5)
    model = Sequential([ls.InputLayer(shape), *layers()])
    model.compile("adam", "mse", engine=engine, precision="float64", threads=2)
    random = np.random.default_rng(3)
    x = random.normal(size=(21, *shape))
    before = model.predict(x, verbose=0)
    history = model.fit(x, random.normal(size=before.shape), batch_size=8, epochs=2, shuffle=False, verbose=0)
    return [before, np.array(history.history["loss"]), *model.get_weights()]


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_train_alike(name):
    reference, native = trained(name, "reference"), trained(name, "native")
    assert np.abs(reference[0]).max() > 1e-3
    for one, other in zip(reference, native, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-7, atol=1e-9)
