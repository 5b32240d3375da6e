from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import EVERYTHING, Reads, Relation, Window
from layerscope.core.types import TensorType
from layerscope.layers import _augmentation, _checks
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class CenterCrop(Layer):
    """The middle of each image: height × width of it.

    An image that is smaller than that along an axis is resized instead (bilinear), after a crop to the same ratio.

    Shapes: (batch, H, W, C) → (batch, height, width, C), or one image without the batch. The crop begins at row
    floor((H - height) / 2), columns likewise.
    Operations: none; where it resizes, one pointwise result an output element.
    Errors: SizeError when height or width is not at least 1; ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.CenterCrop`.
    """

    height: Any
    width: Any
    data_format: str | None = None

    executable = False
    law = "(batch, H, W, C) → (batch, height, width, C)"

    def __post_init__(self) -> None:
        _checks.data_format(self)
        for name in ("height", "width"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = _augmentation.image(types, self.data_format)
        shape = list(x.shape)
        for axis, size in zip(_augmentation.plane(self.data_format), (self.height, self.width), strict=True):
            shape[axis] = size
        return (TensorType(tuple(shape), floating(x)),)

    def crops(self, x: TensorType) -> bool:
        """Whether it cuts, and does not resize."""
        pairs = zip(_augmentation.plane(self.data_format), (self.height, self.width), strict=True)
        return all(sizes.at_least(x.shape[axis], size) for axis, size in pairs)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE if self.crops(types[0]) else Operations(pointwise=self.out(*types)[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        x = types[0]
        reads: list[Relation | Any] = [Window(axis) for axis in range(x.rank)]
        for axis, size in zip(_augmentation.plane(self.data_format), (self.height, self.width), strict=True):
            place, given = axis % x.rank, x.shape[axis]
            cut = isinstance(given, int) and self.crops(x)
            reads[place] = Window(place, before=-((given - size) // 2)) if cut else EVERYTHING
        return (tuple(reads),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        types = _augmentation.example_types
        return [
            Example(cls(6, 5), types(2, 9, 8, 3), types(2, 6, 5, 3)),
            Example(cls(6, 9), types(2, 9, 8, 3), types(2, 6, 9, 3)),
            Example(cls(9, 3, "channels_first"), types(2, 3, 9, 8), types(2, 3, 9, 3)),
        ]

    spellings = {
        "keras": Spelling("CenterCrop"),
        "torch": Spelling("torchvision.transforms.v2.CenterCrop", "a transform, which pads smaller images"),
        "onnx": Spelling("CenterCropPad"),
    }
