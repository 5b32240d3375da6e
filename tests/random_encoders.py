"""Random encoders: odd sizes, any strides, dilation, pools, branches, in one to three dimensions."""

import random

from layerscope import layers
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import trace_calls
from layerscope.layers import Input


def encoder(seed, up="nearest"):
    """An encoder that has a decoder of this name, the same for the same seed."""
    rng = random.Random(seed)
    rank = 2
    if up not in ("bilinear", "nails", "unpool"):
        rank = rng.choice((1, 2, 2, 2, 2, 3) if up != "subpixel" else (1, 2, 2, 2))
    largest = {1: 90, 2: 45, 3: 14}[rank]
    start = x = Input((*(rng.randint(3, largest) for _ in range(rank)), rng.randint(1, 4)))
    made, wanted = 0, rng.randint(1, 6)
    for _ in range(60):
        try:
            x = rng.choice(STEPS)(rng, rank, up, x)
        except LayerscopeError:  # it does not fit this size; take another
            continue
        made += 1
        if made == wanted:
            break
    assert x is not start
    if rng.random() < 0.2 and up != "unpool":
        x = named(rng.choice(("GlobalAveragePooling", "GlobalMaxPooling")), rank)(keepdims=rng.random() < 0.5)(x)
    elif rng.random() < 0.3:
        x = layers.Dense(rng.randint(1, 20), activation=rng.choice((None, "relu")))(layers.Flatten()(x))
    return trace_calls([start], [x], f"random {seed}")


def named(stem, rank):
    return getattr(layers, f"{stem}{rank}D")


def sizes(rng, rank, most):
    return rng.randint(1, most) if rng.random() < 0.5 else tuple(rng.randint(1, most) for _ in range(rank))


def padding(rng):
    return rng.choice(("same", "valid"))


def activation(rng):
    return rng.choice((None, "relu", "tanh"))


def conv(rng, rank, up, x):
    strides = 1 if up == "unpool" or rng.random() < 0.5 else sizes(rng, rank, 3)
    more = {"dilation_rate": rng.choice((1, 1, 2))}
    if rank == 1 and rng.random() < 0.2:
        more["padding"] = "causal"
    groups = rng.choice((1, 1, 1, x.type.shape[-1]))
    return named("Conv", rank)(
        groups * rng.randint(1, 5), sizes(rng, rank, 5), strides=strides, activation=activation(rng), groups=groups,
        **{"padding": padding(rng)} | more,
    )(x)  # fmt: skip


def pool(rng, rank, up, x):
    kind = "MaxPooling" if up == "unpool" else rng.choice(("MaxPooling", "AveragePooling"))
    strides = None if rng.random() < 0.6 else sizes(rng, rank, 3)
    return named(kind, rank)(sizes(rng, rank, 4), strides=strides, padding=padding(rng))(x)


def frame(rng, rank, up, x):
    ends = tuple((rng.randint(0, 2), rng.randint(0, 2)) for _ in range(rank))
    return named(rng.choice(("ZeroPadding", "Cropping")), rank)(ends)(x)


def plain(rng, rank, up, x):
    return rng.choice((layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2), layers.Activation("tanh")))(x)


def shares(rng, rank, up, x):
    if up == "unpool":
        return pool(rng, rank, up, x)
    made = tuple(rng.randint(1, n) for n in x.type.shape[1:-1])
    return named("AdaptiveAveragePooling", rank)(made)(x)


def turned(rng, rank, up, x):
    return layers.Permute((*rng.sample(range(1, rank + 1), rank), rank + 1))(x)


def mixed(rng, rank, up, x):
    return layers.Dense(rng.randint(1, 6), activation=activation(rng))(x)


def deep(rng, rank, up, x):
    stride = 1 if up == "unpool" else rng.choice((1, 2))
    kind = rng.choice(("DepthwiseConv", "SeparableConv")) if rank < 3 else "Conv"
    told = (sizes(rng, rank, 3),) if kind == "DepthwiseConv" else (rng.randint(1, 5), sizes(rng, rank, 3))
    return named(kind, rank)(*told, strides=stride, padding=padding(rng), activation=activation(rng))(x)


def residual(rng, rank, up, x):
    count = x.type.shape[-1]
    y = named("Conv", rank)(count, 3, padding="same", activation="relu")(x)
    return layers.ReLU()(layers.Add()([x, named("Conv", rank)(count, 3, padding="same")(y)]))


def branched(rng, rank, up, x):
    stride = 1 if up == "unpool" else rng.choice((1, 2, 3))
    a = named("Conv", rank)(2, rng.choice((1, 3, 5)), strides=stride, padding="same", activation="relu")(x)
    b = named("MaxPooling", rank)(3, strides=stride, padding="same")(named("Conv", rank)(3, 1)(x))
    return layers.Concatenate()([a, b])


STEPS = (
    conv,
    conv,
    conv,
    conv,
    pool,
    pool,
    pool,
    frame,
    plain,
    plain,
    shares,
    turned,
    mixed,
    deep,
    residual,
    branched,
)
