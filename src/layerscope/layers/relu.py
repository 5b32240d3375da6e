from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Pointwise, real


@dataclass(frozen=True, eq=False)
class ReLU(Pointwise):
    """x above the threshold, at most max_value; negative_slope · (x - threshold) below it.

    In one line of text the bare word relu is Activation("relu"); relu with settings is this layer.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError for a negative setting.
    Source: Nair & Hinton (2010).
    """

    max_value: Any = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    executable = False
    words = Words(("relu",), ("max_value",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        if self.max_value is not None:
            object.__setattr__(self, "max_value", real(self.max_value, f"{self.kind}: max_value", 0))
        for name in ("negative_slope", "threshold"):
            object.__setattr__(self, name, real(getattr(self, name), f"{self.kind}: {name}", 0))

    def saved(self, *types: TensorType) -> Saved | None:
        """Its output, from which the derivative follows."""
        return Saved(outputs=(0,))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(6, 0.1), (x,), (x,)), Example(cls(threshold=1), (x,), (x,))]

    spellings = {
        "keras": Spelling("ReLU"),
        "torch": Spelling("torch.nn.ReLU", "ReLU6, LeakyReLU, Threshold, Hardtanh for other settings"),
        "onnx": Spelling("Relu", "Clip and LeakyRelu for other settings"),
    }
