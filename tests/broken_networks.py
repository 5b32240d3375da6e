"""Random networks that fit, and what one random change makes of them."""

from dataclasses import replace

import numpy as np

from layerscope import layers
from layerscope.analyses.advice import drafts
from layerscope.core import propagate, sketch
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import trace_calls


class Random:
    """Choices by a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def below(self, count):
        return int(self.rng.integers(count))


def classifier(r):
    side = r.of(20, 28, 32, 45)
    start = x = layers.Input((side, side, r.of(1, 3)))
    for _ in range(r.of(1, 2, 3)):
        x = layers.Conv2D(r.of(4, 8), r.of(3, 5), padding=r.of("valid", "same"), activation="relu")(x)
        if x.shape[1] >= 6:
            x = r.of(layers.MaxPooling2D, layers.AveragePooling2D)(2, padding=r.of("valid", "same"))(x)
        if x.shape[1] < 6:
            break
    x = r.of(layers.Flatten(), layers.GlobalAveragePooling2D())(x)
    x = layers.Dense(r.of(16, 32), activation="relu")(x)
    return start, layers.Dense(r.of(2, 10), activation="softmax")(x)


def autoencoder(r):
    start = x = layers.Input((r.of(16, 24, 28, 32),) * 2 + (1,))
    depth = r.of(1, 2)
    for _ in range(depth):
        x = layers.Conv2D(r.of(4, 8), 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    for _ in range(depth):
        if r.below(2):
            x = layers.Conv2DTranspose(r.of(4, 8), r.of(2, 3, 4), strides=2, padding="same")(x)
        else:
            x = layers.UpSampling2D(2)(layers.Conv2D(r.of(4, 8), 3, padding="same")(x))
    return start, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)


def generator(r):
    start = x = layers.Input((r.of(8, 16),))
    side, channels = r.of(4, 7), r.of(2, 4)
    x = layers.Dense(side * side * channels, activation="relu")(x)
    x = layers.Reshape((side, side, channels))(x)
    for _ in range(r.of(1, 2)):
        x = layers.Conv2DTranspose(r.of(4, 8), r.of(3, 4), strides=2, padding="same")(x)
    return start, layers.Conv2D(1, 3, padding="same")(x)


def residual(r):
    start = x = layers.Input((r.of(16, 24, 31), r.of(16, 20), 3))
    count = r.of(4, 8)
    x = layers.Conv2D(count, 3, padding="same")(x)
    for _ in range(r.of(1, 2)):
        short, stride = x, r.of(1, 2)
        x = layers.Conv2D(count, 3, strides=stride, padding="same", activation="relu")(x)
        x = layers.Conv2D(count, 3, padding="same")(x)
        if stride > 1:
            short = layers.Conv2D(count, 1, strides=stride)(short)
        x = layers.Add()([short, x])
    return start, layers.Dense(5)(layers.GlobalAveragePooling2D()(x))


def u_net(r):
    start = layers.Input((r.of(16, 32), r.of(16, 24), 1))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(start)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(a))
    c = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(b))
    x = layers.Concatenate()([layers.UpSampling2D(2)(c), b])
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.Concatenate()([layers.Conv2DTranspose(4, 2, strides=2)(x), a])
    return start, layers.Conv2D(2, 1, activation="softmax")(x)


def sequence(r):
    start = x = layers.Input((r.of(12, 20, 33), r.of(2, 4)))
    for _ in range(r.of(1, 2)):
        x = layers.Conv1D(r.of(4, 8), r.of(2, 3), padding=r.of("valid", "same", "causal"))(x)
    if r.below(2):
        x = layers.MaxPooling1D(2)(x)
        x = layers.GlobalAveragePooling1D()(x)
    else:
        x = layers.LSTM(5)(layers.GRU(6, return_sequences=True)(x))
    return start, layers.Dense(3)(x)


KINDS = (classifier, autoencoder, generator, residual, u_net, sequence)


def network(seed):
    """A network that fits."""
    r = Random(seed)
    start, end = KINDS[seed % len(KINDS)](r)
    return trace_calls([start], [end], f"{KINDS[seed % len(KINDS)].__name__}-{seed}")


def broken(graph, seed):
    """The graph after one random change that makes it fit no more, or give another output; None if none is found."""
    r = Random(seed + 10_000)
    shape = propagate.output_types(graph)[0].shape[1:]
    for _ in range(60):
        changed = change(graph, r)
        if changed is not None and fate(changed) != shape:
            return changed
    return None


def fate(graph):
    """The shape of the output, None where the network does not fit."""
    try:
        return propagate.output_types(graph)[0].shape[1:]
    except LayerscopeError:
        return None


def change(graph, r):
    number = r.below(len(graph.nodes))
    node = graph.nodes[number]
    if r.below(6) == 0 and len(node.inputs) == 1:
        return drafts.removed(graph, number)
    options = [name for name in SETTINGS if getattr(node.layer, name, None) is not None]
    if not options:
        return None
    name = r.of(*options)
    value = SETTINGS[name](getattr(node.layer, name), r)
    try:
        told = {name: value}
        if name == "pool_size" and node.layer.strides == node.layer.pool_size:
            told["strides"] = value
        with sketch.sketching():
            return drafts.replaced(graph, number, replace(node.layer, **told))
    except LayerscopeError:
        return None


def resized(value, r):
    """One or two more or less, the same along all axes, or along one."""
    step = r.of(-2, -1, 1, 2)
    if r.below(4) == 0:
        place = r.below(len(value))
        return tuple(max(1, n + step * (k == place)) for k, n in enumerate(value))
    return tuple(max(1, n + step) for n in value)


SETTINGS = {
    "padding": lambda value, r: "same" if value == "valid" else "valid",
    "kernel_size": resized,
    "strides": resized,
    "pool_size": resized,
    "size": resized,
    "filters": lambda value, r: value + r.of(-3, -1, 1, 4),
    "units": lambda value, r: value + r.of(-3, -1, 1, 4),
    "return_sequences": lambda value, r: not value,
    "target_shape": lambda value, r: tuple(n + r.of(0, 1, 2) for n in value),
    "axis": lambda value, r: r.of(1, 2),
}
