"""A script of its own: Keras's losses and metrics in double precision, on TensorFlow, whose means are in double, too.

    KERAS_BACKEND=tensorflow python objectives_keras.py cases.json results.npz

cases.json: {"losses": [...], "metrics": [...]}, each {"kind", "settings", "target", "output"} with nested lists.
results.npz: "loss/N" and "gradient/N"; "metric/N" after all batches of `BATCH` examples, "weighed/N" with weights.
PSNR and SSIM are those of tf.image, which are in single precision.
It imports nothing of Layerscope.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np

BATCH = 8


def weights(count):
    """Weights of examples: some are zero."""
    return np.resize([1.0, 0.5, 2.0, 0.0, 1.25], count)


class Image:
    """PSNR or SSIM of tf.image as a loss (1 - SSIM) and as a metric."""

    def __init__(self, function, settings):
        self.function, self.settings, self.found = function, {"max_val": 1.0, **settings}, []

    def __call__(self, target, output):
        return 1 - tf.reduce_mean(self.function(target, output, **self.settings))

    def update_state(self, target, output, sample_weight=None):
        self.found.extend(self.function(tf.constant(target), tf.constant(output), **self.settings).numpy())

    def result(self):
        return np.mean(self.found)


def made(home, kind, settings):
    """The object of a case."""
    if kind in ("PSNR", "SSIM"):
        return Image(getattr(tf.image, kind.lower()), settings)
    return getattr(home, kind)(**settings, dtype="float64")


def loss(case):
    """Value and gradient."""
    output = tf.Variable(np.array(case["output"]))
    with tf.GradientTape() as tape:
        value = made(keras.losses, case["kind"], case["settings"])(tf.constant(np.array(case["target"])), output)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, output)).numpy()


def metric(case, weighed):
    """The metric after some batches."""
    target, output = np.array(case["target"]), np.array(case["output"])
    found = made(keras.metrics, case["kind"], case["settings"])
    if "TopK" in case["kind"]:  # of which TensorFlow has no form in double precision
        output = output.astype("float32")
    for start in range(0, len(target), BATCH):
        part = slice(start, start + BATCH)
        given = {"sample_weight": weights(len(target))[part]} if weighed else {}
        found.update_state(target[part], output[part], **given)
    return np.array(found.result())


def main(source, target):
    """All cases of a file."""
    keras.config.set_floatx("float64")
    with open(source, encoding="utf-8") as file:
        cases = json.load(file)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, case in enumerate(cases["losses"]):
            found[f"loss/{number}"], found[f"gradient/{number}"] = loss(case)
        for number, case in enumerate(cases["metrics"]):
            found[f"metric/{number}"] = metric(case, weighed=False)
            if case["weighed"]:
                found[f"weighed/{number}"] = metric(case, weighed=True)
    np.savez(target, **found)


if __name__ == "__main__":
    import keras
    import tensorflow as tf

    main(*sys.argv[1:])
