from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.errors import ShapeError
from layerscope.core.types import show
from layerscope.keras._images import ImageLayer, Shape, keras, registered
from layerscope.layers._spatial import padding_name, per_axis


@registered
class MaxUnpooling2D(ImageLayer):
    """Puts each value back where its maximum stood, zeros elsewhere: the partial inverse of max pooling.

    Called on [values, switches], the switches of MaxPoolingWithSwitches2D, or on [values, switches, image], where
    the image is what was pooled: only its height and width are read, for models whose sizes are open. The plane
    is `output_size`, or that of the image, or what the settings give. Where windows overlap and collide, the last
    in row-major order stays and alone receives the gradient. A switch that points outside of the plane puts its
    value nowhere.

    Shapes: twice (batch, height, width, C) → (batch, height', width', C), or all with the channels first.
    Without output_size and image: (n - 1)·s + k (valid), n·s (same).
    Errors: ShapeError when values and switches differ in shape, or when the switches are known to point into
    another plane.
    Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks" (2014).
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        output_size: Any = None,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(data_format, **settings)
        self.pool_size = per_axis(pool_size, 2, "MaxUnpooling2D: pool_size")
        self.strides = per_axis(self.pool_size if strides is None else strides, 2, "MaxUnpooling2D: strides")
        self.padding = padding_name(padding, "MaxUnpooling2D: padding")
        self.output_size = None if output_size is None else per_axis(output_size, 2, "MaxUnpooling2D: output_size")

    def _plane(self, shapes: Sequence[Shape]) -> tuple[Any, Any]:
        """Height and width of the output, from shapes with their channels last."""
        if self.output_size is not None:
            rows, columns = self.output_size
            return rows, columns
        if len(shapes) == 3:
            return shapes[2][1], shapes[2][2]
        rows, columns = (
            None if n is None else n * s if self.padding == "same" else (n - 1) * s + k
            for n, k, s in zip(shapes[0][1:3], self.pool_size, self.strides, strict=True)
        )
        return rows, columns

    def call(self, inputs: Any) -> Any:
        """The image with the values in their places."""
        ops = keras.ops
        values, switches = (self.inward(x) for x in inputs[:2])
        shapes = [ops.shape(values), ops.shape(switches), *(self.inward_shape(ops.shape(x)) for x in inputs[2:])]
        (batch, height, width, channels), plane = shapes[0], self._plane(shapes)
        given, cells = height * width, plane[0] * plane[1]
        values = ops.reshape(values, (batch, given, channels))
        switches = ops.reshape(ops.cast(switches, "int32"), (batch, given, channels))
        image = ops.arange(batch, dtype="int32")[:, None, None]
        places = (image * cells + switches) * channels + ops.arange(channels, dtype="int32")
        total = batch * cells * channels
        places = ops.where((switches >= 0) & (switches < cells), places, total)
        # Scattering leaves open which of two colliding values stays, so the last one is looked for first. Its place
        # is a float because PyTorch's segment_max computes in one; it is exact up to 2^24 places of an image.
        order = ops.zeros_like(switches, dtype="float32") + ops.arange(given, dtype="float32")[None, :, None]
        last = ops.segment_max(ops.reshape(order, (-1,)), ops.reshape(places, (-1,)), total + 1)[:total]
        last = ops.reshape(last, (batch, cells, channels))
        taken = ops.take_along_axis(values, ops.cast(ops.maximum(last, 0), "int32"), axis=1)
        placed = ops.where(last >= 0, taken, ops.zeros_like(taken))
        return self.outward(ops.reshape(placed, (batch, *plane, channels)))

    def compute_output_shape(self, input_shape: Sequence[Sequence[Any]]) -> Shape:
        """The law, with open sizes; ShapeError when values and switches do not fit each other."""
        title = f"{self.name} (MaxUnpooling2D)"
        if len(input_shape) not in (2, 3) or not all(isinstance(shape, list | tuple) for shape in input_shape):
            raise ShapeError(
                "takes [values, switches] or [values, switches, image]. "
                "The switches are the second output of MaxPoolingWithSwitches2D."
            ).at(title)
        for shape in input_shape:
            if len(shape) != 4:
                raise ShapeError(f"needs inputs of 4 axes, but got {show(tuple(shape))}").at(title)
        values, switches = (tuple(shape) for shape in input_shape[:2])
        if any(a != b and a is not None and b is not None for a, b in zip(values, switches, strict=True)):
            raise ShapeError(f"values {show(values)} and switches {show(switches)} must have the same shape").at(
                title
            )
        shapes = [self.inward_shape(shape) for shape in input_shape]
        batch, _, _, channels = shapes[0]
        return self.outward_shape((batch, *self._plane(shapes), channels))

    def compute_output_spec(self, inputs: Any) -> Any:
        """The law; ShapeError when switches are known to point into another plane than the output's."""
        several = isinstance(inputs, list | tuple)
        shape = self.compute_output_shape([x.shape for x in inputs] if several else inputs.shape)
        _, height, width, _ = self.inward_shape(shape)
        pool: Any = getattr(getattr(inputs[1], "_keras_history", None), "operation", None)
        if type(pool).__name__ == "MaxPoolingWithSwitches2D":
            node = pool._inbound_nodes[inputs[1]._keras_history.node_index]
            _, rows, columns, _ = pool.inward_shape(node.input_tensors[0].shape)
            if any(None not in pair and pair[0] != pair[1] for pair in ((rows, height), (columns, width))):
                raise ShapeError(
                    f"its output would be {height}×{width}, but the switches point into a plane of {rows}×{columns}: "
                    f"give output_size=({rows}, {columns})"
                ).at(f"{self.name} (MaxUnpooling2D)")
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The settings, from which Keras makes the layer again."""
        own = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return {**super().get_config(), **own, "output_size": self.output_size}
