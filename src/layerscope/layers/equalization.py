from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class Equalization(Augmentation):
    """Makes all brightnesses of a channel about equally frequent, by its histogram; while training only.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.Equalization`.
    """

    value_range: Any = (0, 255)
    bins: Any = 256
    data_format: Any = None

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("Equalization"),
        "torch": Spelling("torchvision.transforms.v2.RandomEqualize", "a transform, put to data outside the network"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
