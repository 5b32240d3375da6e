"""Random settings and input shapes of Keras's spatial layers, some of which do not fit: cases for both sides.

A case is the layer's name, its settings under Keras's names, and the shapes of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contract.settings import Choices, Seeded

Case = tuple[str, dict[str, Any], list[tuple[int, ...]]]
ORDERS = [None, "channels_last", "channels_first"]
ACTIVATIONS = [None, "relu", "silu", "relu6", "softmax", "hard_sigmoid"]


def sizes(c: Choices, rank: int, low: int = 1, high: int = 7) -> tuple[int, ...]:
    return tuple(c.whole(low, high) for _ in range(rank))


def one_or_each(c: Choices, rank: int, low: int, high: int) -> Any:
    """A number for all axes, or one for each."""
    return c.one([c.whole(low, high), sizes(c, rank, low, high)])


def shaped(c: Choices, rank: int, channels: int, order: str | None, high: int = 7) -> tuple[int, ...]:
    """An input; now and then with an axis too many or too few."""
    rank += c.one([0] * 14 + [1, -1])
    middle = sizes(c, max(rank, 0), 1, high)
    return (c.whole(1, 2), channels, *middle) if order == "channels_first" else (c.whole(1, 2), *middle, channels)


def steps(c: Choices, rank: int) -> dict[str, Any]:
    """Strides or dilation; Keras refuses both at once, which is no question of shapes."""
    both = {"strides": one_or_each(c, rank, 1, 3), "dilation_rate": one_or_each(c, rank, 1, 3)}
    return {name: both[name] for name in [c.one(["strides", "dilation_rate"])]}


def convolution(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    groups, order = c.one([1, 1, 1, 2, 3]), c.one(ORDERS)
    padding = c.one(["valid", "same", "VALID", *(["causal"] if rank == 1 else [])])
    told = {
        "filters": groups * c.whole(1, 3), "kernel_size": one_or_each(c, rank, 1, 4), "padding": padding,
        "data_format": order, "groups": groups, "activation": c.one(ACTIVATIONS), "use_bias": c.one([True, False]),
        **steps(c, rank),
    }  # fmt: skip
    return told, [shaped(c, rank, groups * c.whole(1, 2) + c.one([0] * 8 + [1]), order)]


def transposed(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order, told = c.one(ORDERS), steps(c, rank)
    strides = told.get("strides", 1)
    most = [s - 1 for s in (strides if isinstance(strides, tuple) else (strides,) * rank)]
    told |= {
        "filters": c.whole(1, 3), "kernel_size": one_or_each(c, rank, 1, 4), "padding": c.one(["valid", "same"]),
        "output_padding": c.one([None, None, tuple(c.whole(0, n) for n in most)]),
        "data_format": order, "activation": c.one(ACTIVATIONS), "use_bias": c.one([True, False]),
    }  # fmt: skip
    # two cells at least: one under an even kernel with output_padding 0 is cropped to nothing, which Keras accepts
    x = shaped(c, rank, c.whole(1, 3), order)
    return told, [tuple(max(n, 2) for n in x)]


def depthwise(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = c.one(ORDERS)
    told = {
        "kernel_size": one_or_each(c, rank, 1, 4), "padding": c.one(["valid", "same"]), "data_format": order,
        "depth_multiplier": c.whole(1, 3), "activation": c.one(ACTIVATIONS), "use_bias": c.one([True, False]),
        **steps(c, rank),
    }  # fmt: skip
    return told, [shaped(c, rank, c.whole(1, 3), order)]


def separable(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    told, shapes = depthwise(c, rank)
    return {"filters": c.whole(1, 4), **told}, shapes


def pool(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = c.one(ORDERS)
    told = {
        "pool_size": one_or_each(c, rank, 1, 4), "strides": c.one([None, one_or_each(c, rank, 1, 3)]),
        "padding": c.one(["valid", "same"]), "data_format": order,
    }  # fmt: skip
    return told, [shaped(c, rank, c.whole(1, 3), order)]


def global_pool(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = c.one(ORDERS)
    return {"data_format": order, "keepdims": c.one([True, False])}, [shaped(c, rank, c.whole(1, 3), order)]


def adaptive(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """Keras does not look at the rank here before it computes, so all inputs have the right one."""
    order = c.one(ORDERS)
    told = {"output_size": one_or_each(c, rank, 1, 5), "data_format": order}
    middle, channels = sizes(c, rank, 1, 9), c.whole(1, 3)
    return told, [(2, channels, *middle) if order == "channels_first" else (2, *middle, channels)]


def upsampling(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = None if rank == 1 else c.one(ORDERS)
    told: dict[str, Any] = {"size": c.whole(1, 4) if rank == 1 else one_or_each(c, rank, 1, 4)}
    told |= {} if rank == 1 else {"data_format": order}
    if rank == 2:
        told["interpolation"] = c.one(["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
    return told, [shaped(c, rank, c.whole(1, 3), order)]


def ends(c: Choices, rank: int) -> Any:
    pairs = tuple(sizes(c, 2, 0, 2) for _ in range(rank))
    return c.one([c.whole(0, 2), pairs[0] if rank == 1 else pairs, pairs[0] if rank == 1 else sizes(c, rank, 0, 2)])


def cropping(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = None if rank == 1 else c.one(ORDERS)
    told = {"cropping": ends(c, rank)} | ({} if rank == 1 else {"data_format": order})
    return told, [shaped(c, rank, c.whole(1, 3), order)]


def padding(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = c.one(ORDERS)
    return {"padding": ends(c, rank), "data_format": order}, [shaped(c, rank, c.whole(1, 3), order)]


def permute(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    orders = [(1,), (2, 1), (1, 3, 2), (3, 1, 2), (2, 4, 1, 3)]
    dims = c.one(orders)
    return {"dims": dims}, [sizes(c, len(dims) + 1 + c.one([0] * 9 + [1]))]


def repeat(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    return {"n": c.whole(1, 5)}, [sizes(c, c.one([2] * 9 + [3, 1]))]


def merge(c: Choices, rank: int, count: int = 0) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """Inputs that fit, with axes of size 1, of fewer axes, and now and then with one that differs."""
    shape = sizes(c, c.whole(2, 4), 1, 4)
    made = []
    for _ in range(count or c.whole(1, 4)):
        short = shape[c.one([0] * 5 + [1]) :]
        given = (shape[0], *(c.one([n, n, n, 1]) for n in short[1:]))
        wrong = c.whole(0, len(given) - 1)
        made.append(tuple(n + (axis == wrong) * c.one([0] * 19 + [1]) for axis, n in enumerate(given)))
    return {}, made


def subtract(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    return merge(c, rank, 2)


def dot(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    ranks, batch, size = (c.whole(2, 4), c.whole(2, 4)), c.whole(1, 3), c.whole(1, 5)
    axes = [c.whole(1, n - 1) for n in ranks]
    made = []
    for n, axis in zip(ranks, axes, strict=True):
        shape = [batch, *sizes(c, n - 1, 1, 4)]
        shape[axis] = size + c.one([0] * 9 + [1])
        made.append(tuple(shape))
    told = tuple(c.one([axis, axis - n]) for axis, n in zip(axes, ranks, strict=True))
    if axes[0] == axes[1] and c.one([True, False]):
        return {"axes": axes[0], "normalize": c.one([True, False])}, made
    return {"axes": told, "normalize": c.one([True, False])}, made


def normalised(c: Choices, most: int = 3) -> tuple[tuple[int, ...], list[int]]:
    """A shape, and some of its axes but the batch in order, from the front or all from the back."""
    shape = sizes(c, c.whole(2, 5))
    rank = len(shape)
    first = c.whole(1, rank - 1)
    axes = list(range(first, min(first + c.whole(1, most), rank)))
    return shape, c.one([axes, [axis - rank for axis in axes]])


def centred(c: Choices) -> dict[str, Any]:
    return {"center": c.one([True, False]), "scale": c.one([True, False])}


def batch_norm(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    shape, axes = normalised(c, 1)
    return {"axis": axes[0] + c.one([0] * 9 + [7]), "renorm": c.one([False, False, True]), **centred(c)}, [shape]


def layer_norm(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    shape, axes = normalised(c)
    return {"axis": c.one([axes, axes[0]]), **centred(c)}, [shape]


def group_norm(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    shape, axes = normalised(c, 1)
    return {"axis": axes[0], "groups": c.one([-1, 1, 1, 2, 3]), **centred(c)}, [shape]


def axes_only(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    shape, axes = normalised(c)
    return {"axis": c.one([axes, axes[0]])}, [shape]


def prelu(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    shape, axes = normalised(c)
    return {"shared_axes": c.one([None, [abs(axis) for axis in axes if abs(axis) < len(shape)] or None])}, [shape]


def plain(**choices: Any) -> Callable[[Choices, int], tuple[dict[str, Any], list[tuple[int, ...]]]]:
    """A layer whose settings change no shape."""

    def make(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
        return {name: c.one(options) for name, options in choices.items()}, [sizes(c, c.whole(2, 5))]

    return make


def spatial_dropout(c: Choices, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    order = None if rank == 1 else c.one(ORDERS)
    told = {"rate": c.one([0, 0.3, 1])} | ({} if rank == 1 else {"data_format": order})
    return told, [shaped(c, rank, c.whole(1, 3), order)]


FAMILIES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Conv{}D": (convolution, (1, 2, 3)), "Conv{}DTranspose": (transposed, (1, 2, 3)),
    "DepthwiseConv{}D": (depthwise, (1, 2)), "SeparableConv{}D": (separable, (1, 2)),
    "MaxPooling{}D": (pool, (1, 2, 3)), "AveragePooling{}D": (pool, (1, 2, 3)),
    "GlobalMaxPooling{}D": (global_pool, (1, 2, 3)), "GlobalAveragePooling{}D": (global_pool, (1, 2, 3)),
    "AdaptiveMaxPooling{}D": (adaptive, (1, 2, 3)), "AdaptiveAveragePooling{}D": (adaptive, (1, 2, 3)),
    "UpSampling{}D": (upsampling, (1, 2, 3)), "Cropping{}D": (cropping, (1, 2, 3)),
    "ZeroPadding{}D": (padding, (1, 2, 3)), "SpatialDropout{}D": (spatial_dropout, (1, 2, 3)),
}  # fmt: skip
SINGLE: dict[str, Any] = {
    "Permute": permute, "RepeatVector": repeat, "Multiply": merge, "Average": merge, "Maximum": merge,
    "Minimum": merge, "Subtract": subtract, "Dot": dot, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "GroupNormalization": group_norm, "RMSNormalization": axes_only,
    "UnitNormalization": axes_only, "Softmax": axes_only, "PReLU": prelu,
    "ReLU": plain(max_value=[None, 0.5, 6], negative_slope=[0, 0.2], threshold=[0, 0.1]),
    "LeakyReLU": plain(negative_slope=[0, 0.3]), "ELU": plain(alpha=[1, 0.5]), "Identity": plain(),
    "GaussianNoise": plain(stddev=[0, 0.5, 1]), "GaussianDropout": plain(rate=[0, 0.5]),
    "AlphaDropout": plain(rate=[0, 0.5]), "ActivityRegularization": plain(l1=[0, 0.1], l2=[0, 0.2]),
    "Masking": plain(mask_value=[0, -1]),
}  # fmt: skip
KINDS: dict[str, tuple[Any, int]] = {
    **{form.format(rank): (make, rank) for form, (make, ranks) in FAMILIES.items() for rank in ranks},
    **{kind: (make, 0) for kind, make in SINGLE.items()},
}
"""Who makes the cases of each layer, and its number of spatial axes."""


def cases(kind: str, count: int, start: int = 0) -> list[Case]:
    """`count` random cases of a layer, always the same."""
    make, rank = KINDS[kind]
    return [(kind, *make(Seeded(7919 * rank + 104729 * start + n), rank)) for n in range(count)]


POKES = [
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (1, 9, 2)),
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal", "strides": 2}, (1, 8, 2)),
    ("Conv1D", {"filters": 2, "kernel_size": 4, "strides": 3, "padding": "same", "data_format": "channels_first"}, (1, 2, 11)),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "activation": "softmax", "data_format": "channels_first"}, (1, 2, 5)),
    ("Conv2D", {"filters": 2, "kernel_size": (3, 2), "strides": (1, 2), "data_format": "channels_first"}, (1, 2, 5, 7)),
    ("Conv2D", {"filters": 2, "kernel_size": 2, "dilation_rate": (1, 3), "padding": "same", "data_format": "channels_first"}, (1, 2, 4, 6)),
    ("Conv3D", {"filters": 2, "kernel_size": (1, 2, 3), "strides": (2, 1, 2), "padding": "same"}, (1, 3, 4, 5, 1)),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "data_format": "channels_first"}, (1, 2, 3, 3, 4)),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 4, "strides": 3, "padding": "same"}, (1, 5, 2)),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 2, "strides": 3, "output_padding": 2, "data_format": "channels_first"}, (1, 2, 4)),
    ("Conv1DTranspose", {"filters": 1, "kernel_size": 3, "dilation_rate": 2}, (1, 5, 2)),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": (2, 1), "padding": "same", "data_format": "channels_first"}, (1, 2, 3, 4)),
    ("Conv3DTranspose", {"filters": 1, "kernel_size": 3, "strides": (1, 2, 2), "padding": "same"}, (1, 2, 3, 2, 2)),
    ("Conv3DTranspose", {"filters": 1, "kernel_size": 2, "strides": 2, "data_format": "channels_first"}, (1, 2, 2, 3, 2)),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "strides": 2}, (1, 8, 3)),
    ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 3, "padding": "same"}, (1, 4, 5, 2)),
    ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 2, "data_format": "channels_first"}, (1, 3, 4, 5)),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (1, 7, 2)),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "data_format": "channels_first"}, (1, 2, 4, 5)),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (1, 8, 2)),
    ("MaxPooling2D", {"pool_size": (2, 3), "data_format": "channels_first"}, (1, 2, 5, 7)),
    ("MaxPooling3D", {"pool_size": 2, "strides": (1, 2, 3), "data_format": "channels_first"}, (1, 2, 3, 4, 5)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 4, "data_format": "channels_first"}, (1, 2, 11)),
    ("AveragePooling3D", {"pool_size": (1, 2, 3), "padding": "same"}, (1, 2, 3, 4, 2)),
    ("GlobalMaxPooling1D", {"data_format": "channels_first"}, (1, 3, 5)),
    ("GlobalMaxPooling3D", {"keepdims": True}, (1, 2, 3, 2, 2)),
    ("GlobalAveragePooling2D", {"data_format": "channels_first"}, (1, 3, 4, 5)),
    ("GlobalAveragePooling3D", {"data_format": "channels_first", "keepdims": True}, (1, 2, 2, 3, 2)),
    ("AdaptiveMaxPooling1D", {"output_size": 3}, (1, 7, 2)),
    ("AdaptiveAveragePooling1D", {"output_size": 5, "data_format": "channels_first"}, (1, 2, 3)),
    ("AdaptiveMaxPooling2D", {"output_size": (3, 2), "data_format": "channels_first"}, (1, 2, 8, 5)),
    ("AdaptiveAveragePooling2D", {"output_size": (4, 3)}, (1, 6, 7, 2)),
    ("AdaptiveAveragePooling3D", {"output_size": (2, 3, 1)}, (1, 3, 4, 3, 1)),
    ("AdaptiveMaxPooling3D", {"output_size": 2, "data_format": "channels_first"}, (1, 1, 3, 5, 4)),
    ("UpSampling1D", {"size": 3}, (1, 4, 2)),
    ("UpSampling3D", {"size": (1, 2, 3), "data_format": "channels_first"}, (1, 2, 2, 2, 3)),
    ("UpSampling2D", {"size": (2, 3), "data_format": "channels_first"}, (1, 2, 3, 2)),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear", "data_format": "channels_first"}, (1, 1, 4, 5)),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "bicubic"}, (1, 6, 7, 1)),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "lanczos3"}, (1, 9, 8, 1)),
    ("UpSampling2D", {"size": (1, 2), "interpolation": "lanczos5"}, (1, 2, 14, 1)),
    ("Cropping1D", {"cropping": (1, 2)}, (1, 7, 2)),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2)), "data_format": "channels_first"}, (1, 2, 4, 5)),
    ("Cropping3D", {"cropping": ((1, 0), (0, 1), (1, 1))}, (1, 3, 3, 4, 2)),
    ("ZeroPadding1D", {"padding": (1, 2), "data_format": "channels_first"}, (1, 2, 4)),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2)), "data_format": "channels_first"}, (1, 2, 3, 3)),
    ("ZeroPadding3D", {"padding": ((1, 0), (0, 2), (1, 1)), "data_format": "channels_first"}, (1, 2, 2, 3, 2)),
    ("Permute", {"dims": (3, 1, 2)}, (1, 3, 4, 2)),
    ("RepeatVector", {"n": 3}, (1, 5)),
    ("BatchNormalization", {"axis": 1}, (1, 3, 4, 2)),
    ("LayerNormalization", {}, (1, 3, 4, 5)),
    ("LayerNormalization", {"axis": [1, 3]}, (1, 3, 2, 4)),
    ("GroupNormalization", {"groups": -1}, (1, 3, 4, 5)),
    ("GroupNormalization", {"groups": 1, "axis": 1}, (1, 3, 4, 2)),
    ("GroupNormalization", {"groups": 2}, (1, 3, 2, 4)),
    ("RMSNormalization", {"axis": [2, 3]}, (1, 3, 4, 2)),
    ("UnitNormalization", {"axis": 1}, (1, 4, 3)),
    ("Softmax", {"axis": [1, 2]}, (1, 3, 4, 2)),
    ("PReLU", {"shared_axes": [1]}, (1, 3, 4)),
    ("LeakyReLU", {}, (1, 3, 4)),
]  # fmt: skip
"""Layers to be poked: settings and one input's shape."""
