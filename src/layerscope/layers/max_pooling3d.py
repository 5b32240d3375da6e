from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import Pooling


@dataclass(frozen=True, eq=False)
class MaxPooling3D(Pooling):
    """The largest value of each window, channel by channel; padding counts as -inf, so it never wins.

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', C);
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    rank = 3
    maximum = True
    words = Words(("maxpool3d", "max_pooling3d"), ("pool_size", "strides"))
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
        "keras": Spelling("MaxPooling3D"),
        "torch": Spelling("torch.nn.MaxPool3d", "channels first; pads at most half a window"),
        "onnx": Spelling("MaxPool", "channels first"),
    }
