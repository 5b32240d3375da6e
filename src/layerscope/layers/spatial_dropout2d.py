from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._checks import data_format
from layerscope.layers._dropping import SpatialDropping
from layerscope.layers._pointwise import real


@dataclass(frozen=True, eq=False)
class SpatialDropout2D(SpatialDropping):
    """While training, sets whole channels to zero with probability `rate` and divides the rest by 1 - rate.

    Shapes: (batch, height, width, C) → (batch, height, width, C);
    with channels_first (batch, C, height, width).
    Errors: SettingError when rate is not between 0 and 1; ShapeError when the input has not 4 axes.
    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015).
    """

    rate: Any
    data_format: str | None = None
    seed: int | None = None

    rank = 2
    words = Words(("spatialdropout", "spatial_dropout2d"), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))
        data_format(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.5), (x,), (x,)), Example(cls(0.2, "channels_first"), (x,), (x,))]

    spellings = {
        "keras": Spelling("SpatialDropout2D"),
        "torch": Spelling("torch.nn.Dropout2d", "channels first"),
        "onnx": Spelling("", "training only"),
    }
