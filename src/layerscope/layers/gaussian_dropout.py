from __future__ import annotations

import math
from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Spelling, Words, describe_only
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._dropping import Noise
from layerscope.layers._pointwise import real


@dataclass(frozen=True, eq=False)
class GaussianDropout(Noise):
    """While training, multiplies each element by a normal number of mean 1 and deviation √(rate / (1 - rate)).

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when rate is not between 0 and 1.
    Source: Srivastava et al. (2014).
    """

    rate: float
    seed: int | None = None

    words = Words(("gaussiandropout", "gaussian_dropout"), ("rate",))
    law = "(...) → (...)"
    drawn = "normal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))
        if self.rate == 1:
            describe_only(self, "with rate=1 nothing is left to compute with")

    def saved(self, *types: TensorType) -> Saved | None:
        """The factors."""
        return Saved(extra=self.out(*types)) if self.rate else NOTHING_SAVED

    @property
    def idle(self) -> bool:
        return not self.rate

    def changed(self, x: Array, noise: Array) -> Array:
        return x * (1 + self._deviation * noise)

    def lowered(self, program: Builder, x: Value, noise: Value) -> Value:
        factors = program.map("shift", program.map("scale", noise, factor=self._deviation), offset=1.0)
        return program.map("mul", x, factors)

    @property
    def _deviation(self) -> float:
        return math.sqrt(self.rate / (1 - self.rate))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.5), (x,), (x,))]

    spellings = {
        "keras": Spelling("GaussianDropout"),
        "torch": Spelling("torch.randn_like", "times the deviation plus 1, multiplied while training"),
        "onnx": Spelling("", "training only"),
    }
