from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class ZeroPadding3D(Framing):
    """Zeros around the spatial axes of a volume: one number, (depth, rows, columns), or three pairs (begin, end).

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', C), n' = n + begin + end;
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: SizeError for a negative number.
    """

    padding: Any = 1
    data_format: str | None = None

    rank = 3
    words = Words(("zeropad3d", "zero_padding3d"), ("padding",))
    law = "begin + n + end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", frame(self.padding, 3, f"{self.kind}: padding"))
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
            Example(cls(), (TensorType((1, 3, 5, 4, 2)),), (TensorType((1, 5, 7, 6, 2)),)),
            Example(
                cls(((0, 1), (2, 0), (1, 1)), "channels_first"),
                (TensorType((1, 2, 3, 4, 5)),),
                (TensorType((1, 2, 4, 6, 7)),),
            ),
        ]

    spellings = {
        "keras": Spelling("ZeroPadding3D"),
        "torch": Spelling("torch.nn.ZeroPad3d", "channels first; last axis first"),
        "onnx": Spelling("Pad", "all begins, then all ends"),
    }
