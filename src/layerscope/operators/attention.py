"""Attention with queries, keys and values from elsewhere, its linear relative, and rotary positions."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._axes import fits, needed, optional, rank_of, whole
from layerscope.operators._operator import Operator


@dataclass(frozen=True)
class Sides:
    """Sizes of an attention: batch, heads, lengths of queries, new and all keys, sizes of heads."""

    batch: Size
    heads: Size
    kv_heads: Size
    queries: Size
    keys: Size
    total: Size
    size: Size
    value_size: Size

    @property
    def scores(self) -> Size:
        """Numbers that softmax is put to."""
        return sizes.product((self.batch, self.heads, self.queries, self.total))


@dataclass(frozen=True, eq=False)
class Attention(Operator):
    """softmax(scale · Q·Kᵀ + mask) · V for each head; past keys and values, where there are any, come first.

    Tensors of three axes (batch, length, heads·size) are split into `q_num_heads` and `kv_num_heads`; those of four
    are (batch, heads, length, size), with `length_first` (batch, length, heads, size) as in Keras. Fewer heads of
    keys than of queries are shared among these. `mask`, `past_key`, `past_value`, `bias` are numbers of operands,
    None where an operator has none. `packed`: the first operand holds queries, keys and values side by side.
    Shapes: queries → output; keys and values with the past ones (batch, kv heads, total, size); the scores.
    MACs: scores × size of a head, and again for the values; a mask (causal, too) skips nothing.
    Units: mask, cap and softmax are one pointwise operation a score each, scaling is one for each number of a query.
    Errors: ShapeError where heads, lengths or sizes do not fit.
    Source: Vaswani et al. (2017); ONNX operator Attention; com.microsoft MultiHeadAttention, GroupQueryAttention;
    keras.ops.dot_product_attention.
    """

    q_num_heads: int = 0
    kv_num_heads: int = 0
    causal: bool = False
    softcap: bool = False
    mask: int | None = 3
    past_key: int | None = 4
    past_value: int | None = 5
    bias: int | None = None
    packed: bool = False
    length_first: bool = False
    changed: bool = False
    """A graph of its own changes the scores; what that computes is unknown."""
    fused: bool = False
    """Computed block by block, so that the scores are never held; the backward pass computes them anew."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("q_num_heads", "kv_num_heads"):
            sizes.checked(getattr(self, name), f"{self.kind}: {name}", least=0)

    def _split(self, type: TensorType, heads: int, what: str) -> tuple[Size, Size, Size, Size]:
        """batch, heads, length and size of a head."""
        if rank_of(type, 3, what, 4) == 4:
            if self.length_first:
                return type.shape[0], type.shape[2], type.shape[1], type.shape[3]
            return type.shape[0], type.shape[1], type.shape[2], type.shape[3]
        if not heads:
            raise ShapeError(f"{what} has three axes {type}, but the number of heads is not stated")
        width = type.shape[2]
        if isinstance(width, int) and width % heads:
            raise ShapeError(f"the {width} features of {what} cannot be split into {heads} heads")
        return type.shape[0], heads, type.shape[1], sizes.floor_div(width, heads)

    def sides(self, *operands: TensorType | None) -> Sides:
        """All sizes, checked against each other."""
        q = needed(operands, 0, "the queries")
        if self.packed:
            batch, _, queries, size = self._split(q, self.q_num_heads + 2 * self.kv_num_heads, "the packed queries")
            heads, kv_heads, keys, value_size = self.q_num_heads, self.kv_num_heads, queries, size
        else:
            batch, heads, queries, size = self._split(q, self.q_num_heads, "the queries")
            _, kv_heads, keys, key_size = self._split(needed(operands, 1, "the keys"), self.kv_num_heads, "the keys")
            values = needed(operands, 2, "the values")
            _, _, length, value_size = self._split(values, self.kv_num_heads, "the values")
            fits(key_size, size, "the size of a head of the keys", "that of the queries")
            fits(length, keys, "the number of values", "that of the keys")
        past = optional(operands, self.past_key)
        if past is not None:
            rank_of(past, 4, "its past keys", 4)
        return Sides(batch, heads, kv_heads, queries, keys, keys + (past.shape[2] if past else 0), size, value_size)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        q, s = needed(operands, 0, "the queries"), self.sides(*operands)
        shape = (s.batch, s.heads, s.queries, s.value_size)
        if q.rank == 3:
            shape = (s.batch, s.queries, s.heads * s.value_size)
        elif self.length_first:
            shape = (s.batch, s.queries, s.heads, s.value_size)
        key, value = ((s.batch, s.kv_heads, s.total, size) for size in (s.size, s.value_size))
        scores = (s.batch, s.heads, s.queries, s.total)
        past = optional(operands, self.past_key)
        cached = past.dtype if past is not None else q.dtype
        return (
            TensorType(shape, q.dtype),
            TensorType(key, cached),
            TensorType(value, cached),
            TensorType(scores, q.dtype),
        )

    def products(self, *operands: TensorType | None) -> Size | None:
        s = self.sides(*operands)
        return s.scores * (s.size + s.value_size)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        if self.changed:
            return None
        s = self.sides(*operands)
        masked = self.causal or optional(operands, self.mask) is not None
        bias, scaled = optional(operands, self.bias), sizes.product((s.batch, s.heads, s.queries, s.size))
        added = s.batch * (s.queries * s.heads * s.size + s.keys * s.kv_heads * (s.size + s.value_size))
        return Operations(
            bias=added if bias is not None else 0, pointwise=scaled + s.scores * (1 + masked + self.softcap)
        )

    def kept(self, *operands: TensorType | None) -> Saved | None:
        s = self.sides(*operands)
        given = (0, 1, 2, self.past_key, self.past_value)
        inputs = tuple(n for n in given if n is not None and optional(operands, n) is not None)
        if self.fused:
            return Saved(inputs, (0,), (TensorType((s.batch, s.heads, s.queries)),))
        scores = TensorType((s.batch, s.heads, s.queries, s.total), needed(operands, 0, "the queries").dtype)
        return Saved(inputs, extra=(scores,))

    def held(self, *operands: TensorType | None) -> Size | None:
        """Operands with their biases and scores; then values, scores before and behind softmax.

        Past keys and values with the new ones, and the scores, count here where they are no outputs.
        """
        if self.changed:
            return None
        if self.fused:
            return 0
        s, dtype = self.sides(*operands), needed(operands, 0, "the queries").dtype
        made, (_, keys, values, score) = self.results or 4, self.infer(*operands)
        held: Size = 0
        if optional(operands, self.past_key) is not None:
            held = (keys.bytes if made < 2 else 0) + (values.bytes if made < 3 else 0)
        early: Size = 0
        late: Size = 0
        if optional(operands, self.bias) is not None:
            late = TensorType((s.batch, s.kv_heads, s.keys, s.value_size), dtype).bytes
            early = late + TensorType((s.batch, s.heads, s.queries, s.size), dtype).bytes
            early = early + TensorType((s.batch, s.kv_heads, s.keys, s.size), dtype).bytes
        behind = score.bytes if made < 4 else 0
        return held + score.bytes + sizes.maximum(early, late + behind)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        (out, *_), table = self.infer(*operands), [whole(one) for one in operands]
        batch = Window(0)
        for number, one in enumerate(operands[:3]):
            if one is not None and one.rank > 2:
                table[number] = (batch, *(EVERYTHING,) * (one.rank - 1))
        if output == 0 and not self.packed:
            q = needed(operands, 0, "the queries")
            first, second = Window(1), Window(1 if out.rank == 3 else 2)
            table[0] = (batch, second, EVERYTHING) if q.rank == 3 else (batch, first, second, EVERYTHING)
        for past in (self.past_key, self.past_value):
            one = optional(operands, past)
            if past is not None and one is not None:
                table[past] = (batch, *(EVERYTHING,) * (one.rank - 1))
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        q, k = TensorType((2, 5, 32)), TensorType((2, 7, 16))
        past = TensorType((2, 2, 3, 8))
        total = TensorType((2, 2, 10, 8))
        made = cls("Attention", 4, 2, slots=(None, None, None, "", None, None), results=3)
        plain = cls("Attention", slots=(None, None, None), results=1, causal=True)
        keras = cls("DotProductAttention", slots=(None, None, None), results=1, length_first=True)
        four, turned = TensorType((1, 4, 6, 8)), TensorType((1, 6, 4, 8))
        return [
            Example(made, (q, k, k, past, past), (q, total, total)),
            Example(plain, (four, four, four), (four,)),
            Example(keras, (turned, TensorType((1, 7, 2, 8)), TensorType((1, 7, 2, 8))), (turned,)),
        ]


@dataclass(frozen=True, eq=False)
class LinearAttention(Operator):
    """Attention by a state S of each head that every key and value update; queries read it.

    `rule`: linear S + k⊗v; gated: S decays first; delta: what S already says of k is taken off v; or both.
    Shapes: (batch, length, heads·size) → (batch, length, heads·value size), and the state
    (batch, kv heads, size, value size).
    MACs: for each position the products k⊗v of every head of keys and q·S of every head of queries, size × value size
    each; a delta rule has k·S as well. Decay is pointwise.
    Source: Katharopoulos et al. (2020); Yang et al. (2024); ONNX operator LinearAttention.
    """

    q_num_heads: int = 1
    kv_num_heads: int = 1
    rule: str = "gated_delta"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("q_num_heads", "kv_num_heads"):
            sizes.checked(getattr(self, name), f"{self.kind}: {name}")

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, Size, Size]:
        q, k, v = (needed(operands, n, what) for n, what in enumerate(("the queries", "the keys", "the values")))
        for one, what in ((q, "the queries"), (k, "the keys"), (v, "the values")):
            rank_of(one, 3, what, 3)
        size = sizes.floor_div(k.shape[2], self.kv_num_heads)
        fits(q.shape[2], size * self.q_num_heads, "the width of the queries", "heads × the size of a key")
        return q, size, sizes.floor_div(v.shape[2], self.kv_num_heads)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        q, size, value_size = self._sides(operands)
        past = optional(operands, 3)
        state = TensorType((q.shape[0], self.kv_num_heads, size, value_size), past.dtype if past else q.dtype)
        return TensorType((*q.shape[:2], value_size * self.q_num_heads), q.dtype), state

    def products(self, *operands: TensorType | None) -> Size | None:
        q, size, value_size = self._sides(operands)
        updates = self.kv_num_heads * (2 if "delta" in self.rule else 1)
        return q.shape[0] * q.shape[1] * size * value_size * (updates + self.q_num_heads)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        q, size, value_size = self._sides(operands)
        positions = q.shape[0] * q.shape[1]
        decay = positions * self.kv_num_heads * size * value_size if "gated" in self.rule else 0
        differences = positions * self.kv_num_heads * value_size * 2 if "delta" in self.rule else 0
        return Operations(pointwise=decay + differences + positions * self.q_num_heads * value_size)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        q, size, value_size = self._sides(operands)
        states = TensorType((*q.shape[:2], self.kv_num_heads, size, value_size), q.dtype)
        return Saved(tuple(n for n, one in enumerate(operands) if one is not None), extra=(states,))

    def held(self, *operands: TensorType | None) -> Size | None:
        """What a position adds to the state, and the state where it is no output."""
        state = self.infer(*operands)[1]
        return state.bytes * (1 if self.results is None or self.results > 1 else 2)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return tuple(None if one is None else (Window(0), *(EVERYTHING,) * (one.rank - 1)) for one in operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        q, v = TensorType((2, 5, 16)), TensorType((2, 5, 12))
        made = cls("LinearAttention", 4, 2, "linear", slots=(None, None, None))
        k, out = TensorType((2, 5, 8)), TensorType((2, 5, 24))
        return [Example(made, (q, k, v), (out, TensorType((2, 2, 4, 6))))]


@dataclass(frozen=True, eq=False)
class RotaryEmbedding(Operator):
    """Turns pairs of features by angles that grow with the position.

    `head_size`: features of a head, None where the last axis is one; `dim`: how many of them are turned, 0 for all.
    Shapes: unchanged. Units: two products and an addition for each turned element, pointwise.
    Source: Su et al. (2021); ONNX and com.microsoft RotaryEmbedding.
    """

    heads: int = 0
    dim: int = 0

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        rank_of(x, 3, "the input of a rotary embedding", 4)
        return (x,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x = needed(operands, 0, "the input")
        if not self.dim:
            return Operations(pointwise=3 * x.elements)
        heads = x.shape[1] if x.rank == 4 else self.heads
        positions = x.shape[0] * (x.shape[2] if x.rank == 4 else x.shape[1])
        return Operations(pointwise=positions * heads * (3 * self.dim))

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved(tuple(range(1, len(operands))))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (same(needed(operands, 0, "the input").rank, (-1,)), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, table = TensorType((2, 4, 6, 8)), TensorType((2, 6, 4))
        return [Example(cls("RotaryEmbedding", slots=(None, None, None)), (x, table, table), (x,))]
