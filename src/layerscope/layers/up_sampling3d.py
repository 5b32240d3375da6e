from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words, check_data_format
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._upsampling import Enlarging


@dataclass(frozen=True, eq=False)
class UpSampling3D(Enlarging):
    """Enlarges a volume by repeating each value.

    out[i, j, k] = in[floor(i / s), floor(j / s), floor(k / s)].

    Shapes: (batch, depth, height, width, C) → (batch, s·depth, s·height, s·width, C);
    with channels_first (batch, C, depth, height, width) and so on.
    Errors: SizeError when a factor is not at least 1.
    Source: Keras 3.
    """

    data_format: str | None = None

    rank = 3
    words = Words(("upsample3d", "up_sampling3d"), ("size",))
    law = "n·s"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_data_format(self, self.data_format)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((1, 3, 5, 4, 2)),), (TensorType((1, 6, 10, 8, 2)),)),
            Example(
                cls((1, 3, 2), "channels_first"), (TensorType((1, 2, 3, 4, 5)),), (TensorType((1, 2, 3, 12, 10)),)
            ),
        ]

    spellings = {
        "keras": Spelling("UpSampling3D"),
        "torch": Spelling("torch.nn.Upsample", "channels first"),
        "onnx": Spelling("Resize", "channels first; nearest: asymmetric, floor"),
    }
