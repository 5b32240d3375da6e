from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.errors import ShapeError
from layerscope.keras._images import ImageLayer, Shape, keras, registered, times
from layerscope.layers._spatial import per_axis


@registered
class PixelShuffle2D(ImageLayer):
    """Enlarges an image by laying out its channels: each block of r·s channels becomes r×s positions.

    out[i·r + a, j·s + b, c] = in[i, j, (c·r + a)·s + b]: PyTorch's order of the channels, not that of
    TensorFlow's depth_to_space.

    Shapes: (batch, height, width, C·r·s) → (batch, r·height, s·width, C), or both with the channels first.
    Errors: ShapeError when the channels are no multiple of r·s.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network" (2016).
    """

    def __init__(self, size: Any = 2, data_format: str | None = None, **settings: Any) -> None:
        super().__init__(data_format, **settings)
        self.size = per_axis(size, 2, "PixelShuffle2D: size")
        self.input_spec = keras.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        """The enlarged image."""
        x, (rows, columns) = self.inward(inputs), self.size
        _, height, width, given = keras.ops.shape(x)
        count = self._left(given)
        blocks = keras.ops.reshape(x, (-1, height, width, count, rows, columns))
        placed = keras.ops.transpose(blocks, (0, 1, 4, 2, 5, 3))
        return self.outward(keras.ops.reshape(placed, (-1, height * rows, width * columns, count)))

    def _left(self, given: Any) -> Any:
        rows, columns = self.size
        if isinstance(given, int) and given % (rows * columns):
            raise ShapeError(
                f"blocks of {rows}×{columns} positions take a multiple of {rows * columns} channels, but got {given}"
            ).at(f"{self.name} (PixelShuffle2D)")
        return None if given is None else given // (rows * columns)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Shape:
        """The law, with open sizes."""
        batch, height, width, given = self.inward_shape(input_shape)
        rows, columns = self.size
        return self.outward_shape((batch, times(height, rows), times(width, columns), self._left(given)))

    def get_config(self) -> dict[str, Any]:
        """The settings, from which Keras makes the layer again."""
        return {**super().get_config(), "size": self.size}
