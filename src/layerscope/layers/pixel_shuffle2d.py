from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Spread, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating, one_input, spatial
from layerscope.layers._upsampling import Upsampling


@dataclass(frozen=True, eq=False)
class PixelShuffle2D(Upsampling):
    """Enlarges an image by laying out its channels: each block of r·s channels becomes r×s positions.

    out[i·r + a, j·s + b, c] = in[i, j, (c·r + a)·s + b]. With size 2, four channels 0 1 2 3 of a position
    become the rows 0 1 and 2 3. After a convolution it is the subpixel convolution. TensorFlow's
    depth_to_space takes the channels in another order, in[i, j, (a·s + b)·C + c].

    Shapes: (batch, height, width, C·r·s) → (batch, r·height, s·width, C).
    Errors: ShapeError when the channels are not a multiple of r·s; SizeError when a factor is not at least 1.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network" (2016).
    """

    rank = 2
    words = Words(("pixelshuffle", "pixel_shuffle2d", "pixelshuffle2d", "pixel_shuffle", "subpixel"), ("size",))
    law = "(height, width, C·r·s) → (r·height, s·width, C)"

    @property
    def block(self) -> int:
        """How many channels become positions of one."""
        rows, columns = self.size
        return rows * columns

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, (rows, columns), block = one_input(types), self.size, self.block
        height, width = spatial(x, self.rank)
        given = x.shape[-1]
        count = sizes.floor_div(given, block)
        if not sizes.equal(count * block, given):
            more = (count + 1) * block
            fits = f"{more} channels" if count == 0 else f"{count * block} or {more} channels"
            raise ShapeError(
                f"blocks of {rows}×{columns} positions take a multiple of {block} channels, but got {given}: {x}. "
                f"Give the layer before it {fits}, or this one another size."
            )
        return (TensorType((x.shape[0], height * rows, width * columns, count), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        """Exact along height and width. Along the channels the block: which one of it depends on the position."""
        middle = (Spread(axis, factor, factor) for axis, factor in enumerate(self.size, 1))
        return ((Window(0), *middle, Window(self.rank + 1, self.block, self.block)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        (r, s), (batch, height, width, given) = self.size, x.shape
        out = np.empty((batch, height * r, width * s, given // self.block), x.dtype)
        for i in range(height * r):
            for j in range(width * s):
                for c in range(out.shape[-1]):
                    out[:, i, j, c] = x[:, i // r, j // s, (c * r + i % r) * s + j % s]
        return (out,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.pixel_shuffle(values[0], self.size),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 3, 4, 8)),), (TensorType((2, 6, 8, 2)),)),
            Example(cls((3, 2)), (TensorType((2, 2, 3, 6)),), (TensorType((2, 6, 6, 1)),)),
            Example(cls((1, 3)), (TensorType((2, 3, 1, 6)),), (TensorType((2, 3, 3, 2)),)),
        ]

    spellings = {
        "keras": Spelling("", "no such layer of its own; layerscope.keras.PixelShuffle2D is one"),
        "torch": Spelling("torch.nn.PixelShuffle", "channels first; one factor for both axes; for two torch.nn.Fold"),
        "onnx": Spelling("DepthToSpace", "channels first; mode='CRD'; one factor for both axes; for two Col2Im"),
    }
