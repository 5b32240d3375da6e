"""Random settings and input types for the layers that have settings worth varying.

Each function takes a source of choices, so that hypothesis and a seeded generator share them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st

from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.types import TensorType
from layerscope.layers import _activation


class Choices(Protocol):
    def whole(self, low: int, high: int) -> int: ...

    def one(self, options: Sequence[Any]) -> Any: ...


class Seeded:
    """Choices of a NumPy generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.whole(0, len(options) - 1)]


class Drawn:
    """Choices of hypothesis, which shrinks them."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def whole(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def one(self, options: Sequence[Any]) -> Any:
        return self.data.draw(st.sampled_from(options))


def _case(layer, *shapes: tuple[int, ...]) -> Example:
    types = tuple(TensorType(shape) for shape in shapes)
    return Example(layer, types, layer.out(*types))


def _each(c: Choices, rank: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(c.whole(low, high) for _ in range(rank))


def _pair(c: Choices, low: int, high: int) -> tuple[int, int]:
    return c.whole(low, high), c.whole(low, high)


def _image(c: Choices, most: int = 6, rank: int = 2) -> tuple[int, ...]:
    return (c.whole(1, 2), *_each(c, rank, 1, most if rank < 3 else 3), c.whole(1, 3))


KERNEL, MORE, STEP = {1: 4, 2: 4, 3: 2}, {1: 9, 2: 6, 3: 2}, {1: 3, 2: 3, 3: 2}
"""The most by the number of axes: cells of a kernel or window, cells that an image has more, and dilation."""


def _moving(c: Choices, cls: Any) -> tuple[dict[str, Any], list[int]]:
    """Settings of a kernel that moves, and sizes of an image that it fits."""
    rank = cls.rank
    kernel, strides, dilation = _each(c, rank, 1, KERNEL[rank]), _each(c, rank, 1, 3), _each(c, rank, 1, STEP[rank])
    padding = c.one(["valid", "same", *(["causal"] if getattr(cls, "causal", False) else [])])
    least = [d * (k - 1) + 1 if padding == "valid" else 1 for k, d in zip(kernel, dilation, strict=True)]
    told = {"kernel_size": kernel, "strides": strides, "padding": padding, "dilation_rate": dilation}
    return told, least


def convolution(c: Choices, cls: Any) -> Example:
    told, least = _moving(c, cls)
    groups = c.one([1, 1, 2, 3])
    sizes = [c.whole(n, n + MORE[cls.rank]) for n in least]
    layer = cls(groups * c.whole(1, 2), **told, groups=groups, use_bias=c.one([True, False]))
    return _case(layer, (c.whole(1, 2), *sizes, groups * c.whole(1, 2)))


def depthwise(c: Choices, cls: Any) -> Example:
    told, least = _moving(c, cls)
    told |= {"depth_multiplier": c.whole(1, 3), "use_bias": c.one([True, False])}
    if "filters" in cls.__dataclass_fields__:
        told["filters"] = c.whole(1, 4)
    sizes = [c.whole(n, n + MORE[cls.rank]) for n in least]
    return _case(cls(**told), (c.whole(1, 2), *sizes, c.whole(1, 4)))


def transposed(c: Choices, cls: Any) -> Example:
    rank = cls.rank
    kernel, strides = _each(c, rank, 1, KERNEL[rank]), _each(c, rank, 1, 3)
    dilation = c.one([(1,) * rank, _each(c, rank, 1, STEP[rank])])
    groups = c.one([1, 1, 2, 3])
    added = c.one([None, tuple(c.whole(0, s - 1) for s in strides)])
    layer = cls(
        groups * c.whole(1, 2),
        kernel,
        strides=strides,
        padding=c.one(["valid", "same"]),
        output_padding=added,
        dilation_rate=dilation,
        groups=groups,
        use_bias=c.one([True, False]),
    )
    # two cells at least: one under an even kernel with output_padding 0 would be cropped to nothing
    return _case(layer, (c.whole(1, 2), *_each(c, rank, 2, {1: 9, 2: 5, 3: 3}[rank]), groups * c.whole(1, 2)))


def pooling(c: Choices, cls: Any, **options: Any) -> Example:
    rank = cls.rank
    window, padding = _each(c, rank, 1, {1: 4, 2: 4, 3: 3}[rank]), c.one(["valid", "same"])
    strides = c.one([None, _each(c, rank, 1, 4)])
    sizes = [c.whole(k if padding == "valid" else 1, k + MORE[rank]) for k in window]
    layer = cls(window, strides=strides, padding=padding, **options)
    return _case(layer, (c.whole(1, 2), *sizes, c.whole(1, 3)))


def max_unpooling2d(c: Choices) -> Example:
    pool = pooling(c, ls.MaxPooling2D, return_switches=True)
    settings = (pool.layer.pool_size, pool.layer.strides, pool.layer.padding)
    layer = ls.MaxUnpooling2D(*settings, output_size=pool.inputs[0].shape[1:-1])
    types = (TensorType(pool.outputs[0].shape), pool.outputs[1])
    return Example(layer, types, layer.out(*types))


def framing(c: Choices, cls: Any, least: int) -> Example:
    ends = tuple(_pair(c, 0, 2) for _ in range(cls.rank))
    sizes = [c.whole(1, 5 if cls.rank < 3 else 2) + least * sum(pair) for pair in ends]
    return _case(cls(ends), (c.whole(1, 2), *sizes, c.whole(1, 3)))


def dense(c: Choices) -> Example:
    shape = tuple(c.whole(1, 5) for _ in range(c.whole(2, 4)))
    return _case(ls.Dense(c.whole(1, 6), use_bias=c.one([True, False])), shape)


def concatenate(c: Choices) -> Example:
    shape = [c.whole(1, 4) for _ in range(c.whole(2, 4))]
    axis = c.whole(1, len(shape) - 1)
    shapes = []
    for _ in range(c.whole(2, 3)):
        shape[axis] = c.whole(1, 4)
        shapes.append(tuple(shape))
    return _case(ls.Concatenate(axis=c.one([axis, axis - len(shape)])), *shapes)


def add(c: Choices) -> Example:
    """Two or three inputs, in which some axes (never the batch) have size 1."""
    shape = [c.whole(1, 4) for _ in range(c.whole(2, 4))]
    shapes = [(shape[0], *(c.one([n, n, 1]) for n in shape[1:])) for _ in range(c.whole(2, 3))]
    return _case(ls.Add(), *shapes)


def reshape(c: Choices) -> Example:
    """Sizes in another arrangement: joined, split at -1, or only axes of size 1 put in and taken out."""
    shape = [c.whole(1, 4) for _ in range(c.whole(1, 3))]
    total = int(np.prod(shape))
    split = c.one([n for n in range(1, total + 1) if total % n == 0])
    plain = [n for n in shape if n > 1]
    target = c.one([(total,), (split, -1), (-1, split), (*plain, 1), (1, *plain), tuple(shape[::-1])])
    return _case(ls.Reshape(target), (c.whole(1, 2), *shape))


def flatten(c: Choices) -> Example:
    return _case(ls.Flatten(), tuple(c.whole(1, 4) for _ in range(c.whole(2, 4))))


def pixel_shuffle2d(c: Choices) -> Example:
    """As often as not one factor for both axes, which every framework can say in one operator."""
    factor = c.whole(1, 3)
    size = c.one([(factor, factor), _pair(c, 1, 3)])
    return _case(ls.PixelShuffle2D(size), (c.whole(1, 2), *_pair(c, 1, 4), c.whole(1, 2) * size[0] * size[1]))


def _spatial() -> dict[str, Callable[[Choices], Example]]:
    """The layers of one, two and three spatial axes."""
    made: dict[str, tuple[Callable[..., Example], dict[str, Any]]] = {}
    for rank in (1, 2, 3):
        made |= {f"Conv{rank}D": (convolution, {}), f"Conv{rank}DTranspose": (transposed, {})}
        if rank < 3:
            made |= {f"DepthwiseConv{rank}D": (depthwise, {}), f"SeparableConv{rank}D": (depthwise, {})}
        made |= {f"{name}Pooling{rank}D": (pooling, {}) for name in ("Max", "Average")}
        made |= {f"Global{name}Pooling{rank}D": (whole_pooling, {}) for name in ("Max", "Average")}
        made |= {f"ZeroPadding{rank}D": (framing, {"least": 0}), f"Cropping{rank}D": (framing, {"least": 1})}
        made[f"UpSampling{rank}D"] = (upsampling, {})
    made["MaxPooling2D"] = (switching, {})
    return {kind: partial(make, cls=getattr(ls, kind), **told) for kind, (make, told) in made.items()}


def whole_pooling(c: Choices, cls: Any) -> Example:
    return _case(cls(keepdims=c.one([True, False])), _image(c, rank=cls.rank))


def switching(c: Choices, cls: Any) -> Example:
    return pooling(c, cls, return_switches=c.one([True, False]))


def upsampling(c: Choices, cls: Any) -> Example:
    size = _each(c, cls.rank, 1, 5 if cls.rank < 3 else 3)
    told = {"interpolation": c.one(["nearest", "bilinear"])} if cls.rank == 2 else {}
    return _case(cls(size, **told), _image(c, 5, cls.rank))


def merged(c: Choices, cls: Any, most: int = 3) -> Example:
    """Inputs in which some axes (never the batch) have size 1, and some of which lack axes behind the batch."""
    shape = [c.whole(1, 4) for _ in range(c.whole(2, 4))]
    shapes = [[shape[0], *(c.one([n, n, 1]) for n in shape[1:])] for _ in range(c.whole(2, most))]
    if len(shape) > 2 and c.one([True, False, False]):
        shapes[-1] = [shape[0], *shapes[-1][2:]]
    return _case(cls(), *map(tuple, shapes))


def dot(c: Choices) -> Example:
    size, batch = c.whole(1, 4), c.whole(1, 3)
    shapes = [[batch, *(c.whole(1, 3) for _ in range(c.whole(0, 2)))] for _ in range(2)]
    axes = [c.whole(1, len(shape)) for shape in shapes]
    for shape, axis in zip(shapes, axes, strict=True):
        shape.insert(axis, size)
    told = [c.one([axis, axis - len(shape)]) for axis, shape in zip(axes, shapes, strict=True)]
    return _case(ls.Dot(tuple(told), normalize=c.one([False, True]) and size > 1), *map(tuple, shapes))


def axes_of(c: Choices, shape: Sequence[int]) -> Any:
    """One axis behind the batch, counted from either end, or several."""
    rank = len(shape)
    if c.one([True, False]):
        axis = c.whole(1, rank - 1)
        return c.one([axis, axis - rank])
    several = sorted({c.whole(1, rank - 1) for _ in range(2)})
    return several if len(several) > 1 else several[0]


def normalised(c: Choices, cls: Any, affine: bool = True, several: bool = True) -> Example:
    shape = tuple(c.whole(2, 4) for _ in range(c.whole(2 if several else 3, 4)))
    axis = c.whole(1, len(shape) - 1)
    told = {"axis": axes_of(c, shape) if several else c.one([axis, axis - len(shape)])}
    if affine:
        told |= {"scale": c.one([True, False]), "center": c.one([True, False]), "epsilon": c.one([1e-3, 0.1])}
    if cls is ls.RMSNormalization:
        told["epsilon"] = c.one([0.05, 0.5])
    return _case(cls(**told), shape)


def group_normalization(c: Choices) -> Example:
    shape = [c.whole(2, 3) for _ in range(c.whole(3, 4))]
    axis, groups = c.whole(1, len(shape) - 1), c.one([-1, 1, 2, 3])
    shape[axis] = max(groups, 1) * c.whole(1, 2)
    told = {"scale": c.one([True, False]), "center": c.one([True, False])}
    return _case(ls.GroupNormalization(groups, c.one([axis, axis - len(shape)]), **told), tuple(shape))


def permute(c: Choices) -> Example:
    rank = c.whole(1, 3)
    axes, dims = list(range(1, rank + 1)), []
    while axes:
        dims.append(axes.pop(c.whole(0, len(axes) - 1)))
    return _case(ls.Permute(tuple(dims)), tuple(c.whole(1, 4) for _ in range(rank + 1)))


def prelu(c: Choices) -> Example:
    shape = tuple(c.whole(1, 4) for _ in range(c.whole(2, 4)))
    shared = sorted({c.whole(1, len(shape) - 1) for _ in range(2)})
    return _case(ls.PReLU(shared_axes=c.one([None, shared, shared[0]])), shape)


def relu(c: Choices) -> Example:
    most, slope, threshold = c.one([None, 6.0, 1.5]), c.one([0.0, 0.25]), c.one([0.0, 0.3])
    return _any(c, ls.ReLU(most, slope, threshold))


def rescaling(c: Choices) -> Example:
    shape = tuple(c.whole(1, 4) for _ in range(c.whole(2, 4)))
    scale = tuple(0.5 + n for n in range(shape[-1]))
    return _case(ls.Rescaling(c.one([0.25, -3, scale]), c.one([0.0, 1.5, scale])), shape)


def normalization(c: Choices) -> Example:
    shape = tuple(c.whole(1, 4) for _ in range(c.whole(2, 4)))
    told = c.one([{}, {"mean": 0.5, "variance": 2.0}])
    return _case(ls.Normalization(c.one([-1, None, 1]), **told, invert=c.one([True, False])), shape)


def _any(c: Choices, layer: Any) -> Example:
    return _case(layer, tuple(c.whole(1, 4) for _ in range(c.whole(2, 4))))


def _dropped(c: Choices, cls: Any, rank: int) -> Example:
    shape = (c.whole(1, 2), *(c.whole(1, 4) for _ in range(rank)), c.whole(1, 3))
    order = {} if rank == 1 else {"data_format": c.one([None, "channels_first"])}
    return _case(cls(c.one([0, 0.3, 1]), **order), shape)


NAMES = _activation.NAMES

RANDOM: dict[str, Callable[[Choices], Example]] = {
    **_spatial(),
    "Dense": dense,
    "BedOfNails2D": lambda c: _case(ls.BedOfNails2D(_pair(c, 1, 4)), _image(c, 5)),
    "PixelShuffle2D": pixel_shuffle2d,
    "MaxUnpooling2D": max_unpooling2d,
    "Concatenate": concatenate,
    "Add": add,
    "Reshape": reshape,
    "Flatten": flatten,
    "Activation": lambda c: _case(ls.Activation(c.one(NAMES)), tuple(c.whole(2, 4) for _ in range(c.whole(2, 4)))),
    "Dropout": lambda c: _case(ls.Dropout(c.one([0, 0.25, 0.7])), _image(c)),
    "Subtract": lambda c: merged(c, ls.Subtract, 2),
    "Multiply": lambda c: merged(c, ls.Multiply),
    "Average": lambda c: merged(c, ls.Average),
    "Maximum": lambda c: merged(c, ls.Maximum),
    "Minimum": lambda c: merged(c, ls.Minimum),
    "Dot": dot,
    "LayerNormalization": lambda c: normalised(c, ls.LayerNormalization),
    "RMSNormalization": lambda c: normalised(c, ls.RMSNormalization, affine=False),
    "UnitNormalization": lambda c: normalised(c, ls.UnitNormalization, affine=False),
    "BatchNormalization": lambda c: normalised(c, ls.BatchNormalization, several=False),
    "GroupNormalization": group_normalization,
    "Softmax": lambda c: normalised(c, ls.Softmax, affine=False),
    "Permute": permute,
    "RepeatVector": lambda c: _case(ls.RepeatVector(c.whole(1, 4)), (c.whole(1, 3), c.whole(1, 4))),
    "PReLU": prelu,
    "ReLU": relu,
    "LeakyReLU": lambda c: _any(c, ls.LeakyReLU(c.one([0.0, 0.01, 0.3, 1.5]))),
    "ELU": lambda c: _any(c, ls.ELU(c.one([1.0, 0.5, 1.7]))),
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Identity": lambda c: _any(c, ls.Identity()),
    "SpatialDropout1D": lambda c: _dropped(c, ls.SpatialDropout1D, 1),
    "SpatialDropout2D": lambda c: _dropped(c, ls.SpatialDropout2D, 2),
    "SpatialDropout3D": lambda c: _dropped(c, ls.SpatialDropout3D, 3),
    "GaussianNoise": lambda c: _any(c, ls.GaussianNoise(c.one([0, 0.5]))),
    "GaussianDropout": lambda c: _any(c, ls.GaussianDropout(c.one([0, 0.5]))),
    "AlphaDropout": lambda c: _any(c, ls.AlphaDropout(c.one([0, 0.5]))),
}


def seeded(kind: str, count: int, start: int = 0) -> list[Example]:
    """`count` random examples of a layer, always the same; none for a layer without random settings."""
    make = RANDOM.get(kind)
    return [make(Seeded(1000 * start + n)) for n in range(count)] if make else []
