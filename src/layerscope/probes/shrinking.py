"""Networks that differ in one thing: what makes the image smaller. For comparing what a shift does to them.

Each is twice a convolution 3×3 with relu, followed by what halves the image. All convolutions of a seed are the same.

Source: Zhang (2019) for the blurred ones: what a stride leaves out is blurred first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope import initializers
from layerscope.core.errors import UnknownNameError
from layerscope.layers import AveragePooling2D, Conv2D, Input, MaxPooling2D
from layerscope.models import Model

BINOMIAL = (1.0, 2.0, 1.0)
"""The blur along each axis, over its sum."""


def _conv(x: Any, channels: int, stride: int = 1) -> Any:
    return Conv2D(channels, 3, strides=stride, padding="same", activation="relu")(x)


def _blur(x: Any, channels: int) -> Any:
    return Conv2D(channels, 3, strides=2, padding="same", groups=channels, use_bias=False)(x)


WAYS: dict[str, tuple[str, Callable[[Any, int], Any]]] = {
    "nothing": ("the convolution alone; nothing halves the image", _conv),
    "stride": ("the convolution has a stride of 2", lambda x, c: _conv(x, c, 2)),
    "max": ("max pooling 2×2", lambda x, c: MaxPooling2D(2, padding="same")(_conv(x, c))),
    "average": ("average pooling 2×2", lambda x, c: AveragePooling2D(2, padding="same")(_conv(x, c))),
    "stride blurred": ("blur 1-2-1, then every second position", lambda x, c: _blur(_conv(x, c), c)),
    "max blurred": (
        "max pooling 2×2 at every position, blur 1-2-1, then every second one",
        lambda x, c: _blur(MaxPooling2D(2, strides=1, padding="same")(_conv(x, c)), c),
    ),
}
"""What stands behind each convolution, in words and as layers."""


def network(way: str, shape: Sequence[int], channels: int = 8, seed: int = 0) -> Model:
    """Two convolutions, each with what halves the image behind it; the last layer's output is the model's.

    Weights: the convolutions' follow from the seed and their place alone, those of blurs are 1-2-1 / 4 along each
    axis.
    Shapes: (batch, height, width, C) → (batch, height / 4, width / 4, channels), rounded up.
    Errors: UnknownNameError for a way that is none of WAYS.
    """
    if way not in WAYS:
        raise UnknownNameError("way to make an image smaller", way, WAYS)
    build = WAYS[way][1]
    x = Input(tuple(shape))
    model = Model(x, build(build(x, channels), channels), name=way.replace(" ", "_"))
    place = 0
    for layer in model.layers:
        settings: Any = layer
        for variable in layer.weights:
            if variable.role == "bias":
                continue
            if settings.groups > 1:
                kernel = np.outer(BINOMIAL, BINOMIAL) / sum(BINOMIAL) ** 2
                variable.assign(np.broadcast_to(kernel[..., None, None], variable.shape))
                continue
            random = np.random.default_rng([seed, place])
            variable.assign(initializers.get("he_normal").draw(random, variable.shape))
            place += 1
    return model
