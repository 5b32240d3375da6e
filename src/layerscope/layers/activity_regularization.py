from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Passing, real


@dataclass(frozen=True, eq=False)
class ActivityRegularization(Passing):
    """The input as it is; training adds l1 · Σ|x| + l2 · Σx² to the loss, the mean over the batch.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when a factor is no number that is at least 0.
    """

    l1: float = 0.0
    l2: float = 0.0

    words = Words(("activity_regularization",), ("l1", "l2"))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        for name in ("l1", "l2"):
            object.__setattr__(self, name, real(getattr(self, name), f"{self.kind}: {name}", 0))

    def saved(self, *types: TensorType) -> Saved | None:
        """Its input, of which the penalty's gradient is made."""
        return Saved(inputs=(0,)) if self.l1 or self.l2 else NOTHING_SAVED

    @property
    def activity_regularizer(self) -> Any:
        """What it adds to the loss: the mean over the batch of l1 · Σ|x| + l2 · Σx²."""
        settings = {"l1": self.l1, "l2": self.l2}
        return {"regularizer": "L1L2", "settings": settings} if self.l1 or self.l2 else None

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return arrays, {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return values

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(0.1, 0.2), (x,), (x,))]

    spellings = {
        "keras": Spelling("ActivityRegularization"),
        "torch": Spelling("", "a term of the loss"),
        "onnx": Spelling("", "training only"),
    }
