"""Operations of random networks on sequences, images and volumes: every layer of one to three spatial axes.

A function takes the network that grows (for its chances), the tensor and its sizes, and gives the next tensor; None
where it does not fit.
"""

from __future__ import annotations

from math import prod
from typing import Any

from layerscope import layers as ls
from layerscope.core.graph import Symbolic

EDGE = {1: (5, 24), 2: (4, 9), 3: (2, 5)}
"""The smallest and the largest size of an axis that a network begins with."""


def each(growth: Any, rank: int, low: int, high: int) -> Any:
    """One number for all axes, or one for each."""
    return growth.whole(low, high) if growth.chance(0.5) else tuple(growth.whole(low, high) for _ in range(rank))


def spread(value: Any, rank: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def steps(growth: Any, rank: int) -> dict[str, Any]:
    """Strides, dilation, or neither."""
    name = growth.pick((None, "strides", "strides", "dilation_rate"))
    return {name: each(growth, rank, 1, 3 if name == "strides" else 2)} if name else {}


def kernel(growth: Any, sizes: tuple[int, ...], causal: bool = False) -> dict[str, Any]:
    """A kernel that fits, and how it moves."""
    rank = len(sizes)
    told = {"kernel_size": each(growth, rank, 1, 4 if rank < 3 else 3), **steps(growth, rank)}
    told["padding"] = growth.pick(("same", "valid", *(["causal"] if causal else [])))
    dilation = spread(told.get("dilation_rate", 1), rank)
    spans = [d * (k - 1) + 1 for k, d in zip(spread(told["kernel_size"], rank), dilation, strict=True)]
    if told["padding"] == "valid" and any(k > n for k, n in zip(spans, sizes, strict=True)):
        told["padding"] = "same"
    return told | {"activation": growth.activation(), "use_bias": growth.chance(0.8)}


def convolution(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    groups = growth.pick([n for n in (1, 1, 2, 3) if channels % n == 0])
    cls = getattr(ls, f"Conv{len(sizes)}D")
    return cls(growth.whole(1, 3) * groups, groups=groups, **kernel(growth, sizes, len(sizes) == 1))(x)


def transposed(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic | None:
    if min(sizes) < 2:
        return None
    rank, groups = len(sizes), growth.pick([n for n in (1, 1, 1, 2) if channels % n == 0])
    told = kernel(growth, tuple(99 for _ in sizes))
    if growth.chance(0.3):
        told["output_padding"] = tuple(growth.whole(0, s - 1) for s in spread(told.get("strides", 1), rank))
    return getattr(ls, f"Conv{rank}DTranspose")(growth.whole(1, 3) * groups, groups=groups, **told)(x)


def depthwise(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    told = kernel(growth, sizes) | {"depth_multiplier": growth.pick((1, 1, 2, 3))}
    return getattr(ls, f"DepthwiseConv{len(sizes)}D")(**told)(x)


def separable(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    told = kernel(growth, sizes) | {"depth_multiplier": growth.pick((1, 1, 2))}
    return getattr(ls, f"SeparableConv{len(sizes)}D")(growth.whole(1, 5), **told)(x)


def pooled(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic | None:
    rank, padding = len(sizes), growth.pick(("same", "valid"))
    size = growth.pick((2, 2, each(growth, rank, 1, 3)))
    if padding == "valid" and any(k > n for k, n in zip(spread(size, rank), sizes, strict=True)):
        return None
    cls = getattr(ls, growth.pick(("MaxPooling{}D", "AveragePooling{}D")).format(rank))
    return cls(size, growth.pick((None, None, each(growth, rank, 1, 3))), padding)(x)


def enlarged(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    rank = len(sizes)
    return getattr(ls, f"UpSampling{rank}D")(each(growth, rank, 1, 3 if rank < 3 else 2))(x)


def framed(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    rank, cls = len(sizes), growth.pick(("ZeroPadding{}D", "Cropping{}D"))
    ends = tuple((growth.whole(0, 2), growth.whole(0, 1)) for _ in range(rank))
    if cls.startswith("Cropping"):
        ends = tuple(pair if sum(pair) < n else (0, min(1, n - 1)) for pair, n in zip(ends, sizes, strict=True))
    return getattr(ls, cls.format(rank))(growth.pick((1, ends)) if cls.startswith("Zero") else ends)(x)


def excited(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    """One number for each channel, added at every position."""
    cls = getattr(ls, growth.pick(("GlobalAveragePooling{}D", "GlobalMaxPooling{}D")).format(len(sizes)))
    return ls.Add()([x, ls.Dense(channels, growth.activation())(cls(keepdims=True)(x))])


def joined(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    """A branch that keeps the sizes, beside the tensor itself."""
    cls = getattr(ls, f"Conv{len(sizes)}D")
    made = cls(growth.whole(1, 3), 3, padding="same", activation=growth.activation())(x)
    return ls.Concatenate()([ls.Activation("tanh")(x), ls.Dropout(0.25)(made)])


def whole(growth: Any, x: Symbolic, sizes: tuple[int, ...], channels: int) -> Symbolic:
    """To a row of numbers."""
    kind = growth.pick(("GlobalAveragePooling{}D", "GlobalMaxPooling{}D", "")).format(len(sizes))
    return getattr(ls, kind)()(x) if kind else ls.Flatten()(x)


ALL = (
    convolution,
    transposed,
    depthwise,
    separable,
    pooled,
    pooled,
    enlarged,
    framed,
    framed,
    excited,
    excited,
    joined,
)
VOLUMES = (*(one for one in ALL if one not in (depthwise, separable)), transposed, pooled)


def start(growth: Any, number: int) -> tuple[int, ...]:
    """The sizes of an input: of a sequence, an image and a volume in turn."""
    rank = 1 + number % 3
    return (*(growth.whole(*EDGE[rank]) for _ in range(rank)), growth.whole(1, 4))


def grown(growth: Any, x: Symbolic, number: int, most: int) -> list[Symbolic]:
    """What up to 14 operations make of a tensor, one after another; the first is another one in each network."""
    made: list[Symbolic] = []
    rank = len(x.shape) - 2
    known = ALL if rank < 3 else VOLUMES
    for step in range(growth.whole(9, 14)):
        sizes = tuple(int(n) for n in x.shape[1:] if n is not None)
        act = known[number // 3 % len(known)] if not step else growth.pick(known)
        found = act(growth, x, sizes[:-1], sizes[-1])
        if found is not None and prod(int(n) for n in found.shape[1:] if n is not None) <= most:
            x = found
            made.append(x)
    sizes = tuple(int(n) for n in x.shape[1:] if n is not None)
    if growth.chance(0.6) or not made:
        made.append(ls.Dense(growth.whole(1, 4))(whole(growth, x, sizes[:-1], sizes[-1])))
    return made
