from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating, one_input


@dataclass(frozen=True, eq=False)
class Rescaling(Layer):
    """scale·x + offset, with constants: 1/255 brings pixels to 0 … 1.

    Both are one number, or one for each channel.

    Shapes: (batch, ...) → (batch, ...), floating.
    Operations: two pointwise results an element; one without an offset.
    Errors: SettingError when scale or offset is not a number or a list of numbers.
    Source: Keras 3, `keras.layers.Rescaling`.
    """

    scale: Any
    offset: Any = 0.0

    words = Words(("rescaling", "rescale"), ("scale", "offset"))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            given = getattr(self, name)
            several = isinstance(given, tuple | list)
            parts = cast(Sequence[Any], given) if several else (given,)
            if not parts or not all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts):
                raise SettingError(f"{self.kind}: {name} must be a number, or one for each channel, not {given!r}")
            object.__setattr__(self, name, tuple(parts) if several else given)

    @property
    def elementwise(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        return (TensorType(x.shape, floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=types[0].elements * (1 if self.offset == 0 else 2))

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        scale, offset = np.array(self.scale), np.array(self.offset)
        made = x * scale + offset
        return (made.astype(x.dtype if x.dtype.kind == "f" else np.float32),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        scale: Any = self.scale
        offset: Any = self.offset
        if _several(scale):
            x = program.map("mul", x, program.table(scale, (len(scale),)))
        else:
            x = program.map("scale", x, factor=float(scale))
        if _several(offset):
            x = program.map("add", x, program.table(offset, (len(offset),)))
        elif offset:
            x = program.map("shift", x, offset=float(offset))
        return (x,)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        pixels, x = TensorType((2, 9, 8, 3), "uint8"), TensorType((2, 7))
        return [
            Example(cls(1 / 127.5, -1), (pixels,), (TensorType((2, 9, 8, 3)),)),
            Example(cls(0.5), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("Rescaling"),
        "torch": Spelling("", "no such module: x * scale + offset"),
        "onnx": Spelling("Mul", "and Add"),
    }


def _several(value: Any) -> bool:
    """Whether there is one number for each channel."""
    return isinstance(value, tuple)
