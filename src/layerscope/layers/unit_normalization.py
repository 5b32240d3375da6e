from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._normalisation import Normalisation, kept, listed, several_axes, shortened

EPSILON = 1e-12
"""Keras's: no length is taken to be less."""


@dataclass(frozen=True, eq=False)
class UnitNormalization(Normalisation):
    """The numbers along `axis` divided by their length, so that the sum of their squares is 1.

    Shapes: (batch, ...) → (batch, ...).
    Errors: ShapeError when the input has no such axis.
    """

    axis: Any = -1

    words = Words(("unitnorm", "unit_normalization"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def saved(self, *types: TensorType) -> Saved | None:
        return kept(self.statistics(types[0]), 1)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        places = tuple(axis % x.ndim for axis in self.axes)
        length = np.sqrt((x * x).sum(axis=places, keepdims=True))
        return ((x / np.maximum(length, EPSILON)).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        return (shortened(program, x, self.places(x.type), EPSILON),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [
            Example(cls(), (TensorType((2, 9)),), (TensorType((2, 9)),)),
            Example(cls(axis=[1, 2]), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("UnitNormalization"),
        "torch": Spelling("torch.nn.functional.normalize"),
        "onnx": Spelling("LpNormalization", "along one axis"),
    }
