from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.keras._images import ImageLayer, Shape, keras, registered, times
from layerscope.layers._spatial import per_axis


@registered
class BedOfNails2D(ImageLayer):
    """Enlarges an image with zeros: each value stands at the top-left of its window.

    out[i·s, j·s] = in[i, j], zero elsewhere.

    Shapes: (batch, height, width, C) → (batch, s·height, s·width, C), or both with the channels first.
    Errors: SettingError or SizeError when size is not one or two whole numbers of at least 1.
    Source: Noh, Hong & Han, "Learning deconvolution network for semantic segmentation" (2015).
    """

    def __init__(self, size: Any = 2, data_format: str | None = None, **settings: Any) -> None:
        super().__init__(data_format, **settings)
        self.size = per_axis(size, 2, "BedOfNails2D: size")
        self.input_spec = keras.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        """The enlarged image."""
        x, (rows, columns) = self.inward(inputs), self.size
        _, height, width, channels = keras.ops.shape(x)
        cells = keras.ops.reshape(x, (-1, height, 1, width, 1, channels))
        cells = keras.ops.pad(cells, ((0, 0), (0, 0), (0, rows - 1), (0, 0), (0, columns - 1), (0, 0)))
        return self.outward(keras.ops.reshape(cells, (-1, height * rows, width * columns, channels)))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Shape:
        """The law, with open sizes."""
        batch, height, width, channels = self.inward_shape(input_shape)
        return self.outward_shape((batch, times(height, self.size[0]), times(width, self.size[1]), channels))

    def get_config(self) -> dict[str, Any]:
        """The settings, from which Keras makes the layer again."""
        return {**super().get_config(), "size": self.size}
