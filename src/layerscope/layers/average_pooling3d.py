from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import Pooling


@dataclass(frozen=True, eq=False)
class AveragePooling3D(Pooling):
    """The mean of each window, channel by channel; cells of the padding do not count.

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', C);
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    rank = 3
    maximum = False
    words = Words(("avgpool3d", "average_pooling3d"), ("pool_size", "strides"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(2), (TensorType((2, 7, 9, 5, 4)),), (TensorType((2, 3, 4, 2, 4)),)),
            Example(
                cls((3, 2, 1), strides=(2, 1, 3), padding="same"),
                (TensorType((1, 5, 4, 7, 2)),),
                (TensorType((1, 3, 4, 3, 2)),),
            ),
            Example(
                cls(2, 1, data_format="channels_first"),
                (TensorType((1, 2, 3, 4, 5)),),
                (TensorType((1, 2, 2, 3, 4)),),
            ),
        ]

    spellings = {
        "keras": Spelling("AveragePooling3D"),
        "torch": Spelling("torch.nn.AvgPool3d", "channels first; count_include_pad=False for the same mean"),
        "onnx": Spelling("AveragePool", "channels first; count_include_pad=0"),
    }
