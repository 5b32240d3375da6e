"""Layers of every kind that no primitive has alone, put into random programs by what they lower to."""

from __future__ import annotations

from math import prod

from layerscope import layers as ls

LARGEST = 420


def layered(build, x):
    """x behind a random layer; None where it does not fit."""
    names = (normalised, normalised, scaled, shaped, noisy, noisy, moved, merged, merged, dotted, given)
    return build.pick(names)(build, x)


def lowered(build, layer, *values, scale=0.5):
    """What a layer makes, with weights of its own."""
    weights = {
        name: build.weight(type.shape, scale) if type.trainable else build.weight(type.shape, 0.0, False)
        for name, type in layer.weight_types(*(value.type for value in values)).items()
    }
    return layer.lower(build.program, *values, training=build.training, **weights)[0]


def normalised(build, x):
    rank = x.type.rank
    if rank < 2 or prod(x.type.shape[1:]) < 2:
        return None
    axis = build.below(rank, 1)
    several = sorted({build.below(rank, 1) for _ in range(2)})
    affine = {"scale": build.chance(0.7), "center": build.chance(0.7), "epsilon": build.pick((0.05, 0.3))}
    made = build.below(6)
    if made == 0:
        return lowered(build, ls.LayerNormalization(build.pick((axis - rank, several)), **affine), x)
    if made == 1:
        groups = build.pick([n for n in (1, 2, 3, -1) if n < 0 or x.type.shape[axis] % n == 0])
        return lowered(build, ls.GroupNormalization(groups, axis, **affine), x)
    if made == 2:
        return lowered(build, ls.RMSNormalization(several, epsilon=0.1), x)
    if made == 3:
        return lowered(build, ls.UnitNormalization(several), x)
    if made == 4:
        return lowered(build, ls.BatchNormalization(axis, 0.5, **affine), x, scale=0.3)
    return lowered(build, ls.Softmax(build.pick((axis, several))), x)


def scaled(build, x):
    """Functions with settings, or a slope that is learned."""
    rank = x.type.rank
    shared = build.pick((None, sorted({build.below(rank, 1) for _ in range(2)})))
    layer = build.pick((
        ls.PReLU(shared_axes=shared), ls.LeakyReLU(0.1), ls.ELU(1.7), ls.ReLU(0.9, 0.2, 0.1), ls.ReLU(1.1),
    ))  # fmt: skip
    return lowered(build, layer, x)


def shaped(build, x):
    """Numbers for each channel that are part of the layer."""
    count = x.type.shape[-1]
    row = tuple(0.5 + n / count for n in range(count))
    layer = build.pick((ls.Rescaling(row, -0.25), ls.Rescaling(0.5, row), ls.Normalization(-1, row, row)))
    return lowered(build, layer, x)


def noisy(build, x):
    spatial = {3: ls.SpatialDropout1D, 4: ls.SpatialDropout2D, 5: ls.SpatialDropout3D}.get(x.type.rank)
    kinds = [ls.GaussianNoise(0.3), ls.GaussianDropout(0.2), ls.AlphaDropout(0.3)]
    kinds += [ls.Dropout(0.4, (None, *(build.pick((1, n)) for n in x.type.shape[1:])))]
    kinds += [spatial(0.4)] * 2 if spatial else []
    return lowered(build, build.pick(kinds), x)


def moved(build, x):
    if x.type.rank == 2 and x.type.shape[1] * 3 <= LARGEST:
        return lowered(build, ls.RepeatVector(3), x)
    order = [1 + int(n) for n in build.random.permutation(x.type.rank - 1)]
    return lowered(build, ls.Permute(tuple(order)), x)


def merged(build, x):
    """With itself, changed and reduced to one number along some axes."""
    other = build.activation(x)
    axes = sorted({build.below(x.type.rank, 1) for _ in range(2)})
    other = build.program.reduce("mean", other, axes, True) if build.chance(0.6) else other
    layer = build.pick((ls.Subtract(), ls.Multiply(), ls.Average(), ls.Maximum(), ls.Minimum()))
    return lowered(build, layer, *((x, other) if build.chance(0.5) else (other, x)))


def dotted(build, x):
    """Every part along an axis with every other one."""
    axis = build.below(x.type.rank, 1)
    parts = prod(n for a, n in enumerate(x.type.shape[1:], 1) if a != axis)
    if parts * parts > LARGEST:
        return None
    return lowered(build, ls.Dot(axis, normalize=build.chance(0.5)), x, build.activation(x))


def given(build, x):
    """By the mean and variance of weights."""
    layer = ls.Normalization(build.below(x.type.rank, 1), invert=True)
    weights = {name: build.weight(type.shape, 0.5, False) for name, type in layer.weight_types(x.type).items()}
    squared = build.program.map("square", weights["variance"])
    return layer.lower(build.program, x, mean=weights["mean"], variance=squared)[0]
