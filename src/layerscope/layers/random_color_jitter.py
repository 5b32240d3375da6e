from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue of an image, in this order, by chance.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomColorJitter`.
    """

    value_range: Any = (0, 255)
    brightness_factor: Any = None
    contrast_factor: Any = None
    saturation_factor: Any = None
    hue_factor: Any = None
    seed: Any = None
    data_format: Any = None

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(brightness_factor=0.2), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(
                cls(brightness_factor=0.2, data_format="channels_first"),
                example_types(3, 9, 8),
                example_types(3, 9, 8),
            ),
        ]

    spellings = {
        "keras": Spelling("RandomColorJitter"),
        "torch": Spelling("torchvision.transforms.v2.ColorJitter", "a transform, put to data outside the network"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
