from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.types import TensorType
from layerscope.layers._encoding import Encoding


@dataclass(frozen=True, eq=False)
class HashedCrossing(Encoding):
    """A number below `num_bins` for each pair of entries, by their hash: two features as one.

    Called on [first, second], texts or whole numbers.

    Shapes: twice (batch,) or (batch, 1) → the same, int64; one_hot → (batch, num_bins).
    Operations: one pointwise result a pair.
    Errors: SizeError when num_bins is not at least 1; SettingError for another output_mode; ShapeError when the
    inputs are not two of one shape, or have more than one entry an example.
    Source: Keras 3, `keras.layers.HashedCrossing`.
    """

    num_bins: Any
    output_mode: str = "int"
    sparse: bool = False

    modes = ("int", "one_hot")
    law = "twice (batch,) or (batch, 1) → the same;  one_hot: (batch, num_bins)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_bins", sizes.checked(self.num_bins, f"{self.kind}: num_bins"))
        self.check_mode()

    @property
    def depth(self) -> int:
        return self.num_bins

    def entries(self, types: Sequence[TensorType]) -> TensorType:
        """The type of either input; ShapeError when they do not fit each other."""
        if len(types) != 2:
            raise ShapeError(f"takes two inputs, [first, second], but got {len(types)}")
        one, other = types
        for x in types:
            if x.rank not in (1, 2) or (x.rank == 2 and not sizes.equal(x.shape[1], 1)):
                raise ShapeError(f"needs inputs of the shape (batch,) or (batch, 1), but got {x}")
        if one.rank != other.rank or not sizes.equal(one.shape[0], other.shape[0]):
            raise ShapeError(f"the inputs {one} and {other} must have the same shape")
        return one

    @classmethod
    def examples(cls) -> Sequence[Example]:
        words, numbers, flat = TensorType((2, 1), "string"), TensorType((2, 1), "int64"), TensorType((2,), "int64")
        return [
            Example(cls(8), (words, numbers), (numbers,)),
            Example(cls(8, "one_hot"), (flat, flat), (TensorType((2, 8)),)),
        ]

    spellings = {
        "keras": Spelling("HashedCrossing"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "no such operator"),
    }
