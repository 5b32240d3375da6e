from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._dropping import mask, noise_shape
from layerscope.layers._pointwise import Passing, real


@dataclass(frozen=True, eq=False)
class AlphaDropout(Passing):
    """Dropout for selu: while training, dropped elements become its lower end, and mean and variance are kept.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when rate is not between 0 and 1; ShapeError when noise_shape has another number of axes.
    Source: Klambauer et al., "Self-normalizing neural networks" (2017).
    """

    rate: float
    noise_shape: Any = None
    seed: int | None = None

    executable = False
    words = Words(("alphadropout", "alpha_dropout"), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))
        object.__setattr__(self, "noise_shape", noise_shape(self.noise_shape, self.kind))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = super().out(*types)
        mask(self.noise_shape, types[0])
        return found

    def saved(self, *types: TensorType) -> Saved | None:
        """Which elements were kept."""
        return Saved(extra=(mask(self.noise_shape, types[0]),)) if self.rate else NOTHING_SAVED

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.5), (x,), (x,)), Example(cls(0.2, (None, 1, 1, 3)), (x,), (x,))]

    spellings = {
        "keras": Spelling("AlphaDropout"),
        "torch": Spelling("torch.nn.AlphaDropout"),
        "onnx": Spelling("", "training only"),
    }
