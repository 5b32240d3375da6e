from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import FILLS, INTERPOLATIONS, Augmentation, example_types


@dataclass(frozen=True, eq=False)
class RandomElasticTransform(Augmentation):
    """Bends an image: each position moves by a smooth random field.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Simard et al., "Best practices for convolutional neural networks applied to visual document analysis"
    (2003).
    """

    factor: Any = 1.0
    scale: Any = 1.0
    interpolation: Any = "bilinear"
    fill_mode: Any = "reflect"
    fill_value: Any = 0.0
    value_range: Any = (0, 255)
    seed: Any = None
    data_format: Any = None

    factors = {"factor": (0, 1), "scale": (0, 1)}
    choices = {"interpolation": INTERPOLATIONS, "fill_mode": FILLS}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("RandomElasticTransform"),
        "torch": Spelling(
            "torchvision.transforms.v2.ElasticTransform", "a transform, put to data outside the network"
        ),
        "onnx": Spelling("", "not part of a model at inference"),
    }
