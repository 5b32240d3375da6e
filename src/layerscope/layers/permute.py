from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import one_input, sequence


@dataclass(frozen=True, eq=False)
class Permute(Layer):
    """The axes after the batch in another order: output axis i is input axis dims[i], counted from 1.

    Shapes: (batch, n₁, n₂, ...) → (batch, n of dims[0], n of dims[1], ...).
    Errors: SettingError when dims is no order of 1, 2, ...; ShapeError for an input with another number of axes.
    """

    dims: Any

    words = Words(("permute",), ("dims",))
    law = "(n₁, n₂, ...) → (n of dims[0], n of dims[1], ...)"

    def __post_init__(self) -> None:
        dims = sequence(self.dims)
        if (
            not all(isinstance(part, int) for part in dims)
            or set(dims) != set(range(1, len(dims) + 1))
            or len(set(dims)) != len(dims)
        ):
            raise SettingError(f"{self.kind}: dims must be an order of 1, 2, ..., not {self.dims!r}")
        object.__setattr__(self, "dims", dims)

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if x.rank != len(self.dims) + 1:
            raise ShapeError(
                f"needs an input of {len(self.dims) + 1} axes for dims {self.dims}, but got {x.rank}: {x}"
            )
        order: tuple[int, ...] = self.dims
        return (x.with_shape((x.shape[0], *(x.shape[axis] for axis in order))),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ((Window(0), *(Window(self.dims.index(axis) + 1) for axis in range(1, types[0].rank))),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return (arrays[0].transpose(0, *self.dims),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.permute(values[0], (0, *self.dims)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls((2, 1)), (TensorType((2, 7, 5)),), (TensorType((2, 5, 7)),)),
            Example(cls((3, 1, 2)), (TensorType((2, 4, 3, 5)),), (TensorType((2, 5, 4, 3)),)),
        ]

    spellings = {
        "keras": Spelling("Permute"),
        "torch": Spelling("torch.permute", "counts the batch as axis 0"),
        "onnx": Spelling("Transpose", "perm counts the batch as axis 0"),
    }
