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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from layerscope.analyses.mirror.links import CROPS, PADS, POOLS, Link, chain, channels, spatial
from layerscope.analyses.mirror.plan import Stage, Undo, plan, refused
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import replace
from layerscope.core.errors import GraphError, ShapeError, SizeError, UnknownNameError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.sizes import numbers
from layerscope.core.types import show
from layerscope.layers import layer_class
from layerscope.layers.dense import Dense
from layerscope.layers.input_layer import Input
from layerscope.layers.max_unpooling2d import MaxUnpooling2D
from layerscope.layers.permute import Permute
from layerscope.layers.pixel_shuffle2d import PixelShuffle2D
from layerscope.layers.reshape import Reshape


def make(kind: str, rank: int, *settings: Any, **named: Any) -> Any:
    """A layer of the kind for this number of spatial axes: Conv, 2 → Conv2D."""
    cls: Any = layer_class(f"{kind}{rank}D")
    return cls(*settings, **named)


def framed(x: Any, cut: Sequence[int], sizes: Sequence[int]) -> Any:
    """The data without `cut` cells at the begin of each axis (zeros added where negative), in these sizes."""
    have = spatial(x.type)
    ends = [n - begin - size for n, begin, size in zip(have, cut, sizes, strict=True)]
    crop = tuple((max(a, 0), max(b, 0)) for a, b in zip(cut, ends, strict=True))
    pad = tuple((max(-a, 0), max(-b, 0)) for a, b in zip(cut, ends, strict=True))
    if any(map(any, crop)):
        x = make("Cropping", len(sizes), crop)(x)
    return make("ZeroPadding", len(sizes), pad)(x) if any(map(any, pad)) else x


def padded(x: Any, before: Sequence[int], after: Sequence[int]) -> Any:
    """Zeros around the data, if any."""
    if not any(before) and not any(after):
        return x
    return make("ZeroPadding", len(before), tuple(zip(before, after, strict=True)))(x)


def convolution(stage: Stage, padding: str, filters: int | None = None) -> Any:
    """The convolution of a stage."""
    return make(
        "Conv", stage.rank, filters or stage.filters, stage.kernel, padding=padding, dilation_rate=stage.dilation,
        **stage.settings,
    )  # fmt: skip


def _convolved(x: Any, stage: Stage, cut: Sequence[int]) -> Any:
    """The convolution of a stage behind its enlargement; a "valid" one is undone by one with zeros all around."""
    around = [k - 1 if stage.padding == "valid" else 0 for k in stage.reach]
    sizes = [n + 2 * a for n, a in zip(stage.middle, around, strict=True)]
    x = framed(x, [c - a for c, a in zip(cut, around, strict=True)], sizes)
    return convolution(stage, stage.padding)(x)


def enlarging(name: str, stage: Stage) -> Any:
    """The layer that enlarges, for the ways that have one before the convolution."""
    if name == "nails":
        return make("BedOfNails", stage.rank, stage.factor)
    more = {"interpolation": "bilinear"} if name == "bilinear" else {}
    return make("UpSampling", stage.rank, stage.factor[0] if stage.rank == 1 else stage.factor, **more)


def unpooled(x: Any, stage: Stage, switches: Any) -> Any:
    """Each value where its maximum stood."""
    pool = stage.shrink.layer
    return MaxUnpooling2D(pool.pool_size, pool.strides, pool.padding)([x, switches])


def _before(name: str) -> Callable[[Any, Stage, Any], Any]:
    """An enlargement by a layer, then the convolution."""
    return lambda x, stage, switches: _convolved(enlarging(name, stage)(x), stage, stage.cut)


def _unpooled(x: Any, stage: Stage, switches: Any) -> Any:
    return _convolved(unpooled(x, stage, switches), stage, (0,) * stage.rank)


def _covering(x: Any, stage: Stage, wider: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Zeros that the small image needs before and after it, so that its enlargement covers the wanted image, and
    the rows and columns that are then cut off at the top and left. `wider`: by how much an enlargement of n cells
    by s is larger than n·s.
    """
    before, after, cut = list[int](), list[int](), list[int]()
    for n, s, w, c, g, t in zip(
        spatial(x.type), stage.factor, wider, stage.cut, stage.grow, stage.sizes, strict=True
    ):
        start = g - c - w // 2
        before.append(max(-(-start // s), 0))
        after.append(max(-(-(t - start - n * s - w) // s), 0))
        cut.append(before[-1] * s - start)
    return before, after, cut


def transposed_kernel(stage: Stage, kernel: int | None = None) -> tuple[int, ...]:
    """The kernel of a transposed convolution in place of an enlargement and a convolution."""
    return tuple(kernel or -(-(k + s - 1) // s) * s for k, s in zip(stage.reach, stage.factor, strict=True))


def _adjoint(stage: Stage, filters: int, kernel: Sequence[int], **settings: Any) -> Any:
    cls: Any = layer_class(f"Conv{stage.rank}DTranspose")
    return cls(filters, tuple(kernel), activation=stage.activation, **settings)


def transposed(stage: Stage, kernel: Sequence[int], padding: str, more: Sequence[int] | None = None) -> Any:
    """The transposed convolution of a stage; `more` is its output padding."""
    added = {} if more is None else {"output_padding": tuple(more)}
    return _adjoint(stage, stage.filters, kernel, strides=stage.factor, padding=padding, groups=stage.groups, **added)


def grown(stage: Stage, filters: int | None = None) -> Any:
    """The convolution of a stage with all the zeros around that its kernel meets: a transposed one, stride 1."""
    return _adjoint(stage, filters or stage.filters, stage.kernel, dilation_rate=stage.dilation)


def _transposed(x: Any, stage: Stage, switches: Any, kernel: int | None = None) -> Any:
    size = transposed_kernel(stage, kernel)
    wider = [max(k - s, 0) for k, s in zip(size, stage.factor, strict=True)]
    before, after, cut = _covering(x, stage, wider)
    x = padded(x, before, after)
    whole = [n * s + w for n, s, w in zip(spatial(x.type), stage.factor, wider, strict=True)]
    ends = [n - c - t for n, c, t in zip(whole, cut, stage.sizes, strict=True)]
    padding = "valid"
    if all(c >= w // 2 and e >= w - w // 2 for c, e, w in zip(cut, ends, wider, strict=True)):
        padding, cut = "same", [c - w // 2 for c, w in zip(cut, wider, strict=True)]
    return framed(transposed(stage, size, padding)(x), cut, stage.sizes)


def shuffled(x: Any, stage: Stage) -> Any:
    """Channels laid out as positions; along one axis that is a reshape."""
    if stage.rank == 2:
        return PixelShuffle2D(stage.factor)(x)
    return Reshape((spatial(x.type)[0] * stage.factor[0], stage.filters))(x)


def _shuffled(x: Any, stage: Stage, switches: Any) -> Any:
    before, after, cut = _covering(x, stage, (0,) * stage.rank)
    padding = "same"
    if any(before) or any(after):
        padding = "valid"
        halves = [(k - 1) // 2 for k in stage.reach]
        x = padded(
            x, [b + h for b, h in zip(before, halves, strict=True)],
            [a + k - 1 - h for a, k, h in zip(after, stage.reach, halves, strict=True)],
        )  # fmt: skip
    x = convolution(stage, padding, stage.filters * math.prod(stage.factor))(x)
    return framed(shuffled(x, stage), cut, stage.sizes)


WAYS: dict[str, Callable[[Any, Stage, Any], Any]] = {
    "nearest": _before("nearest"),
    "bilinear": _before("bilinear"),
    "nails": _before("nails"),
    "unpool": _unpooled,
    "transpose": _transposed,
    "subpixel": _shuffled,
    "transpose3": lambda x, stage, switches: _transposed(x, stage, switches, kernel=3),
}
USUAL = tuple(name for name in WAYS if name != "transpose3")
"""The decoders that are compared when none are named."""


def opened(x: Any, stage: Stage) -> Any:
    """What a pool over everything left, as one position with its channels."""
    return Reshape((*(1,) * stage.rank, channels(x.type)))(x) if x.type.rank == 2 else x


def exactly(x: Any, link: Link, activation: str | None) -> Any:
    """A link undone by itself that is not spatial: its input's size and channels."""
    if link.kind == "Dense":
        return Dense(channels(link.before), activation=activation)(x)
    if link.kind == "Permute":
        order = link.layer.dims
        return Permute(tuple(order.index(axis) + 1 for axis in range(1, len(order) + 1)))(x)
    return Reshape(numbers(link.before.shape[1:]))(x)


def _undone(x: Any, link: Link, activation: str | None) -> Any:
    """A link undone by itself, its cells in their places."""
    if link.kind in PADS or link.kind in CROPS:
        return framed(x, [begin for begin, _ in link.layer.ends], spatial(link.before))
    if link.kind in POOLS:  # with a stride of 1: "valid" padding alone made it smaller
        before, after = spatial(link.before), spatial(link.after)
        return framed(x, [-((n - m) // 2) for n, m in zip(before, after, strict=True)], before)
    return x if link.covers and link.before == link.after and link.kind != "Dense" else exactly(x, link, activation)


def replay(encoder: Graph, name: str) -> tuple[Symbolic, Symbolic, Mapping[int, Symbolic]]:
    """The encoder in layers of its own: its input, its code, and the switches by the pool's layer, for unpooling."""
    inner = encoder.nodes[encoder.inputs[0]].layer
    given = propagate.types(encoder)[encoder.inputs[0]][0]
    start = Input(numbers(given.shape[1:]), name=inner.name, dtype=given.dtype)
    wanted = {id(link.layer) for link in chain(encoder) if name == "unpool" and link.shrinks}
    fresh, made, switches = dict[int, Layer](), dict[tuple[int, int], Any](), dict[int, Symbolic]()
    made[(encoder.inputs[0], 0)] = start
    for number, node in enumerate(encoder.nodes):
        if number in encoder.inputs:
            continue
        more = {"return_switches": True} if id(node.layer) in wanted else {}
        layer = fresh.setdefault(id(node.layer), replace(node.layer, **more))
        out: Any = layer([made[edge] for edge in node.inputs])
        outputs: tuple[Any, ...] = out if isinstance(out, tuple) else (out,)  # pyright: ignore[reportUnknownVariableType]
        for place, one in enumerate(outputs):
            made[(number, place)] = one
        if more:
            switches[number] = made[(number, 1)]
    return start, made[encoder.outputs[0]], switches


def known(name: str) -> None:
    """Errors: UnknownNameError for a name that is none of WAYS."""
    if name not in WAYS:
        raise UnknownNameError("decoder", name, WAYS)


def closed(start: Symbolic, x: Any, name: str) -> Graph:
    """The autoencoder, shown to end as it began."""
    if x.type.shape != start.type.shape:
        raise GraphError(f"the decoder {name!r} ends at {show(x.type.shape[1:])}, not {show(start.type.shape[1:])}")
    return trace_calls([start], [x], name)


def autoencoder(encoder: Graph, name: str = "nearest", made: list[tuple[int, Any]] | None = None) -> Graph:
    """The encoder and the decoder of this name behind it, a network of layers of its own, every cell in its place.

    `made` is given, for each step of the decoder, the encoder's node and the tensor that stands for it there.
    Shapes: (batch, height, width, C) → the same.
    Errors: UnknownNameError for a name that is none of WAYS; GraphError and ShapeError as `chain`; GraphError
    where the encoder has no such decoder.
    """
    known(name)
    refused(encoder, name)
    links = chain(encoder)
    start, x, switches = replay(encoder, name)
    places = {link.label: switches.get(encoder.index(link.label)) for link in links if link.layer is not None}
    for step in plan(links):
        try:
            if isinstance(step, Undo):
                x = _undone(x, step.link, step.activation)
            elif step.enlarges:
                x = WAYS[name](opened(x, step), step, places.get(step.shrink.label))
            else:
                x = _convolved(opened(x, step), step, step.cut)
        except (ShapeError, SizeError) as error:
            raise GraphError(f"the decoder {name!r} of this encoder cannot be built: {error}") from None
        if made is not None:
            made.append((step.source, x))
    return closed(start, x, name)
