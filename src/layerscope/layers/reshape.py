from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The same numbers in the same row-major order, with other axes; one size may be -1 (the rest).

    Shapes: (batch, ...) → (batch, *target_shape).
    Errors: ShapeError when the numbers of elements differ.
    """

    target_shape: Any

    words = Words(("reshape",), ("target_shape",))
    law = "(...) → target_shape, with as many elements"

    def __post_init__(self) -> None:
        target = self.target_shape
        if isinstance(target, int):
            target = (target,)
        if not isinstance(target, Sequence) or isinstance(target, str):
            raise SettingError(f"{self.kind}: target_shape must be a sequence of sizes, not {target!r}")
        parts = cast(Sequence[Any], target)
        shape = tuple(part if part == -1 else sizes.checked(part, f"{self.kind}: a size") for part in parts)
        if shape.count(-1) > 1:
            raise SettingError(f"{self.kind}: only one size may be -1, not {show(shape)}")
        object.__setattr__(self, "target_shape", shape)

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        given = sizes.product(x.shape[1:])
        known = 1
        for part in self.target_shape:
            known *= 1 if part == -1 else part
        rest: Size = sizes.floor_div(given, known) if -1 in self.target_shape else 1
        if not sizes.equal(rest * known, given):
            raise ShapeError(
                f"cannot bring {show(x.shape[1:])}, which has {given} elements, "
                f"into {show(self.target_shape)}, which has "
                + (f"a multiple of {known}" if -1 in self.target_shape else str(known))
            )
        return (x.with_shape((x.shape[0], *(rest if part == -1 else part for part in self.target_shape))),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def shares(self, *types: TensorType) -> int | None:
        return 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        x, (y,) = types[0], self.out(*types)
        kept = [axis for axis in range(1, y.rank) if y.shape[axis] != 1]
        real = [axis for axis in range(1, x.rank) if x.shape[axis] != 1]
        if [x.shape[a] for a in real] != [y.shape[a] for a in kept]:
            return ((Window(0), *(EVERYTHING,) * (x.rank - 1)),)
        goes = dict(zip(real, kept, strict=True))  # only axes of size 1 come or go
        return ((Window(0), *(Window(goes[a]) if a in goes else EVERYTHING for a in range(1, x.rank))),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        return (np.stack([example.ravel().reshape(self.target_shape) for example in x]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.reshape(values[0], self.out(values[0].type)[0].shape),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls((7, 7, 4)), (TensorType((2, 196)),), (TensorType((2, 7, 7, 4)),)),
            Example(cls((-1, 2)), (TensorType((2, 3, 4)),), (TensorType((2, 6, 2)),)),
            Example(cls((4,)), (TensorType((3, 4, 1)),), (TensorType((3, 4)),)),
        ]

    spellings = {
        "keras": Spelling("Reshape"),
        "torch": Spelling("torch.nn.Unflatten", "or tensor.reshape, with the batch in front"),
        "onnx": Spelling("Reshape", "the shape is an input, with the batch in front"),
    }
