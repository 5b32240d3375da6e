from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomGrayscale(Augmentation):
    """Turns an image to grey, with the probability `factor`.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomGrayscale`.
    """

    factor: Any = 0.5
    data_format: Any = None
    seed: Any = None

    factors = {"factor": (0, 1)}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(0.3), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(0.3, data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("RandomGrayscale"),
        "torch": Spelling(
            "torchvision.transforms.v2.RandomGrayscale", "a transform, put to data outside the network"
        ),
        "onnx": Spelling("", "not part of a model at inference"),
    }
