from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.types import TensorType
from layerscope.layers import _attention, _checks


@dataclass(frozen=True, eq=False)
class MultiHeadAttention(_attention.HeadsLayer):
    """Every position of the query gathers values: for each head, weighted by how well its key matches the query.

    With Q, K, V the projections of query, key and value to `num_heads` heads: softmax(Q·Kᵀ / √key_dim)·V, all heads'
    results side by side through a last projection. Called on (query, value) or (query, value, key); self-attention is
    one tensor twice. `attention_axes` are the axes whose positions attend to each other (all between batch and
    features), `use_gate` multiplies the heads' results by a sigmoid of another projection of the query,
    `sliding_window` w lets a position see w - 1 others on either side. Arguments of Keras's call that matter are
    settings here: `return_attention_scores`, `use_causal_mask`, and `attention_mask=True` where the last input is a
    mask.

    Shapes: query (batch, T, F), value (batch, S, G) → (batch, T, F), or (batch, T, *output_shape); the scores
    (batch, num_heads, T, S). query/kernel (F, num_heads, key_dim), key/kernel, [gate/kernel (F, num_heads,
    value_dim)], value/kernel (G, num_heads, value_dim), attention_output/kernel (num_heads, value_dim, F), each with
    its bias.
    MACs: heads·(T·F·key_dim + S·G·(key_dim + value_dim) + T·S·(key_dim + value_dim) + T·value_dim·F) per example, and
    T·F·value_dim a head for the gate. Products that a mask hides are counted.
    Pointwise: scaled queries, softmax, masked scores, the gate and its product.
    Kept for the backward pass: inputs, projections, scores behind softmax, the heads' results; with dropout its mask
    and what it left.
    Receptive field: all positions of key and value (within the window); under a causal mask, those up to its own.
    Errors: SettingError for sizes below 1; ShapeError when query, value and key do not fit.
    Source: Vaswani et al., "Attention is all you need" (2017).
    """

    num_heads: Any
    key_dim: Any
    value_dim: Any = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: Any = None
    attention_axes: Any = None
    sliding_window: Any = None
    flash_attention: bool | None = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    use_gate: bool = False
    seed: Any = None
    return_attention_scores: bool = field(default=False, kw_only=True)
    use_causal_mask: bool = field(default=False, kw_only=True)
    attention_mask: bool = field(default=False, kw_only=True)

    law = "(batch, T, F), (batch, S, G) → (batch, T, F)"

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        for name in ("num_heads", "key_dim"):
            put(name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        for name in ("value_dim", "sliding_window"):
            if getattr(self, name) is not None:
                put(name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        put("dropout", _checks.rate(self.dropout, f"{self.kind}: dropout"))
        for name, least in (("output_shape", 1), ("attention_axes", -8)):
            given = getattr(self, name)
            if given is None or given == ():
                put(name, None)
                continue
            parts = cast(Sequence[Any], given if isinstance(given, tuple | list) else (given,))
            put(name, tuple(sizes.checked(part, f"{self.kind}: a part of {name}", least) for part in parts))
        _attention.check_flash(self)

    @property
    def heads(self) -> _attention.Heads:
        """Their numbers and sizes."""
        return _attention.Heads(
            queries=self.num_heads,
            keys=self.num_heads,
            key_dim=self.key_dim,
            value_dim=self.key_dim if self.value_dim is None else self.value_dim,
            axes=self.attention_axes,
            output=self.output_shape,
            gate=self.use_gate,
            use_bias=self.use_bias,
            initializers=(self.kernel_initializer, self.bias_initializer),
            dropout=self.dropout,
            masked=self.attention_mask or self.use_causal_mask or self.sliding_window is not None,
        )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, memory = TensorType((2, 10, 64)), TensorType((2, 7, 6))
        query, frames = TensorType((2, 5, 8)), TensorType((2, 3, 5, 8))
        mask = TensorType((2, 5, 7), "bool")
        wide = cls(2, 3, 5, output_shape=(4, 3), use_gate=True, return_attention_scores=True, attention_mask=True)
        return [
            Example(cls(4, 16), (x, x), (x,)),
            Example(wide, (query, memory, memory, mask), (TensorType((2, 5, 4, 3)), TensorType((2, 2, 5, 7)))),
            Example(cls(2, 3, attention_axes=2, use_bias=False), (frames, frames), (frames,)),
            Example(cls(2, 3, sliding_window=2, use_causal_mask=True, dropout=0.1), (query, query), (query,)),
        ]

    spellings = {
        "keras": Spelling("MultiHeadAttention"),
        "torch": Spelling(
            "torch.nn.MultiheadAttention", "query, key, value in this order; embed_dim = num_heads·key_dim"
        ),
        "onnx": Spelling("Attention", "from opset 23 on; the projections are MatMul"),
    }
