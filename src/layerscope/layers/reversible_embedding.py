from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import ShapeError
from layerscope.core.reach import Reads, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._spatial import floating, one_input


@dataclass(frozen=True, eq=False)
class ReversibleEmbedding(Layer):
    """An embedding that also goes back: from a vector to one score for each entry of the table.

    `reverse=True`, in Keras an argument of the call, is the way back: x · Eᵀ, or with tie_weights=False by a matrix
    of its own. With `logit_soft_cap` c, c·tanh(x / c) behind it. Two uses of one layer in a graph are two layers with
    the same weights.

    Shapes: (batch, ...) → (batch, ..., output_dim); reverse: (batch, ..., output_dim) → (batch, ..., input_dim).
    embeddings (input_dim, output_dim), and unless tied reverse_embeddings (output_dim, input_dim).
    MACs: 0 forth; back, the input's elements × input_dim. Back with a cap: three pointwise results an element.
    Errors: SizeError when a size is not at least 1; ShapeError when the input's last axis is not output_dim
    (reverse).
    Source: Press & Wolf, "Using the output embedding to improve language models" (2017).
    """

    input_dim: Any
    output_dim: Any
    tie_weights: bool = True
    embeddings_initializer: Any = "uniform"
    mask_zero: bool = False
    reverse_dtype: str | None = None
    logit_soft_cap: float | None = None
    reverse: bool = field(default=False, kw_only=True)

    executable = False
    law = "(...) → (..., output_dim);  reverse: (..., output_dim) → (..., input_dim)"

    def __post_init__(self) -> None:
        for name in ("input_dim", "output_dim"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if not self.reverse:
            return (TensorType((*x.shape, self.output_dim)),)
        if x.rank < 2 or not sizes.equal(x.shape[-1], self.output_dim):
            raise ShapeError(f"needs vectors of output_dim={self.output_dim} numbers to go back, but got {x}")
        return (TensorType((*x.shape[:-1], self.input_dim), self.reverse_dtype or floating(x)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        found = {"embeddings": WeightType((self.input_dim, self.output_dim), self.embeddings_initializer)}
        if not self.tie_weights:
            back = WeightType((self.output_dim, self.input_dim), self.embeddings_initializer)
            found["reverse_embeddings"] = back
        return found

    def macs(self, *types: TensorType) -> Size | None:
        return types[0].elements * self.input_dim if self.reverse else 0

    def operations(self, *types: TensorType) -> Operations | None:
        if not self.reverse or self.logit_soft_cap is None:
            return NONE
        return Operations(pointwise=self.out(*types)[0].elements * 3)

    def saved(self, *types: TensorType) -> Saved | None:
        capped = self.reverse and self.logit_soft_cap is not None  # the tanh is the output, up to a factor
        return Saved(inputs=(0,), outputs=(0,) if capped else ())

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        if self.reverse:
            return (same(types[0].rank, everything=(-1,)),)
        return (tuple(map(Window, range(types[0].rank))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        tokens, vectors = TensorType((2, 10), "int32"), TensorType((2, 10, 64))
        scores = TensorType((2, 10, 1000))
        return [
            Example(cls(1000, 64), (tokens,), (vectors,)),
            Example(cls(1000, 64, reverse=True), (vectors,), (scores,)),
            Example(cls(1000, 64, tie_weights=False, logit_soft_cap=30.0, reverse=True), (vectors,), (scores,)),
        ]

    spellings = {
        "keras": Spelling("ReversibleEmbedding"),
        "torch": Spelling("torch.nn.Embedding", "and torch.nn.functional.linear with its weight"),
        "onnx": Spelling("Gather", "back: MatMul with the transposed table"),
    }
