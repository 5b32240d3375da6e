"""Tensors of a network as what figures are handed: sizes in words, positions, channels."""

from __future__ import annotations

from collections.abc import Iterable

from layerscope.core.graph import Graph
from layerscope.core.types import TensorType
from layerscope.report.figures.tensors import Tensor

FIRST = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
"""Operators of ONNX, whose channels stand first."""


def channels_first(graph: Graph) -> bool:
    """Whether a network's images have their channels before their positions."""
    layers = (node.layer for node in graph.nodes)
    return any(getattr(layer, "data_format", None) == "channels_first" or layer.kind in FIRST for layer in layers)


def vectors(types: Iterable[TensorType]) -> bool:
    """Whether there are no positions anywhere, so that numbers are what is long or short."""
    return all(type.rank <= 2 for type in types)


def tensor(type: TensorType, first: bool = False, units: bool = False) -> Tensor:
    """A tensor of one example. `first`: channels stand first; `units`: numbers are drawn as its length."""
    shape = type.shape[1:]
    words = " × ".join(map(str, shape)) or "1"
    if len(shape) < 2:
        (numbers,) = shape or (1,)
        many = numbers if isinstance(numbers, int) else None
        return Tensor(words, many, None) if units else Tensor(words, 1, many)
    channels, places = (shape[0], shape[1:]) if first and len(shape) > 2 else (shape[-1], shape[:-1])
    known = [size for size in places if isinstance(size, int)]
    side = max(known) if len(known) == len(places) else None
    return Tensor(words, side, channels if isinstance(channels, int) else None)
