from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._normalisation import Normalisation, kept, listed, several_axes


@dataclass(frozen=True, eq=False)
class UnitNormalization(Normalisation):
    """The numbers along `axis` divided by their length, so that the sum of their squares is 1.

    Shapes: (batch, ...) → (batch, ...).
    Errors: ShapeError when the input has no such axis.
    """

    axis: Any = -1

    executable = False
    words = Words(("unitnorm", "unit_normalization"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def saved(self, *types: TensorType) -> Saved | None:
        return kept(self.statistics(types[0]), 1)

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
