"""An encoder as a chain: its layers in order, with branches that meet again taken for one link.

An encoder leads from one input to its code. Where the data's way splits and joins (a residual block, branches that
are concatenated), everything between the split and the join is one *block*: what matters of it is its strides and
the cells that one of its outputs covers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from layerscope.core import propagate
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import GraphError, ShapeError
from layerscope.core.graph import Graph, Node
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType


def _ranks(*stems: str) -> tuple[str, ...]:
    return tuple(f"{stem}{rank}D" for stem in stems for rank in (1, 2, 3))


POOLS = _ranks("MaxPooling", "AveragePooling")
MAXIMA = _ranks("MaxPooling")
WHOLE = _ranks("GlobalAveragePooling", "GlobalMaxPooling")
ADAPTIVE = _ranks("AdaptiveAveragePooling", "AdaptiveMaxPooling")
CONVOLUTIONS = (
    *_ranks("Conv"), "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
)  # fmt: skip
PADS, CROPS = _ranks("ZeroPadding"), _ranks("Cropping")
FUNCTIONS = {
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "PReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax",
}  # fmt: skip
"""Layers that are an activation, and its name."""
SKIPPED = (
    "Activation", *FUNCTIONS,
    "Dropout", *_ranks("SpatialDropout"), "AlphaDropout", "GaussianDropout", "GaussianNoise",
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization",
    "ActivityRegularization", "Identity",
)  # fmt: skip
"""Layers that keep every size: a decoder has no layer for them."""
MERGES = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
SPATIAL = (*CONVOLUTIONS, *POOLS, *WHOLE, *ADAPTIVE, *PADS, *CROPS)
UNDONE = (*SPATIAL, "Dense", "Flatten", "Permute", "Reshape", *SKIPPED)
IN_BLOCKS = (*CONVOLUTIONS, *POOLS, *PADS, *CROPS, *SKIPPED, *MERGES)
LISTED = (
    "convolutions, pools, ZeroPadding, Cropping, Dense, Flatten, Permute, Reshape, activations, normalisations, "
    "dropout, and branches that meet again"
)


@dataclass(frozen=True)
class Cover:
    """Along one axis: output cell o covers the `window` input cells from o·stride - begin on."""

    stride: int = 1
    window: int = 1
    begin: int = 0

    def then(self, other: Cover) -> Cover:
        """What is covered through another layer behind."""
        return Cover(
            self.stride * other.stride,
            self.window + self.stride * (other.window - 1),
            self.begin + self.stride * other.begin,
        )

    def joined(self, other: Cover) -> Cover:
        """What two branches of the same stride cover together."""
        begin = max(self.begin, other.begin)
        end = max(self.window - self.begin, other.window - other.begin)
        return Cover(self.stride, begin + end, begin)

    @property
    def middle(self) -> float:
        """By how much the middle of what output cell 0 covers lies behind input cell 0."""
        return (self.window - 1) / 2 - self.begin


@dataclass(frozen=True)
class Link:
    """One layer of an encoder (or a block of them, then without `layer`), between its input's and output's types.

    `leaves` holds the activation that it ends with, if it says one. `source` is the number of the node that it reads.
    """

    layer: Any
    before: TensorType
    after: TensorType
    label: str
    covers: tuple[Cover, ...] = ()
    leaves: tuple[str | None, ...] = ()
    source: int = 0

    @property
    def kind(self) -> str:
        return "block" if self.layer is None else self.layer.kind

    @property
    def strides(self) -> tuple[int, ...]:
        """By how much it makes the input smaller, along each spatial axis."""
        return tuple(cover.stride for cover in self.covers)

    @property
    def shrinks(self) -> bool:
        """Whether it makes the input smaller by more than its padding; a block is undone like one that does."""
        return self.layer is None or self.kind in WHOLE or any(stride > 1 for stride in self.strides)

    @property
    def window(self) -> tuple[int, ...]:
        """The input cells that one output cell covers, along each spatial axis."""
        return tuple(cover.window for cover in self.covers)

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution."""
        return self.kind in CONVOLUTIONS


def spatial(type: TensorType) -> tuple[int, ...]:
    """The sizes of all axes but the batch and the channels."""
    return numbers(type.shape[1:-1])


def channels(type: TensorType) -> int:
    """The size of the last axis."""
    return numbers(type.shape[-1:])[0]


def dilated(conv: Any) -> tuple[int, ...]:
    """The cells that a convolution's kernel spans along each spatial axis."""
    return tuple(d * (k - 1) + 1 for k, d in zip(conv.kernel_size, conv.dilation_rate, strict=True))


def covers(layer: Any, before: TensorType, label: str) -> tuple[Cover, ...]:
    """What the outputs of a layer cover of its input, along each spatial axis.

    Errors: GraphError for channels that stand first, and for a pool that enlarges.
    """
    kind, sizes = layer.kind, spatial(before)
    if kind in SPATIAL and getattr(layer, "data_format", None) == "channels_first":
        raise GraphError(
            f"{label} ({kind}) has its channels first; a decoder is made for channels last: "
            "(batch, height, width, channels)"
        )
    if kind in CONVOLUTIONS or kind in POOLS:
        window = layer.pool_size if kind in POOLS else dilated(layer)
        places = layer.placements(before)
        return tuple(Cover(s, w, p.pads[0]) for s, w, p in zip(layer.strides, window, places, strict=True))
    if kind in WHOLE:
        return tuple(Cover(n, n) for n in sizes)
    if kind in ADAPTIVE:
        return tuple(_shares(n, m, label, kind) for n, m in zip(sizes, layer.output_size, strict=True))
    if kind in PADS or kind in CROPS:
        return tuple(Cover(begin=begin) for begin, _ in layer.ends)
    return tuple(Cover() for _ in sizes)


def _shares(size: int, made: int, label: str, kind: str) -> Cover:
    if made > size:
        raise GraphError(f"{label} ({kind}) makes {made} cells of {size}; an encoder does not enlarge")
    stride = -(-size // made)
    return Cover(stride, stride, (made * stride - size) // 2)


def _leaves(layer: Any) -> tuple[str | None, ...]:
    if layer.kind in FUNCTIONS:
        return (FUNCTIONS[layer.kind],)
    if layer.kind in (*CONVOLUTIONS, "Activation", "Dense"):
        return (layer.activation,)
    return ()


def chain(encoder: Graph) -> tuple[Link, ...]:
    """The links of an encoder in order.

    Errors: GraphError for a network with several inputs or outputs, with branches that do not meet again or do not
    make the data equally small, or with a layer that nothing undoes; ShapeError where its sizes are open.
    """
    types = propagate.types(encoder)
    if len(encoder.inputs) != 1 or len(encoder.outputs) != 1:
        raise GraphError(
            "an encoder has one input and one output, but this one has "
            f"{len(encoder.inputs)} and {len(encoder.outputs)}"
        )
    (start,) = encoder.inputs
    given = types[start][0]
    if not 2 <= given.rank <= 5 or not all(isinstance(size, int) for size in given.shape[1:]):
        raise ShapeError(
            "an encoder takes an input of known sizes, such as 28x28x1 (height, width, channels), "
            f"but this one's is {given}"
        )
    last = _last_uses(encoder)
    found, place, region = list[Link](), start, list[int]()
    for number, node in enumerate(encoder.nodes):
        if number == start:
            continue
        _check(node)
        region.append(number)
        if all(last[(source, 0)] <= number for source in (place, *region[:-1]) if (source, 0) in last):
            found.append(_link(encoder, types, place, region))
            place, region = number, []
    if region or encoder.outputs != ((place, 0),):
        loose = encoder.nodes[region[-1] if region else place].label
        raise GraphError(f"an encoder ends at its code, but {loose} does not lead to the output")
    if not found:
        raise GraphError(f"this encoder has no layers: its code is its input, {given}, and nothing is to be undone")
    return tuple(found)


def _last_uses(graph: Graph) -> dict[tuple[int, int], int]:
    """The last node that reads each tensor; the outputs are read behind all."""
    last = {edge: number for number, node in enumerate(graph.nodes) for edge in node.inputs}
    return last | {edge: len(graph.nodes) for edge in graph.outputs if edge != (len(graph.nodes) - 1, 0)}


def _check(node: Node) -> None:
    if node.layer.kind not in UNDONE and node.layer.kind not in MERGES:
        raise GraphError(
            f"{node.label} ({node.layer.kind}) has no layer that undoes it here; an encoder may have {LISTED}"
        )


def _link(encoder: Graph, types: Sequence[tuple[TensorType, ...]], place: int, region: Sequence[int]) -> Link:
    """The link from one node to the last of a region, which all that is between them lies in."""
    before, after = types[place][0], types[region[-1]][0]
    node = encoder.nodes[region[-1]]
    if len(region) == 1 and node.inputs == ((place, 0),):
        layer: Any = node.layer
        if layer.kind in MERGES:
            raise GraphError(f"{node.label} ({layer.kind}) joins one tensor only; leave it out")
        return Link(layer, before, after, node.label, covers(layer, before, node.label), _leaves(layer), place)
    seen: dict[int, tuple[Cover, ...]] = {place: tuple(Cover() for _ in spatial(before))}
    for number in region:
        seen[number] = _through(encoder, types, number, seen)
    leaves = next((found for n in reversed(region) if (found := _leaves(encoder.nodes[n].layer))), ())
    first = encoder.nodes[region[0]].label
    return Link(None, before, after, f"{first} … {node.label}", seen[region[-1]], leaves, place)


def _through(
    encoder: Graph, types: Sequence[tuple[TensorType, ...]], number: int, seen: dict[int, tuple[Cover, ...]]
) -> tuple[Cover, ...]:
    """What a node within a block covers of the block's input."""
    node = encoder.nodes[number]
    layer: Any = node.layer
    if layer.kind not in IN_BLOCKS:
        raise GraphError(
            f"{node.label} ({layer.kind}) stands in a branch; between a split and the place where the branches meet "
            "only convolutions, pools, padding, cropping, activations and normalisations are undone"
        )
    fed = [seen[source] for source, _ in node.inputs]
    if layer.kind == "Concatenate" and layer.axis not in (-1, types[number][0].rank - 1):
        raise GraphError(f"{node.label} (Concatenate) joins along axis {layer.axis}, not along the channels")
    for other in fed[1:]:
        if [c.stride for c in other] != [c.stride for c in fed[0]]:
            raise GraphError(
                f"{node.label} ({layer.kind}) joins branches of different strides: "
                f"{_times(fed[0])} and {_times(other)}"
            )
    together = fed[0]
    for other in fed[1:]:
        together = tuple(a.joined(b) for a, b in zip(together, other, strict=True))
    source, _ = node.inputs[0]
    own = covers(layer, types[source][0], node.label)
    return tuple(a.then(b) for a, b in zip(together, own, strict=True))


def _times(found: Sequence[Cover]) -> str:
    return "x".join(str(cover.stride) for cover in found)


def factors(encoder: Graph) -> tuple[tuple[int, ...], ...]:
    """By how much the decoder enlarges, along each spatial axis, in its order."""
    return tuple(link.strides for link in reversed(chain(encoder)) if any(s > 1 for s in link.strides))


def code(encoder: Graph) -> tuple[int, ...]:
    """The shape of the code of one example."""
    return numbers(propagate.types(encoder)[encoder.outputs[0][0]][0].shape[1:])


def switch_bits(encoder: Graph) -> int:
    """Bits that say where the maxima stood, for one image: the sum of log2(cells of the window) over all windows."""
    total = 0.0
    for link in chain(encoder):
        if link.kind in MAXIMA and link.shrinks:
            made = spatial(link.after)
            for c, n, m in zip(link.covers, spatial(link.before), made, strict=True):
                cells = [min(o * c.stride - c.begin + c.window, n) - max(o * c.stride - c.begin, 0) for o in range(m)]
                # log2 of a product: each axis adds its own, once for every place along the others
                total += channels(link.after) * math.prod(made) / m * sum(map(math.log2, cells))
    return math.ceil(total - 1e-9)
