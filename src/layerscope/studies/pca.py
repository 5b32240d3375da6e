"""Principal components as the code: what the best linear encoder and decoder make of images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.studies.parts import Part

Array = NDArray[Any]
MOST = 64 << 20
"""Numbers of the training images that are used at most."""


@dataclass(frozen=True)
class Components:
    """Principal components of images; `used` of these were looked at, which took `seconds`."""

    model: Any
    count: int
    used: int
    seconds: float

    def restored(self, images: Array) -> Array:
        """What the components keep of images (n, height, width, C)."""
        flat = images.reshape(len(images), -1)
        return self.model.inverse_transform(self.model.transform(flat)).reshape(images.shape)


def principal_components(images: Part, count: int, seed: int = 0) -> Components:
    """The first principal components of images.

    No linear encoder and decoder with as many numbers has a smaller squared error on the images they are computed
    from. There are at most as many components as pixels, or images; of many images every n-th is used. Nothing is
    clipped to 0 … 1.
    Source: scikit-learn, `decomposition.PCA`.
    """
    from sklearn.decomposition import PCA

    pixels = int(np.prod(images.source.shape[1:]))
    step = -(-len(images) * pixels // MOST)
    rows = np.arange(0, len(images), step, dtype=np.int64)
    flat = images.source.read(rows).reshape(len(rows), -1)
    count, started = min(count, pixels, len(rows)), time.perf_counter()
    found: Any = PCA(count, random_state=seed).fit(flat)
    return Components(found, count, len(rows), time.perf_counter() - started)
