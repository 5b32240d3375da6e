from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class Cropping2D(Framing):
    """Cuts rows and columns off an image: ((top, bottom), (left, right)), or (rows, columns), or one number.

    Shapes: (batch, height, width, C) → (batch, height - top - bottom, width - left - right, C).
    Errors: ShapeError when nothing would be left.
    """

    cropping: Any = 0
    data_format: str | None = None

    rank = 2
    words = Words(("crop", "cropping2d"), ("cropping",))
    law = "n - begin - end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cropping", frame(self.cropping, 2, f"{self.kind}: cropping"))
        check_data_format(self, self.data_format)

    @property
    def ends(self) -> Ends:
        return tuple((-begin, -end) for begin, end in self.cropping)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        (x,), ((top, bottom), (left, right)) = arrays, self.cropping
        return (x[:, top : x.shape[1] - bottom, left : x.shape[2] - right, :],), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.pad(values[0], self.ends),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(1), (TensorType((2, 5, 6, 3)),), (TensorType((2, 3, 4, 3)),)),
            Example(cls(((0, 1), (2, 3))), (TensorType((2, 5, 6, 3)),), (TensorType((2, 4, 1, 3)),)),
        ]

    spellings = {
        "keras": Spelling("Cropping2D"),
        "torch": Spelling("", "slicing, or torch.nn.ZeroPad2d with negative numbers"),
        "onnx": Spelling("Slice", "or Pad with negative numbers"),
    }
