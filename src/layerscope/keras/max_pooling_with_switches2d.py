from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.errors import ShapeError
from layerscope.keras._images import ImageLayer, Shape, keras, registered
from layerscope.layers._spatial import padding_name, per_axis


@registered
class MaxPoolingWithSwitches2D(ImageLayer):
    """The largest value of each window, channel by channel, and where it stood.

    Returns (values, switches): a switch is the flat row-major index, in the unpadded plane of its image and
    channel, of the winner. The first of equal values wins, also for the gradient; the first NaN wins over all.
    Padding never wins.

    Shapes: (batch, height, width, C) → twice (batch, height', width', C), the switches int32; sizes as in Keras's
    MaxPooling2D; all with the channels first when `data_format` says so.
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks" (2014).
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(data_format, **settings)
        self.pool_size = per_axis(pool_size, 2, "MaxPoolingWithSwitches2D: pool_size")
        given = self.pool_size if strides is None else strides
        self.strides = per_axis(given, 2, "MaxPoolingWithSwitches2D: strides")
        self.padding = padding_name(padding, "MaxPoolingWithSwitches2D: padding")
        self.input_spec = keras.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        """Values and switches."""
        ops, x = keras.ops, self.inward(inputs)
        if not keras.backend.is_float_dtype(x.dtype):
            x = ops.cast(x, self.compute_dtype)
        _, height, width, _ = ops.shape(x)
        rows, columns = (_Windows(*each) for each in zip((height, width), self.pool_size, self.strides, strict=True))
        if self.padding == "same":
            x = ops.pad(x, ((0, 0), rows.pad(), columns.pad(), (0, 0)))
        best: Any = None
        switches: Any = None
        seen: Any = None
        for u in range(self.pool_size[0]):
            for v in range(self.pool_size[1]):
                cells = x[:, rows.tap(u), columns.tap(v), :]
                here = rows.places(u)[None, :, None, None] * width + columns.places(v)[None, None, :, None]
                inside = None
                if self.padding == "same":
                    inside = rows.inside(u)[None, :, None, None] & columns.inside(v)[None, None, :, None]
                if best is None:
                    best, switches, seen = cells, ops.zeros_like(cells, dtype="int32") + here, inside
                    continue
                # what NumPy's argmax does: the first of equal ones, and the first NaN before all
                better = ops.logical_not(cells <= best) & ops.logical_not(ops.isnan(best))
                if inside is not None:
                    better = inside & (better | ops.logical_not(seen))
                    seen = seen | inside
                best, switches = ops.where(better, cells, best), ops.where(better, here, switches)
        return self.outward(best), self.outward(switches)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Shape, Shape]:
        """The law, with open sizes."""
        batch, height, width, channels = self.inward_shape(input_shape)
        sizes = [self._out(n, axis) for axis, n in enumerate((height, width))]
        shape = self.outward_shape((batch, *sizes, channels))
        return shape, shape

    def _out(self, n: Any, axis: int) -> Any:
        if n is None:
            return None
        k, s = self.pool_size[axis], self.strides[axis]
        if self.padding == "same":
            return -(-n // s)
        if n < k:
            raise ShapeError(
                f"the window covers {k} cells along its {('height', 'width')[axis]}, but the input has only {n}. "
                "Use a smaller window or padding='same'."
            ).at(f"{self.name} (MaxPoolingWithSwitches2D)")
        return (n - k) // s + 1

    def compute_output_spec(self, inputs: Any) -> Any:
        """Values in the layer's floating type, switches in int32."""
        values, switches = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(values, dtype=self.compute_dtype), keras.KerasTensor(switches, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """The settings, from which Keras makes the layer again."""
        own = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return {**super().get_config(), **own}


class _Windows:
    """Where windows stand along one axis. The size may be a number or, in a graph of TensorFlow, a tensor."""

    def __init__(self, size: Any, window: int, stride: int) -> None:
        self.size, self.window, self.stride = size, window, stride
        self.begin: Any = 0
        self.out = (size - window) // stride + 1

    def pad(self) -> tuple[Any, Any]:
        """Begin and end for 'same': ceil(n / s) windows, the odd cell at the end."""
        self.out = -(-self.size // self.stride)
        total = (self.out - 1) * self.stride + self.window - self.size
        total = max(total, 0) if isinstance(total, int) else keras.ops.maximum(total, 0)
        self.begin = total // 2
        return self.begin, total - self.begin

    def tap(self, number: int) -> slice:
        """The cells of the padded axis at this place of every window."""
        return slice(number, number + (self.out - 1) * self.stride + 1, self.stride)

    def places(self, number: int) -> Any:
        """Their indices in the unpadded axis."""
        return keras.ops.arange(self.out, dtype="int32") * self.stride + (number - self.begin)

    def inside(self, number: int) -> Any:
        """Which of them are no padding."""
        found = self.places(number)
        return (found >= 0) & (found < self.size)
