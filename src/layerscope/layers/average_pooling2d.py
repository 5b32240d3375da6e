from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import Pooling


@dataclass(frozen=True, eq=False)
class AveragePooling2D(Pooling):
    """The mean of each window, channel by channel; cells of the padding do not count.

    Shapes: (batch, height, width, C) → (batch, height', width', C).
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    rank = 2
    maximum = False
    words = Words(("avgpool", "average_pooling2d", "avgpool2d"), ("pool_size", "strides"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: AveragePooling2D, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        return [
            case(cls(2), (2, 28, 28, 16), (2, 14, 14, 16)),
            case(cls(2, padding="same"), (2, 7, 5, 3), (2, 4, 3, 3)),
            case(cls((3, 2), strides=(2, 3)), (1, 8, 9, 2), (1, 3, 3, 2)),
            case(cls(3, strides=2, padding="same"), (2, 6, 5, 3), (2, 3, 3, 3)),
        ]

    spellings = {
        "keras": Spelling("AveragePooling2D"),
        "torch": Spelling("torch.nn.AvgPool2d", "channels first; count_include_pad=False for the same mean"),
        "onnx": Spelling("AveragePool", "channels first; count_include_pad=0"),
    }
