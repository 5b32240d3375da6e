from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling, Words
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.reach import Reads, Window
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._spatial import one_input


@dataclass(frozen=True, eq=False)
class Embedding(Layer):
    """A table of vectors: each whole number becomes the row of that number.

    It looks rows up and multiplies nothing. `mask_zero` marks zeros as padding, which a trace does not follow.

    Shapes: (batch, ...) → (batch, ..., output_dim), float32; embeddings (input_dim, output_dim).
    MACs: 0. Kept for the backward pass: the numbers.
    Errors: SizeError when input_dim or output_dim is not at least 1.
    Source: Bengio et al., "A neural probabilistic language model" (2003).
    """

    input_dim: Any
    output_dim: Any
    embeddings_initializer: Any = "uniform"
    embeddings_regularizer: Any = field(default=None, kw_only=True)
    embeddings_constraint: Any = field(default=None, kw_only=True)
    mask_zero: bool = False

    executable = False
    words = Words(("embedding",), ("input_dim", "output_dim"))
    law = "(...) → (..., output_dim)"

    def __post_init__(self) -> None:
        for name in ("input_dim", "output_dim"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (TensorType((*one_input(types).shape, self.output_dim)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return {"embeddings": WeightType((self.input_dim, self.output_dim), self.embeddings_initializer)}

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return Saved(inputs=(0,))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (tuple(map(Window, range(types[0].rank))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(1000, 64), (TensorType((2, 10), "int32"),), (TensorType((2, 10, 64)),)),
            Example(cls(7, 3, mask_zero=True), (TensorType((2,), "int64"),), (TensorType((2, 3)),)),
            Example(cls(5, 2), (TensorType((2, 3, 4), "int32"),), (TensorType((2, 3, 4, 2)),)),
        ]

    spellings = {
        "keras": Spelling("Embedding"),
        "torch": Spelling("torch.nn.Embedding"),
        "onnx": Spelling("Gather", "of the table along axis 0"),
    }
