from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import AdaptivePooling


@dataclass(frozen=True, eq=False)
class AdaptiveMaxPooling2D(AdaptivePooling):
    """The largest value of each of `output_size` shares of every spatial axis, channel by channel.

    Of n cells, output o of m pools floor(o·n / m) … ceil((o + 1)·n / m) - 1, which overlap unless m divides n.

    Shapes: (batch, height, width, C) → (batch, *output_size, C);
    with channels_first (batch, C, height, width) and so on.
    Errors: SizeError when a size of the output is not at least 1.
    Source: PyTorch, `torch.nn.AdaptiveMaxPool2d`; He et al., "Spatial pyramid pooling" (2014).
    """

    rank = 2
    maximum = True
    executable = False
    words = Words(("adaptivemaxpool2d", "adaptive_max_pooling2d"), ("output_size",))
    law = "n → output_size"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(7), (TensorType((2, 29, 17, 3)),), (TensorType((2, 7, 7, 3)),)),
            Example(
                cls((3, 2), data_format="channels_first"), (TensorType((1, 2, 5, 7)),), (TensorType((1, 2, 3, 2)),)
            ),
        ]

    spellings = {
        "keras": Spelling("AdaptiveMaxPooling2D"),
        "torch": Spelling("torch.nn.AdaptiveMaxPool2d", "channels first"),
        "onnx": Spelling("", "no such operator; sizes that divide: MaxPool"),
    }
