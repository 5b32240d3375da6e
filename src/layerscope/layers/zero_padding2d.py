from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words, refuse_channels_first
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._framing import frame
from layerscope.layers._spatial import one_input, spatial


@dataclass(frozen=True, eq=False)
class ZeroPadding2D(Layer):
    """Zeros around an image: ((top, bottom), (left, right)), or (rows, columns), or one number.

    Shapes: (batch, height, width, C) → (batch, top + height + bottom, left + width + right, C).
    Errors: SizeError for a negative number.
    """

    padding: Any = 1
    data_format: str | None = None

    words = Words(("zeropad", "zero_padding2d", "pad"), ("padding",))
    law = "begin + n + end"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", frame(self.padding, f"{self.kind}: padding"))
        refuse_channels_first(self, self.data_format)

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        sizes = (n + sum(ends) for n, ends in zip(spatial(x, 2), self.padding, strict=True))
        return (x.with_shape((x.shape[0], *sizes, x.shape[-1])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (top, _), (left, _) = self.padding
        return ((Window(0), Window(1, before=top), Window(2, before=left), Window(3)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,), ((top, bottom), (left, right)) = arrays, self.padding
        out = np.zeros((x.shape[0], top + x.shape[1] + bottom, left + x.shape[2] + right, x.shape[3]), x.dtype)
        out[:, top : top + x.shape[1], left : left + x.shape[2], :] = x
        return (out,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.pad(values[0], self.padding),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(1), (TensorType((2, 5, 6, 3)),), (TensorType((2, 7, 8, 3)),)),
            Example(cls(((0, 1), (2, 3))), (TensorType((2, 5, 6, 3)),), (TensorType((2, 6, 11, 3)),)),
        ]

    spellings = {
        "keras": Spelling("ZeroPadding2D"),
        "torch": Spelling("torch.nn.ZeroPad2d", "channels first; (left, right, top, bottom)"),
        "onnx": Spelling("Pad", "all begins, then all ends"),
    }
