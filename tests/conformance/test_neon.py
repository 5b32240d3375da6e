"""NEON code against the reference engine: the same training, the same results, one step's rounding apart."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import settings

import layerscope as ls

from .aarch64 import Emulator

NETWORKS = {
    "autoencoder": (
        "12x10x1 | conv 6 3 same relu | maxpool 2 same | conv 4 3 same relu | upsample 2 | conv 1 3 same sigmoid",
        "binary_crossentropy",
    ),
    "transpose": (
        "9x7x3 | conv 5 3 stride 2 relu | convt 4 3 stride 2 | avgpool 2 | flatten | dense 6",
        "mean_squared_error",
    ),
    "classifier": (
        "4x3x2 | flatten | dense 24 relu | dropout 0.3 | dense 5 softmax",
        "sparse_categorical_crossentropy",
    ),
}
COUNT, BATCH = 23, 9
"""Batches of whole and of partly filled registers, for each of two threads; the last batch is smaller."""
TOLERANCE = {"float32": {"rtol": 2e-4, "atol": 2e-6}, "float64": {"rtol": 1e-10, "atol": 1e-13}}

TYPES = [
    ("float16", -1, 1),
    ("float64", -1, 1),
    ("bool", 0, 2),
    ("uint8", 0, 255),
    ("int8", -128, 127),
    ("uint16", 0, 65535),
    ("int32", -(2**31), 2**31),
    ("uint32", 0, 2**32),
    ("int64", -(2**40), 2**40),
    ("uint64", 0, 2**64),
]


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    return Emulator(tmp_path, monkeypatch)


def data(name):
    """Examples and targets."""
    random = np.random.default_rng(3)
    shape = ls.Model.from_graph(ls.trace(NETWORKS[name][0]).graph).input_types[0].shape[1:]
    x = random.random((COUNT, *shape), np.float32)
    if name == "classifier":
        return x, random.integers(0, 5, COUNT)
    return (x, x) if name == "autoencoder" else (x, random.normal(size=(COUNT, 6)))


def model(name, engine, precision, threads=1):
    """The network with the same weights each time."""
    text, loss = NETWORKS[name]
    ls.utils.set_random_seed(5)
    made = ls.Model.from_graph(ls.trace(text).graph)
    metrics = ["accuracy"] if name == "classifier" else None
    made.compile("adadelta", loss, metrics=metrics, engine=engine, precision=precision, threads=threads)
    return made


@pytest.mark.parametrize("threads", [1, 2, 12])
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", NETWORKS)
def test_training(name, precision, threads, emulator):
    x, y = data(name)
    ours, truth = (model(name, engine, precision, threads) for engine in ("native", "reference"))
    before = [array.copy() for array in truth.get_weights()]
    with settings(team=threads):  # of 12 threads several work on a block
        found, wanted = (m.fit(x, y, BATCH, 2, verbose=0, seed=8).history for m in (ours, truth))
    assert emulator.runs == 2
    assert found.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], **TOLERANCE[precision], err_msg=key)
    for array, expected, first in zip(ours.get_weights(), truth.get_weights(), before, strict=True):
        assert array.dtype == precision
        assert (expected != first).any()
        np.testing.assert_allclose(array - first, expected - first, **TOLERANCE[precision])
    slots = truth._state.slots
    assert ours._state.slots.keys() == slots.keys()
    for key, expected in slots.items():
        np.testing.assert_allclose(ours._state.slots[key], expected, **TOLERANCE[precision], err_msg=str(key))


@pytest.mark.parametrize(("dtype", "low", "high"), TYPES, ids=[row[0] for row in TYPES])
@pytest.mark.parametrize("precision", TOLERANCE)
def test_types_of_data(precision, dtype, low, high, emulator):
    x, y = data("transpose")
    x = np.random.default_rng(4).uniform(low, high, x.shape).astype(dtype)
    ours, truth = (model("transpose", engine, precision, 2) for engine in ("native", "reference"))
    found, wanted = (m.predict(x) for m in (ours, truth))
    scale = np.abs(wanted).max()  # outputs are differences of numbers of this size
    np.testing.assert_allclose(found / scale, wanted / scale, **TOLERANCE[precision])
    np.testing.assert_allclose(ours.evaluate(x, y, BATCH), truth.evaluate(x, y, BATCH), **TOLERANCE[precision])
    assert emulator.runs == 2
