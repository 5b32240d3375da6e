from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class ZeroPadding2D(Framing):
    """Zeros around an image: ((top, bottom), (left, right)), or (rows, columns), or one number.

    Shapes: (batch, height, width, C) → (batch, top + height + bottom, left + width + right, C).
    Errors: SizeError for a negative number.
    """

    padding: Any = 1
    data_format: str | None = None

    rank = 2
    words = Words(("zeropad", "zero_padding2d", "pad"), ("padding",))
    law = "begin + n + end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", frame(self.padding, 2, f"{self.kind}: padding"))
        check_data_format(self, self.data_format)

    @property
    def injective(self) -> bool:
        return True

    @property
    def ends(self) -> Ends:
        return self.padding

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(1), (TensorType((2, 5, 6, 3)),), (TensorType((2, 7, 8, 3)),)),
            Example(cls(((0, 1), (2, 3))), (TensorType((2, 5, 6, 3)),), (TensorType((2, 6, 11, 3)),)),
        ]

    spellings = {
        "keras": Spelling("ZeroPadding2D"),
        "torch": Spelling("torch.nn.ZeroPad2d", "channels first; (left, right, top, bottom)"),
        "onnx": Spelling("Pad", "all begins, then all ends"),
    }
