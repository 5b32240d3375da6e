from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._merging import Choice


@dataclass(frozen=True, eq=False)
class Maximum(Choice):
    """The largest of tensors, element by element.

    An axis of size 1 is repeated as needed; an input of fewer axes gets them behind the batch, as in Keras.

    Shapes: n times (batch, ...) → (batch, ...).
    Errors: ShapeError, naming both shapes, when the inputs do not fit each other.
    """

    verb = "compare"
    function = "maximum"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, row, flat = TensorType((2, 4, 3, 5)), TensorType((2, 1, 1, 5)), TensorType((2, 5))
        return [Example(cls(), (x, x), (x,)), Example(cls(), (x, row, x), (x,)), Example(cls(), (flat, x), (x,))]

    spellings = {
        "keras": Spelling("Maximum"),
        "torch": Spelling("torch.maximum", "two inputs"),
        "onnx": Spelling("Max"),
    }
