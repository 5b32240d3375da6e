from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._depthwise import DepthwiseConvolution


@dataclass(frozen=True, eq=False)
class DepthwiseConv1D(DepthwiseConvolution):
    """A convolution of each channel by itself, with `depth_multiplier` kernels for each.

    out[b, i, c·m + t] = bias[c·m + t] + Σ in[b, i·s + d·u - p, c] · kernel[u, c, t], m the multiplier, then the
    activation.

    Shapes: (batch, length, C) → (batch, length', C·m);
    with channels_first (batch, C, length) and so on;
    kernel (k, C, m), bias (C·m,).
    MACs: output positions × kernel length × C·m.
    Errors: ShapeError when the dilated kernel is larger than an unpadded input.
    Source: Howard et al., "MobileNets" (2017); Sifre, "Rigid-motion scattering" (2014).
    """

    rank = 1
    words = Words(("depthwise1d", "depthwise_conv1d", "depthwiseconv1d"), ("kernel_size",))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1;  C → C·depth_multiplier"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(3, padding="same", activation="relu6"), (TensorType((2, 13, 5)),), (TensorType((2, 13, 5)),)),
            Example(cls(4, strides=2, depth_multiplier=3), (TensorType((2, 11, 2)),), (TensorType((2, 4, 6)),)),
            Example(
                cls(3, dilation_rate=2, data_format="channels_first"),
                (TensorType((1, 3, 9)),),
                (TensorType((1, 3, 5)),),
            ),
        ]

    spellings = {
        "keras": Spelling(
            "DepthwiseConv1D", "refuses strides > 1 together with dilation_rate > 1; here both are allowed"
        ),
        "torch": Spelling("torch.nn.Conv1d", "groups = C; weight (C·m, 1, k)"),
        "onnx": Spelling("Conv", "group = C"),
    }
