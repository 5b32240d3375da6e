from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._depthwise import DepthwiseConvolution


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(DepthwiseConvolution):
    """A convolution of each channel by itself, with `depth_multiplier` kernels for each.

    out[b, i, j, c·m + t] = bias[c·m + t] + Σ in[b, i·s + d·u - p, j·s + d·v - p, c] · kernel[u, v, c, t],
    m the multiplier, then the activation.

    Shapes: (batch, height, width, C) → (batch, height', width', C·m);
    with channels_first (batch, C, height, width) and so on;
    kernel (kh, kw, C, m), bias (C·m,).
    MACs: output positions × kernel area × C·m.
    Errors: ShapeError when the dilated kernel is larger than an unpadded input.
    Source: Howard et al., "MobileNets" (2017); Sifre, "Rigid-motion scattering" (2014).
    """

    rank = 2
    words = Words(("depthwise", "depthwise_conv2d", "depthwiseconv2d"), ("kernel_size",))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1;  C → C·depth_multiplier"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(3, padding="same", activation="relu6"), (TensorType((2, 13, 9, 5)),), (TensorType((2, 13, 9, 5)),)
            ),
            Example(
                cls((2, 3), strides=2, depth_multiplier=3, use_bias=False),
                (TensorType((1, 7, 8, 2)),),
                (TensorType((1, 3, 3, 6)),),
            ),
            Example(
                cls(3, dilation_rate=2, data_format="channels_first"),
                (TensorType((1, 3, 9, 7)),),
                (TensorType((1, 3, 5, 3)),),
            ),
        ]

    spellings = {
        "keras": Spelling(
            "DepthwiseConv2D",
            "refuses strides > 1 with dilation_rate > 1, and on TensorFlow unequal strides; here all are allowed",
        ),
        "torch": Spelling("torch.nn.Conv2d", "groups = C; weight (C·m, 1, kh, kw)"),
        "onnx": Spelling("Conv", "group = C"),
    }
