from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import Pooling


@dataclass(frozen=True, eq=False)
class AveragePooling1D(Pooling):
    """The mean of each window, channel by channel; cells of the padding do not count.

    Shapes: (batch, length, C) → (batch, length', C);
    with channels_first (batch, C, length) and so on.
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    rank = 1
    maximum = False
    words = Words(("avgpool1d", "average_pooling1d"), ("pool_size", "strides"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(2), (TensorType((2, 29, 4)),), (TensorType((2, 14, 4)),)),
            Example(cls(3, strides=2, padding="same"), (TensorType((1, 12, 3)),), (TensorType((1, 6, 3)),)),
            Example(cls(3, 1, data_format="channels_first"), (TensorType((1, 2, 7)),), (TensorType((1, 2, 5)),)),
        ]

    spellings = {
        "keras": Spelling("AveragePooling1D"),
        "torch": Spelling("torch.nn.AvgPool1d", "channels first; count_include_pad=False for the same mean"),
        "onnx": Spelling("AveragePool", "channels first; count_include_pad=0"),
    }
