from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import FILLS, INTERPOLATIONS, Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomZoom(Augmentation):
    """Enlarges or shrinks what is seen of an image, along height and width.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomZoom`.
    """

    height_factor: Any
    width_factor: Any = None
    fill_mode: Any = "reflect"
    interpolation: Any = "bilinear"
    seed: Any = None
    fill_value: Any = 0.0
    data_format: Any = None

    factors = {"height_factor": (-1, 1), "width_factor": (-1, 1)}
    choices = {"interpolation": INTERPOLATIONS, "fill_mode": FILLS}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(0.2), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(0.2, data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("RandomZoom"),
        "torch": Spelling("torchvision.transforms.v2.RandomAffine", "a transform, put to data outside the network"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
