from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._augmentation import Augmentation, example_types


@dataclass(frozen=True, eq=False)
class AutoContrast(Augmentation):
    """Stretches each channel of an image so that its smallest number is the least there is and its largest the most.

    It does so at inference, too.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Operations: pooling, 2 an element (its minimum and maximum are looked for); pointwise, 3 an element (scale,
    offset, clip).
    Errors: ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.AutoContrast`.
    """

    value_range: Any = (0, 255)

    @property
    def elementwise(self) -> bool:
        return False

    @property
    def linear(self) -> bool:
        return False

    def operations(self, *types: TensorType) -> Operations | None:
        n = types[0].elements
        return Operations(pointwise=n * 3, pooling=n * 2)

    def shares(self, *types: TensorType) -> int | None:
        return None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank, everything=(-3, -2)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 9, 8, 3), example_types(2, 9, 8, 3)),
            Example(cls((0, 1)), example_types(9, 8, 1), example_types(9, 8, 1)),
        ]

    spellings = {
        "keras": Spelling("AutoContrast"),
        "torch": Spelling("torchvision.transforms.v2.RandomAutocontrast", "a transform, put to data"),
        "onnx": Spelling("", "no such operator"),
    }
