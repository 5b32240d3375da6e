"""A script of its own: trains the document's autoencoders in Keras and writes down the loss of each step.

    KERAS_BACKEND=jax python trajectory_keras.py jobs.npz losses.npz

jobs.npz: "x", the images of all batches in order (uint8); "jobs", JSON: a list of {"network", "optimizer",
"settings", "steps", "batch", "dtype", "weights"}, where "weights" names the arrays that hold the initial ones.
losses.npz: "loss/0" and so on for each job, the loss of each batch before its update.

It imports nothing of Layerscope: the networks stand here as the document has them.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np


def autoencoder(layers):
    """The document's first autoencoder, by upsampling."""
    return [
        layers.Conv2D(16, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(8, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.UpSampling2D(2),
        layers.Conv2D(8, 3, activation="relu", padding="same"),
        layers.UpSampling2D(2),
        layers.Conv2D(16, 3, activation="relu"),
        layers.UpSampling2D(2),
        layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
    ]


def autoencoder_transpose(layers):
    """The document's second autoencoder, by transposed convolutions."""
    return [
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 3, activation="relu"),
        layers.Conv2DTranspose(4, 3, activation="relu", padding="same"),
        layers.UpSampling2D(2),
        layers.Conv2DTranspose(8, 3, activation="relu", padding="same"),
        layers.UpSampling2D(2),
        layers.Conv2DTranspose(16, 3, activation="relu"),
        layers.UpSampling2D(2),
        layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same"),
    ]


NETWORKS = {"autoencoder": autoencoder, "autoencoder-transpose": autoencoder_transpose}


def fresh(keras, job: dict, made: dict):
    """The compiled model of a job, its optimizer as it begins: that of an earlier job like it, which is compiled."""
    key = json.dumps([job[name] for name in ("dtype", "network", "optimizer", "settings")])
    if key not in made:
        keras.config.set_floatx(job["dtype"])
        keras.config.set_epsilon(1e-7)
        model = keras.Sequential([keras.Input((28, 28, 1)), *NETWORKS[job["network"]](keras.layers)])
        optimizer = getattr(keras.optimizers, job["optimizer"])(**job["settings"])
        model.compile(optimizer, "binary_crossentropy")
        optimizer.build(model.trainable_variables)
        made[key] = model, [variable.numpy() for variable in optimizer.variables]
    model, beginning = made[key]
    for variable, numbers in zip(model.optimizer.variables, beginning, strict=True):
        variable.assign(numbers)
    return model


def train(keras, job: dict, images: np.ndarray, weights: list[np.ndarray], made: dict) -> np.ndarray:
    """The loss of each batch before its update."""
    model = fresh(keras, job, made)
    model.set_weights(weights)
    assert all(str(w.dtype) == job["dtype"] for w in model.weights), "Keras computes in another precision"
    found = []
    for step in range(job["steps"]):
        batch = images[step * job["batch"] : (step + 1) * job["batch"]].astype(job["dtype"]) / 255
        # train_on_batch sets the metrics back, so this is the loss of this batch alone
        found.append(float(model.train_on_batch(batch, batch)))
    return np.array(found)


def main(source: str, target: str) -> None:
    import keras

    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]
    results, made = {}, {}
    with np.load(source) as given:
        images = given["x"][..., None]
        for number, job in enumerate(json.loads(str(given["jobs"]))):
            weights = [given[name] for name in job["weights"]]
            results[f"loss/{number}"] = train(keras, job, images, weights, made)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
