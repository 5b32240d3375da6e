from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words, describe_only
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._dropping import BATCHED, kept, mask, noise_shape
from layerscope.layers._spatial import floating, one_input


@dataclass(frozen=True, eq=False)
class Dropout(Layer):
    """While training, sets each number to zero with probability `rate` and divides the rest by 1 - rate.

    At inference it passes its input through. The random numbers repeat for the same seed of `fit`.

    Shapes: (batch, ...) → (batch, ...).
    With `noise_shape`, (None, 1, 1, C) for whole channels, one random number drops all that it is broadcast to.
    Errors: SettingError when rate is not in [0, 1); ShapeError when noise_shape does not fit the input.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
    """

    rate: float
    noise_shape: Any = None
    seed: int | None = None

    words = Words(("dropout",), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not isinstance(self.rate, numbers.Real) or not 0 <= self.rate < 1:
            raise SettingError(f"{self.kind}: rate must be at least 0 and below 1, not {self.rate!r}")
        if self.noise_shape is not None:
            object.__setattr__(self, "noise_shape", noise_shape(self.noise_shape, self.kind))
            if self.noise_shape[:1] != (None,):
                describe_only(self, BATCHED)

    @property
    def elementwise(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        mask(self.noise_shape, x)
        return (TensorType(x.shape, floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return Saved(extra=(mask(self.noise_shape, types[0]),)) if self.rate else NOTHING_SAVED

    def shares(self, *types: TensorType) -> int | None:
        return 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        if not training:
            return (x,), {}
        assert random is not None, "dropout in training needs random numbers"
        return (np.where(random >= self.rate, x / (1 - self.rate), 0).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        if not training or self.rate == 0:
            return (x,)
        drawn = TensorType(mask(self.noise_shape, x.type).shape, x.type.dtype)
        keep = kept(program, program.random(drawn, self.seed or 0), self.rate)
        return (program.map("mul", x, program.map("scale", keep, factor=1 / (1 - self.rate))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 5, 4, 3))
        return [
            Example(cls(0.5), (x,), (x,)),
            Example(cls(0.2), (TensorType((3, 7)),), (TensorType((3, 7)),)),
            Example(cls(0.2, noise_shape=(None, 1, 1, 1)), (x,), (x,)),
        ]

    spellings = {
        "keras": Spelling("Dropout"),
        "torch": Spelling("torch.nn.Dropout"),
        "onnx": Spelling("Dropout"),
    }
