from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class RepeatVector(Layer):
    """The same vector n times in a row, as a sequence.

    Shapes: (batch, features) → (batch, n, features).
    Errors: ShapeError when the input has not two axes; SizeError when n is not at least 1.
    """

    n: Any

    words = Words(("repeat", "repeat_vector"), ("n",))
    law = "(features) → (n, features)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", sizes.checked(self.n, f"{self.kind}: n"))

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if x.rank != 2:
            raise ShapeError(f"needs an input of 2 axes (batch, features), but got {x.rank}: {x}")
        return (x.with_shape((x.shape[0], self.n, x.shape[1])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ((Window(0), Window(2)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        return (np.stack([arrays[0]] * self.n, axis=1),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        batch, features = x.type.shape
        return (program.repeat(program.reshape(x, (batch, 1, features)), (self.n,)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(7), (TensorType((2, 5)),), (TensorType((2, 7, 5)),)),
            Example(cls(1), (TensorType((3, 4)),), (TensorType((3, 1, 4)),)),
        ]

    spellings = {
        "keras": Spelling("RepeatVector"),
        "torch": Spelling("torch.Tensor.expand", "of an axis put in by unsqueeze"),
        "onnx": Spelling("Expand", "behind Unsqueeze"),
    }
