from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._convolution import Convolution


@dataclass(frozen=True, eq=False)
class Conv2D(Convolution):
    """Slides a learned kernel over an image; each output is the sum of products under the kernel.

    out[b, i, j, f] = bias[f] + Σ in[b, i·s + d·u - p, j·s + d·v - p, c] · kernel[u, v, c, f],
    then the activation. It is cross-correlation (the kernel is not flipped), as in every framework.

    Shapes: (batch, height, width, C) → (batch, height', width', filters);
    kernel (kh, kw, C/groups, filters), bias (filters,).
    MACs: output positions × kernel area × C/groups × filters; products with padding count.
    Errors: ShapeError when the dilated kernel is larger than an unpadded input.
    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016).
    """

    rank = 2
    words = Words(("conv", "conv2d", "convolution2d"), ("filters", "kernel_size"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s);  k = dilation·(kernel - 1) + 1"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: Conv2D, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        return [
            case(cls(16, 3, padding="same", activation="relu"), (2, 28, 28, 1), (2, 28, 28, 16)),
            case(cls(2, 3), (2, 7, 5, 3), (2, 5, 3, 2)),
            case(cls(4, (3, 2), strides=(2, 3), padding="same"), (1, 7, 8, 2), (1, 4, 3, 4)),
            case(cls(4, 3, dilation_rate=2, groups=2, use_bias=False), (2, 7, 6, 4), (2, 3, 2, 4)),
            case(cls(3, 5, strides=5, activation="sigmoid"), (1, 11, 10, 3), (1, 2, 2, 3)),
        ]

    spellings = {
        "keras": Spelling("Conv2D", "refuses strides > 1 together with dilation_rate > 1; here both are allowed"),
        "torch": Spelling(
            "torch.nn.Conv2d",
            "channels first; weight (filters, C/groups, kh, kw); padding='same' only for stride 1",
        ),
        "onnx": Spelling("Conv", "channels first; begin and end pads; auto_pad=SAME_UPPER is Keras's same"),
    }
