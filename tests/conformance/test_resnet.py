"""ResNet-20 step by step against Keras 3: the same weights and batches, the loss of each batch before its update."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import layerscope as ls

from . import trajectory_runs
from .resnet_keras import resnet20

SCRIPT = Path(__file__).with_name("resnet_keras.py")
BATCH = 16
SGD = ("SGD", {"learning_rate": 0.01, "momentum": 0.9})
RUNS = {"float64": (SGD, ("RMSprop", {})), "float32": (SGD, ("Adam", {}))}
"""Keras takes Adam's correction of its bias in float32, whatever it is told (see test_trajectory.py)."""
STEPS = 5


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """Digits within 32 × 32 in three tones, and ten classes: which of ten brightnesses a digit has.

    With noise: over a background of one colour rounding decides for all of it at once which side of zero it lies on.
    """
    images = trajectory_runs.images()[: STEPS * BATCH].astype("float64") / 255
    room = 32 - images.shape[1]
    x = np.pad(images, ((0, 0), (room // 2, room - room // 2), (room // 2, room - room // 2)))
    order = np.argsort(x.mean(axis=(1, 2)), kind="stable")
    y = np.empty(len(x), np.int64)
    y[order] = np.arange(len(x)) * 10 // len(x)
    tones = np.stack([x, 1 - x, x * x], axis=-1)
    return tones + np.random.default_rng(0).normal(0, 0.2, tones.shape), y


@cache
def start() -> dict[str, list[np.ndarray]]:
    """The first weights, by layer."""
    return {layer.name: layer.get_weights() for layer in fresh().layers if layer.weights}


def fresh() -> ls.Model:
    ls.utils.set_random_seed(3)
    image = ls.Input((32, 32, 3))
    return ls.Model(image, resnet20(ls.layers, image))


@cache
def ours(runs: str, number: int, dtype: str, engine: str) -> np.ndarray:
    """The losses of one of RUNS."""
    (name, settings), (x, y), model = RUNS[runs][number], data(), fresh()
    optimizer = getattr(ls.optimizers, name)(**settings)
    model.compile(optimizer, "sparse_categorical_crossentropy", precision=dtype, engine=engine)
    rows = [slice(step * BATCH, (step + 1) * BATCH) for step in range(STEPS)]
    asked = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    return np.array([model.fit(x[at].astype(dtype), y[at], **asked).history["loss"][0] for at in rows])


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """What Keras finds on a backend in a precision, for all runs; computed once."""

    @cache
    def losses(backend: str, dtype: str) -> list[np.ndarray]:
        folder = tmp_path_factory.mktemp(f"{backend}-{dtype}")
        weights = {name: len(arrays) for name, arrays in start().items()}
        told = {"batch": BATCH, "dtype": dtype, "steps": STEPS, "weights": weights}
        jobs = [{"optimizer": name, "settings": settings, **told} for name, settings in RUNS[dtype]]
        arrays = {f"{name}/{n}": array for name, own in start().items() for n, array in enumerate(own)}
        arrays |= {"x": data()[0], "y": data()[1]}
        np.savez(folder / "jobs.npz", jobs=np.array(json.dumps(jobs)), **arrays)
        return trajectory_runs.keras_losses(backend, dtype, folder, SCRIPT)

    return losses


def test_it_is_resnet_20():
    """He et al.: 0.27 million parameters; here with two projections and four numbers a normalised channel."""
    within = sum(9 * (first * n + 5 * n * n) for first, n in ((16, 16), (16, 32), (32, 64)))
    around = 9 * 3 * 16 + (16 * 32 + 32 * 64) + (64 * 10 + 10)
    assert fresh().count_params() == within + around + 4 * (7 * 16 + 7 * 32 + 7 * 64)


@pytest.mark.parametrize("number", range(2), ids=[name for name, _ in RUNS["float64"]])
def test_float64_follows_keras(number, keras):
    """TensorFlow below Keras: on JAX, Keras takes means in float32 whatever it is told."""
    trajectory_runs.need("keras", "tensorflow")
    mine, theirs = ours("float64", number, "float64", "reference"), keras("tensorflow", "float64")[number]
    print(f"{np.abs(mine - theirs).max():.2g}")
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    np.testing.assert_allclose(ours("float64", number, "float64", "native"), mine, rtol=1e-9)


@pytest.mark.parametrize("number", range(2), ids=[name for name, _ in RUNS["float32"]])
def test_float32_is_as_near_as_keras(number, keras):
    """From what float64 finds, the native engine is no further than twice the further of Keras's two backends."""
    trajectory_runs.need("keras", "jax", "tensorflow")
    (name, settings), exact = RUNS["float32"][number], ours("float32", number, "float64", "reference")
    others = [keras(backend, "float32")[number] for backend in ("jax", "tensorflow")]
    away, *theirs = (np.abs(found - exact) for found in (ours("float32", number, "float32", "native"), *others))
    print(f"{name} {settings}: {away.max():.2g}, Keras {' and '.join(f'{part.max():.2g}' for part in theirs)}")
    assert away.max() <= 2 * max(part.max() for part in theirs)
    assert away[0] <= 2e-6
