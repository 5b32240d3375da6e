"""Layers that join, normalise, change or move numbers, for `random_models`: each kind in its turn."""

from __future__ import annotations

from math import prod
from typing import Any

from layerscope import layers as ls

NOISES = (
    ls.Dropout,
    *(ls.SpatialDropout1D, ls.SpatialDropout2D, ls.SpatialDropout3D),
    *(ls.GaussianNoise, ls.GaussianDropout, ls.AlphaDropout),
)
"""Layers that draw random numbers in training, which nobody else has."""
EPSILON = 0.5
"""Of layers that divide by a spread of what they see: by no less than its root, so that rounding stays small."""
PENALTY = (0.003, 0.02)
"""l1 and l2 of every ActivityRegularization."""


def grown(growth: Any, kind: str, tensor: Any) -> Any:
    """A tensor behind a layer of this kind; the tensor itself where that does not fit."""
    return RULES[kind](growth, kind, tensor)


def sizes_of(tensor: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in tensor.shape[1:])


def _normalised(growth: Any, kind: str, x: Any) -> Any:
    sizes = sizes_of(x)
    rank, affine = len(sizes) + 1, {"scale": growth.chance(0.7), "center": growth.chance(0.7)}
    axis = growth.pick((-1, -1, growth.whole(1, rank - 1)))
    if kind == "GroupNormalization":
        groups = growth.pick([n for n in (1, 2, 3, -1) if n < 0 or sizes[axis % rank - 1] % n == 0])
        return ls.GroupNormalization(groups, axis, epsilon=EPSILON, **affine)(x)
    if kind == "BatchNormalization":
        return ls.BatchNormalization(axis, 0.7, epsilon=0.01, **affine)(x)
    several = growth.pick((axis, sorted({growth.whole(1, rank - 1) for _ in range(2)})))
    if kind == "LayerNormalization":
        return ls.LayerNormalization(several, EPSILON, **affine)(x)
    if kind == "RMSNormalization":  # whose scale Keras takes along the last axes
        return ls.RMSNormalization(growth.pick((-1, list(range(growth.whole(1, rank - 1), rank)))), EPSILON)(x)
    return ls.UnitNormalization(several)(x)


def _joined(growth: Any, kind: str, x: Any) -> Any:
    """With itself behind a function; or with one number for each channel, as squeeze and excitation."""
    sizes = sizes_of(x)
    other = ls.Activation(growth.pick(("sigmoid", "silu", "softsign")))(ls.Dense(sizes[-1])(x))
    if len(sizes) == 3 and growth.chance(0.6):
        other = ls.GlobalAveragePooling2D(keepdims=growth.chance(0.7))(other)
    if len(sizes_of(other)) < len(sizes):
        other = ls.Reshape((1, 1, sizes[-1]))(other)
    more = [x] if kind != "Subtract" and growth.chance(0.3) else []
    pair = [x, other] if growth.chance(0.5) else [other, x]
    return getattr(ls, kind)()([*pair, *more])


def _dot(growth: Any, kind: str, x: Any) -> Any:
    sizes = sizes_of(x)
    axis = growth.whole(1, len(sizes))
    parts = prod(sizes) // sizes[axis - 1]
    if parts > 20:
        return ls.Dot(1, normalize=growth.chance(0.5))([row := ls.Dense(4)(ls.Flatten()(x)), row])
    return ls.Dot(growth.pick((axis, axis - len(sizes) - 1)), growth.chance(0.5))([x, ls.Dense(sizes[-1])(x)])


def _function(growth: Any, kind: str, x: Any) -> Any:
    rank = len(sizes_of(x)) + 1
    shared = [None, list(range(1, rank)), list(range(1, rank - 1)) or None]
    made = {
        "ReLU": lambda: ls.ReLU(growth.pick((None, 6, 0.8)), growth.pick((0, 0.2)), growth.pick((0, 0.3))),
        "LeakyReLU": lambda: ls.LeakyReLU(growth.pick((0.01, 0.3))),
        "ELU": lambda: ls.ELU(growth.pick((1.0, 0.7))),
        "PReLU": lambda: ls.PReLU(shared_axes=growth.pick(shared)),
        "Softmax": lambda: ls.Softmax(growth.pick((-1, growth.whole(1, rank - 1), list(range(1, rank))))),
        "Identity": ls.Identity,
        "ActivityRegularization": lambda: ls.ActivityRegularization(*PENALTY),
    }[kind]
    return made()(x)


def _rescaled(growth: Any, kind: str, x: Any) -> Any:
    row = [0.5 + n / 4 for n in range(sizes_of(x)[-1])]
    if kind == "Rescaling":
        return ls.Rescaling(growth.pick((0.5, row)), growth.pick((0.0, -0.25, row)))(x)
    given = growth.pick(({}, {"mean": row, "variance": row}, {"mean": 0.3, "variance": 2.0}))
    return ls.Normalization(-1, **given, invert=growth.chance(0.4))(x)


def _noisy(growth: Any, kind: str, x: Any) -> Any:
    sizes, layer = sizes_of(x), getattr(ls, kind)(0.3)
    shapes = {"SpatialDropout1D": (-1, sizes[-1]), "SpatialDropout3D": (1, 1, -1, sizes[-1])}
    shapes["SpatialDropout2D"] = (1, -1, sizes[-1])
    if kind not in shapes or (kind == "SpatialDropout2D" and len(sizes) == 3):
        return layer(x)
    return ls.Reshape(sizes)(layer(ls.Reshape(shapes[kind])(x)))


def _moved(growth: Any, kind: str, x: Any) -> Any:
    if kind == "RepeatVector":
        return ls.RepeatVector(growth.whole(1, 3))(ls.Dense(4)(ls.Flatten()(x)))
    order = [1 + int(n) for n in growth.random.permutation(len(sizes_of(x)))]
    return ls.Permute(order)(x)


RULES: dict[str, Any] = {
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "GroupNormalization"), _normalised),
    **dict.fromkeys(("RMSNormalization", "UnitNormalization"), _normalised),
    **dict.fromkeys(("Multiply", "Subtract", "Average", "Maximum", "Minimum"), _joined),
    **dict.fromkeys(("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Identity"), _function),
    "ActivityRegularization": _function,
    **dict.fromkeys(("Rescaling", "Normalization"), _rescaled),
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), _noisy),
    **dict.fromkeys(("GaussianNoise", "GaussianDropout", "AlphaDropout"), _noisy),
    **dict.fromkeys(("Permute", "RepeatVector"), _moved),
    "Dot": _dot,
}
KINDS = tuple(RULES)
