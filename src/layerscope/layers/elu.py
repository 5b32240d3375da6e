from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Pointwise, real


@dataclass(frozen=True, eq=False)
class ELU(Pointwise):
    """x where it is positive, alpha · (exp(x) - 1) elsewhere.

    In one line of text the bare word elu is Activation("elu"); elu with a number is this layer.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when alpha is no number.
    Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by ELUs" (2015).
    """

    alpha: float = 1.0

    words = Words(("elu",), ("alpha",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", real(self.alpha, f"{self.kind}: alpha", float("-inf")))

    @property
    def injective(self) -> bool:
        return self.alpha > 0

    def saved(self, *types: TensorType) -> Saved | None:
        """Its output, from which the derivative follows."""
        return Saved(outputs=(0,))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        return (np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0))),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.map("elu", values[0], alpha=self.alpha),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(0.5), (x,), (x,))]

    spellings = {
        "keras": Spelling("ELU"),
        "torch": Spelling("torch.nn.ELU"),
        "onnx": Spelling("Elu"),
    }
