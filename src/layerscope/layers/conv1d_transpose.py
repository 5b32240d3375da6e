from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import TransposedConvolution


@dataclass(frozen=True, eq=False)
class Conv1DTranspose(TransposedConvolution):
    """The adjoint of a convolution of a sequence: each input stamps the kernel, times its value, into the output.

    out[b, i·s + d·u - p, f] += in[b, i, c] · kernel[u, f, c], then bias and activation.

    Shapes: (batch, length, C) → (batch, length', filters);
    with channels_first (batch, C, length) and so on;
    kernel (k, filters/groups, C), bias (filters,).
    MACs: input positions × kernel length × C × filters/groups.
    Errors: SettingError when output_padding is not smaller than strides.
    Source: Dumoulin & Visin (2016), chapter 4.
    """

    output_padding: Any = None
    data_format: str | None = None
    dilation_rate: Any = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    groups: int = 1

    rank = 1
    words = Words(
        ("convt1d", "conv1d_transpose", "conv1dtranspose", "convolution1dtranspose"), ("filters", "kernel_size")
    )
    law = (
        "valid: n·s + max(k - s, 0);  same: n·s;  with output_padding a: (n - 1)·s + k - 2p + a, "
        "p = 0 (valid) or floor(k / 2) (same);  k = dilation·(kernel - 1) + 1"
    )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(
                cls(8, 3, strides=2, padding="same", activation="relu"),
                (TensorType((2, 13, 4)),),
                (TensorType((2, 26, 8)),),
            ),
            Example(cls(4, 2, strides=3), (TensorType((2, 5, 3)),), (TensorType((2, 15, 4)),)),
            Example(
                cls(4, 4, strides=3, padding="same", output_padding=2),
                (TensorType((1, 5, 2)),),
                (TensorType((1, 14, 4)),),
            ),
            Example(
                cls(2, 3, dilation_rate=2, data_format="channels_first"),
                (TensorType((1, 3, 7)),),
                (TensorType((1, 2, 11)),),
            ),
        ]

    spellings = {
        "keras": Spelling("Conv1DTranspose", "has no groups"),
        "torch": Spelling("torch.nn.ConvTranspose1d", "channels first; weight (C, filters/groups, k)"),
        "onnx": Spelling("ConvTranspose", "channels first; pads or output_shape choose what is cropped"),
    }
