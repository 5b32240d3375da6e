from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Everything, Interpolate, Reads, Relation, Scaled, Spread, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers import _augmentation, _checks
from layerscope.layers._spatial import floating

NAMES = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")


@dataclass(frozen=True, eq=False)
class Resizing(Layer):
    """Images brought to height × width, whatever their size.

    Half-pixel centres: output o lies at (o + ½)·H / height - ½. `crop_to_aspect_ratio` cuts the longer side first,
    `pad_to_aspect_ratio` fills the shorter one, so that nothing is stretched.

    Shapes: (batch, H, W, C) → (batch, height, width, C), or one image without the batch.
    Operations: one pointwise result an output element; none for "nearest".
    Receptive field: exact where one size is a multiple of the other, for "nearest" and (without antialias)
    "bilinear"; everything along the axis otherwise.
    Errors: SizeError when height or width is not at least 1; SettingError for another interpolation;
    ShapeError when the input has not three or four axes.
    Source: Keras 3, `keras.layers.Resizing`.
    """

    height: Any
    width: Any
    interpolation: str = "bilinear"
    crop_to_aspect_ratio: bool = False
    pad_to_aspect_ratio: bool = False
    fill_mode: str = "constant"
    fill_value: float = 0.0
    antialias: bool = False
    data_format: str | None = None

    executable = False
    words = Words(("resizing", "resize"), ("height", "width"))
    law = "(batch, H, W, C) → (batch, height, width, C)"

    def __post_init__(self) -> None:
        _checks.data_format(self)
        _checks.one_of(self, "interpolation", NAMES)
        for name in ("height", "width"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise SettingError(f"{self.kind}: crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be True")

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = _augmentation.image(types, self.data_format)
        shape = list(x.shape)
        for axis, size in zip(_augmentation.plane(self.data_format), (self.height, self.width), strict=True):
            shape[axis] = size
        return (TensorType(tuple(shape), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=0 if self.interpolation == "nearest" else self.out(*types)[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def along(self, axis: int, given: Size, size: int) -> Relation | Everything:
        """How one axis is read."""
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio or not isinstance(given, int):
            return EVERYTHING
        if given == size:
            return Window(axis)
        if self.interpolation == "nearest" and not size % given:
            return Spread(axis, size // given, size // given)
        if self.interpolation == "nearest" and not given % size:
            return Window(axis, given // size, before=-(given // size // 2))
        if self.interpolation == "bilinear" and not size % given:
            return Interpolate(axis, size // given)
        if self.interpolation == "bilinear" and not given % size and not self.antialias:
            step = given // size
            return Window(axis, step, 2 - step % 2, -((step - 1) // 2))
        if self.interpolation == "bilinear" and not self.antialias:
            # ((2·o + 1)·given - size) / (2·size): half-pixel centres
            return Scaled(axis, 2 * given, 2 * size, given - size, given + size - 1)
        return EVERYTHING

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        x = types[0]
        reads: list[Relation | Everything] = [Window(axis) for axis in range(x.rank)]
        for axis, size in zip(_augmentation.plane(self.data_format), (self.height, self.width), strict=True):
            reads[axis] = self.along(axis % x.rank, x.shape[axis], size)
        return (tuple(reads),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        types = _augmentation.example_types
        return [
            Example(cls(6, 5), types(2, 9, 8, 3), types(2, 6, 5, 3)),
            Example(cls(18, 4, "nearest"), types(2, 9, 8, 3), types(2, 18, 4, 3)),
            Example(cls(3, 16, data_format="channels_first"), types(2, 3, 9, 8), types(2, 3, 3, 16)),
            Example(cls(4, 4, "bicubic", crop_to_aspect_ratio=True, antialias=True), types(9, 8, 3), types(4, 4, 3)),
        ]

    spellings = {
        "keras": Spelling("Resizing"),
        "torch": Spelling("torch.nn.Upsample", "with size=; channels first"),
        "onnx": Spelling("Resize", "channels first"),
    }
