from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Lookup


@dataclass(frozen=True, eq=False)
class IntegerLookup(Lookup):
    """Whole numbers of a vocabulary as 0, 1, 2, ..., or as vectors.

    In front of the vocabulary stand the mask's number (for "int", if `mask_token` is given) and `num_oov_indices`
    numbers for what is not in it. `invert` goes back. Output modes are those of CategoryEncoding, "int", and "tf_idf"
    (counts by `idf_weights`).

    Shapes: int (batch, ...) → (batch, ...), int64; one_hot (batch, ..., n) → (batch, ..., n, depth), or
    (batch, ..., depth) for n = 1; others (batch, n, ...) → (batch, ..., depth). depth: the vocabulary with what
    stands in front of it, or max_tokens with pad_to_max_tokens.
    Operations: one pointwise result an entry; tf_idf: also one a number of the vectors.
    Errors: SettingError for settings that contradict each other, or vectors of a vocabulary of unknown size.
    Source: Keras 3, `keras.layers.IntegerLookup`.
    """

    max_tokens: Any = None
    num_oov_indices: int = 1
    mask_token: Any = None
    oov_token: Any = -1
    vocabulary: Any = None
    vocabulary_dtype: str = "int64"
    idf_weights: Any = None
    invert: bool = False
    output_mode: str = "int"
    sparse: bool = False
    pad_to_max_tokens: bool = False
    oov_method: str = "floormod"
    salt: Any = None
    vocabulary_size: Any = field(default=None, kw_only=True)
    """The size with what stands in front, where the vocabulary itself is not here."""

    law = "int: (...) → (...);  one_hot: (..., n) → (..., n, depth);  else (batch, n, ...) → (batch, ..., depth)"

    def __post_init__(self) -> None:
        self.check_mode()
        self.check_vocabulary()

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        (y,) = super().out(*types)
        return (TensorType(y.shape, self.vocabulary_dtype) if self.invert else y,)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, deep = TensorType((2, 3), "int64"), TensorType((2, 3, 4), "int64")
        full = cls(vocabulary=[3, 5], num_oov_indices=2, mask_token=0, output_mode="multi_hot")
        return [
            Example(cls(vocabulary=[12, 36, 1138]), (x,), (x,)),
            Example(cls(vocabulary=[3, 5], output_mode="one_hot"), (deep,), (TensorType((2, 3, 4, 3)),)),
            Example(full, (x,), (TensorType((2, 4)),)),
            Example(
                cls(vocabulary=[3, 5], invert=True, vocabulary_dtype="int32"), (x,), (TensorType((2, 3), "int32"),)
            ),
        ]

    spellings = {
        "keras": Spelling("IntegerLookup"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("LabelEncoder", "of ai.onnx.ml"),
    }
