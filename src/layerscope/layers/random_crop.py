from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._augmentation import Augmentation, example_types, plane


@dataclass(frozen=True, eq=False)
class RandomCrop(Augmentation):
    """Cuts a piece of height × width out of each image, at a random place while training.

    It computes nothing. Where the piece is taken from is not known beforehand, so each position is said to read every
    height and width, unless the image has the size of the piece.

    Shapes: (batch, H, W, C) → (batch, height, width, C), or one image without the batch.
    Errors: SizeError when height or width is not at least 1; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.RandomCrop`.
    """

    height: Any
    width: Any
    seed: Any = None
    data_format: str | None = None

    law = "(batch, H, W, C) → (batch, height, width, C)"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("height", "width"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))

    @property
    def elementwise(self) -> bool:
        return False

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = super().out(*types)
        shape = list(x.shape)
        for axis, size in zip(plane(self.data_format), (self.height, self.width), strict=True):
            shape[axis] = size
        return (x.with_shape(tuple(shape)),)

    def shares(self, *types: TensorType) -> int | None:
        return None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (x,), (y,) = types, self.out(*types)
        cut = {axis % x.rank for axis in plane(self.data_format) if x.shape[axis] != y.shape[axis]}
        return (tuple(EVERYTHING if axis in cut else Window(axis) for axis in range(x.rank)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(6, 5), example_types(2, 9, 8, 3), example_types(2, 6, 5, 3)),
            Example(cls(9, 4, data_format="channels_first"), example_types(3, 9, 8), example_types(3, 9, 4)),
        ]

    spellings = {
        "keras": Spelling("RandomCrop"),
        "torch": Spelling("torchvision.transforms.v2.RandomCrop", "a transform, put to data outside the network"),
        "onnx": Spelling("", "Slice, at a fixed place"),
    }
