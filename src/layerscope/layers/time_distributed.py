from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import ShapeError
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _wrapper


@dataclass(frozen=True, eq=False)
class TimeDistributed(Layer):
    """The inner layer put to every step along axis 1 by itself, always with the same weights.

    Each step sees its own time only. An inner layer of several inputs gets the steps of all of them.

    Shapes: (batch, time, ...) → (batch, time, ...), the rest as the inner layer says for (batch, ...). Weights: those
    of the inner layer, under its names.
    MACs: time × those of the inner layer; other operations likewise.
    Errors: SettingError when `layer` is no layer; ShapeError when the input has fewer than three axes, or one step
    does not fit the inner layer.
    Source: Keras 3, `keras.layers.TimeDistributed`.
    """

    layer: Any

    executable = False
    law = "(batch, time, ...) → (batch, time, inner(...))"

    def __post_init__(self) -> None:
        _wrapper.inner(self.layer, f"{self.kind}: layer")

    @property
    def weights_known(self) -> bool:
        return self.layer.weights_known

    def each(self, types: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The types of one step; ShapeError when the inputs have no common time."""
        if not types:
            raise ShapeError("takes at least one input")
        for x in types:
            if x.rank < 3:
                raise ShapeError(f"needs a batch, a time and at least one more axis, but got {x}")
            if not sizes.equal(x.shape[1], types[0].shape[1]):
                raise ShapeError(
                    f"all inputs need as many steps, but axis 1 has {types[0].shape[1]} and {x.shape[1]}"
                )
        return tuple(replace(x, shape=(x.shape[0], *x.shape[2:])) for x in types)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        made = _wrapper.answers(self.layer, *self.each(types))
        return tuple(_wrapper.deeper(y, types[0].shape[1]) for y in made)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return self.layer.weight_types(*self.each(types))

    def macs(self, *types: TensorType) -> Size | None:
        once = self.layer.macs(*self.each(types))
        return None if once is None else once * types[0].shape[1]

    def operations(self, *types: TensorType) -> Operations | None:
        once: Operations | None = self.layer.operations(*self.each(types))
        return once and once.map(lambda n: n * types[0].shape[1])

    def saved(self, *types: TensorType) -> Saved | None:
        once: Saved | None = self.layer.saved(*self.each(types))
        return once and replace(once, extra=tuple(_wrapper.deeper(t, types[0].shape[1]) for t in once.extra))

    def workspace(self, *types: TensorType) -> Size | None:
        """Of one step: they come one after the other."""
        return self.layer.workspace(*self.each(types))

    def shares(self, *types: TensorType) -> int | None:
        return self.layer.shares(*self.each(types))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return tuple(map(_wrapper.deeper_reads, self.layer.reach(output, *self.each(types))))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        layers = import_module("layerscope.layers")
        frames, vectors = TensorType((2, 5, 9, 7, 3)), TensorType((2, 5, 3))
        return [
            Example(cls(layers.Conv2D(4, 3, 2)), (frames,), (TensorType((2, 5, 4, 3, 4)),)),
            Example(cls(layers.Dense(4, "relu")), (vectors,), (TensorType((2, 5, 4)),)),
            Example(cls(layers.Concatenate()), (vectors, vectors), (TensorType((2, 5, 6)),)),
        ]

    spellings = {
        "keras": Spelling("TimeDistributed"),
        "torch": Spelling("", "no such module: flatten batch and time into one axis"),
        "onnx": Spelling("", "no such operator: Reshape before and after"),
    }
