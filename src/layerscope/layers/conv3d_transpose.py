from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import TransposedConvolution


@dataclass(frozen=True, eq=False)
class Conv3DTranspose(TransposedConvolution):
    """The adjoint of a convolution of a volume: each input stamps the kernel, times its value, into the output.

    out[b, i·s + d·u - p, j·s + d·v - p, k·s + d·w - p, f] += in[b, i, j, k, c] · kernel[u, v, w, f, c], then bias and
    activation.

    Shapes: (batch, depth, height, width, C) → (batch, depth', height', width', filters);
    with channels_first (batch, C, depth, height, width) and so on;
    kernel (kd, kh, kw, filters/groups, C), bias (filters,).
    MACs: input positions × kernel volume × C × filters/groups.
    Errors: SettingError when output_padding is not smaller than strides.
    Source: Dumoulin & Visin (2016), chapter 4.
    """

    data_format: str | None = None
    output_padding: Any = None
    dilation_rate: Any = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    groups: int = 1

    rank = 3
    words = Words(
        ("convt3d", "conv3d_transpose", "conv3dtranspose", "convolution3dtranspose"), ("filters", "kernel_size")
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
                (TensorType((1, 3, 5, 4, 2)),),
                (TensorType((1, 6, 10, 8, 8)),),
            ),
            Example(
                cls(3, (2, 3, 1), strides=(1, 2, 3)), (TensorType((1, 2, 4, 3, 5)),), (TensorType((1, 3, 9, 9, 3)),)
            ),
            Example(
                cls(4, 2, data_format="channels_first"),
                (TensorType((1, 3, 4, 2, 5)),),
                (TensorType((1, 4, 5, 3, 6)),),
            ),
        ]

    spellings = {
        "keras": Spelling("Conv3DTranspose", "has no groups"),
        "torch": Spelling("torch.nn.ConvTranspose3d", "channels first; weight (C, filters/groups, kd, kh, kw)"),
        "onnx": Spelling("ConvTranspose", "channels first; pads or output_shape choose what is cropped"),
    }
