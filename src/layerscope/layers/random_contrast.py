from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomContrast(Augmentation):
    """Moves each channel of an image away from its mean, or towards it.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomContrast`.
    """

    factor: Any
    value_range: Any = (0, 255)
    seed: Any = None

    factors = {"factor": (0, 1)}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(0.2), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(0.2), example_types(9, 8, 3), example_types(9, 8, 3)),
        ]

    spellings = {
        "keras": Spelling("RandomContrast"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
