from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
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
