from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Passing, real


@dataclass(frozen=True, eq=False)
class GaussianDropout(Passing):
    """While training, multiplies each element by a normal number of mean 1 and deviation √(rate / (1 - rate)).

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when rate is not between 0 and 1.
    Source: Srivastava et al. (2014).
    """

    rate: float
    seed: int | None = None

    executable = False
    words = Words(("gaussiandropout", "gaussian_dropout"), ("rate",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", real(self.rate, f"{self.kind}: rate", 0, 1))

    def saved(self, *types: TensorType) -> Saved | None:
        """The factors."""
        return Saved(extra=self.out(*types)) if self.rate else NOTHING_SAVED

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.5), (x,), (x,))]

    spellings = {
        "keras": Spelling("GaussianDropout"),
        "torch": Spelling("torch.randn_like", "times the deviation plus 1, multiplied while training"),
        "onnx": Spelling("", "training only"),
    }
