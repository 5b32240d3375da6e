from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Passing
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class Identity(Passing):
    """The input as it is.

    Shapes: (batch, ...) → (batch, ...).
    """

    words = Words(("identity",))
    law = "(...) → (...)"

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (one_input(types),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return arrays, {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return values

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,))]

    spellings = {
        "keras": Spelling("Identity"),
        "torch": Spelling("torch.nn.Identity"),
        "onnx": Spelling("Identity"),
    }
