from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._pointwise import Pointwise
from layerscope.layers._spatial import sequence


@dataclass(frozen=True, eq=False)
class PReLU(Pointwise):
    """x where it is positive, alpha · x elsewhere, alpha learned for each place; `shared_axes` share theirs.

    Shapes: (batch, ...) → (batch, ...); alpha: the input's axes without the batch, 1 for those of shared_axes, which
    count the batch as 0.
    Errors: ShapeError when the input has no such axis, or the size of one that is not shared is open.
    Source: He et al., "Delving deep into rectifiers" (2015).
    """

    alpha_initializer: Any = "zeros"
    alpha_regularizer: Any = field(default=None, kw_only=True)
    alpha_constraint: Any = field(default=None, kw_only=True)
    shared_axes: Any = None

    words = Words(("prelu",), ("shared_axes",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        if self.shared_axes is not None:
            given = sequence(self.shared_axes)
            if not all(isinstance(part, int) and not isinstance(part, bool) and part for part in given):
                raise SettingError(f"{self.kind}: shared_axes must be axes after the batch, not {self.shared_axes!r}")
            object.__setattr__(self, "shared_axes", given)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = super().out(*types)
        rank = types[0].rank
        for axis in self.shared_axes or ():
            if not -rank < axis < rank:
                raise ShapeError(f"axis {axis} of shared_axes is not one of the {rank} axes of {types[0]}")
        return found

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        (x,) = types
        shared = {axis if axis > 0 else axis + x.rank for axis in self.shared_axes or ()}
        shape: list[int] = []
        for axis, size in enumerate(x.shape[1:], 1):
            if axis not in shared and not isinstance(size, int):
                raise ShapeError(f"needs to know the size of axis {axis}, or shared_axes with it, but got {x}")
            shape.append(1 if axis in shared else sizes.number(size))
        return {"alpha": WeightType(tuple(shape), self.alpha_initializer)}

    def saved(self, *types: TensorType) -> Saved | None:
        """Its input, of which the gradient of alpha is made."""
        return Saved(inputs=(0,))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        return (np.where(x > 0, x, weights["alpha"] * x),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        below = program.map("neg", program.map("relu", program.map("neg", x)))
        return (program.map("add", program.map("relu", x), program.map("mul", below, weights["alpha"])),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [
            Example(cls(), (TensorType((8, 5)),), (TensorType((8, 5)),)),
            Example(cls(shared_axes=[1, 2]), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("PReLU"),
        "torch": Spelling("torch.nn.PReLU", "one weight, or one a channel"),
        "onnx": Spelling("PRelu", "the slope is an input, broadcast"),
    }
