"""Larger parts of transformers that ONNX Runtime fuses into one operator."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import fits, known, needed, optional, rank_of, whole
from layerscope.operators._operator import Operator


@dataclass(frozen=True, eq=False)
class SelfAttention(Operator):
    """One product with all projections, and scaled dot-product attention of its parts, in one operator.

    Operands: input, weights, bias, a mask, past keys and values in one tensor (2, batch, heads, past, size), a bias
    of the scores.
    Shapes: (batch, length, features) with weights (features, 3·width) → (batch, length, width), and keys and values
    (2, batch, heads, past + length, size).
    MACs: elements of the projections × features, and scores × size twice.
    Units: as for Attention; the bias counts one for each element of a projection.
    Errors: ShapeError where the widths do not divide.
    Source: com.microsoft Attention.
    """

    num_heads: int = 1
    causal: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.num_heads, f"{self.kind}: num_heads")

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, int, Size]:
        """The input, the width of the output, and the number of all keys."""
        x, w = needed(operands, 0, "the input"), needed(operands, 1, "the weights")
        rank_of(x, 3, "its input", 3)
        rank_of(w, 2, "its weights", 2)
        fits(x.shape[2], w.shape[0], "the number of features", "the height of its weights")
        width = known(w.shape[1], "the width of its weights")
        if width % (3 * self.num_heads):
            raise ShapeError(f"the width of its weights ({width}) is not three times {self.num_heads} heads")
        past = optional(operands, 4)
        return x, width // 3, x.shape[1] + (past.shape[3] if past is not None else 0)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, width, total = self._sides(operands)
        kept = (2, x.shape[0], self.num_heads, total, width // self.num_heads)
        return TensorType((x.shape[0], x.shape[1], width), x.dtype), TensorType(kept, x.dtype)

    def _scores(self, operands: Sequence[TensorType | None]) -> Size:
        x, _, total = self._sides(operands)
        return x.shape[0] * x.shape[1] * total * self.num_heads

    def products(self, *operands: TensorType | None) -> Size | None:
        x, width, _ = self._sides(operands)
        return x.elements * (3 * width) + self._scores(operands) * (2 * width // self.num_heads)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x, width, _ = self._sides(operands)
        masked = self.causal + sum(optional(operands, n) is not None for n in (3, 5))
        rows = x.shape[0] * x.shape[1]
        return Operations(
            bias=rows * 3 * width if optional(operands, 2) else 0,
            pointwise=rows * width + self._scores(operands) * (1 + masked),
        )

    def kept(self, *operands: TensorType | None) -> Saved | None:
        x, width, total = self._sides(operands)
        projected = TensorType((x.shape[0], x.shape[1], 3 * width), x.dtype)
        scores = TensorType((x.shape[0], self.num_heads, x.shape[1], total), x.dtype)
        return Saved((0, 1), extra=(projected, scores))

    def held(self, *operands: TensorType | None) -> Size | None:
        """The projections, and the scores before and behind softmax."""
        x, width, total = self._sides(operands)
        projected = TensorType((x.shape[0], x.shape[1], 3 * width), x.dtype)
        scores = TensorType((x.shape[0], self.num_heads, x.shape[1], total), x.dtype)
        return projected.bytes + 2 * scores.bytes

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        table = [whole(one) for one in operands]
        batch = Window(0 if output == 0 else 1)
        table[0] = (batch, EVERYTHING, EVERYTHING)
        if optional(operands, 4) is not None:
            table[4] = (EVERYTHING, batch, EVERYTHING, EVERYTHING, EVERYTHING)
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        held = {"weights": WeightType((16, 48)), "bias": WeightType((48,))}
        made = cls("Attention", 4, slots=(None, "weights", "bias"), parameters=held)
        x = TensorType((2, 5, 16))
        return [Example(made, (x,), (x, TensorType((2, 2, 4, 5, 4))))]


@dataclass(frozen=True, eq=False)
class EmbeddingSum(Operator):
    """The rows of up to three tables (words, positions, segments), added and normalised.

    Operands: word ids, segment ids, the tables of words, positions and segments, scale, bias, a mask, positions.
    Shapes: (batch, length) → (batch, length, width), the length of each example (batch,), and the sum.
    Units: additions are pointwise, elements count as normalisation; looking up is no product.
    Source: com.microsoft EmbedLayerNormalization.
    """

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        ids, table = needed(operands, 0, "the word ids"), needed(operands, 2, "the table of words")
        rank_of(ids, 2, "the word ids", 2)
        rank_of(table, 2, "the table of words", 2)
        out = TensorType((*ids.shape, table.shape[1]), table.dtype)
        return out, TensorType((ids.shape[0],), "int32"), out

    def effort(self, *operands: TensorType | None) -> Operations | None:
        (out, *_) = self.infer(*operands)
        added = 1 + (optional(operands, 4) is not None)
        return Operations(pointwise=out.elements * added, normalisation=out.elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        (out, *_) = self.infer(*operands)
        statistics = out.with_shape(out.shape[:2])
        return Saved((0, 1), extra=(out, statistics, statistics))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        table = [whole(one) for one in operands]
        read: Reads = (Window(0), EVERYTHING if output == 1 else Window(1))
        for number in (0, 1):
            if optional(operands, number) is not None:
                table[number] = read
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        held = {"words": WeightType((100, 16)), "positions": WeightType((32, 16)), "gamma": WeightType((16,))}
        made = cls(
            "EmbedLayerNormalization",
            slots=(None, "", "words", "positions", "", "gamma"),
            parameters=held,
            results=1,
        )
        return [Example(made, (TensorType((2, 5), "int32"),), (TensorType((2, 5, 16)),))]
