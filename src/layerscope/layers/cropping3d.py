from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._framing import Ends, Framing, frame


@dataclass(frozen=True, eq=False)
class Cropping3D(Framing):
    """Cuts cells off the spatial axes of a volume: one number, (depth, rows, columns), or three pairs (begin, end).

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', C), n' = n - begin - end;
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: ShapeError when nothing would be left.
    """

    cropping: Any = 1
    data_format: str | None = None

    rank = 3
    words = Words(("crop3d", "cropping3d"), ("cropping",))
    law = "n - begin - end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cropping", frame(self.cropping, 3, f"{self.kind}: cropping"))
        check_data_format(self, self.data_format)

    @property
    def ends(self) -> Ends:
        return tuple((-begin, -end) for begin, end in self.cropping)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((1, 3, 5, 4, 2)),), (TensorType((1, 1, 3, 2, 2)),)),
            Example(
                cls(((0, 1), (2, 0), (1, 1)), "channels_first"),
                (TensorType((1, 2, 3, 4, 5)),),
                (TensorType((1, 2, 2, 2, 3)),),
            ),
        ]

    spellings = {
        "keras": Spelling("Cropping3D"),
        "torch": Spelling("", "slicing, or torch.nn.functional.pad with negative numbers"),
        "onnx": Spelling("Slice", "or Pad with negative numbers"),
    }
