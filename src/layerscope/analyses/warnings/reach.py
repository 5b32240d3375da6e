"""Warnings about positions: seen more often than need be, or never, or unevenly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from layerscope.analyses.warnings.finding import Finding, Network, Training
from layerscope.core import boxes, propagate
from layerscope.core.boxes import Region
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Edge, Node
from layerscope.core.indices import Indices
from layerscope.core.types import TensorType
from layerscope.operators.convolution import Convolution, TransposedConvolution

ENLARGING = (
    "DTranspose",
    "ConvTranspose",
    "UpSampling",
    "Unpooling",
    "PixelShuffle",
    "Resiz",
    "BedOfNails",
    "Upsampl",
)
FRAMING = ("ZeroPadding", "Cropping", "CenterCrop", "Pad")
MOST_TOLD = 3
DROPPED = "to have them read, use padding='same' or a size that the stride divides"
SKIPPED = "to have them read, use a kernel at least as large as the stride, or a pool in place of the stride"


def beyond_input(network: Network, training: Training) -> Iterator[Finding]:
    """LS103: convolutions whose input has a receptive field larger than the image already.

    Along every axis. Whatever the position, one end of its field lies beyond the image then, so what a convolution
    adds there is padding. Not told of networks that enlarge images again (decoders), nor where a size is open.
    Source: Richter et al., "Should you go deeper?" (2021), who call the first of them the border layer.
    """
    if any(word in layer.kind for layer in network.layers for word in ENLARGING):
        return
    found = [number for number in range(len(network.graph.nodes)) if _sees_all(network, number)]
    if found:
        first, last = network.graph.nodes[found[0]], network.graph.nodes[found[-1]]
        extents, image = _seen(network, found[0])
        others = f", the first of {len(found)} such convolutions (the last is {last.label})" if len(found) > 1 else ""
        yield Finding(
            "LS103", first.label,
            f"reads a tensor whose receptive field is {extents} already, larger than the image ({image}){others}",
            "on one side at least such a view ends beyond the image, so they widen it on the other only, if at all; "
            "larger images, fewer layers before them, or less stride and pooling make use of them",
            {"layers": len(found)},
        )  # fmt: skip


def _sees_all(network: Network, number: int) -> bool:
    node = network.graph.nodes[number]
    kernel = _kernel(node.layer, network.fed[number])
    if kernel is None or len(node.inputs) != 1 or set(kernel) == {1}:
        return False
    source, output = node.inputs[0]
    seen = network.fields[source][output]
    if not seen:
        return False
    for (entry, axis), field in seen.items():
        size = network.types[network.graph.inputs[entry]][0].shape[axis]
        if field.everything or field.bound or not isinstance(size, int) or field.extents[0] <= size:
            return False
    return True


def _kernel(layer: Any, fed: Sequence[TensorType]) -> tuple[int, ...] | None:
    """The window of a convolution's kernel; None for another layer, and where its sizes are open."""
    if isinstance(layer, Convolution | TransposedConvolution):
        weight = layer.operands(fed)[layer.weight]
        window = () if weight is None else tuple(size for size in weight.shape[2:] if isinstance(size, int))
        return window if weight is not None and len(window) == weight.rank - 2 else None
    kernel = getattr(layer, "kernel_size", None)
    return cast(tuple[int, ...], kernel) if isinstance(kernel, tuple) else None


def _seen(network: Network, number: int) -> tuple[str, str]:
    source, output = network.graph.nodes[number].inputs[0]
    fields = sorted(network.fields[source][output].items())
    wide = [str(field.extents[0]) for _, field in fields]
    image = [str(network.types[network.graph.inputs[entry]][0].shape[axis]) for (entry, axis), _ in fields]
    return " × ".join(wide), " × ".join(image)


def unread(network: Network, training: Training) -> Iterator[Finding]:
    """LS104: rows or columns of a tensor that no output depends on, told where they are lost.

    Exact: positions are followed back from all positions of all outputs. A stride that does not divide drops the
    last rows; a stride above the kernel skips rows. Told of an input in all, and of tensors where they are lost; not
    where a size is open, nor of crops, which are asked for, nor of zeros put around an image.
    """
    try:
        asked = {edge: (boxes.whole(network.single[edge[0]][edge[1]]),) for edge in network.graph.outputs}
        found = _followed(network, asked)
    except ShapeError:
        return
    lost = [(edge, words) for edge, region in found.items() if (words := _lost(network, edge, region, found))]
    if lost:
        yield from _unseen(network, found)
    for (source, output), words in sorted(lost)[:MOST_TOLD]:
        node = network.graph.nodes[source]
        readers = [network.graph.nodes[reader].label for reader in network.readers.get((source, output), [])]
        more = f" (and so it is at {len(lost) - MOST_TOLD} more tensors)" if len(lost) > MOST_TOLD else ""
        last = (source, output) == sorted(lost)[:MOST_TOLD][-1][0]
        yield Finding(
            "LS104", node.label,
            f"{words} of its output are read by nothing: {', '.join(readers)} "
            f"{'skips' if len(readers) == 1 else 'skip'} them{more if last else ''}",
            SKIPPED if any(not word.startswith("the last") for word in words.split(" and ")) else DROPPED,
        )  # fmt: skip


def _unseen(network: Network, found: Mapping[Edge, Region]) -> Iterator[Finding]:
    """How much of each input reaches no output."""
    for number in network.graph.inputs:
        type, region = network.single[number][0], found.get((number, 0))
        axes = [axis for axis, _ in network.positions(type, network.graph.nodes[number].layer)]
        sizes = [size for axis in axes if isinstance(size := type.shape[axis], int)]
        if region is None or not sizes or len(sizes) < len(axes):
            continue
        box = boxes.around(region)
        read = math.prod(box[axis].count for axis in axes)
        if read < (total := math.prod(sizes)):
            yield Finding(
                "LS104", network.graph.nodes[number].label,
                f"{total - read:,} of its {total:,} positions ({' × '.join(map(str, sizes))}) reach no output",
                "see where they are lost, below; layerscope field NETWORK --of-input ROW,COLUMN follows one of them",
                {"unread": total - read, "positions": total},
            )  # fmt: skip


def _followed(network: Network, asked: Mapping[Edge, Region]) -> dict[Edge, Region]:
    """Which positions of every tensor some output depends on."""

    def rule(number: int, node: Node, wanted: Mapping[int, Region]) -> list[Region | None]:
        fed = [network.single[source][output] for source, output in node.inputs]
        needed: list[Region | None] = [None] * len(node.inputs)
        for output, region in wanted.items():
            for n, reads in enumerate(node.layer.reach(output, *fed)):
                pulled = tuple(box for one in region if (box := boxes.pull(reads, one, fed[n])) is not None)
                if pulled:
                    before = needed[n]
                    needed[n] = pulled if before is None else boxes.union(before, pulled)
        return needed

    return propagate.backward(network.graph, asked, rule, boxes.union)


def _lost(network: Network, edge: Edge, region: Region, found: Mapping[Edge, Region]) -> str:
    """What is lost of a tensor though its readers' own results are all read; nothing where none is."""
    type = network.single[edge[0]][edge[1]]
    readers = network.readers.get(edge, [])
    framed = network.graph.nodes[edge[0]].layer.kind.startswith(FRAMING)  # zeros, or a part of another tensor
    if framed or type.rank < 3 or type.plane is not None or not readers:
        return ""
    if not all(_reads_on(network, reader, found) for reader in readers):
        return ""
    box = boxes.around(region)
    words: list[str] = []
    for axis, name in network.positions(type):
        size = type.shape[axis]
        if isinstance(size, int) and box[axis].count < size:
            words.append(_gaps(name, box[axis], size))
    return " and ".join(words)


def _reads_on(network: Network, number: int, found: Mapping[Edge, Region]) -> bool:
    """Whether a reader is no crop, and all of its own result is read."""
    node = network.graph.nodes[number]
    if any(word in node.layer.kind for word in ("Crop", "Slice", "GetItem", "Gather")):
        return False
    region = found.get((number, 0))
    if region is None:
        return False
    box = boxes.around(region)
    return all(indices.count == size for indices, size in zip(box, network.single[number][0].shape, strict=True))


def _gaps(name: str, indices: Indices, size: int) -> str:
    low, high = indices.hull if indices else (size, -1)
    missing = size - indices.count
    if indices and indices.count == high - low + 1 and low == 0:
        return f"the last {missing} of {size} {name}" if missing > 1 else f"the last of {size} {name}"
    return f"{missing} of {size} {name}"


def uneven(network: Network, training: Training) -> Iterator[Finding]:
    """LS105: a transposed convolution that stamps some positions more often than others.

    Along an axis, output position o gets the kernel's cells u with u·dilation ≡ o modulo the stride; where the
    kernel is no multiple of the stride, their numbers differ, and the output has a checkerboard at first.
    Source: Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts", Distill (2016).
    """
    for number, node in enumerate(network.graph.nodes):
        told = _stamp(node.layer, network.fed[number])
        if told is None:
            continue
        size, steps, spread = told
        counts = [
            [sum(u * d % s == phase for u in range(k)) for phase in range(s)]
            for k, s, d in zip(size, steps, spread, strict=True)
        ]
        least, most = math.prod(map(min, counts)), math.prod(map(max, counts))
        if least != most:
            kernel, strides = _pair(size), _pair(steps)
            yield Finding(
                "LS105", node.label,
                f"a kernel of {kernel} at a stride of {strides} puts {most} cells of the kernel onto some positions "
                f"and {least} onto others ({most}:{least}), which shows as a checkerboard",
                "a kernel that is a multiple of the stride, or UpSampling and a convolution, treats all alike",
                {"most": most, "least": least},
            )  # fmt: skip


def _stamp(layer: Any, fed: Sequence[TensorType]) -> tuple[tuple[int, ...], ...] | None:
    """Kernel, strides and dilations of a transposed convolution; None for another layer."""
    kernel = _kernel(layer, fed)
    if kernel is None:
        return None
    if isinstance(layer, TransposedConvolution):
        ones = (1,) * len(kernel)
        return kernel, layer.strides or ones, layer.dilations or ones
    return (kernel, layer.strides, layer.dilation_rate) if layer.kind.endswith("DTranspose") else None


def _pair(values: tuple[int, ...]) -> str:
    return "×".join(map(str, values))
