from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._normalisation import Normalisation, by_root_mean_square, kept, listed, several_axes


@dataclass(frozen=True, eq=False)
class RMSNormalization(Normalisation):
    """Each example's numbers along `axis` divided by their root mean square, then scaled; no mean is taken off.

    y = scale · x / √(mean of x² + epsilon).

    Shapes: (batch, ...) → (batch, ...); scale: the sizes of the axes.
    Errors: ShapeError when the input has no such axis, or its size is open.
    Source: Zhang & Sennrich, "Root mean square layer normalization" (2019).
    """

    axis: Any = -1
    epsilon: float = 1e-6

    words = Words(("rmsnorm", "rms_normalization"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def trailing(self, type: TensorType) -> bool:
        """Whether its axes are the last ones, in order."""
        places = self.places(type)
        return places == tuple(range(type.rank - len(places), type.rank))

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return {"scale": WeightType(self.along(types[0]), "ones")}

    def saved(self, *types: TensorType) -> Saved | None:
        return kept(self.statistics(types[0]), 1)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        places = tuple(axis % x.ndim for axis in self.axes)
        y = x / np.sqrt((x * x).mean(axis=places, keepdims=True) + self.epsilon)
        return (self.rescaled(y, weights["scale"]).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        y = by_root_mean_square(program, x, self.places(x.type), self.epsilon)
        return (self.scaled(program, y, weights["scale"]),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [
            Example(cls(), (TensorType((2, 9, 8)),), (TensorType((2, 9, 8)),)),
            Example(cls(axis=[2, 3]), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("RMSNormalization"),
        "torch": Spelling("torch.nn.RMSNorm", "the last axes, by their sizes"),
        "onnx": Spelling("RMSNormalization", "from axis to the last one; epsilon 1e-5"),
    }
