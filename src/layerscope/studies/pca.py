"""Principal components as the code: what the best linear encoder and decoder make of images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MOST = 64 << 20
"""Numbers of the training images that are used at most."""


@dataclass(frozen=True)
class Linear:
    """Reconstructions of the test images from `components` numbers; `used` of the training images were looked at."""

    restored: Array
    components: int
    used: int
    seconds: float


def principal_components(images: Array, test: Array, components: int, seed: int = 0) -> Linear:
    """The first principal components of the training images, put to the test images.

    No linear encoder and decoder with as many numbers has a smaller squared error on the images they are computed
    from. There are at most as many components as pixels, or images. Nothing is clipped to 0 … 1.
    Shapes: twice (n, height, width, C). Source: scikit-learn, `decomposition.PCA`.
    """
    from sklearn.decomposition import PCA

    started = time.perf_counter()
    pixels = int(np.prod(images.shape[1:]))
    used = max(1, min(len(images), MOST // pixels))
    step = len(images) // used
    flat = images[::step][:used].reshape(used, -1)
    components = min(components, pixels, used)
    found: Any = PCA(components, random_state=seed).fit(flat)
    seconds = time.perf_counter() - started
    restored = found.inverse_transform(found.transform(test.reshape(len(test), -1)))
    return Linear(restored.reshape(test.shape), components, used, seconds)
