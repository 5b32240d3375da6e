from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import INTERPOLATIONS, Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomPerspective(Augmentation):
    """Looks at an image from a random direction: its corners move.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomPerspective`.
    """

    factor: Any = 1.0
    scale: Any = 1.0
    interpolation: Any = "bilinear"
    fill_value: Any = 0.0
    seed: Any = None
    data_format: Any = None

    factors = {"factor": (0, 1), "scale": (0, 1)}
    choices = {"interpolation": INTERPOLATIONS}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("RandomPerspective"),
        "torch": Spelling(
            "torchvision.transforms.v2.RandomPerspective", "a transform, put to data outside the network"
        ),
        "onnx": Spelling("", "not part of a model at inference"),
    }
