from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import GlobalPooling


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling3D(GlobalPooling):
    """The largest value of each channel over all positions.

    Shapes: (batch, depth, height, width, C) → (batch, C), or (batch, 1, 1, 1, C) with keepdims;
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: ShapeError when the input has not 5 axes.
    Source: Lin, Chen & Yan, "Network in network" (2013).
    """

    rank = 3
    maximum = True
    words = Words(("gmp3d", "global_max_pooling3d", "globalmaxpool3d"))
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
        "keras": Spelling("GlobalMaxPooling3D"),
        "torch": Spelling("torch.nn.AdaptiveMaxPool3d", "channels first; output_size=1, then flatten"),
        "onnx": Spelling("GlobalMaxPool", "channels first; keeps the axes"),
    }
