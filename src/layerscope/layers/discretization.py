from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SettingError
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Encoding


@dataclass(frozen=True, eq=False)
class Discretization(Encoding):
    """The number of the bin in which each input number lies, or a vector of it.

    Bins are bounded by `bin_boundaries`, or learnt from data (`adapt`) so that `num_bins` of them are equally full.
    Output modes are those of CategoryEncoding, and "int".

    Shapes: int (batch, ...) → (batch, ...), int32; one_hot (batch, ..., n) → (batch, ..., n, bins), or
    (batch, ..., bins) for n = 1; multi_hot and count (batch, n, ...) → (batch, ..., bins). bins: boundaries + 1.
    Operations: one pointwise result an entry.
    Errors: SettingError when neither or both of bin_boundaries and num_bins are given, or for another output_mode.
    Source: Keras 3, `keras.layers.Discretization`.
    """

    bin_boundaries: Any = None
    num_bins: Any = None
    epsilon: float = 0.01
    output_mode: str = "int"
    sparse: bool = False
    adapted: bool = field(default=False, kw_only=True)
    """Whether both are there because the boundaries were learnt."""

    law = "int: (...) → (...);  one_hot: (..., n) → (..., n, bins);  else (batch, n, ...) → (batch, ..., bins)"

    def __post_init__(self) -> None:
        if (self.bin_boundaries is None) == (self.num_bins is None) and not self.adapted:
            raise SettingError(f"{self.kind}: give either bin_boundaries or num_bins")
        if self.bin_boundaries is not None:
            given: Any = self.bin_boundaries
            listed: Any = given.tolist() if hasattr(given, "tolist") else given  # an array
            if not isinstance(listed, tuple | list):
                raise SettingError(f"{self.kind}: bin_boundaries must be a list of numbers, not {given!r}")
            object.__setattr__(self, "bin_boundaries", tuple(cast(Sequence[float], listed)))
        if self.num_bins is not None:
            object.__setattr__(self, "num_bins", sizes.checked(self.num_bins, f"{self.kind}: num_bins"))
        self.check_mode()

    @property
    def depth(self) -> int:
        return self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    @property
    def whole(self) -> str:
        return "int32"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, single, deep = TensorType((2, 3)), TensorType((2, 1)), TensorType((2, 3, 4))
        return [
            Example(cls([0.0, 1.0]), (x,), (TensorType((2, 3), "int32"),)),
            Example(cls(num_bins=4, output_mode="one_hot"), (single,), (TensorType((2, 4)),)),
            Example(cls([0.0, 1.0], output_mode="multi_hot"), (deep,), (TensorType((2, 4, 3)),)),
        ]

    spellings = {
        "keras": Spelling("Discretization"),
        "torch": Spelling("torch.bucketize", "a function"),
        "onnx": Spelling("", "no such operator: GreaterOrEqual and ReduceSum"),
    }
