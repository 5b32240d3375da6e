"""How much of the input a linear readout of a layer gives back: R², on examples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError

Array = NDArray[Any]
LEAST = 20
"""Examples below which a readout says nothing."""
STRENGTHS = 10.0 ** np.arange(-7, 3)
"""Ridge penalties that are tried, in units of the features' mean square; half of what is held out chooses."""
SHARE = 4
"""Every fourth example is held out."""


def readout(features: Array, targets: Array) -> float:
    """R² of ridge regression from features (n, …) to targets (n, …) on held-out examples.

    1 − squared error ÷ squared distance from the mean of those that it was fitted to, over all numbers together:
    1 all is recovered, 0 nothing more than the mean. Every fourth example is held out; of these every other one
    chooses the penalty, the rest is what R² is measured on. A straight line from features to targets: a decoder
    that is not linear may recover more.
    Errors: DataError for fewer than 20 examples.
    Source: Alain & Bengio, "Understanding intermediate layers using linear classifier probes" (2016); Hoerl &
    Kennard, "Ridge regression" (1970).
    """
    count = len(features)
    if count < LEAST:
        raise DataError(f"a readout needs at least {LEAST} examples, but there are {count}")
    x = np.asarray(features, np.float64).reshape(count, -1)
    y = np.asarray(targets, np.float64).reshape(count, -1)
    held = np.arange(count) % SHARE == SHARE - 1
    numbers = np.flatnonzero(held)
    centre, mean = x[~held].mean(axis=0), y[~held].mean(axis=0)
    x, y = x - centre, y - mean
    best, result = -np.inf, 0.0
    for found in _ridges(x[~held], y[~held], x[numbers]):
        score = _score(found[::2], y[numbers[::2]])
        if score > best:
            best, result = score, _score(found[1::2], y[numbers[1::2]])
    return result


def _score(found: Array, wanted: Array) -> float:
    total = float(np.square(wanted).sum())
    return 1 - float(np.square(found - wanted).sum()) / total if total else 1.0


def _ridges(x: Array, y: Array, held: Array) -> Iterator[Array]:
    """What is found for the held-out examples by each penalty, from one decomposition of the smaller Gram matrix."""
    scale = float(np.square(x).mean()) * len(x) or 1.0
    if x.shape[1] <= len(x):
        values, turn = np.linalg.eigh(x.T @ x)
        part, seen = turn.T @ (x.T @ y), held @ turn
    else:
        values, turn = np.linalg.eigh(x @ x.T)
        part, seen = turn.T @ y, (held @ x.T) @ turn
    for strength in STRENGTHS:
        yield seen @ (part / (np.maximum(values, 0) + strength * scale)[:, None])
