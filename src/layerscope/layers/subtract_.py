from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._merging import Merge


@dataclass(frozen=True, eq=False)
class Subtract(Merge):
    """The first tensor less the second, element by element.

    An axis of size 1 is repeated as needed; an input of fewer axes gets them behind the batch, as in Keras.

    Shapes: twice (batch, ...) → (batch, ...).
    Errors: ShapeError, naming both shapes, when the inputs do not fit each other.
    """

    verb = "subtract"
    function = "sub"
    exactly = 2

    @property
    def linear(self) -> bool:
        return True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, row = TensorType((2, 4, 3, 5)), TensorType((2, 1, 1, 5))
        return [Example(cls(), (x, x), (x,)), Example(cls(), (x, row), (x,))]

    spellings = {
        "keras": Spelling("Subtract"),
        "torch": Spelling("torch.sub", "or -"),
        "onnx": Spelling("Sub"),
    }
