from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import GlobalPooling


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling2D(GlobalPooling):
    """The mean of each channel over all positions.

    Shapes: (batch, height, width, C) → (batch, C), or (batch, 1, 1, C) with keepdims.
    Errors: ShapeError when the input has not four axes.
    Source: Lin, Chen & Yan, "Network in network" (2013).
    """

    rank = 2
    maximum = False
    words = Words(("gap", "global_average_pooling2d", "globalavgpool", "globalavgpool2d"))
    law = "(height, width, C) → (C)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = (TensorType((2, 7, 5, 3)),)
        return [
            Example(cls(), x, (TensorType((2, 3)),)),
            Example(cls(keepdims=True), x, (TensorType((2, 1, 1, 3)),)),
        ]

    spellings = {
        "keras": Spelling("GlobalAveragePooling2D"),
        "torch": Spelling("torch.nn.AdaptiveAvgPool2d", "channels first; output_size=1, then flatten"),
        "onnx": Spelling("GlobalAveragePool", "channels first; keeps the axes"),
    }
