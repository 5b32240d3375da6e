from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words, refuse_channels_first
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._framing import frame
from layerscope.layers._spatial import AXES, one_input, spatial


@dataclass(frozen=True, eq=False)
class Cropping2D(Layer):
    """Cuts rows and columns off an image: ((top, bottom), (left, right)), or (rows, columns), or one number.

    Shapes: (batch, height, width, C) → (batch, height - top - bottom, width - left - right, C).
    Errors: ShapeError when nothing would be left.
    """

    cropping: Any = 0
    data_format: str | None = None

    words = Words(("crop", "cropping2d"), ("cropping",))
    law = "n - begin - end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cropping", frame(self.cropping, f"{self.kind}: cropping"))
        refuse_channels_first(self, self.data_format)

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        left = [n - sum(ends) for n, ends in zip(spatial(x, 2), self.cropping, strict=True)]
        for axis, size, before in zip(AXES[2], left, spatial(x, 2), strict=True):
            if not sizes.at_least(size, 1):
                raise ShapeError(f"cropping {self.cropping} leaves nothing of the {axis}, which is {before}")
        return (x.with_shape((x.shape[0], *left, x.shape[-1])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (top, _), (left, _) = self.cropping
        return ((Window(0), Window(1, before=-top), Window(2, before=-left), Window(3)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        (x,), ((top, bottom), (left, right)) = arrays, self.cropping
        return (x[:, top : x.shape[1] - bottom, left : x.shape[2] - right, :],), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.pad(values[0], tuple((-a, -b) for a, b in self.cropping)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(1), (TensorType((2, 5, 6, 3)),), (TensorType((2, 3, 4, 3)),)),
            Example(cls(((0, 1), (2, 3))), (TensorType((2, 5, 6, 3)),), (TensorType((2, 4, 1, 3)),)),
        ]

    spellings = {
        "keras": Spelling("Cropping2D"),
        "torch": Spelling("", "slicing, or torch.nn.ZeroPad2d with negative numbers"),
        "onnx": Spelling("Slice", "or Pad with negative numbers"),
    }
