from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class Cropping1D(Framing):
    """Cuts cells off the spatial axes of a sequence: one number, or (begin, end).

    Shapes: (batch, length, C) → (batch, length', C), n' = n - begin - end.
    Errors: ShapeError when nothing would be left.
    """

    cropping: Any = 1

    rank = 1
    words = Words(("crop1d", "cropping1d"), ("cropping",))
    law = "n - begin - end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cropping", frame(self.cropping, 1, f"{self.kind}: cropping"))

    @property
    def ends(self) -> Ends:
        return tuple((-begin, -end) for begin, end in self.cropping)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 3)),), (TensorType((2, 5, 3)),)),
            Example(cls((0, 2)), (TensorType((1, 5, 2)),), (TensorType((1, 3, 2)),)),
        ]

    spellings = {
        "keras": Spelling("Cropping1D"),
        "torch": Spelling("", "slicing, or torch.nn.functional.pad with negative numbers"),
        "onnx": Spelling("Slice", "or Pad with negative numbers"),
    }
