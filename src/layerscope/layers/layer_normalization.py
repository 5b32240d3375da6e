from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._normalisation import Normalisation, kept, listed, scale_and_shift, several_axes, standardised
from layerscope.layers._penalties import OfScale


@dataclass(frozen=True, eq=False)
class LayerNormalization(Normalisation, OfScale):
    """Each example's numbers along `axis` brought to mean 0 and variance 1, then scaled and shifted.

    y = gamma · (x - mean) / √(variance + epsilon) + beta, mean and variance over the axes, always.

    Shapes: (batch, ...) → (batch, ...); gamma, beta: the sizes of the axes.
    Errors: ShapeError when the input has no such axis, or its size is open.
    Source: Ba, Kiros & Hinton, "Layer normalization" (2016).
    """

    axis: Any = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    rms_scaling: bool = False
    """Keras's deprecated setting: gamma · x / √(variance + epsilon)."""

    words = Words(("layernorm", "layer_normalization", "ln"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        shape = self.along(types[0])
        if self.rms_scaling:
            return {"gamma": WeightType(shape, self.gamma_initializer)}
        return scale_and_shift(self, shape)

    def affine(self, weights: Mapping[str, Any]) -> tuple[Any, Any]:
        return (weights["gamma"], None) if self.rms_scaling else super().affine(weights)

    def saved(self, *types: TensorType) -> Saved | None:
        return kept(self.statistics(types[0]), 1 if self.rms_scaling else 2)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        places = tuple(axis % x.ndim for axis in self.axes)
        variance = x.var(axis=places, keepdims=True)
        away = x if self.rms_scaling else x - x.mean(axis=places, keepdims=True)
        return (self.rescaled(away / np.sqrt(variance + self.epsilon), *self.affine(weights)).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        y = standardised(program, x, self.places(x.type), self.epsilon, centred=not self.rms_scaling)
        return (self.scaled(program, y, *self.affine(weights)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [
            Example(cls(), (TensorType((2, 9, 8)),), (TensorType((2, 9, 8)),)),
            Example(cls(axis=[1, 2, 3], center=False), (x,), (x,)),
            Example(cls(axis=1, scale=False), (x,), (x,)),
            Example(cls(axis=[1, 3], rms_scaling=True), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("LayerNormalization"),
        "torch": Spelling("torch.nn.LayerNorm", "the last axes, by their sizes; eps 1e-5"),
        "onnx": Spelling("LayerNormalization", "from axis to the last one; epsilon 1e-5"),
    }
