"""Training step by step against Keras 3: same weights, same batches in the same order, the loss of each batch.

Measured over 50 batches of 256 MNIST images, as the largest difference of one batch's loss before its update.

Float64, ours from Keras on JAX: autoencoder A, Adadelta 4e-9, Adam 3e-11. What is left is not ours: Keras 3.15 on JAX
takes every mean in float32, whatever `floatx` says (its result type of float64 and float32 is float32 unless
TensorFlow is the backend), so all its gradients are too large by the same 2e-8. The other difference does not
show here: Keras on JAX clips probabilities at 1e-7, where we, like Keras on TensorFlow, compute from the
logits; no logit of these batches comes near log(1e7) = 16.

Float32: rounding grows, now slowly, now (where a maximum or a relu tips over) by leaps: each framework leaps as far
from itself when the last bits of the initial weights are changed (up to 3e-3 and 8e-6). For six sets of initial
weights, ours from Keras on JAX: Adadelta 8e-7 to 3e-3, median 1.0e-4; Adam 2e-6 to 2e-5, median 3e-6. Keras on
TensorFlow from Keras on JAX: Adadelta 9e-6 to 2e-4, median 7e-5 (up to 3e-3 on another machine); Adam 1e-7 to 7e-6.
So medians are compared, of 30 batches, after which leaps have begun. Adam's difference is the bias correction, which
both backends of Keras take in float32, losing five digits of 1 - 0.999ᵗ, and ours in float64: rounded as
theirs, ours is 1e-7 away.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import layerscope as ls

from . import trajectory_runs
from .trajectory_runs import BATCH, Frameworks, Run

ADADELTA = {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}
NESTEROV = {"learning_rate": 0.5, "momentum": 0.9, "nesterov": True}
A, B = "autoencoder", "autoencoder-transpose"
FLOAT64 = (
    (Run(A, "Adadelta", ADADELTA), 1e-6),
    (Run(A, "Adam"), 2e-4),
    (Run(A, "SGD", NESTEROV, 5), 1e-6),
    (Run(A, "RMSprop", steps=5), 1e-6),
    (Run(B, "Adadelta", ADADELTA, 10), 1e-6),
)
FLOAT32 = ((Run(A, "Adadelta", ADADELTA, 30), 1e-4), (Run(A, "Adam", steps=30), 1e-5))
"""With the distance that Keras's own backends may have at least, should they happen to stay together here."""
SEEDS = range(5)
"""In float32 a single run may drift off at one step, ours or Keras's; so the median of some counts."""
EARLY = 5
"""For so many steps rounding has not grown; there ours must be within CLOSE."""
CLOSE = {"float64": 2e-8, "float32": 2e-6}


@pytest.fixture(scope="module")
def frameworks(tmp_path_factory):
    return Frameworks(tmp_path_factory.mktemp("keras"))


@cache
def ours(dtype: str) -> list[np.ndarray]:
    return [trajectory_runs.ours(run, dtype) for run in runs(dtype)]


def runs(dtype: str) -> list[Run]:
    if dtype == "float64":
        return [run for run, _ in FLOAT64]
    return [replace(run, seed=seed) for run, _ in FLOAT32 for seed in SEEDS]


@pytest.mark.parametrize("number", range(len(FLOAT64)), ids=[run.title for run in runs("float64")])
def test_float64_follows_keras(number, frameworks):
    trajectory_runs.need("keras", "jax")
    run, bound = FLOAT64[number]
    asked = frameworks.ask("jax", "float64", runs("float64"))
    mine, theirs = ours("float64")[number], asked.result()[number]
    assert len(mine) == len(theirs) == run.steps
    away = np.abs(mine - theirs)
    print(f"{run.title}: {away.max():.2g} at step {away.argmax()}, early {away[:EARLY].max():.2g}")
    assert mine[-1] < mine[0], "it learns"
    assert away.max() <= bound
    assert away[:EARLY].max() <= CLOSE["float64"]


@pytest.mark.parametrize("number", range(len(FLOAT32)), ids=[run.title for run, _ in FLOAT32])
def test_float32_is_as_near_as_keras_to_itself(number, frameworks):
    """No further from Keras on JAX than twice the distance between Keras's two backends: medians over seeds."""
    trajectory_runs.need("keras", "jax", "tensorflow")
    asked = [frameworks.ask(backend, "float32", runs("float32")) for backend in ("jax", "tensorflow")]
    own = slice(number * len(SEEDS), (number + 1) * len(SEEDS))
    mine, jax, tensorflow = (np.array(found[own]) for found in (ours("float32"), *(a.result() for a in asked)))
    away, themselves = np.abs(mine - jax), np.abs(tensorflow - jax)
    run, least = FLOAT32[number]
    middle = [float(np.median(distance.max(axis=1))) for distance in (away, themselves)]
    print(f"{run.title}: ours from JAX {middle[0]:.2g}, TensorFlow from JAX {middle[1]:.2g}")
    assert middle[0] <= 2 * max(middle[1], least)
    assert away[:, :EARLY].max() <= CLOSE["float32"]


def small(seed: int | None = None) -> ls.Model:
    """A network with weights, shuffling and dropout to seed."""
    if seed is not None:
        ls.utils.set_random_seed(seed)
    layers = ls.layers
    model = ls.Sequential(
        [
            ls.Input((28, 28, 1)),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digits() -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = ls.datasets.digits.load_data()
    return x[:300, ..., None] / np.float32(255), y[:300]


def trace_of(model: ls.Model, **settings) -> list[bytes]:
    """Everything that training left, bit by bit."""
    history = model.fit(*digits(), batch_size=32, verbose=0, **{"epochs": 2} | settings).history
    return [np.array(history[name]).tobytes() for name in sorted(history)] + [
        w.tobytes() for w in model.get_weights()
    ]


def test_the_same_seed_gives_the_same_bits():
    assert trace_of(small(7)) == trace_of(small(7))


def test_another_seed_gives_other_bits():
    mine, other = trace_of(small(7)), trace_of(small(8))
    assert all(a != b for a, b in zip(mine, other, strict=True))


def test_the_seed_of_fit_alone_decides_shuffling_and_dropout():
    start = small(7).get_weights()

    def trained(seed: int) -> list[bytes]:
        model = small()
        model.set_weights(start)
        return trace_of(model, seed=seed)

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)


def test_fits_of_one_batch_are_one_fit():
    """So the trajectories above are those of one fit: the optimizer's state and step count go on."""
    rows = slice(0, 3 * BATCH)
    x = (trajectory_runs.images()[rows, ..., None] / 255).astype("float32")
    whole, parts = trajectory_runs.fresh(A), trajectory_runs.fresh(A)
    for model in (whole, parts):
        model.compile("adam", "binary_crossentropy")
    whole.fit(x, x, batch_size=BATCH, shuffle=False, verbose=0)
    for start in range(0, len(x), BATCH):
        part = x[start : start + BATCH]
        parts.fit(part, part, batch_size=BATCH, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True))
