from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._normalisation import Normalisation, kept, listed, several_axes


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

    executable = False
    words = Words(("rmsnorm", "rms_normalization"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return {"scale": WeightType(self.along(types[0]), "ones")}

    def saved(self, *types: TensorType) -> Saved | None:
        return kept(self.statistics(types[0]), 1)

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
