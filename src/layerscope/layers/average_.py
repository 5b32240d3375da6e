from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._merging import Merge


@dataclass(frozen=True, eq=False)
class Average(Merge):
    """The mean of tensors, element by element.

    An axis of size 1 is repeated as needed; an input of fewer axes gets them behind the batch, as in Keras.

    Shapes: n times (batch, ...) → (batch, ...).
    Errors: ShapeError, naming both shapes, when the inputs do not fit each other.
    """

    verb = "average"
    function = "add"
    extra_steps = 1
    """The division by their number."""

    @property
    def linear(self) -> bool:
        return True

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        made, state = super().define(*arrays)
        return (made[0] / len(arrays),), state

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (total,) = super().lower(program, *values)
        return (program.map("scale", total, factor=1 / len(values)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, row, flat = TensorType((2, 4, 3, 5)), TensorType((2, 1, 1, 5)), TensorType((2, 5))
        return [Example(cls(), (x, x), (x,)), Example(cls(), (x, row, x), (x,)), Example(cls(), (flat, x), (x,))]

    spellings = {
        "keras": Spelling("Average"),
        "torch": Spelling("torch.mean", "of the stacked tensors"),
        "onnx": Spelling("Mean"),
    }
