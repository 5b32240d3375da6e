"""A script of its own: trains ResNet-20 in Keras and writes down the loss of each step, and the weights behind it.

    KERAS_BACKEND=tensorflow python resnet_keras.py jobs.npz losses.npz

jobs.npz: "x", images of all batches in order; "y", their labels; "jobs", JSON: a list of {"optimizer", "settings",
"steps", "batch", "dtype", "weights"}, where "weights" says how many arrays each layer has. losses.npz: "loss/0" and so on for each job. It imports nothing of Layerscope.
"""

from __future__ import annotations

import itertools
import json
import os
import sys

import numpy as np


def resnet20(layers, image):
    """He et al. (2015), section 4.2, n = 3: the probabilities of ten classes; projections where the size changes."""

    count = itertools.count()

    def normed(x, filters, kernel, strides=1):
        number = next(count)
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"conv_{number}")(x)
        return layers.BatchNormalization(name=f"norm_{number}")(x)

    x = layers.Activation("relu")(normed(image, 16, 3))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = layers.Activation("relu")(normed(x, filters, 3, strides))
            y = normed(y, filters, 3)
            if strides > 1:
                x = normed(x, filters, 1, strides)
            x = layers.Activation("relu")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(10, activation="softmax", name="classes")(x)


def train(keras, job: dict, x: np.ndarray, y: np.ndarray, weights: dict[str, list[np.ndarray]]) -> np.ndarray:
    """The loss of each batch before its update."""
    keras.config.set_floatx(job["dtype"])
    keras.backend.clear_session()
    image = keras.Input(x.shape[1:])
    model = keras.Model(image, resnet20(keras.layers, image))
    model.compile(getattr(keras.optimizers, job["optimizer"])(**job["settings"]), "sparse_categorical_crossentropy")
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
    assert all(str(w.dtype) == job["dtype"] for w in model.weights), "Keras computes in another precision"
    found = []
    for step in range(job["steps"]):
        rows = slice(step * job["batch"], (step + 1) * job["batch"])
        found.append(float(model.train_on_batch(x[rows].astype(job["dtype"]), y[rows])))
    return np.array(found)


def main(source: str, target: str) -> None:
    import keras

    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]
    results = {}
    with np.load(source) as given:
        for number, job in enumerate(json.loads(str(given["jobs"]))):
            weights = {name: [given[f"{name}/{n}"] for n in range(many)] for name, many in job["weights"].items()}
            results[f"loss/{number}"] = train(keras, job, given["x"], given["y"], weights)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
