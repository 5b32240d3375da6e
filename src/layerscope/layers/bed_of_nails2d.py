from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Spread, Window
from layerscope.core.types import TensorType
from layerscope.layers._upsampling import Upsampling


@dataclass(frozen=True, eq=False)
class BedOfNails2D(Upsampling):
    """Enlarges an image with zeros: each value stands at the top-left of its window.

    out[i·s, j·s] = in[i, j], zero elsewhere. A transposed convolution is a bed of nails followed by
    a convolution with the flipped kernel.

    Shapes: (batch, height, width, C) → (batch, s·height, s·width, C).
    Errors: SizeError when a factor is not at least 1.
    Source: Noh, Hong & Han, "Learning deconvolution network for semantic segmentation" (2015).
    """

    rank = 2
    words = Words(("nails", "bed_of_nails2d", "bedofnails2d", "bed_of_nails"), ("size",))
    law = "n·s"

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        middle = (Spread(axis, factor, 1) for axis, factor in enumerate(self.size, 1))
        return ((Window(0), *middle, Window(self.rank + 1)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        (s, t), (height, width) = self.size, x.shape[1:-1]
        out = np.zeros((x.shape[0], height * s, width * t, x.shape[-1]), x.dtype)
        for i in range(height):
            for j in range(width):
                out[:, i * s, j * t, :] = x[:, i, j, :]
        return (out,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.nails(values[0], self.size),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 7, 4)),), (TensorType((2, 14, 14, 4)),)),
            Example(cls((3, 1)), (TensorType((2, 3, 4, 2)),), (TensorType((2, 9, 4, 2)),)),
        ]

    spellings = {
        "keras": Spelling("", "no such layer of its own; layerscope.keras.BedOfNails2D is one"),
        "torch": Spelling(
            "",
            "no such layer; conv_transpose2d, groups=C, with a 1×1 kernel of one, stride s, output_padding s-1",
        ),
        "onnx": Spelling("", "no such operator; ConvTranspose with a 1×1 kernel of one, output_padding s-1"),
    }
