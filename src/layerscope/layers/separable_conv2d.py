from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._depthwise import SeparableConvolution


@dataclass(frozen=True, eq=False)
class SeparableConv2D(SeparableConvolution):
    """A depthwise convolution, then one of kernel size 1 that mixes its channels, then bias and activation.

    Shapes: (batch, height, width, C) → (batch, height', width', filters);
    with channels_first (batch, C, height, width) and so on;
    depthwise_kernel (kh, kw, C, m), pointwise_kernel (1, 1, C·m, filters), bias (filters,), m the depth_multiplier.
    MACs: output positions × (kernel area × C·m + C·m × filters).
    Errors: ShapeError when the dilated kernel is larger than an unpadded input.
    Source: Chollet, "Xception: deep learning with depthwise separable convolutions" (2017).
    """

    rank = 2
    words = Words(("separable", "sepconv", "separable_conv2d", "separableconvolution2d"), ("filters", "kernel_size"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(8, 3, padding="same", activation="relu"),
                (TensorType((2, 13, 9, 5)),),
                (TensorType((2, 13, 9, 8)),),
            ),
            Example(
                cls(4, (2, 3), strides=2, depth_multiplier=2, use_bias=False),
                (TensorType((1, 7, 8, 3)),),
                (TensorType((1, 3, 3, 4)),),
            ),
            Example(
                cls(4, 3, dilation_rate=2, data_format="channels_first"),
                (TensorType((1, 3, 9, 7)),),
                (TensorType((1, 4, 5, 3)),),
            ),
        ]

    spellings = {
        "keras": Spelling(
            "SeparableConv2D",
            "refuses strides > 1 with dilation_rate > 1, and on TensorFlow unequal strides; here all are allowed",
        ),
        "torch": Spelling("torch.nn.Conv2d", "two of them: groups = C, then kernel size 1"),
        "onnx": Spelling("Conv", "two of them: group = C, then kernel size 1"),
    }
