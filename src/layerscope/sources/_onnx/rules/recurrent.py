"""Recurrent networks and attention."""

from __future__ import annotations

from layerscope.core.contract import Layer
from layerscope.operators.attention import Attention, LinearAttention, RotaryEmbedding
from layerscope.operators.recurrent import Recurrent
from layerscope.operators.transformers import EmbeddingSum, SelfAttention
from layerscope.sources._onnx.asking import constants, number, parts, word
from layerscope.sources._onnx.site import Refused, Rule, Site


def recurrent(site: Site) -> Layer:
    """RNN, LSTM, GRU. A stored state to start from, which fits one batch size, is a constant and no parameter."""
    hidden = number(site, "hidden_size", 0)
    state = site.operand(2)
    if not hidden and state is not None and isinstance(state.type.shape[-1], int):
        hidden = state.type.shape[-1]
    told = parts(constants(site, 4, 5, 6), "X W R B sequence_lens initial_h initial_c P")
    return Recurrent(site.op, hidden, word(site, "direction", "forward"), number(site, "layout", 0), **told)


def attention(site: Site) -> Layer:
    """Attention."""
    return Attention(
        site.op,
        number(site, "q_num_heads", 0),
        number(site, "kv_num_heads", 0),
        causal=bool(number(site, "is_causal", 0)),
        softcap=bool(site.attributes.get("softcap", 0)),
        **parts(site),
    )


def flexible(site: Site) -> Layer:
    """FlexAttention, whose scores two subgraphs may change."""
    changed = "score_mod" in site.attributes or "prob_mod" in site.attributes
    return Attention(site.op, mask=None, past_key=None, past_value=None, changed=changed, **parts(site))


def multi_head(site: Site) -> Layer:
    """com.microsoft MultiHeadAttention."""
    if site.operand(1) is None or site.operand(2) is None:
        raise Refused("queries, keys and values in one tensor of five axes are not described here")
    heads = number(site, "num_heads", 0)
    masked = next((n for n in (5, 4) if site.operand(n) is not None), None)
    causal = bool(number(site, "unidirectional", 0))
    told = parts(site, "query key value bias")
    return Attention(site.op, heads, heads, causal, False, masked, 6, 7, 3, **told)


def grouped(site: Site) -> Layer:
    """com.microsoft GroupQueryAttention, which is causal."""
    heads, shared = number(site, "num_heads", 0), number(site, "kv_num_heads", 0)
    packed = site.operand(1) is None
    return Attention(site.op, heads, shared, True, False, None, 3, 4, None, packed, **parts(site))


def of_one_input(site: Site) -> Layer:
    """com.microsoft Attention: its projections are its own."""
    if site.attributes.get("qkv_hidden_sizes") or number(site, "do_rotary", 0):
        raise Refused("projections of different widths, and rotary positions, are not described here")
    causal = bool(number(site, "unidirectional", 0))
    return SelfAttention(site.op, number(site, "num_heads", 1), causal, **parts(site, "input weights bias"))


def embedding(site: Site) -> Layer:
    """com.microsoft EmbedLayerNormalization."""
    roles = "input_ids segment_ids word_embedding position_embedding segment_embedding gamma beta"
    return EmbeddingSum(site.op, **parts(site, roles))


def linear(site: Site) -> Layer:
    """LinearAttention."""
    heads, shared = number(site, "q_num_heads", 1), number(site, "kv_num_heads", 1)
    return LinearAttention(site.op, heads, shared, word(site, "update_rule", "gated_delta"), **parts(site))


def rotary(site: Site) -> Layer:
    """RotaryEmbedding."""
    dim = number(site, "rotary_embedding_dim", 0)
    return RotaryEmbedding(site.op, number(site, "num_heads", 0), dim, **parts(site))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("RNN", "LSTM", "GRU"), recurrent),
    "Attention": attention,
    "ai.onnx.preview:FlexAttention": flexible,
    "com.microsoft:MultiHeadAttention": multi_head,
    "com.microsoft:GroupQueryAttention": grouped,
    "com.microsoft:Attention": of_one_input,
    "com.microsoft:EmbedLayerNormalization": embedding,
    "LinearAttention": linear,
    "RotaryEmbedding": rotary,
    "com.microsoft:RotaryEmbedding": rotary,
}
