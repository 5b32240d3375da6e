from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
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

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        most = np.inf if self.max_value is None else self.max_value
        above = np.minimum(np.where(x > self.threshold, x, 0), most)
        return (above - self.negative_slope * np.maximum(self.threshold - x, 0),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        slope, threshold = self.negative_slope, self.threshold
        if slope and self.max_value is None and not threshold:
            return (program.map("leaky_relu", x, slope=slope),)
        y = program.map("mul", x, program.map("above", x, bound=threshold)) if threshold else program.map("relu", x)
        if self.max_value is not None:
            y = program.map("clip", y, low=0.0, high=self.max_value)
        if slope:
            below = program.map("relu", program.map("shift", program.map("neg", x), offset=threshold))
            y = program.map("sub", y, program.map("scale", below, factor=slope))
        return (y,)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(6, 0.1), (x,), (x,)), Example(cls(threshold=1), (x,), (x,))]

    spellings = {
        "keras": Spelling("ReLU"),
        "torch": Spelling("torch.nn.ReLU", "ReLU6, LeakyReLU, Threshold, Hardtanh for other settings"),
        "onnx": Spelling("Relu", "Clip and LeakyRelu for other settings"),
    }
