from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """The sum of two or more tensors, element by element; an axis of size 1 is repeated as needed.

    Shapes: n times (batch, ...) → (batch, ...).
    Errors: ShapeError, naming both shapes, when the inputs do not fit each other.
    """

    law = "all inputs the same (...) → (...)"

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        if len(types) < 2:
            raise ShapeError(f"takes a list of at least two inputs, but got {len(types)}")
        shape = reduce(lambda left, right: left.with_shape(_joint(left, right)), types)
        return (TensorType(shape.shape, floating(types[0])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=self.out(*types)[0].elements * (len(types) - 1))

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (out,) = self.out(*types)

        def one(type: TensorType) -> Reads:
            return tuple(
                EVERYTHING if n == 1 and out.shape[axis] != 1 else Window(axis) for axis, n in enumerate(type.shape)
            )

        return tuple(one(type) for type in types)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return (sum(arrays[1:], arrays[0]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (reduce(lambda left, right: program.map("add", left, right), values),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, row = TensorType((2, 4, 3, 5)), TensorType((2, 1, 1, 5))
        return [Example(cls(), (x, x), (x,)), Example(cls(), (x, row, x), (x,))]

    spellings = {
        "keras": Spelling("Add"),
        "torch": Spelling("torch.add", "or +"),
        "onnx": Spelling("Add", "two inputs; Sum takes more"),
    }


def _joint(left: TensorType, right: TensorType) -> tuple[Size, ...]:
    message = f"cannot add {left} and {right}: "
    if left.rank != right.rank:
        raise ShapeError(message + f"one has {left.rank} axes, the other {right.rank}")
    wrong = [
        f"axis {axis} has {a} against {b}"
        for axis, (a, b) in enumerate(zip(left.shape, right.shape, strict=True))
        if a != 1 and b != 1 and not sizes.equal(a, b)
    ]
    if wrong:
        raise ShapeError(message + "; ".join(wrong))
    return tuple(b if a == 1 else a for a, b in zip(left.shape, right.shape, strict=True))
