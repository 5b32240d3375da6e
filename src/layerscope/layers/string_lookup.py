from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Lookup


@dataclass(frozen=True, eq=False)
class StringLookup(Lookup):
    """Texts of a vocabulary as 0, 1, 2, ..., or as vectors.

    In front of the vocabulary stand the mask's number (for "int", if `mask_token` is given) and `num_oov_indices`
    numbers for what is not in it. `invert` goes back. Output modes as of IntegerLookup.

    Shapes: int (batch, ...) → (batch, ...), int64 (invert: string); one_hot (batch, ..., n) → (batch, ..., n, depth),
    or (batch, ..., depth) for n = 1; others (batch, n, ...) → (batch, ..., depth). depth as of IntegerLookup.
    Operations: one pointwise result an entry; tf_idf: also one a number of the vectors.
    Errors: SettingError for settings that contradict each other, or vectors of a vocabulary of unknown size.
    Source: Keras 3, `keras.layers.StringLookup`.
    """

    max_tokens: Any = None
    num_oov_indices: int = 1
    mask_token: Any = None
    oov_token: Any = "[UNK]"
    vocabulary: Any = None
    idf_weights: Any = None
    invert: bool = False
    output_mode: str = "int"
    pad_to_max_tokens: bool = False
    sparse: bool = False
    encoding: str = "utf-8"
    salt: Any = None
    vocabulary_size: Any = field(default=None, kw_only=True)
    """The size with what stands in front, where the vocabulary itself is not here."""

    law = "int: (...) → (...);  one_hot: (..., n) → (..., n, depth);  else (batch, n, ...) → (batch, ..., depth)"

    def __post_init__(self) -> None:
        self.check_mode()
        self.check_vocabulary()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        words, numbers = TensorType((2, 3), "string"), TensorType((2, 3), "int64")
        padded = cls(6, vocabulary=["a", "b"], output_mode="count", pad_to_max_tokens=True)
        return [
            Example(cls(vocabulary=["a", "b", "c"]), (words,), (numbers,)),
            Example(cls(vocabulary=["a"], mask_token="", output_mode="one_hot"), (words,), (TensorType((2, 3, 2)),)),
            Example(padded, (words,), (TensorType((2, 6)),)),
            Example(cls(vocabulary=["a", "b"], invert=True), (numbers,), (words,)),
        ]

    spellings = {
        "keras": Spelling("StringLookup"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("LabelEncoder", "of ai.onnx.ml"),
    }
