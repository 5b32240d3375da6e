from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SettingError
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _attention, _checks


@dataclass(frozen=True, eq=False)
class Attention(_attention.SingleLayer):
    """Every position of the query gathers values, weighted by how well their keys match it: without projections.

    softmax(scores)·value. Scores: "dot", query·keyᵀ, times `scale` with use_scale; "concat", concat_score_weight
    times the sum over features of tanh(scale·(query + key)). Called on [query, value] or [query, value, key].
    Arguments of Keras's call that matter are settings here: `return_attention_scores`, `use_causal_mask`.

    Shapes: query (batch, T, F), value (batch, S, G), key (batch, S, F) → (batch, T, G); scores (batch, T, S). scale
    (), concat_score_weight ().
    MACs: T·S·(F + G) per example; "concat": T·S·G, for its scores add up no products.
    Pointwise: softmax; scaled scores; "concat": the sums, [scaled,] their tanh, and the scores times their weight.
    Pooling ("concat"): T·S·F numbers that are summed. A causal mask: one more for each score.
    Kept for the backward pass: the inputs and the scores behind softmax; "concat" also each tanh; with a scale,
    what it is multiplied with; with dropout its mask and what it left.
    Errors: SettingError for another score_mode; ShapeError when query, value and key do not fit.
    Source: Luong et al., "Effective approaches to attention-based neural machine translation" (2015).
    """

    use_scale: bool = False
    score_mode: str = "dot"
    dropout: float = 0.0
    seed: Any = None
    return_attention_scores: bool = field(default=False, kw_only=True)
    use_causal_mask: bool = field(default=False, kw_only=True)

    law = "(batch, T, F), (batch, S, G) → (batch, T, G)"

    def __post_init__(self) -> None:
        if self.score_mode not in ("dot", "concat"):
            raise SettingError(f"{self.kind}: score_mode must be 'dot' or 'concat', not {self.score_mode!r}")
        object.__setattr__(self, "dropout", _checks.rate(self.dropout, f"{self.kind}: dropout"))

    @property
    def paired(self) -> bool:
        return self.score_mode == "concat"

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        found = {"scale": WeightType((), "ones")} if self.use_scale else {}
        return found | ({"concat_score_weight": WeightType((), "ones")} if self.score_mode == "concat" else {})

    def macs(self, *types: TensorType) -> Size | None:
        scores = self.scores(types)
        return scores.weighted + (scores.pairs if self.score_mode == "dot" else 0)

    def operations(self, *types: TensorType) -> Operations | None:
        scores = self.scores(types)
        each, pairs = scores.type.elements, scores.pairs
        if self.score_mode == "dot":
            return Operations(pointwise=self.spent(types) + (each if self.use_scale else 0))
        return Operations(pointwise=self.spent(types) + each + pairs * (3 if self.use_scale else 2), pooling=pairs)

    def saved(self, *types: TensorType) -> Saved | None:
        scores = self.scores(types)
        pairs = TensorType((*scores.type.shape, types[0].shape[-1]), scores.type.dtype)
        if self.score_mode == "dot":
            return self.kept(types, *((scores.type,) if self.use_scale else ()))
        return self.kept(types, pairs, scores.type, *((pairs,) if self.use_scale else ()))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        query, value, key = TensorType((2, 5, 8)), TensorType((2, 7, 3)), TensorType((2, 7, 8))
        made, scores = TensorType((2, 5, 3)), TensorType((2, 5, 7))
        return [
            Example(cls(), (query, key), (query,)),
            Example(cls(True, return_attention_scores=True), (query, value, key), (made, scores)),
            Example(cls(True, "concat", 0.2, use_causal_mask=True), (query, value, key), (made,)),
        ]

    spellings = {
        "keras": Spelling("Attention"),
        "torch": Spelling("torch.nn.functional.scaled_dot_product_attention", "a function, with scale=1"),
        "onnx": Spelling("Attention", "from opset 23 on, with one head and scale=1"),
    }
