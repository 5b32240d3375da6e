from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class ZeroPadding1D(Framing):
    """Zeros around the spatial axes of a sequence: one number, or (begin, end).

    Shapes: (batch, length, C) → (batch, length', C), n' = n + begin + end;
    with channels_first (batch, C, length) and so on.
    Errors: SizeError for a negative number.
    """

    padding: Any = 1
    data_format: str | None = None

    rank = 1
    words = Words(("zeropad1d", "zero_padding1d"), ("padding",))
    law = "begin + n + end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", frame(self.padding, 1, f"{self.kind}: padding"))
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
            Example(cls(), (TensorType((2, 7, 3)),), (TensorType((2, 9, 3)),)),
            Example(cls((0, 2), "channels_first"), (TensorType((1, 3, 5)),), (TensorType((1, 3, 7)),)),
        ]

    spellings = {
        "keras": Spelling("ZeroPadding1D"),
        "torch": Spelling("torch.nn.ZeroPad1d", "channels first; last axis first"),
        "onnx": Spelling("Pad", "all begins, then all ends"),
    }
