"""Convolutions and their like in Keras, also where Keras or one of its backends has them in part only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.types import TensorType

if TYPE_CHECKING:
    from layerscope.targets.keras import Writer

Array = Any
Ends = Sequence[tuple[int, int]]

MOVING = (
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
)
TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
ENDS_OF_ONE_AXIS = ("UpSampling1D", "ZeroPadding1D", "Cropping1D")
"""Layers of which Keras takes the number or the two ends of their only axis without brackets around."""


def of_one_axis(told: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of such a layer as Keras takes them."""
    return {name: value[0] if isinstance(value, tuple) else value for name, value in told.items()}


def why_not(layer: Any, types: Sequence[TensorType]) -> str:
    """Why a layer of this family has no form in Keras on an input of open sizes; nothing where it has."""
    if layer.kind in MOVING and _in_steps(layer) and layer.padding == "same":
        sizes = zip(types[0].shape[1:-1], layer.strides, strict=True)
        if any(s > 1 and not isinstance(n, int) for n, s in sizes):
            what = (
                "strides together with dilation_rate"
                if max(layer.dilation_rate) > 1
                else "different strides in a depthwise convolution (on TensorFlow)"
            )
            return (
                f"Keras has no {what}, and what can stand for it needs pads that depend on the open size of its "
                "input. Give the Input whole sizes, or this layer padding='valid'"
            )
    nailed = layer.kind in TRANSPOSED and layer.rank != 2 and _by_nails(layer)
    if nailed and not all(isinstance(n, int) for n in types[0].shape[1:-1]):
        return (
            "Keras has no groups in a transposed convolution, and TensorFlow neither dilation_rate nor such "
            "output_padding; what can stand for it needs whole sizes. Give them to the Input"
        )
    return ""


def _in_steps(layer: Any) -> bool:
    """Whether Keras or TensorFlow refuses the strides: with dilation, or other ones along each axis by depth."""
    dilated = max(layer.strides) > 1 and max(layer.dilation_rate) > 1
    by_depth = not layer.kind.startswith("Conv")
    return dilated or (by_depth and len(set(layer.strides)) > 1)


def _by_nails(layer: Any) -> bool:
    return layer.groups > 1 or _beyond_tensorflow(layer)


def framed(writer: Writer, node: Node, x: Any, ends: Ends) -> Any:
    """Zeros put around an image where the ends are above 0, and rows and columns cut off where they are below."""
    layers, rank = writer.keras.layers, len(ends)
    for name, part, sign in (("ZeroPadding", "_padding", 1), ("Cropping", "_cropping", -1)):
        frame = tuple(tuple(max(sign * end, 0) for end in pair) for pair in ends)
        if any(map(any, frame)):
            given = {part[1:]: frame} if rank > 1 else {part[1:]: frame[0]}
            order = {} if rank == 1 and sign < 0 else {"data_format": "channels_last"}
            x = writer.layer(getattr(layers, f"{name}{rank}D"), node, part, frame, **given, **order)(x)
    return x


def convolution(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """Strides that Keras refuses: every position is computed, and those between left out."""
    layer: Any = node.layer
    if not _in_steps(layer):
        return writer.same(node, fed)
    x = framed(writer, node, fed[0], [p.pads for p in layer.placements(types[0])])
    given = writer.settings(layer) | {"strides": 1, "padding": "valid"}
    x = writer.weighted(writer.layer(getattr(writer.keras.layers, layer.kind), node, **given), node, x)
    steps = {"pool_size": 1, "strides": layer.strides, "data_format": "channels_last"}
    return writer.layer(getattr(writer.keras.layers, f"MaxPooling{layer.rank}D"), node, "_strides", **steps)(x)


def transposed(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """A bed of nails, and a convolution with the flipped kernel, where not every backend has one layer for it."""
    layer: Any = node.layer
    if not _by_nails(layer):
        return writer.same(node, fed)
    x = _nails(writer, node, fed[0], types[0]) if max(layer.strides) > 1 else fed[0]
    ends: list[tuple[int, int]] = []
    for place, s, k, d in zip(
        layer.placements(types[0]), layer.strides, layer.kernel_size, layer.dilation_rate, strict=True
    ):
        span = d * (k - 1) + 1
        begin, end = place.pads
        ends.append((span - 1 - begin, span - s - end))
    x = framed(writer, node, x, ends)
    given = writer.settings(layer) | {"strides": 1, "padding": "valid", "groups": layer.groups}
    del given["output_padding"]
    return writer.weighted(
        writer.layer(getattr(writer.keras.layers, f"Conv{layer.rank}D"), node, **given),
        node,
        x,
        lambda kernel: _flipped(kernel, layer.groups),
    )


def _nails(writer: Writer, node: Node, x: Any, type: TensorType) -> Any:
    """Zeros behind each position, along each axis; but in two dimensions by putting them behind rows of numbers."""
    layer: Any = node.layer
    if layer.rank == 2:
        from layerscope.keras import BedOfNails2D

        return writer.layer(BedOfNails2D, node, "_nails", size=layer.strides, data_format="channels_last")(x)
    layers, shape = writer.keras.layers, [int(n) for n in type.shape[1:]]  # pyright: ignore[reportArgumentType]
    for axis, stride in enumerate(layer.strides):
        before, behind = int(np.prod(shape[: axis + 1])), int(np.prod(shape[axis + 1 :]))
        if stride == 1:
            continue
        zeros = ((0, 0), (0, (stride - 1) * behind))
        plane = (before, behind, 1)
        shape[axis] *= stride
        parts = (
            (layers.Reshape, "rows", {"target_shape": plane}),
            (layers.ZeroPadding2D, "zeros", {"padding": zeros, "data_format": "channels_last"}),
            (layers.Reshape, "back", {"target_shape": tuple(shape)}),
        )
        for cls, part, given in parts:
            x = writer.layer(cls, node, f"_{part}_{axis}", type.shape, **given)(x)
    return x


def _beyond_tensorflow(layer: Any) -> bool:
    """What TensorFlow refuses on a CPU, though the layer can be made: dilation, and a size from which no `same`
    convolution leads back, which an even kernel with output_padding 0 has.
    """
    added = layer.output_padding if layer.padding == "same" else None
    short = added is not None and any(k % 2 == 0 and a == 0 for k, a in zip(layer.kernel_size, added, strict=True))
    return short or max(layer.dilation_rate) > 1


def _flipped(kernel: Array, groups: int) -> Array:
    """The kernel (*k, filters/groups, C) of a transposed convolution as that of the convolution behind nails."""
    turned = kernel[(slice(None, None, -1),) * (kernel.ndim - 2)]
    return np.concatenate([part.swapaxes(-2, -1) for part in np.split(turned, groups, axis=-1)], axis=-1)
