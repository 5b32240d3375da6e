from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class CutMix(Augmentation):
    """Puts a rectangle of another image of the batch into each image.

    While training, and by chance; at inference it passes its input through and computes nothing.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Errors: SettingError for a setting outside its range; ShapeError when the input has not three or four axes.
    Source: Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features"
    (2019).
    """

    factor: Any = 1.0
    seed: Any = None
    data_format: Any = None

    factors = {"factor": (0, 1)}

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 8)),
        ]

    spellings = {
        "keras": Spelling("CutMix"),
        "torch": Spelling("torchvision.transforms.v2.CutMix", "a transform, put to data outside the network"),
        "onnx": Spelling("", "not part of a model at inference"),
    }
