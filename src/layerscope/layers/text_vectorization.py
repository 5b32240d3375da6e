from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Lookup, open_size
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class TextVectorization(Lookup):
    """Texts split into tokens, and these as numbers of a vocabulary, or one vector for each text.

    Number 0 is padding (output_mode="int" only) and the next one what is not in the vocabulary. How many tokens a
    text has depends on the text: the length is `output_sequence_length`, or open (`tokens`).

    Shapes: (batch,) or (batch, 1) texts → int (batch, output_sequence_length), int64; others (batch, depth), depth
    the vocabulary with what stands in front of it, or max_tokens with pad_to_max_tokens. Without `split` a text is
    one token, and (batch, n) holds n of them.
    Operations: one pointwise result a token of the output (int), or a text; tf_idf: also one a number of the vectors.
    Errors: SettingError for settings that contradict each other, or vectors of a vocabulary of unknown size;
    ShapeError when the input is no list of texts.
    Source: Keras 3, `keras.layers.TextVectorization`.
    """

    max_tokens: Any = None
    standardize: Any = "lower_and_strip_punctuation"
    split: Any = "whitespace"
    ngrams: Any = None
    output_mode: str = "int"
    output_sequence_length: Any = None
    pad_to_max_tokens: bool = False
    vocabulary: Any = None
    idf_weights: Any = None
    sparse: bool = False
    ragged: bool = False
    encoding: str = "utf-8"
    vocabulary_size: Any = field(default=None, kw_only=True)
    """The size with what stands in front, where the vocabulary itself is not here."""

    num_oov_indices = 1
    oov_token = "[UNK]"
    law = "(batch,) or (batch, 1) → (batch, tokens), or (batch, depth)"

    def __post_init__(self) -> None:
        self.check_mode()
        self.check_vocabulary()
        if self.output_sequence_length is not None:
            length = sizes.checked(self.output_sequence_length, f"{self.kind}: output_sequence_length")
            object.__setattr__(self, "output_sequence_length", length)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        single = x.rank == 1 or (x.rank == 2 and (self.split is None or x.shape[1] == 1))
        if not single:
            raise ShapeError(f"needs texts of the shape (batch,) or (batch, 1), but got {x}")
        if self.mode != "int":
            return (TensorType((x.shape[0], self.depth)),)
        length = self.output_sequence_length or open_size(self, "tokens")
        return (TensorType((x.shape[0], length), "int64"),)

    def operations(self, *types: TensorType) -> Operations | None:
        entries = self.out(*types)[0].elements if self.mode == "int" else types[0].elements
        weighted = self.out(*types)[0].elements if self.mode == "tf_idf" else 0
        return Operations(pointwise=entries + weighted)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ((Window(0), *(EVERYTHING,) * (types[0].rank - 1)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        texts, flat = TensorType((2, 1), "string"), TensorType((2,), "string")
        counts = cls(output_mode="count", vocabulary=["a", "b"])
        return [
            Example(cls(1000, output_sequence_length=20), (texts,), (TensorType((2, 20), "int64"),)),
            Example(cls(), (flat,), (TensorType((2, sizes.named("tokens")), "int64"),)),
            Example(counts, (texts,), (TensorType((2, 3)),)),
            Example(
                cls(50, split=None, output_mode="multi_hot", pad_to_max_tokens=True), (flat,), (TensorType((2, 50)),)
            ),
        ]

    spellings = {
        "keras": Spelling("TextVectorization"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("StringSplit", "StringNormalizer, and LabelEncoder of ai.onnx.ml"),
    }
