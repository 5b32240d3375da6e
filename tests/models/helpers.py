"""What the tests of this folder share: whole messages, small models, arrays that repeat."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from layerscope import Input, Model, utils
from layerscope.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

SOURCE = str(Path(__file__).parents[2] / "src")


@contextlib.contextmanager
def refuses(kind, message):
    """The block raises exactly this class with exactly this message."""
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    assert str(caught.value) == message


def numbers(*shape, seed=0, dtype="float32"):
    """Numbers in [0, 1) that are the same every time."""
    return np.random.default_rng(seed).random(shape).astype(dtype)


def dense_model(units=2, features=3, seed=0, compiled=True, activation=None, **settings):
    """Input(features) → Dense(units) with repeatable weights."""
    utils.set_random_seed(seed)
    x = Input((features,), name="x")
    model = Model(x, Dense(units, activation, name="dense")(x))
    if compiled:
        model.compile(**({"optimizer": "sgd", "loss": "mse"} | settings))
    return model


def image_model(seed=0, size=8, rate=0.0, **settings):
    """A small classifier of grey images into three classes."""
    utils.set_random_seed(seed)
    x = image = Input((size, size, 1), name="image")
    x = Conv2D(3, 3, activation="relu", padding="same", name="conv")(x)
    x = Flatten(name="flatten")(MaxPooling2D(2, name="pool")(x))
    if rate:
        x = Dropout(rate, name="dropout")(x)
    model = Model(image, Dense(3, "softmax", name="classes")(x), name="classifier")
    model.compile(**({"optimizer": "adam", "loss": "sparse_categorical_crossentropy"} | settings))
    return model


def equal(left, right):
    """Whether two lists of arrays are the same to the bit, in dtype too."""
    return len(left) == len(right) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


def environment():
    """A child's: this source, nothing of the user's."""
    return {**os.environ, "PYTHONPATH": SOURCE, "PYTHONUNBUFFERED": "1", "LAYERSCOPE_OFFLINE": "1"}


def child(script, *arguments, **settings):
    """A child process that runs a script; its stdout and stderr are pipes of text."""
    return start([sys.executable, "-W", "error", "-c", script, *map(str, arguments)], **settings)


def start(command, **settings):
    """A child process with pipes."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), **settings
    )


def as_json(data):
    """Through text and back, as a file would take it."""
    return json.loads(json.dumps(data))
