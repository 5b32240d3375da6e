from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import GlobalPooling


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling3D(GlobalPooling):
    """The mean of each channel over all positions.

    Shapes: (batch, depth, height, width, C) → (batch, C), or (batch, 1, 1, 1, C) with keepdims;
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: ShapeError when the input has not 5 axes.
    Source: Lin, Chen & Yan, "Network in network" (2013).
    """

    rank = 3
    maximum = False
    words = Words(("gap3d", "global_average_pooling3d", "globalavgpool3d"))
    law = "(depth, height, width, C) → (C)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 5, 4, 3)),), (TensorType((2, 3)),)),
            Example(cls(keepdims=True), (TensorType((2, 7, 5, 4, 3)),), (TensorType((2, 1, 1, 1, 3)),)),
            Example(
                cls("channels_first", keepdims=True), (TensorType((2, 3, 7, 5, 4)),), (TensorType((2, 3, 1, 1, 1)),)
            ),
        ]

    spellings = {
        "keras": Spelling("GlobalAveragePooling3D"),
        "torch": Spelling("torch.nn.AdaptiveAvgPool3d", "channels first; output_size=1, then flatten"),
        "onnx": Spelling("GlobalAveragePool", "channels first; keeps the axes"),
    }
