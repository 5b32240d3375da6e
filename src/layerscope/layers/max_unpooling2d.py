from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import DataError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Spread, Window
from layerscope.core.types import Shape, TensorType, show
from layerscope.layers._spatial import floating, padding_name, per_axis, place, spatial


@dataclass(frozen=True, eq=False)
class MaxUnpooling2D(Layer):
    """Puts each value back where its maximum stood, zeros elsewhere: the partial inverse of max pooling.

    Called on [values, switches]; the switches are the second output of MaxPooling2D with
    `return_switches=True`, and carry the size of the plane, so odd sizes come back exactly. Without
    them (switches from an Input or a plain array) the plane is `output_size`, or what the settings
    give. Where windows overlap and collide, the last in row-major order stays and alone receives
    the gradient.

    Shapes: twice (batch, height, width, C) → (batch, height', width', C).
    Errors: ShapeError when values and switches differ in shape, or `output_size` contradicts the switches.
    Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks" (2014).
    """

    pool_size: Any = 2
    strides: Any = None
    padding: str = "valid"
    output_size: Any = None

    integer_inputs = (1,)
    words = Words(("unpool", "max_unpooling2d", "maxunpool", "maxunpool2d"), ("pool_size", "strides"))
    law = "the plane of the switches;  without it (n - 1)·s + k (valid), n·s (same)"

    def __post_init__(self) -> None:
        size = per_axis(self.pool_size, 2, f"{self.kind}: pool_size")
        strides = size if self.strides is None else per_axis(self.strides, 2, f"{self.kind}: strides")
        object.__setattr__(self, "pool_size", size)
        object.__setattr__(self, "strides", strides)
        object.__setattr__(self, "padding", padding_name(self.padding, f"{self.kind}: padding"))
        if self.output_size is not None:
            given = per_axis(self.output_size, 2, f"{self.kind}: output_size")
            object.__setattr__(self, "output_size", given)

    def plane(self, values: TensorType, switches: TensorType) -> Shape:
        """Height and width of the output."""
        if self.output_size is not None:
            if switches.plane is not None and tuple(switches.plane) != self.output_size:
                raise ShapeError(
                    f"output_size {show(self.output_size)} contradicts the switches, "
                    f"which point into a plane of {show(switches.plane)}"
                )
            return self.output_size
        if switches.plane is not None:
            return switches.plane
        pairs = zip(spatial(values, 2), self.pool_size, self.strides, strict=True)
        if self.padding == "same":
            return tuple(n * s for n, _, s in pairs)
        return tuple((n - 1) * s + k for n, k, s in pairs)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        if len(types) != 2:
            raise ShapeError(
                f"takes two inputs, [values, switches], but got {len(types)}. "
                "The switches are the second output of MaxPooling2D(..., return_switches=True)."
            )
        x, switches = types
        spatial(x, 2)
        if x.rank != switches.rank or not all(
            sizes.equal(a, b) for a, b in zip(x.shape, switches.shape, strict=True)
        ):
            raise ShapeError(f"values {x} and switches {switches} must have the same shape")
        return (TensorType((x.shape[0], *self.plane(x, switches), x.shape[-1]), floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return Saved(inputs=(1,))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        plane = self.plane(*types)
        pads = [
            place(n, k, s, self.padding).pads[0] if self.padding == "same" else 0
            for n, k, s in zip(plane, self.pool_size, self.strides, strict=True)
        ]
        middle = [
            Spread(axis, s, k, p)
            for axis, (s, k, p) in enumerate(zip(self.strides, self.pool_size, pads, strict=True), 1)
        ]
        reads = (Window(0), *middle, Window(3))
        return reads, reads

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        x, switches = arrays
        height, width = sizes.numbers(self.plane(TensorType(x.shape), TensorType(x.shape)))
        if switches.size and not 0 <= int(switches.min()) <= int(switches.max()) < height * width:
            raise DataError(f"{self.kind}: a switch points outside the plane of {height}×{width}")
        out = np.zeros((x.shape[0], height * width, x.shape[-1]), x.dtype)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for n in range(x.shape[0]):
                    for c in range(x.shape[3]):
                        out[n, switches[n, i, j, c], c] = x[n, i, j, c]
        return (out.reshape(x.shape[0], height, width, x.shape[-1]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        x, switches = values
        return (program.unpool(x, switches, self.plane(x.type, switches.type)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: MaxUnpooling2D, shape: tuple[int, ...], plane: tuple[int, int] | None) -> Example:
            size = plane or layer.output_size
            out = TensorType((shape[0], *size, shape[-1]))
            return Example(layer, (TensorType(shape), TensorType(shape, "int32", plane)), (out,))

        return [
            case(cls(2), (2, 14, 14, 4), (28, 28)),
            case(cls(2, padding="same", output_size=(5, 7)), (2, 3, 4, 2), (5, 7)),
            case(cls(3, strides=2, output_size=7), (1, 3, 3, 2), None),
        ]

    spellings = {
        "keras": Spelling("", "no such layer of its own; layerscope.keras.MaxUnpooling2D is one"),
        "torch": Spelling("torch.nn.MaxUnpool2d", "channels first; colliding values: which stays is not defined"),
        "onnx": Spelling("MaxUnpool", "channels first; switches count over the whole tensor"),
    }
