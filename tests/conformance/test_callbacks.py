"""Callbacks that decide, against Keras's own: the same numbers of the logs, and what becomes of the training."""

from __future__ import annotations

import types
import warnings

import numpy as np
import pytest

from layerscope import callbacks, optimizers

from . import keras_oracle

EPOCHS = 25
SEEDS = range(30)


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


class Model:
    """What callbacks see of a model; its weights say which epoch they are of."""

    def __init__(self, optimizer) -> None:
        self.stop_training, self.optimizer, self.epoch, self.given = False, optimizer, -1, None
        self.metrics = []

    def get_weights(self):
        return [np.array(float(self.epoch))]

    def set_weights(self, weights):
        self.given = float(weights[0])


def followed(callback, model, values: list[float | None], name: str) -> tuple[int, list[float], float | None]:
    """How many epochs there were, the learning rate after each, and which epoch's weights were put back."""
    callback.set_model(model)
    callback.on_train_begin({})
    rates = []
    for model.epoch, value in enumerate(values):
        callback.on_epoch_begin(model.epoch, {})
        callback.on_epoch_end(model.epoch, {"other": 1.0} | ({} if value is None else {name: value}))
        rates.append(float(np.float32(model.optimizer.learning_rate)))
        if model.stop_training:
            break
    callback.on_train_end({})
    return model.epoch + 1, rates, model.given


def compared(keras, kind: str, settings: dict, values: list[float | None], name: str) -> tuple:
    """What ours leads to, which is what Keras's leads to."""
    mine = followed(getattr(callbacks, kind)(**settings), Model(optimizers.SGD(0.5)), values, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX, and of Keras where an epoch has no such number
        other = types.SimpleNamespace(learning_rate=np.float32(0.5))
        theirs = followed(getattr(keras.callbacks, kind)(**settings), Model(other), values, name)
    assert mine[0] == theirs[0]
    assert mine[1] == pytest.approx(theirs[1], rel=1e-6)
    assert mine[2] == theirs[2]
    return mine


def course(seed: int, falling: bool) -> list[float | None]:
    """A number that falls (or rises) by fits and starts, and stops to."""
    rng = np.random.default_rng(seed)
    values = 1 / (1 + np.arange(EPOCHS) * 0.2) + rng.normal(size=EPOCHS) * 0.08
    return (np.round(values if falling else -values, 2)).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_early_stopping(keras, seed):
    rng = np.random.default_rng(seed + 100)
    falling = bool(rng.integers(2))
    settings = {
        "monitor": "val_loss" if falling else "val_accuracy",
        "mode": ["auto", "min"][rng.integers(2)] if falling else "max",
        "patience": int(rng.integers(0, 5)),
        "min_delta": float(rng.choice([0, 0.055])),
        "restore_best_weights": bool(rng.integers(2)),
        "start_from_epoch": int(rng.integers(0, 4)),
        "baseline": [None, 0.5 if falling else -0.5][rng.integers(2)],
    }
    compared(keras, "EarlyStopping", settings, course(seed, falling), settings["monitor"])


def test_early_stopping_stops_some_and_not_all(keras):
    found = [compared(keras, "EarlyStopping", {"patience": 3}, course(seed, True), "val_loss")[0] for seed in SEEDS]
    assert min(found) < EPOCHS
    assert len(set(found)) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_reduce_on_plateau(keras, seed):
    rng = np.random.default_rng(seed + 200)
    settings = {
        "factor": float(rng.choice([0.1, 0.5])),
        "patience": int(rng.integers(1, 4)),
        "min_delta": float(rng.choice([0, 0.055])),
        "cooldown": int(rng.integers(0, 3)),
        "min_lr": float(rng.choice([0, 0.01])),
    }
    *_, rates, _ = compared(keras, "ReduceLROnPlateau", settings, course(seed, True), "val_loss")
    assert rates[-1] < 0.5


@pytest.mark.parametrize("two", [False, True])
def test_learning_rate_scheduler(keras, two):
    def one_argument(epoch):
        return 0.5 / (epoch + 1)

    def two_arguments(epoch, rate):
        return float(rate) * 0.9

    settings = {"schedule": two_arguments if two else one_argument}
    *_, rates, _ = compared(keras, "LearningRateScheduler", settings, course(0, True), "val_loss")
    assert len(set(rates)) == EPOCHS


@pytest.mark.parametrize("kind", ["EarlyStopping", "ReduceLROnPlateau"])
def test_epochs_without_the_number(keras, kind):
    values = [value if number % 2 else None for number, value in enumerate(course(3, True))]
    with pytest.warns(UserWarning, match=f"{kind} watches val_loss, but the logs have only other"):
        compared(keras, kind, {"patience": 1}, values, "val_loss")


def test_csv_logger(keras, tmp_path):
    logs = [{"loss": 0.5, "mae": 1.25}, {"loss": 0.25, "mae": 1.0}]
    texts = []
    for name, library in (("mine", callbacks), ("theirs", keras.callbacks)):
        for append in (False, True):
            logger = library.CSVLogger(str(tmp_path / name), separator=";", append=append)
            logger.on_train_begin()
            for epoch, told in enumerate(logs):
                logger.on_epoch_end(epoch, told)
            logger.on_train_end()
        texts.append((tmp_path / name).read_text().replace("\r\n", "\n"))
    assert texts[0] == texts[1]
    assert texts[0].splitlines()[0] == "epoch;loss;mae;val_loss;val_mae"
    assert len(texts[0].splitlines()) == 5
