"""What undoes an encoder, layer by layer, and how much of it there is. Nothing is built here.

An encoder is a chain of layers from an image to its code. Each is undone in reverse: a convolution n → m by one
m → n with a kernel of the same size, flattening by a reshape, and a layer that makes the image smaller by an
enlargement with a convolution behind it, a *stage*. A pool's stage takes in the convolution before the pool; where
there is none, it gets one of 3×3 that keeps the channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope.core import propagate
from layerscope.core.errors import GraphError, ShapeError
from layerscope.core.graph import Graph
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType

POOLS = ("MaxPooling2D", "AveragePooling2D")
SKIPPED = ("Activation", "Dropout")
UNDONE = ("Conv2D", *POOLS, "Dense", "Flatten", "Reshape", "ZeroPadding2D", "Cropping2D", *SKIPPED)


@dataclass(frozen=True)
class Link:
    """One layer of an encoder, between the types of its input and its output."""

    layer: Any
    before: TensorType
    after: TensorType
    label: str

    @property
    def kind(self) -> str:
        return self.layer.kind

    @property
    def strides(self) -> tuple[int, int]:
        """By how much the layer makes the image smaller, along height and width."""
        return self.layer.strides if self.kind in ("Conv2D", *POOLS) else (1, 1)

    @property
    def shrinks(self) -> bool:
        """Whether it makes the image smaller by more than its padding."""
        return self.strides != (1, 1)

    @property
    def window(self) -> tuple[int, ...]:
        """The input cells that one output cell covers, along height and width."""
        return self.layer.pool_size if self.kind in POOLS else dilated(self.layer)


def dilated(conv: Any) -> tuple[int, ...]:
    """The cells that a convolution's kernel spans along height and width."""
    return tuple(d * (k - 1) + 1 for k, d in zip(conv.kernel_size, conv.dilation_rate, strict=True))


def chain(encoder: Graph) -> tuple[Link, ...]:
    """The layers of an encoder in order.

    Errors: GraphError for a network that is no chain of layers from one image, or has one that nothing undoes;
    ShapeError where its sizes are open.
    """
    types = propagate.types(encoder)
    if len(encoder.inputs) != 1 or len(encoder.outputs) != 1:
        raise GraphError(
            "an encoder has one input and one output, but this one has "
            f"{len(encoder.inputs)} and {len(encoder.outputs)}"
        )
    image = types[encoder.inputs[0]][0]
    if image.rank != 4 or not all(isinstance(size, int) for size in image.shape[1:]):
        raise ShapeError(
            f"an encoder takes images of known height, width and channels, such as 28x28x1, but its input is {image}"
        )
    found, place = list[Link](), encoder.inputs[0]
    for number, node in enumerate(encoder.nodes):
        if not node.inputs:
            continue
        if node.inputs != ((place, 0),):
            raise GraphError(
                f"an encoder is a chain of layers, but {node.label} ({node.layer.kind}) does not go on from "
                f"{encoder.nodes[place].label} alone"
            )
        if node.layer.kind not in UNDONE:
            raise GraphError(
                f"{node.label} ({node.layer.kind}) has no layer that undoes it here; an encoder may have "
                f"{', '.join(UNDONE)}"
            )
        found.append(Link(node.layer, types[place][0], types[number][0], node.label))
        place = number
    if encoder.outputs != ((place, 0),):
        raise GraphError(f"an encoder ends at its code, but {encoder.nodes[place].label} stands behind the output")
    return tuple(found)


def factors(encoder: Graph) -> tuple[tuple[int, int], ...]:
    """By how much the decoder enlarges, along height and width, in its order."""
    return tuple(link.strides for link in reversed(chain(encoder)) if link.shrinks)


def code(encoder: Graph) -> tuple[int, ...]:
    """The shape of the code of one image."""
    return numbers(propagate.types(encoder)[encoder.outputs[0][0]][0].shape[1:])


def obstacle(encoder: Graph, name: str) -> str | None:
    """Why an encoder has no decoder of this name; None where it has one."""
    if name != "unpool":
        return None
    for link in chain(encoder):
        if link.shrinks and link.kind != "MaxPooling2D":
            why = "a convolution with strides" if link.kind == "Conv2D" else "an average"
            return f"{link.label} ({link.kind}) is {why} and keeps no switches; only max pooling can be unpooled"
    return None


def switch_bits(encoder: Graph) -> int:
    """Bits that say where the maxima stood, for one image: the sum of log2(cells of the window) over all windows."""
    total = 0.0
    for link in chain(encoder):
        if link.kind == "MaxPooling2D" and link.shrinks:
            rows, columns = (
                [min(o * s - p.pads[0] + k, n) - max(o * s - p.pads[0], 0) for o in range(out)]
                for p, n, out, k, s in zip(
                    link.layer.placements(link.before),
                    numbers(link.before.shape[1:3]),
                    numbers(link.after.shape[1:3]),
                    link.window,
                    link.strides,
                    strict=True,
                )
            )
            channels = numbers(link.after.shape[3:])[0]
            total += channels * sum(math.log2(row * column) for row in rows for column in columns)
    return math.ceil(total - 1e-9)


@dataclass(frozen=True)
class Stage:
    """An enlargement and the convolution behind it.

    `factor` enlarges; of the enlarged image (or of zeros around it, where negative) `cut` cells fall away at the
    top and left, and `middle` are its sizes then. The convolution brings it to `sizes`: `grow` says how many of
    its rows and columns lie before the first one of the enlarged image.
    """

    shrink: Link
    factor: tuple[int, int]
    cut: tuple[int, ...]
    middle: tuple[int, ...]
    sizes: tuple[int, ...]
    grow: tuple[int, ...]
    filters: int
    kernel: tuple[int, ...] = (3, 3)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    padding: str = "same"
    activation: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Those that all convolutions in its place share."""
        return {"groups": self.groups, "activation": self.activation}

    @property
    def reach(self) -> tuple[int, ...]:
        """The dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def _activation(links: Sequence[Link], number: int) -> str | None:
    """The activation of the tensor that enters a link; an image counts as the output of a sigmoid."""
    for link in reversed(links[:number]):
        if link.kind in ("Activation", "Conv2D", "Dense"):
            return link.layer.activation
    return "sigmoid"


def _stage(links: Sequence[Link], shrink: int, conv: int | None) -> Stage:
    """How the link number `shrink` is undone; `conv` is the convolution that is undone with it, if there is one."""
    link = links[shrink]
    middle, small = numbers(link.before.shape[1:3]), numbers(link.after.shape[1:3])
    cut: list[int] = []
    for n, t, k, s, p in zip(
        small, middle, link.window, link.strides, link.layer.placements(link.before), strict=True
    ):
        spare = n * s - t
        # The block of an enlarged cell stands over the middle of the window that it comes from.
        cut.append(min(max(p.pads[0] + (s - k) // 2, min(0, spare)), max(0, spare)))
    first = shrink if conv is None else conv
    plain = Stage(
        link, link.strides, tuple(cut), middle, middle, (0, 0),
        filters=numbers(links[first].before.shape[3:])[0], activation=_activation(links, first),
    )  # fmt: skip
    if conv is None:
        return plain
    layer, sizes = links[conv].layer, numbers(links[conv].before.shape[1:3])
    valid = layer.padding == "valid" and conv != shrink and max(dilated(layer)) > 1
    return replace(
        plain, sizes=sizes, kernel=layer.kernel_size, dilation=layer.dilation_rate, groups=layer.groups,
        padding="valid" if valid else "same",
        grow=tuple((k - 1) // 2 for k in dilated(layer)) if valid else (0, 0),
    )  # fmt: skip


def plan(links: Sequence[Link]) -> Iterator[Stage | tuple[Link, str | None]]:
    """What the decoder does, in its order: stages, and links to undo by themselves, with their activation."""
    number = len(links) - 1
    while number >= 0:
        link, first = links[number], number
        if link.shrinks and link.kind == "Conv2D":
            yield _stage(links, number, number)
        elif link.shrinks:
            near = number - 1
            while near >= 0 and links[near].kind in SKIPPED:
                near -= 1
            conv = near if near >= 0 and links[near].kind == "Conv2D" and not links[near].shrinks else None
            yield _stage(links, number, conv)
            first = number if conv is None else conv
        else:
            yield link, _activation(links, number)
        number = first - 1
