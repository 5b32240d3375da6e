from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomFlip(Augmentation):
    """Mirrors an image by chance, from left to right, from top to bottom, or both.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomFlip`.
    """

    mode: Any = "horizontal_and_vertical"
    seed: Any = None
    data_format: Any = None

    choices = {"mode": ("horizontal", "vertical", "horizontal_and_vertical")}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls("horizontal"), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls("horizontal", data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("RandomFlip"),
        "torch": Spelling(
            "torchvision.transforms.v2.RandomHorizontalFlip", "a transform, put to data outside the network"
        ),
        "onnx": Spelling("", "not part of a model at inference"),
    }
