from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import GlobalPooling


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling1D(GlobalPooling):
    """The largest value of each channel over all positions.

    Shapes: (batch, length, C) → (batch, C), or (batch, 1, C) with keepdims;
    with channels_first (batch, C, length) and so on.
    Errors: ShapeError when the input has not 3 axes.
    Source: Lin, Chen & Yan, "Network in network" (2013).
    """

    rank = 1
    maximum = True
    words = Words(("gmp1d", "global_max_pooling1d", "globalmaxpool1d"))
    law = "(length, C) → (C)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 3)),), (TensorType((2, 3)),)),
            Example(cls(keepdims=True), (TensorType((2, 7, 3)),), (TensorType((2, 1, 3)),)),
            Example(cls("channels_first", keepdims=True), (TensorType((2, 3, 7)),), (TensorType((2, 3, 1)),)),
        ]

    spellings = {
        "keras": Spelling("GlobalMaxPooling1D"),
        "torch": Spelling("torch.nn.AdaptiveMaxPool1d", "channels first; output_size=1, then flatten"),
        "onnx": Spelling("GlobalMaxPool", "channels first; keeps the axes"),
    }
