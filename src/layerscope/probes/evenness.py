"""Checkerboards that are there: of a new layer on an image without detail, and in what a network makes of images.

The overlap of windows (`analyses.checkerboard`) says what equal weights would do; here weights are what they are.

Source: Odena, Dumoulin & Olah (2016); Aitken et al. (2017) for the state before training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers
from layerscope.analyses import overlap_fixes
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType
from layerscope.models import Model

Array = NDArray[Any]
SIDE = 12
"""Height and width of the image without detail."""


def at_start(layer: Any, channels: int, way: str | None = None, seeds: int = 16) -> float:
    """How uneven a new layer is: standard deviation of its output over the positions ÷ its root mean square, for
    inputs that are the same at every position, away from the edges.

    0: such an image stays without detail. Initial weights as the layer's initializers draw them, without activation;
    means of squares over channels and `seeds` draws of weights and inputs. `way` is one of `overlap_fixes`: what
    stands in the layer's place. For n windows over each of s² positions and independent weights √(1 - 1/s²) is
    expected.
    """
    variance = power = 0.0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        model = Model.from_graph(overlap_fixes.alone(layer, TensorType((1, SIDE, SIDE, channels)), way))
        for one in model.layers:
            for variable in one.weights:
                initializer = initializers.get(getattr(one, f"{variable.role}_initializer"))
                variable.assign(initializer.draw(random, variable.shape))
        y = np.asarray(
            model(np.broadcast_to(random.standard_normal(channels), (1, SIDE, SIDE, channels))), np.float64
        )
        inner = _inner(y, numbers(model.output_types[0].shape[1:3]))
        variance += float(inner.var(axis=(0, 1)).mean())
        power += float(np.square(inner).mean())
    return float(np.sqrt(variance / power)) if power else 0.0


def _inner(y: Array, sizes: tuple[int, ...]) -> Array:
    """The middle third, in whole blocks of the stride."""
    (height, width), scale = sizes, [n // SIDE for n in sizes]
    rows, columns = (slice(4 * s, 8 * s) for s in scale)
    assert height >= SIDE
    assert width >= SIDE
    return y[0, rows, columns]


def spectrum(images: Array, axis: int = 2) -> tuple[Array, Array]:
    """Frequencies (cycles per pixel, 0 … 1/2) along an axis, and the mean power of images at each.

    The power of the Fourier transform of every row (axis 2) or column (axis 1), without the image's mean, over the
    variance of all images together: the sum over all frequencies but those that stand for two (all but the first and,
    for even sizes, the last, which count twice) is 1.
    Shapes: images (n, height, width, C) → two vectors of size // 2 + 1.
    """
    x = np.asarray(images, np.float64)
    x = x - x.mean(axis=(1, 2), keepdims=True)
    size = x.shape[axis]
    power = np.square(np.abs(np.fft.rfft(x, axis=axis)))
    mean = power.mean(axis=tuple(n for n in range(4) if n != axis)) / size**2
    total = float(np.square(x).mean())
    return np.fft.rfftfreq(size), mean / total if total > 0 else mean
