from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _attention, _checks
from layerscope.layers._spatial import channels


@dataclass(frozen=True, eq=False)
class AdditiveAttention(_attention.SingleLayer):
    """Every position of the query gathers values; a score is the sum of the tanh of query plus key.

    softmax(scores)·value with scores Σ scale·tanh(query + key) over the features; scale, one weight a feature, is
    left out with use_scale=False. Called on [query, value] or [query, value, key]. Arguments of Keras's call that
    matter are settings here: `return_attention_scores`, `use_causal_mask`.

    Shapes: query (batch, T, F), value (batch, S, G), key (batch, S, F) → (batch, T, G); scores (batch, T, S). scale
    (F,).
    MACs: T·S·(F + G) per example; without a scale T·S·G.
    Pointwise: the sums and their tanh, 2·T·S·F; softmax. Pooling without a scale: T·S·F numbers that are summed. A
    causal mask: one more for each score.
    Kept for the backward pass: the inputs, each tanh, the scores behind softmax; with dropout its mask and what it
    left.
    Errors: ShapeError when query, value and key do not fit.
    Source: Bahdanau et al., "Neural machine translation by jointly learning to align and translate" (2014).
    """

    use_scale: bool = True
    dropout: float = 0.0
    return_attention_scores: bool = field(default=False, kw_only=True)
    use_causal_mask: bool = field(default=False, kw_only=True)

    law = "(batch, T, F), (batch, S, G) → (batch, T, G)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "dropout", _checks.rate(self.dropout, f"{self.kind}: dropout"))

    @property
    def paired(self) -> bool:
        return True

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return {"scale": WeightType((channels(types[0]),), "glorot_uniform")} if self.use_scale else {}

    def macs(self, *types: TensorType) -> Size | None:
        scores = self.scores(types)
        return scores.weighted + (scores.pairs if self.use_scale else 0)

    def operations(self, *types: TensorType) -> Operations | None:
        pairs = self.scores(types).pairs
        return Operations(pointwise=self.spent(types) + pairs * 2, pooling=0 if self.use_scale else pairs)

    def saved(self, *types: TensorType) -> Saved | None:
        scores = self.scores(types).type
        return self.kept(types, TensorType((*scores.shape, types[0].shape[-1]), scores.dtype))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        query, value, key = TensorType((2, 5, 8)), TensorType((2, 7, 3)), TensorType((2, 7, 8))
        made, scores = TensorType((2, 5, 3)), TensorType((2, 5, 7))
        return [
            Example(cls(), (query, key), (query,)),
            Example(cls(False, 0.1, return_attention_scores=True), (query, value, key), (made, scores)),
        ]

    spellings = {
        "keras": Spelling("AdditiveAttention"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "no such operator: Add, Tanh, MatMul, Softmax"),
    }
