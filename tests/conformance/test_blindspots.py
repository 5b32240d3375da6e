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
