from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import Convolution


@dataclass(frozen=True, eq=False)
class Conv1D(Convolution):
    """Slides a learned kernel over a sequence; each output is the sum of products under the kernel.

    out[b, i, f] = bias[f] + Σ in[b, i·s + d·u - p, c] · kernel[u, c, f], then the activation.
    causal: output o reads inputs up to o·s and none after it (all k - 1 cells of padding at the begin).

    Shapes: (batch, length, C) → (batch, length', filters);
    with channels_first (batch, C, length) and so on;
    kernel (k, C/groups, filters), bias (filters,).
    MACs: output positions × kernel length × C/groups × filters; products with padding count.
    Errors: ShapeError when the dilated kernel is larger than an unpadded input, or groups do not divide C.
    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016);
    van den Oord et al., "WaveNet" (2016), for causal.
    """

    rank = 1
    causal = True
    words = Words(("conv1d", "convolution1d"), ("filters", "kernel_size"))
    law = "valid: floor((n - k) / s) + 1;  same, causal: ceil(n / s);  k = dilation·(kernel - 1) + 1"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(8, 3, padding="same", activation="relu"), (TensorType((2, 29, 4)),), (TensorType((2, 29, 8)),)
            ),
            Example(cls(4, 5, strides=2), (TensorType((2, 28, 3)),), (TensorType((2, 12, 4)),)),
            Example(
                cls(6, 2, padding="causal", dilation_rate=4, groups=2, use_bias=False),
                (TensorType((2, 17, 4)),),
                (TensorType((2, 17, 6)),),
            ),
            Example(cls(4, 3, data_format="channels_first"), (TensorType((2, 5, 11)),), (TensorType((2, 4, 9)),)),
        ]

    spellings = {
        "keras": Spelling("Conv1D", "refuses strides > 1 together with dilation_rate > 1; here both are allowed"),
        "torch": Spelling("torch.nn.Conv1d", "channels first; weight (filters, C/groups, k)"),
        "onnx": Spelling("Conv", "channels first; begin and end pads"),
    }
