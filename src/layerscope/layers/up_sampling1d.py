from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._upsampling import Enlarging


@dataclass(frozen=True, eq=False)
class UpSampling1D(Enlarging):
    """Enlarges a sequence by repeating each value.

    out[i] = in[floor(i / s)].

    Shapes: (batch, length, C) → (batch, s·length, C).
    Errors: SizeError when a factor is not at least 1.
    Source: Keras 3.
    """

    rank = 1
    words = Words(("upsample1d", "up_sampling1d"), ("size",))
    law = "n·s"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 4)),), (TensorType((2, 14, 4)),)),
            Example(cls(3), (TensorType((1, 5, 2)),), (TensorType((1, 15, 2)),)),
        ]

    spellings = {
        "keras": Spelling("UpSampling1D"),
        "torch": Spelling("torch.nn.Upsample", "channels first"),
        "onnx": Spelling("Resize", "channels first; nearest: asymmetric, floor"),
    }
