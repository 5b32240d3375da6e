"""Scaled dot-product attention."""

from __future__ import annotations

from typing import Any

from layerscope.core.types import TensorType
from layerscope.operators.attention import Attention
from layerscope.operators.reshape import Reshape
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.site import Refused, Site, Value, type_of


@rule("scaled_dot_product_attention")
def attention(
    site: Site, query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """Of heads that stand before the positions; it is taken to be computed without holding the scores."""
    rank = query.dim()
    told = {"causal": bool(is_causal), "mask": 3, "past_key": None, "past_value": None, "results": 1, "fused": True}
    given = [query, key, value]
    if rank == 4 and _fits(given):
        return site.emit(Attention, "Attention", (*given, attn_mask), **told)
    if rank == 3:  # one head
        return site.emit(Attention, "Attention", (*given, attn_mask), 1, 1, **told)
    four = [_four(site, one) for one in given]
    made = site.emit(Attention, "Attention", (*four, attn_mask), **told)
    return site.emit(Reshape, "Reshape", made, site.out.shape, True, called="reshape")


def _fits(given: list[Any]) -> bool:
    batches = {int(one.shape[0]) for one in given}
    return len(batches) == 1


def _four(site: Site, tensor: Any) -> Value:
    """The axes before the heads as one."""
    shape = type_of(tensor).shape
    if len(shape) < 2:
        raise Refused("it needs at least two axes")
    many = 1
    for size in shape[:-2]:
        many *= int(str(size))
    front = (many // int(str(shape[-3])), shape[-3]) if len(shape) > 3 else (1, many)
    (made,) = site.emit(Reshape, "Reshape", (tensor,), (*front, *shape[-2:]), True, called="reshape")
    return made


@rule(
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_attention_math",
)  # fmt: skip
def kernel(site: Site, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
    """ATen's own."""
    mask = kwargs.get("attn_mask", kwargs.get("attn_bias"))
    causal = bool(kwargs.get("is_causal", True in args))
    made = attention(site, query, key, value, mask, is_causal=causal)
    return (*made, *(Value(TensorType(one.shape, one.dtype)) for one in site.types[1:]))
