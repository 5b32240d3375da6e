from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Encoding


@dataclass(frozen=True, eq=False)
class Hashing(Encoding):
    """A number below `num_bins` for each text or whole number, by its hash: a vocabulary without one.

    `mask_value` goes to 0 and all else above it. With `salt` another hash. Output modes are those of
    CategoryEncoding, and "int".

    Shapes: int (batch, ...) → (batch, ...), int64; one_hot (batch, ..., n) → (batch, ..., n, num_bins), or
    (batch, ..., num_bins) for n = 1; multi_hot and count (batch, n, ...) → (batch, ..., num_bins).
    Operations: one pointwise result an entry.
    Errors: SizeError when num_bins is not at least 1; SettingError for another output_mode.
    Source: Weinberger et al., "Feature hashing for large scale multitask learning" (2009).
    """

    num_bins: Any
    mask_value: Any = None
    salt: Any = None
    output_mode: str = "int"
    sparse: bool = False

    law = (
        "int: (...) → (...);  one_hot: (..., n) → (..., n, num_bins);  else (batch, n, ...) → (batch, ..., num_bins)"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_bins", sizes.checked(self.num_bins, f"{self.kind}: num_bins"))
        self.check_mode()

    @property
    def depth(self) -> int:
        return self.num_bins

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, words = TensorType((2, 3), "int64"), TensorType((2, 1), "string")
        return [
            Example(cls(8), (words,), (TensorType((2, 1), "int64"),)),
            Example(cls(8, output_mode="one_hot"), (x,), (TensorType((2, 3, 8)),)),
            Example(cls(8, "", 7, "count"), (words,), (TensorType((2, 8)),)),
        ]

    spellings = {
        "keras": Spelling("Hashing"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "no such operator"),
    }
