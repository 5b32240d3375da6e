from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Encoding


@dataclass(frozen=True, eq=False)
class CategoryEncoding(Encoding):
    """Whole numbers below `num_tokens` as vectors of so many numbers.

    "one_hot": each number has a vector of its own, with a 1 at its place. "multi_hot": the numbers along axis 1 share
    one. "count": as multi_hot, with how often each number is there; a second input may give each a weight.

    Shapes: one_hot (batch, ..., n) → (batch, ..., n, num_tokens), or (batch, ..., num_tokens) for n = 1; multi_hot
    and count (batch, n, ...) → (batch, ..., num_tokens).
    Operations: one pointwise result an entry.
    Errors: SettingError for another output_mode or without num_tokens; ShapeError when weights are not wanted, or not
    of the input's shape.
    Source: Keras 3, `keras.layers.CategoryEncoding`.
    """

    num_tokens: Any = None
    output_mode: str = "multi_hot"
    sparse: bool = False

    modes = ("one_hot", "multi_hot", "count")
    law = "one_hot: (..., n) → (..., n, num_tokens);  else (batch, n, ...) → (batch, ..., num_tokens)"

    def __post_init__(self) -> None:
        if self.num_tokens is None:
            raise SettingError(f"{self.kind}: num_tokens must be given; where it is not known, use IntegerLookup")
        object.__setattr__(self, "num_tokens", sizes.checked(self.num_tokens, f"{self.kind}: num_tokens"))
        self.check_mode()

    @property
    def depth(self) -> int:
        return self.num_tokens

    def entries(self, types: Sequence[TensorType]) -> TensorType:
        """The type of the entries; ShapeError for weights that do not fit them."""
        if len(types) == 2 and self.output_mode == "count":
            x, weights = types
            if x.rank != weights.rank or not all(map(sizes.equal, x.shape, weights.shape)):
                raise ShapeError(f"the weights {weights} must have the shape of the numbers, {x}")
            return x
        return super().entries(types)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, single, deep = TensorType((2, 3), "int32"), TensorType((2, 1), "int32"), TensorType((2, 3, 4), "int32")
        return [
            Example(cls(5), (x,), (TensorType((2, 5)),)),
            Example(cls(5, "one_hot"), (single,), (TensorType((2, 5)),)),
            Example(cls(5, "one_hot"), (deep,), (TensorType((2, 3, 4, 5)),)),
            Example(cls(6, "count"), (x, TensorType((2, 3))), (TensorType((2, 6)),)),
        ]

    spellings = {
        "keras": Spelling("CategoryEncoding"),
        "torch": Spelling("torch.nn.functional.one_hot", "a function"),
        "onnx": Spelling("OneHot"),
    }
