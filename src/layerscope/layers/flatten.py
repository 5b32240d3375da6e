from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words, check_data_format
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class Flatten(Layer):
    """All numbers of an example in one row, last axis fastest.

    Shapes: (batch, a, b, ...) → (batch, a·b·...).
    """

    data_format: str | None = None

    words = Words(("flatten",))
    law = "(a, b, ...) → (a·b·...)"

    def __post_init__(self) -> None:
        check_data_format(self, self.data_format)

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if not x.rank:
            raise ShapeError(f"needs a batch axis, but got {x}")
        return (x.with_shape((x.shape[0], sizes.product(x.shape[1:]))),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def shares(self, *types: TensorType) -> int | None:
        return 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        rank = types[0].rank
        if rank == 2:
            return ((Window(0), Window(1)),)
        return ((Window(0), *(EVERYTHING,) * (rank - 1)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        return (np.stack([example.ravel() for example in arrays[0]]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.reshape(values[0], self.out(values[0].type)[0].shape),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), (TensorType((2, 7, 7, 4)),), (TensorType((2, 196)),)),
            Example(cls(), (TensorType((3, 5)),), (TensorType((3, 5)),)),
        ]

    spellings = {
        "keras": Spelling("Flatten"),
        "torch": Spelling("torch.nn.Flatten", "channels first, so another order of the same numbers"),
        "onnx": Spelling("Flatten"),
    }
