from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Array, Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers._dropping import Noise
from layerscope.layers._pointwise import real


@dataclass(frozen=True, eq=False)
class GaussianNoise(Noise):
    """While training, adds a normal number of mean 0 and deviation `stddev` to each element.

    Shapes: (batch, ...) → (batch, ...).
    Errors: SettingError when stddev is not between 0 and 1.
    """

    stddev: float
    seed: int | None = None

    words = Words(("gaussiannoise", "gaussian_noise", "noise"), ("stddev",))
    law = "(...) → (...)"
    drawn = "normal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", real(self.stddev, f"{self.kind}: stddev", 0, 1))

    @property
    def idle(self) -> bool:
        return not self.stddev

    def changed(self, x: Array, noise: Array) -> Array:
        return x + self.stddev * noise

    def lowered(self, program: Builder, x: Value, noise: Value) -> Value:
        return program.map("add", x, program.map("scale", noise, factor=self.stddev))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(0.1), (x,), (x,))]

    spellings = {
        "keras": Spelling("GaussianNoise"),
        "torch": Spelling("torch.randn_like", "added while training"),
        "onnx": Spelling("", "training only"),
    }
