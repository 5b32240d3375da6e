from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pooling import AdaptivePooling


@dataclass(frozen=True, eq=False)
class AdaptiveMaxPooling1D(AdaptivePooling):
    """The largest value of each of `output_size` shares of every spatial axis, channel by channel.

    Of n cells, output o of m pools floor(o·n / m) … ceil((o + 1)·n / m) - 1, which overlap unless m divides n.

    Shapes: (batch, length, C) → (batch, *output_size, C);
    with channels_first (batch, C, length) and so on.
    Errors: SizeError when a size of the output is not at least 1.
    Source: PyTorch, `torch.nn.AdaptiveMaxPool1d`; He et al., "Spatial pyramid pooling" (2014).
    """

    rank = 1
    maximum = True
    executable = False
    words = Words(("adaptivemaxpool1d", "adaptive_max_pooling1d"), ("output_size",))
    law = "n → output_size"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(4), (TensorType((2, 29, 3)),), (TensorType((2, 4, 3)),)),
            Example(cls(5, "channels_first"), (TensorType((1, 2, 3)),), (TensorType((1, 2, 5)),)),
        ]

    spellings = {
        "keras": Spelling("AdaptiveMaxPooling1D"),
        "torch": Spelling("torch.nn.AdaptiveMaxPool1d", "channels first"),
        "onnx": Spelling("", "no such operator; sizes that divide: MaxPool"),
    }
