"""Encoders turned round: the autoencoder in which each layer of an encoder is undone, last one first.

Every tensor of the decoder has the size, the channels and the activation of its twin in the encoder. A
convolution n → m is undone by a convolution m → n with a kernel of the same size (the last one ends in a
sigmoid: pixels lie in 0 … 1), a layer that makes the image smaller by one of several ways of enlarging:

| name | enlargement by s, and the convolution k×k behind it |
|---|---|
| `nearest` | each value repeated s×s times; convolution |
| `bilinear` | linear interpolation, half-pixel centres; convolution |
| `nails` | each value at the top-left of s×s zeros; convolution |
| `unpool` | each value where the maximum stood, zeros elsewhere; convolution |
| `transpose` | a transposed convolution with stride s in place of both, kernel k + s - 1 or the next multiple of s |
| `subpixel` | a convolution k×k to s·s times as many channels, then a pixel shuffle |
| `transpose3` | as `transpose`, kernel 3: not a multiple of a stride of 2 (only where it is asked for) |

A transposed convolution of kernel k and stride s *is* a bed of nails and a convolution of kernel k, so kernel 3
would be `nails` over again (but for initial weights). With kernel k + s - 1 it can be what nearest upsampling
and a convolution of kernel k are, and a multiple of s lets every output position have equally many products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import GraphError, ShapeError, SizeError, UnknownNameError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.sizes import numbers
from layerscope.core.types import show
from layerscope.layers.bed_of_nails2d import BedOfNails2D
from layerscope.layers.conv2d import Conv2D
from layerscope.layers.conv2d_transpose import Conv2DTranspose
from layerscope.layers.cropping2d import Cropping2D
from layerscope.layers.dense import Dense
from layerscope.layers.input_layer import Input
from layerscope.layers.max_unpooling2d import MaxUnpooling2D
from layerscope.layers.pixel_shuffle2d import PixelShuffle2D
from layerscope.layers.reshape import Reshape
from layerscope.layers.up_sampling2d import UpSampling2D
from layerscope.layers.zero_padding2d import ZeroPadding2D
from layerscope.studies.mirror import POOLS, SKIPPED, Link, Stage, chain, obstacle, plan


def _framed(x: Any, cut: Sequence[int], sizes: Sequence[int]) -> Any:
    """The image without `cut` rows and columns at the top and left (zeros added where negative), in these sizes."""
    have = numbers(x.type.shape[1:3])
    ends = [n - begin - size for n, begin, size in zip(have, cut, sizes, strict=True)]
    crop = tuple((max(a, 0), max(b, 0)) for a, b in zip(cut, ends, strict=True))
    pad = tuple((max(-a, 0), max(-b, 0)) for a, b in zip(cut, ends, strict=True))
    if any(map(any, crop)):
        x = Cropping2D(crop)(x)
    return ZeroPadding2D(pad)(x) if any(map(any, pad)) else x


def _convolved(x: Any, stage: Stage, cut: Sequence[int] = (0, 0)) -> Any:
    """The convolution of a stage behind its enlargement; a "valid" one is undone by one with zeros all around."""
    around = [k - 1 if stage.padding == "valid" else 0 for k in stage.reach]
    sizes = [n + 2 * a for n, a in zip(stage.middle, around, strict=True)]
    x = _framed(x, [c - a for c, a in zip(cut, around, strict=True)], sizes)
    layer = Conv2D(stage.filters, stage.kernel, padding=stage.padding, dilation_rate=stage.dilation, **stage.settings)
    return layer(x)


def _before(made: Callable[[Stage], Layer]) -> Callable[[Any, Stage, Any], Any]:
    """An enlargement by a layer, then the convolution."""
    return lambda x, stage, switches: _convolved(made(stage)(x), stage, stage.cut)


def _unpooled(x: Any, stage: Stage, switches: Any) -> Any:
    pool = stage.shrink.layer
    return _convolved(MaxUnpooling2D(pool.pool_size, pool.strides, pool.padding)([x, switches]), stage)


def _covering(x: Any, stage: Stage, wider: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Zeros that the small image needs before and after it, so that its enlargement covers the wanted image, and
    the rows and columns that are then cut off at the top and left. `wider`: by how much an enlargement of n cells
    by s is larger than n·s.
    """
    before, after, cut = list[int](), list[int](), list[int]()
    for n, s, w, c, g, t in zip(
        numbers(x.type.shape[1:3]), stage.factor, wider, stage.cut, stage.grow, stage.sizes, strict=True
    ):
        start = g - c - w // 2
        before.append(max(-(-start // s), 0))
        after.append(max(-(-(t - start - n * s - w) // s), 0))
        cut.append(before[-1] * s - start)
    return before, after, cut


def _transposed(x: Any, stage: Stage, switches: Any, kernel: int | None = None) -> Any:
    size = [kernel or -(-(k + s - 1) // s) * s for k, s in zip(stage.reach, stage.factor, strict=True)]
    wider = [max(k - s, 0) for k, s in zip(size, stage.factor, strict=True)]
    before, after, cut = _covering(x, stage, wider)
    if any(before) or any(after):
        x = ZeroPadding2D(tuple(zip(before, after, strict=True)))(x)
    whole = [n * s + w for n, s, w in zip(numbers(x.type.shape[1:3]), stage.factor, wider, strict=True)]
    ends = [n - c - t for n, c, t in zip(whole, cut, stage.sizes, strict=True)]
    padding = "valid"
    if all(c >= w // 2 and e >= w - w // 2 for c, e, w in zip(cut, ends, wider, strict=True)):
        padding, cut = "same", [c - w // 2 for c, w in zip(cut, wider, strict=True)]
    layer = Conv2DTranspose(stage.filters, size, strides=stage.factor, padding=padding, **stage.settings)
    return _framed(layer(x), cut, stage.sizes)


def _shuffled(x: Any, stage: Stage, switches: Any) -> Any:
    before, after, cut = _covering(x, stage, (0, 0))
    padding = "same"
    if any(before) or any(after):
        padding = "valid"
        around = [
            (b + (k - 1) // 2, a + (k - 1) - (k - 1) // 2) for b, a, k in zip(before, after, stage.reach, strict=True)
        ]
        x = ZeroPadding2D(tuple(around))(x)
    channels = stage.filters * math.prod(stage.factor)
    x = Conv2D(channels, stage.kernel, padding=padding, dilation_rate=stage.dilation, **stage.settings)(x)
    return _framed(PixelShuffle2D(stage.factor)(x), cut, stage.sizes)


WAYS: dict[str, Callable[[Any, Stage, Any], Any]] = {
    "nearest": _before(lambda stage: UpSampling2D(stage.factor)),
    "bilinear": _before(lambda stage: UpSampling2D(stage.factor, interpolation="bilinear")),
    "nails": _before(lambda stage: BedOfNails2D(stage.factor)),
    "unpool": _unpooled,
    "transpose": _transposed,
    "subpixel": _shuffled,
    "transpose3": lambda x, stage, switches: _transposed(x, stage, switches, kernel=3),
}
USUAL = tuple(name for name in WAYS if name != "transpose3")
"""The decoders that are compared when none are named."""


def _undone(x: Any, link: Link, activation: str | None) -> Any:
    """A link undone by itself: its input's size and channels."""
    if link.kind in SKIPPED:
        return x
    if link.kind == "Dense":
        return Dense(numbers(link.before.shape[-1:])[0], activation=activation)(x)
    if link.kind in ("Flatten", "Reshape"):
        return Reshape(numbers(link.before.shape[1:]))(x)
    if link.kind == "ZeroPadding2D":
        return Cropping2D(link.layer.padding)(x)
    if link.kind == "Cropping2D":
        return ZeroPadding2D(link.layer.cropping)(x)
    if link.kind in POOLS:  # with a stride of 1: "valid" padding alone made it smaller
        before, after = numbers(link.before.shape[1:3]), numbers(link.after.shape[1:3])
        return _framed(x, [-((n - m) // 2) for n, m in zip(before, after, strict=True)], before)
    conv, (*sizes, filters) = link.layer, numbers(link.before.shape[1:])
    stage = Stage(
        link, (1, 1), (0, 0), numbers(link.after.shape[1:3]), tuple(sizes), (0, 0),
        filters, conv.kernel_size, conv.dilation_rate, conv.groups, conv.padding, activation,
    )  # fmt: skip
    return _convolved(x, stage)


def autoencoder(encoder: Graph, name: str = "nearest") -> Graph:
    """The encoder and the decoder of this name behind it, a network of layers of its own.

    Shapes: (batch, height, width, C) → the same.
    Errors: UnknownNameError for a name that is none of WAYS; GraphError and ShapeError as `chain`; GraphError
    where the encoder has no such decoder.
    """
    if name not in WAYS:
        raise UnknownNameError("decoder", name, WAYS)
    why = obstacle(encoder, name)
    if why is not None:
        raise GraphError(f"this encoder has no decoder {name!r}: {why}")
    links = chain(encoder)
    inner = encoder.nodes[encoder.inputs[0]].layer
    start = x = Input(numbers(propagate.types(encoder)[encoder.inputs[0]][0].shape[1:]), name=inner.name)
    fresh, switches = dict[int, Layer](), dict[int, Symbolic]()
    for link in links:
        more = {"return_switches": True} if name == "unpool" and link.shrinks else {}
        layer = fresh.setdefault(id(link.layer), replace(link.layer, **more))
        x, *rest = made if isinstance(made := layer(x), tuple) else (made,)
        if rest:
            switches[id(link)] = rest[0]
    for step in plan(links):
        try:
            if isinstance(step, Stage):
                x = WAYS[name](x, step, switches.get(id(step.shrink)))
            else:
                x = _undone(x, *step)
        except (ShapeError, SizeError) as error:
            raise GraphError(f"the decoder {name!r} of this encoder cannot be built: {error}") from None
    if x.type.shape != start.type.shape:
        raise GraphError(f"the decoder {name!r} ends at {show(x.type.shape[1:])}, not {show(start.type.shape[1:])}")
    return trace_calls([start], [x], name)
