from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import TransposedConvolution


@dataclass(frozen=True, eq=False)
class Conv2DTranspose(TransposedConvolution):
    """The adjoint of a convolution: each input stamps the kernel, times its value, into the output.

    out[b, i·s + d·u - p, j·s + d·v - p, f] += in[b, i, j, c] · kernel[u, v, f, c], then bias and
    activation. It undoes the shape of a convolution, not its values. Padding crops the stamped plane;
    cells of `output_padding` lie on the plane and are computed, not zero.

    Shapes: (batch, height, width, C) → (batch, height', width', filters);
    kernel (kh, kw, filters/groups, C), bias (filters,).
    MACs: input positions × kernel area × C × filters/groups.
    Errors: SettingError when output_padding is not smaller than strides.
    Source: Dumoulin & Visin (2016), chapter 4; Zeiler et al., "Deconvolutional networks" (2010).
    """

    output_padding: Any = None
    data_format: str | None = None
    dilation_rate: Any = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    groups: int = 1

    rank = 2
    words = Words(
        ("convt", "conv2d_transpose", "deconv", "transpose", "convolution2dtranspose"), ("filters", "kernel_size")
    )
    law = (
        "valid: n·s + max(k - s, 0);  same: n·s;  with output_padding a: (n - 1)·s + k - 2p + a, "
        "p = 0 (valid) or floor(k / 2) (same);  k = dilation·(kernel - 1) + 1"
    )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: Conv2DTranspose, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        return [
            case(cls(16, 3, strides=2, padding="same", activation="relu"), (2, 14, 14, 8), (2, 28, 28, 16)),
            case(cls(2, 3), (2, 4, 5, 3), (2, 6, 7, 2)),
            case(cls(3, (2, 3), strides=(3, 2)), (1, 3, 4, 2), (1, 9, 9, 3)),
            case(cls(4, 3, strides=2, padding="same", output_padding=1, groups=2), (1, 4, 3, 4), (1, 8, 6, 4)),
            case(cls(2, (4, 3), strides=2, output_padding=(1, 0), use_bias=False), (2, 3, 2, 3), (2, 9, 5, 2)),
            case(cls(2, 3, dilation_rate=2, padding="same"), (1, 6, 5, 2), (1, 6, 5, 2)),
        ]

    spellings = {
        "keras": Spelling("Conv2DTranspose", "has no groups"),
        "torch": Spelling(
            "torch.nn.ConvTranspose2d",
            "channels first; weight (C, filters/groups, kh, kw); size (n-1)·s - 2p + d·(k-1) + output_padding + 1",
        ),
        "onnx": Spelling("ConvTranspose", "channels first; pads or output_shape choose what is cropped"),
    }
