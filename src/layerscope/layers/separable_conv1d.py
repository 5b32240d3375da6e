from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._depthwise import SeparableConvolution


@dataclass(frozen=True, eq=False)
class SeparableConv1D(SeparableConvolution):
    """A depthwise convolution, then one of kernel size 1 that mixes its channels, then bias and activation.

    Shapes: (batch, length, C) → (batch, length', filters);
    with channels_first (batch, C, length) and so on;
    depthwise_kernel (k, C, m), pointwise_kernel (1, C·m, filters), bias (filters,), m the depth_multiplier.
    MACs: output positions × (kernel length × C·m + C·m × filters).
    Errors: ShapeError when the dilated kernel is larger than an unpadded input.
    Source: Chollet, "Xception: deep learning with depthwise separable convolutions" (2017).
    """

    rank = 1
    words = Words(
        ("separable1d", "sepconv1d", "separable_conv1d", "separableconvolution1d"), ("filters", "kernel_size")
    )
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(8, 3, padding="same", activation="relu"), (TensorType((2, 13, 5)),), (TensorType((2, 13, 8)),)
            ),
            Example(
                cls(4, 2, strides=3, depth_multiplier=2, use_bias=False),
                (TensorType((2, 11, 3)),),
                (TensorType((2, 4, 4)),),
            ),
            Example(cls(4, 3, data_format="channels_first"), (TensorType((1, 3, 9)),), (TensorType((1, 4, 7)),)),
        ]

    spellings = {
        "keras": Spelling(
            "SeparableConv1D", "refuses strides > 1 together with dilation_rate > 1; here both are allowed"
        ),
        "torch": Spelling("torch.nn.Conv1d", "two of them: groups = C, then kernel size 1"),
        "onnx": Spelling("Conv", "two of them: group = C, then kernel size 1"),
    }
