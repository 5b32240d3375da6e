from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class Solarization(Augmentation):
    """Turns to the negative what is brighter than a threshold.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.Solarization`.
    """

    addition_factor: Any = 0.0
    threshold_factor: Any = 0.0
    value_range: Any = (0, 255)
    seed: Any = None

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(threshold_factor=0.5), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(threshold_factor=0.5), example_types(9, 8, 3), example_types(9, 8, 3)),
        ]

    spellings = {
        "keras": Spelling("Solarization"),
        "torch": Spelling("torchvision.transforms.v2.RandomSolarize", "a transform, put to data outside the network"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
