"""A script of its own: random models of ours to Keras and back, on a backend that does not compile.

    KERAS_BACKEND=tensorflow python keras_round_trips.py COUNT

Prints JSON: for each seed the largest difference of the Keras model from ours, and of what came back from ours (for
numbers above 1 as a share of them), or the error.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

import layerscope as ls
from conformance.random_models import random_inputs, random_model


def listed(outputs):
    found = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [one if isinstance(one, np.ndarray) else keras.ops.convert_to_numpy(one) for one in found]


def distance(ours, theirs) -> float:
    assert [a.shape for a in ours] == [a.shape for a in theirs]
    return max(float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()) for a, b in zip(ours, theirs, strict=True))


def there_and_back(seed: int) -> dict:
    model = random_model(seed)
    arrays = random_inputs(model, seed, 3)
    x = arrays if len(arrays) > 1 else arrays[0]
    ours, theirs = listed(model(x)), model.to_keras()
    assert [tuple(t.shape) for t in theirs.outputs] == [
        tuple(n if isinstance(n, int) else None for n in t.shape) for t in model.output_types
    ]
    again = ls.from_keras(theirs)
    assert again.count_params() == model.count_params() == theirs.count_params()
    return {
        "there": distance(ours, listed(theirs(x, training=False))),
        "back": distance(ours, listed(again(x))),
        "kinds": sorted({layer.kind for layer in again.layers}),
    }


if __name__ == "__main__":
    print(json.dumps([there_and_back(seed) for seed in range(int(sys.argv[1]))]))
