from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import Convolution


@dataclass(frozen=True, eq=False)
class Conv3D(Convolution):
    """Slides a learned kernel over a volume; each output is the sum of products under the kernel.

    out[b, i, j, k, f] = bias[f] + Σ in[b, i·s + d·u - p, j·s + d·v - p, k·s + d·w - p, c] · kernel[u, v, w, c, f],
    then the activation.

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', filters);
    with channels_first (batch, C, depth, height, width) and so on;
    kernel (kd, kh, kw, C/groups, filters), bias (filters,).
    MACs: output positions × kernel volume × C/groups × filters; products with padding count.
    Errors: ShapeError when the dilated kernel is larger than an unpadded input, or groups do not divide C.
    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016).
    """

    rank = 3
    words = Words(("conv3d", "convolution3d"), ("filters", "kernel_size"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(8, 3, padding="same", activation="relu"),
                (TensorType((2, 7, 9, 5, 4)),),
                (TensorType((2, 7, 9, 5, 8)),),
            ),
            Example(
                cls(4, (2, 3, 1), strides=(1, 2, 3)), (TensorType((1, 5, 8, 7, 3)),), (TensorType((1, 4, 3, 3, 4)),)
            ),
            Example(
                cls(6, 2, groups=2, data_format="channels_first"),
                (TensorType((1, 4, 3, 5, 7)),),
                (TensorType((1, 6, 2, 4, 6)),),
            ),
        ]

    spellings = {
        "keras": Spelling("Conv3D", "refuses strides > 1 together with dilation_rate > 1; here both are allowed"),
        "torch": Spelling("torch.nn.Conv3d", "channels first; weight (filters, C/groups, kd, kh, kw)"),
        "onnx": Spelling("Conv", "channels first; begin and end pads"),
    }
