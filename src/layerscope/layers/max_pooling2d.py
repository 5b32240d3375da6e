from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._pooling import Pooling


@dataclass(frozen=True, eq=False)
class MaxPooling2D(Pooling):
    """The largest value of each window, channel by channel.

    With `return_switches=True` also where it stood: the flat row-major index, in the unpadded plane
    of its image and channel, of the winner. The first of equal values wins, also for the gradient.
    Padding counts as -inf, so it never wins.

    Shapes: (batch, height, width, C) → (batch, height', width', C), and the same for the switches (int32).
    Errors: ShapeError when the window is larger than an unpadded input.
    Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks" (2014), for switches.
    """

    return_switches: bool = field(default=False, kw_only=True)

    rank = 2
    maximum = True
    words = Words(("maxpool", "max_pooling2d", "maxpool2d", "pool"), ("pool_size", "strides"))
    law = "valid: floor((n - k) / s) + 1;  same: ceil(n / s)"

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        pooled = self.pooled(*types)
        if not self.return_switches:
            return (pooled,)
        return pooled, TensorType(pooled.shape, "int32", plane=self.view(*types).shape[1:-1])

    def saved(self, *types: TensorType) -> Saved | None:
        return Saved(outputs=(1,)) if self.return_switches else super().saved(*types)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        found = self.largest(arrays[0])
        return (found if self.return_switches else found[:1]), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        pads = tuple(p.pads for p in self.placements(x.type))
        pooled, switches = program.pool_max(x, self.pool_size, self.strides, pads)
        return (pooled, switches) if self.return_switches else (pooled,)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: MaxPooling2D, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        odd = TensorType((2, 3, 4, 3), "int32", plane=(5, 7))
        return [
            case(cls(2), (2, 28, 28, 16), (2, 14, 14, 16)),
            case(cls(2, padding="same"), (2, 7, 7, 4), (2, 4, 4, 4)),
            case(cls((3, 2), strides=(2, 3)), (1, 8, 9, 2), (1, 3, 3, 2)),
            case(cls(3, strides=2, padding="same"), (2, 6, 5, 3), (2, 3, 3, 3)),
            Example(
                cls(2, padding="same", return_switches=True),
                (TensorType((2, 5, 7, 3)),),
                (TensorType((2, 3, 4, 3)), odd),
            ),
        ]

    spellings = {
        "keras": Spelling("MaxPooling2D", "has no switches; layerscope.keras.MaxPoolingWithSwitches2D does"),
        "torch": Spelling(
            "torch.nn.MaxPool2d",
            "channels first; return_indices=True gives switches; pads at most half a window",
        ),
        "onnx": Spelling("MaxPool", "channels first; its second output counts over the whole tensor"),
    }
