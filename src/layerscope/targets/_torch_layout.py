"""Which tensors of a network are channels first in PyTorch.

Images and volumes (four and five axes) always are. A tensor of three axes may be a sequence for convolutions and
pools, which PyTorch has as (batch, channels, length), or one of rows for a Linear or attention, which it has as
(batch, length, features). It is channels first where a layer for sequences reads it or made it; elementwise layers,
sums and the like between them change nothing in that.
"""

from __future__ import annotations

from layerscope.core import propagate
from layerscope.core.graph import Graph, Node
from layerscope.core.types import TensorType

SEQUENCE = (
    *("Conv1D", "Conv1DTranspose", "DepthwiseConv1D", "SeparableConv1D", "MaxPooling1D", "AveragePooling1D"),
    *("GlobalMaxPooling1D", "GlobalAveragePooling1D", "UpSampling1D", "ZeroPadding1D", "Cropping1D"),
)
KEEPING = (
    *("Activation", "Dropout", "BatchNormalization", "Add", "Concatenate", "Subtract", "Multiply", "Average"),
    *("Maximum", "Minimum", "PReLU", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "Identity"),
)
"""Layers in front of and behind which a tensor lies alike."""


def turned(type: TensorType, first: bool) -> TensorType:
    """The type as PyTorch has it."""
    if not first:
        return type
    batch, *middle, channels = type.shape
    return type.with_shape((batch, channels, *middle))


def inputs(graph: Graph) -> list[bool]:
    """Of each input, whether it is channels first."""
    types = propagate.types(graph)
    wanted = {number: types[number][0].rank > 3 for number in graph.inputs}
    from_: dict[int, set[int]] = {number: {number} for number in graph.inputs if types[number][0].rank == 3}
    for number, node in enumerate(graph.nodes):
        origins = set[int]().union(*(from_.get(source, ()) for source, _ in node.inputs))
        if node.layer.kind in SEQUENCE:
            wanted |= dict.fromkeys(origins, True)
        elif origins and _keeps(node):
            from_[number] = origins
    return [wanted[number] for number in graph.inputs]


def outputs(graph: Graph) -> list[bool]:
    """Of each output, whether it is channels first."""
    types = propagate.types(graph)
    starts = dict(zip(graph.inputs, inputs(graph), strict=True))
    first: list[bool] = []
    for number, node in enumerate(graph.nodes):
        fed = [first[source] for source, _ in node.inputs]
        sequence = node.layer.kind in SEQUENCE or (_keeps(node) and any(fed))
        first.append(starts.get(number, types[number][0].rank > 3 or (types[number][0].rank == 3 and sequence)))
    return [first[number] and types[number][output].rank > 2 for number, output in graph.outputs]


def _keeps(node: Node) -> bool:
    return node.layer.elementwise or node.layer.kind in KEEPING
