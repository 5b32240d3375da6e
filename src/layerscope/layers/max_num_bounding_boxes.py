from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._augmentation import Augmentation, example_types
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class MaxNumBoundingBoxes(Augmentation):
    """Brings the bounding boxes of each image to the number `max_number`, and leaves images as they are.

    Boxes beyond it are cut off, missing ones are filled with `fill_value`. They come in a dictionary beside the
    images, which a network of tensors does not carry; an input here is the images.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SizeError when max_number is not at least 1.
    Source: Keras 3, `keras.layers.MaxNumBoundingBoxes`.
    """

    max_number: Any
    fill_value: Any = -1

    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_number", sizes.checked(self.max_number, f"{self.kind}: max_number"))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (one_input(types),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(7), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls(1, 0), example_types(9, 8, 1), example_types(9, 8, 1)),
        ]

    spellings = {
        "keras": Spelling("MaxNumBoundingBoxes"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "no such operator"),
    }
