"""Pairs of inputs that count as the same: Keras cannot tell them apart either, and tells other changes apart."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope import Model, sources
from layerscope.studies.blindspots import blindspot

NETWORKS = (
    "example:boxes-condense",
    "example:boxes-enrich",
    "14x14x1 | conv 4 3 relu | maxpool 2 | conv 3 3 relu | flatten | dense 6 relu | dense 10 softmax",
    "12x12x1 | conv 3 3 same tanh | avgpool 3 | conv 2 3 same tanh as code | upsample 3 | conv 1 3 same sigmoid",
)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
@pytest.mark.parametrize("what", NETWORKS)
def test_keras_cannot_tell_them_apart(what):
    pytest.importorskip("keras")
    ls.utils.set_random_seed(0)
    model = Model.from_graph(sources.read(what))
    found = blindspot(model, count=2, verbose=0)
    keras = model.to_keras()
    random = np.random.default_rng(0)
    assert all(found.pairs)
    for pair in found.pairs:
        way = (pair.second - pair.first).ravel()
        others = pair.first + np.stack([random.permutation(way).reshape(pair.first.shape) for _ in range(8)])
        first, second, *rest = np.asarray(
            keras.predict(np.concatenate([pair.first[None], pair.second[None], others]), verbose=0), np.float64
        )
        scale = max(1.0, np.abs(first).max())
        assert pair.distance > 0.1
        assert np.abs(first - second).max() < 2e-6 * scale
        assert max(np.abs(first - other).max() for other in rest) > 1e-3 * scale


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_keras_model_and_its_file_have_the_same_blind_spots(tmp_path):
    """The weights of both are Keras's own, and Keras finds the outputs of a pair the same."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    start = keras.Input((10, 10, 1))
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, activation="tanh")(start))
    model = keras.Model(start, layers.Dense(5)(layers.Flatten()(x)))
    found = [blindspot(model, count=1, verbose=0)]
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        found.append(blindspot(tmp_path / name, count=1, verbose=0))
    for one in found:
        assert [row.rank for row in one.rows] == [row.rank for row in found[0].rows]
        (pair,) = one.pairs
        assert pair is not None
        both = np.stack([pair.first, pair.second]).astype("float32")
        assert np.abs(both[1] - both[0]).max() > 0.1
        outputs = model.predict(both, verbose=0)
        assert np.abs(outputs[1] - outputs[0]).max() < 2e-6 * max(1.0, np.abs(outputs).max())
