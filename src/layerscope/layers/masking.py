from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Pointwise, real


@dataclass(frozen=True, eq=False)
class Masking(Pointwise):
    """Sets steps to zero all of whose features are `mask_value`, and has the layers behind it skip them.

    Shapes: (batch, ..., features) → (batch, ..., features).
    Errors: SettingError when mask_value is no number; ShapeError when the input has no axis but the batch.
    """

    mask_value: Any = 0.0

    executable = False
    words = Words(("masking",), ("mask_value",))
    law = "(..., features) → (..., features)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask_value", real(self.mask_value, f"{self.kind}: mask_value", float("-inf")))

    @property
    def elementwise(self) -> bool:
        return False

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = super().out(*types)
        if types[0].rank < 2:
            raise ShapeError(f"needs a batch and at least one more axis, but got {types[0]}")
        return found

    def saved(self, *types: TensorType) -> Saved | None:
        """Which steps were kept."""
        return Saved(extra=(TensorType(types[0].shape[:-1], "bool"),))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        """A step is set to zero by all of its features together."""
        return (same(types[0].rank, everything=(-1,)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5))
        return [Example(cls(), (x,), (x,)), Example(cls(-1), (x,), (x,))]

    spellings = {
        "keras": Spelling("Masking"),
        "torch": Spelling("", "packed sequences"),
        "onnx": Spelling("", "comparisons and Where"),
    }
