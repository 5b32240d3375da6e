from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._pointwise import Passing, real


@dataclass(frozen=True, eq=False)
class GaussianNoise(Passing):
    """While training, adds a normal number of mean 0 and deviation `stddev` to each element.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when stddev is not between 0 and 1.
    """

    stddev: float
    seed: int | None = None

    executable = False
    words = Words(("gaussiannoise", "gaussian_noise", "noise"), ("stddev",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", real(self.stddev, f"{self.kind}: stddev", 0, 1))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.1), (x,), (x,))]

    spellings = {
        "keras": Spelling("GaussianNoise"),
        "torch": Spelling("torch.randn_like", "added while training"),
        "onnx": Spelling("", "training only"),
    }
