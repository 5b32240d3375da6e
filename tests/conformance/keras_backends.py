"""A script of its own: what layers of layerscope.keras, and saved models, compute on one of Keras's backends.

    KERAS_BACKEND=torch python keras_backends.py jobs.npz results.npz

jobs.npz: "layers", JSON: a list of {"layer", "settings", "inputs"}, where "inputs" names arrays; "n/cotangent" is what
the first output of layer n is multiplied with. "models", JSON: a list of {"path", "inputs"}.
results.npz: "layer/n/output/k", "layer/n/gradient" (of the sum of products with the cotangent, by the first input),
"model/n/output/k".
"""

from __future__ import annotations

import json
import os
import sys
import warnings

import numpy as np


def gradient(keras, call, x, cotangent, compiled):
    """The gradient of sum(cotangent · call(x)), by the backend's own means; TensorFlow compiles when told to."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        whole = jax.grad(lambda value: keras.ops.sum(call(value) * cotangent))
        return jax.jit(whole, compiler_options={"xla_backend_optimization_level": 0})(x)
    if backend == "tensorflow":
        import tensorflow as tf

        def taped(value):
            with tf.GradientTape() as tape:
                tape.watch(value)
                total = keras.ops.sum(call(value) * cotangent)
            return tape.gradient(total, value)

        return (tf.function(taped, jit_compile=True) if compiled else taped)(tf.constant(x))
    import torch

    value = torch.tensor(x, requires_grad=True)
    (call(value) * torch.tensor(cotangent)).sum().backward()
    return value.grad


def run_layers(keras, own, given, jobs, results):
    for number, job in enumerate(jobs):
        layer = getattr(own, job["layer"])(**job["settings"])
        x, *rest = (given[name] for name in job["inputs"])

        def first(value, layer=layer, rest=rest):
            made = layer([value, *map(keras.ops.convert_to_tensor, rest)] if rest else value)
            return made[0] if isinstance(made, tuple) else made

        whole = layer([x, *rest] if rest else x)
        for place, output in enumerate(whole if isinstance(whole, tuple) else [whole]):
            results[f"layer/{number}/output/{place}"] = keras.ops.convert_to_numpy(output)
        found = gradient(keras, first, x, given[f"{number}/cotangent"], number % 8 == 0)
        results[f"layer/{number}/gradient"] = keras.ops.convert_to_numpy(found)


def run_models(keras, given, jobs, results):
    for number, job in enumerate(jobs):
        model = keras.models.load_model(job["path"])
        arrays = [given[name] for name in job["inputs"]]
        made = model(arrays if len(arrays) > 1 else arrays[0], training=False)
        for place, output in enumerate(made if isinstance(made, list | tuple) else [made]):
            results[f"model/{number}/output/{place}"] = keras.ops.convert_to_numpy(output)


def check_compiled(keras):
    """On every backend optimizer, loss and metrics come over: their classes differ from backend to backend."""
    import layerscope as ls

    for optimizer in ls.optimizers.CLASSES:
        given = ls.Input((3,))
        model = ls.Model(given, ls.layers.Dense(2, "softmax")(given))
        model.compile(optimizer(learning_rate=0.3), "categorical_crossentropy", metrics=["accuracy", "mse"])
        again = ls.from_keras(model.to_keras())
        assert again.optimizer == model.optimizer, again.optimizer
        assert again.losses == model.losses, again.losses
        assert [one for _, one in again.metrics.values()] == [one for _, one in model.metrics.values()], again.metrics


def main(source: str, target: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras

        import layerscope.keras as own
    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]
    results = {}
    with np.load(source) as given:
        run_layers(keras, own, given, json.loads(str(given["layers"])), results)
        run_models(keras, given, json.loads(str(given["models"])), results)
    check_compiled(keras)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
