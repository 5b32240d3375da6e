from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads
from layerscope.core.types import TensorType
from layerscope.layers._merging import joint, reads_of, widened
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """The sum of two or more tensors, element by element.

    An axis of size 1 is repeated as needed; an input of fewer axes gets them behind the batch, as in Keras.

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
        found = reduce(lambda left, right: joint(left, right, "add"), types)
        return (TensorType(found.shape, floating(types[0])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=self.out(*types)[0].elements * (len(types) - 1))

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (out,) = self.out(*types)
        return tuple(reads_of(type, out) for type in types)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        most = max(array.ndim for array in arrays)
        wide = [array.reshape(len(array), *(1,) * (most - array.ndim), *array.shape[1:]) for array in arrays]
        return (sum(wide[1:], wide[0]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        most = max(value.type.rank for value in values)
        wide = [v if v.type.rank == most else program.reshape(v, widened(v.type, most)) for v in values]
        return (reduce(lambda left, right: program.map("add", left, right), wide),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, row = TensorType((2, 4, 3, 5)), TensorType((2, 1, 1, 5))
        return [Example(cls(), (x, x), (x,)), Example(cls(), (x, row, x), (x,))]

    spellings = {
        "keras": Spelling("Add"),
        "torch": Spelling("torch.add", "or +"),
        "onnx": Spelling("Add", "two inputs; Sum takes more"),
    }
