"""What a layer costs besides its multiply-accumulates: operations of four kinds, and what a backward pass keeps."""

from __future__ import annotations

from collections.abc import Callable

from layerscope.core.dataclasses import dataclass
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType


@dataclass(frozen=True)
class Operations:
    """What a layer computes that is no multiply-accumulate, at inference. Each column has its own unit.

    bias: additions of a bias, one an output element that gets one.
    pointwise: results of an elementwise function, one an element and function (relu; one addition of an Add
    of two; each of the n - 1 additions of n tensors). Softmax is one an element.
    normalisation: elements that are normalised (batch, layer, group, ... normalisation).
    pooling: elements read by pooling windows and reductions, cells of padding included, as with MACs.
    """

    bias: Size = 0
    pointwise: Size = 0
    normalisation: Size = 0
    pooling: Size = 0

    def __add__(self, other: Operations) -> Operations:
        return Operations(
            self.bias + other.bias,
            self.pointwise + other.pointwise,
            self.normalisation + other.normalisation,
            self.pooling + other.pooling,
        )

    def map(self, change: Callable[[Size], Size]) -> Operations:
        """Each column changed in the same way."""
        return Operations(*(change(n) for n in (self.bias, self.pointwise, self.normalisation, self.pooling)))


NONE = Operations()


@dataclass(frozen=True)
class Saved:
    """What a training step must keep of a layer until its backward pass, weights apart.

    inputs, outputs: numbers of the tensors of the graph that are kept as they are (each is counted once in a
    network, however many layers keep it). extra: tensors of the layer's own, such as switches, masks, gates,
    or what an activation inside the layer was put to. Nothing is computed twice to save memory.
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    extra: tuple[TensorType, ...] = ()


NOTHING_SAVED = Saved()
