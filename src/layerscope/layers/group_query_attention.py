from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.types import TensorType
from layerscope.layers import _attention, _checks


@dataclass(frozen=True, eq=False)
class GroupQueryAttention(_attention.HeadsLayer):
    """Multi-head attention in which several heads of the query share one head of key and value.

    As MultiHeadAttention, but key and value are projected to `num_key_value_heads` heads only, each of which serves
    num_query_heads / num_key_value_heads heads of the query. Keras's class is called GroupedQueryAttention.

    Shapes: query (batch, T, F), value (batch, S, F), key likewise → (batch, T, F); the scores
    (batch, num_query_heads, T, S). query/kernel (F, num_query_heads, head_dim), key/kernel
    (F, num_key_value_heads, head_dim), [gate/kernel as query/kernel], value/kernel as key/kernel,
    attention_output/kernel (num_query_heads, head_dim, F), each with its bias.
    MACs: head_dim·(2·T·F·num_query_heads + 2·S·F·num_key_value_heads + 2·T·S·num_query_heads) per example, and
    T·F·num_query_heads·head_dim for the gate. Products that a mask hides are counted.
    Kept for the backward pass, receptive field: as of MultiHeadAttention.
    Errors: SettingError when num_query_heads is no multiple of num_key_value_heads; ShapeError when inputs do not
    fit.
    Source: Ainslie et al., "GQA: training generalized multi-query transformer models" (2023).
    """

    head_dim: Any
    num_query_heads: Any
    num_key_value_heads: Any
    dropout: float = 0.0
    use_bias: bool = True
    sliding_window: Any = None
    flash_attention: bool | None = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    use_gate: bool = False
    seed: Any = None
    return_attention_scores: bool = field(default=False, kw_only=True)
    use_causal_mask: bool = field(default=False, kw_only=True)
    attention_mask: bool = field(default=False, kw_only=True)

    words = Words(("groupedqueryattention",))
    law = "(batch, T, F), (batch, S, F) → (batch, T, F)"

    def __post_init__(self) -> None:
        for name in ("head_dim", "num_query_heads", "num_key_value_heads"):
            object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        if self.sliding_window is not None:
            window = sizes.checked(self.sliding_window, f"{self.kind}: sliding_window")
            object.__setattr__(self, "sliding_window", window)
        object.__setattr__(self, "dropout", _checks.rate(self.dropout, f"{self.kind}: dropout"))
        if self.num_query_heads % self.num_key_value_heads:
            raise SettingError(
                f"{self.kind}: num_query_heads ({self.num_query_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads})"
            )
        _attention.check_flash(self)

    @property
    def heads(self) -> _attention.Heads:
        """Their numbers and sizes."""
        return _attention.Heads(
            queries=self.num_query_heads,
            keys=self.num_key_value_heads,
            key_dim=self.head_dim,
            value_dim=self.head_dim,
            axes=None,
            output=None,
            gate=self.use_gate,
            use_bias=self.use_bias,
            initializers=(self.kernel_initializer, self.bias_initializer),
            dropout=self.dropout,
            masked=self.attention_mask or self.use_causal_mask or self.sliding_window is not None,
        )

    def found(self, types: Sequence[TensorType]) -> _attention.Inputs:
        """The inputs by name."""
        given = super().found(types)
        if given.query.rank != 3:
            raise ShapeError(f"needs queries of 3 axes (batch, length, features), but got {given.query}")
        if not sizes.equal(given.query.shape[-1], given.value.shape[-1]):
            raise ShapeError(f"query {given.query} and value {given.value} must have equally many features")
        return given

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, query, memory = TensorType((2, 10, 64)), TensorType((2, 5, 6)), TensorType((2, 7, 6))
        scores = TensorType((2, 6, 5, 7))
        full = cls(3, 6, 2, use_gate=True, return_attention_scores=True)
        return [
            Example(cls(8, 8, 2), (x, x), (x,)),
            Example(full, (query, memory, memory), (query, scores)),
            Example(cls(3, 4, 1, 0.1, False, 2), (query, query), (query,)),
        ]

    spellings = {
        "keras": Spelling("GroupQueryAttention"),
        "torch": Spelling("", "scaled_dot_product_attention with enable_gqa=True, and three torch.nn.Linear"),
        "onnx": Spelling("Attention", "from opset 23 on, with kv_num_heads"),
    }
