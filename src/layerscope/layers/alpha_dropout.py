from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Spelling, Words, describe_only
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._activation import ALPHA, SCALE
from layerscope.layers._dropping import BATCHED, Noise, kept, mask, noise_shape
from layerscope.layers._pointwise import real
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class AlphaDropout(Noise):
    """Dropout for selu: while training, dropped elements become its lower end, and mean and variance are kept.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when rate is not between 0 and 1; ShapeError when noise_shape has another number of axes.
    Source: Klambauer et al., "Self-normalizing neural networks" (2017).
    """

    rate: float
    noise_shape: Any = None
    seed: int | None = None

    words = Words(("alphadropout", "alpha_dropout"), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))
        if self.rate == 1:
            describe_only(self, "with rate=1 nothing is left to compute with")
        object.__setattr__(self, "noise_shape", noise_shape(self.noise_shape, self.kind))
        if self.noise_shape and self.noise_shape[0] is not None:
            describe_only(self, BATCHED)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = super().out(*types)
        mask(self.noise_shape, types[0])
        return found

    def saved(self, *types: TensorType) -> Saved | None:
        """Which elements were kept."""
        return Saved(extra=(mask(self.noise_shape, types[0]),)) if self.rate else NOTHING_SAVED

    @property
    def idle(self) -> bool:
        return not self.rate

    def changed(self, x: Array, noise: Array) -> Array:
        import numpy as np

        scale, low, shift = self._numbers
        taken = noise >= self.rate
        return scale * np.where(taken, x, low) + shift

    def lowered(self, program: Builder, x: Value, noise: Value) -> Value:
        scale, low, shift = self._numbers
        taken = kept(program, noise, self.rate)
        rest = program.map("shift", program.map("scale", taken, factor=-scale * low), offset=scale * low + shift)
        return program.map("add", program.map("mul", x, program.map("scale", taken, factor=scale)), rest)

    def noise(self, type: TensorType) -> TensorType:
        return TensorType(mask(self.noise_shape, type).shape, floating(type))

    @property
    def _numbers(self) -> tuple[float, float, float]:
        """a, what dropped numbers become, and b: a·x + b has mean 0 and variance 1 again where x has."""
        low = -ALPHA * SCALE
        scale = ((1 - self.rate) * (1 + self.rate * low**2)) ** -0.5
        return scale, low, -scale * low * self.rate

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.5), (x,), (x,)), Example(cls(0.2, (None, 1, 1, 3)), (x,), (x,))]

    spellings = {
        "keras": Spelling("AlphaDropout"),
        "torch": Spelling("torch.nn.AlphaDropout"),
        "onnx": Spelling("", "training only"),
    }
