"""Text as tensors: what the sizes become. What such operators compute is no arithmetic, and unknown here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import EVERYTHING, Reads, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._axes import needed, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import size_of


@dataclass(frozen=True, eq=False)
class TextTransform(Operator):
    """Texts along the last axis become other texts, counts or pieces.

    `size`: of the last axis (None: unchanged), or of a further one where `appended`; then the number of pieces of
    each text is a second output.
    Shapes: (..., n) → (..., size), or (..., n, size) and (..., n).
    Source: ONNX operators StringNormalizer, StringSplit, TfIdfVectorizer.
    """

    size: Any = None
    dtype: str = "string"
    appended: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            object.__setattr__(self, "size", size_of(self.size, f"{self.kind}: size"))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        if self.appended:
            return TensorType((*x.shape, self.size), self.dtype), TensorType(x.shape, "int64")
        rank_of(x, 1, "the input of a transform of texts")
        last: Size = x.shape[-1] if self.size is None else self.size
        return (TensorType((*x.shape[:-1], last), self.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        read = same(x.rank) if self.appended else (*same(x.rank - 1), EVERYTHING)
        return (read, *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7), "string")
        return [
            Example(cls("TfIdfVectorizer", 30, "float32"), (x,), (TensorType((2, 30)),)),
            Example(
                cls("StringSplit", 4, appended=True),
                (x,),
                (TensorType((2, 7, 4), "string"), TensorType((2, 7), "int64")),
            ),
        ]
