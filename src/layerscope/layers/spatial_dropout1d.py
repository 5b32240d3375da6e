from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._dropping import SpatialDropping
from layerscope.layers._pointwise import real


@dataclass(frozen=True, eq=False)
class SpatialDropout1D(SpatialDropping):
    """While training, sets whole channels to zero with probability `rate` and divides the rest by 1 - rate.

    Shapes: (batch, length, C) → (batch, length, C).
    Errors: SettingError when rate is not between 0 and 1; ShapeError when the input has not 3 axes.
    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015).
    """

    rate: Any
    seed: int | None = None

    rank = 1
    words = Words(("spatialdropout1d", "spatial_dropout1d"), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 3))
        return [Example(cls(0.5), (x,), (x,))]

    spellings = {
        "keras": Spelling("SpatialDropout1D"),
        "torch": Spelling("torch.nn.Dropout1d", "channels first"),
        "onnx": Spelling("", "training only"),
    }
