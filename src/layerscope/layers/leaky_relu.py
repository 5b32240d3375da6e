from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Pointwise, real


@dataclass(frozen=True, eq=False)
class LeakyReLU(Pointwise):
    """x where it is positive, negative_slope · x elsewhere.

    The activation leaky_relu has the slope 0.2, this layer 0.3, as in Keras.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError for a negative slope.
    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).
    """

    negative_slope: float = 0.3

    words = Words(("leakyrelu", "leaky"), ("negative_slope",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "negative_slope", real(self.negative_slope, f"{self.kind}: negative_slope", 0))

    @property
    def injective(self) -> bool:
        return self.negative_slope > 0

    def saved(self, *types: TensorType) -> Saved | None:
        """Its output, from which the derivative follows."""
        return Saved(outputs=(0,))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        return (np.where(x >= 0, x, self.negative_slope * x),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.map("leaky_relu", values[0], slope=self.negative_slope),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(0.01), (x,), (x,))]

    spellings = {
        "keras": Spelling("LeakyReLU"),
        "torch": Spelling("torch.nn.LeakyReLU", "slope 0.01 unless told otherwise"),
        "onnx": Spelling("LeakyRelu", "alpha 0.01 unless told otherwise"),
    }
