"""Attention with several heads, and what all attention layers ask of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Window
from layerscope.core.sizes import Size
from layerscope.core.types import Shape, TensorType, WeightType, show
from layerscope.layers._spatial import channels, floating


@dataclass(frozen=True)
class Inputs:
    """Query, value and key of a call (the key is the value where it is not given), and whether there is a mask."""

    query: TensorType
    value: TensorType
    key: TensorType
    mask: bool
    count: int


def inputs(types: Sequence[TensorType], masked: bool) -> Inputs:
    """The inputs [query, value] or [query, value, key], with a mask behind them where `masked`; or ShapeError."""
    parts, names = (
        list(types),
        "[query, value] or [query, value, key]" + (", and a mask behind them" if masked else ""),
    )
    count = len(parts)
    if masked:
        parts = parts[:-1]
    if len(parts) not in (2, 3):
        raise ShapeError(f"takes {names}, but got {count} inputs")
    query, value = parts[0], parts[1]
    key = parts[2] if len(parts) == 3 else value
    for x, name in ((query, "query"), (value, "value"), (key, "key")):
        if x.rank < 3:
            raise ShapeError(f"needs a batch, a length and features, but the {name} is {x}")
    if not (value.rank == key.rank and all(map(sizes.equal, value.shape[:-1], key.shape[:-1]))):
        raise ShapeError(f"value {value} and key {key} must be of the same shape but for the last axis")
    return Inputs(query, value, key, masked, count)


@dataclass(frozen=True)
class Heads:
    """Numbers of heads and their sizes: what MultiHeadAttention and GroupQueryAttention are made of."""

    queries: int
    keys: int
    key_dim: int
    value_dim: int
    axes: tuple[int, ...] | None
    output: tuple[int, ...] | None
    gate: bool
    use_bias: bool
    initializers: tuple[Any, Any]
    dropout: float = 0.0
    masked: bool = False
    """Whether scores are masked: by an input, causally, or by a window."""

    def attended(self, query: TensorType, value: TensorType) -> tuple[int, ...]:
        """The axes along which positions attend to each other; ShapeError when the other axes differ."""
        rank = query.rank
        if value.rank != rank:
            raise ShapeError(f"query {query} and value {value} must have the same number of axes")
        axes = tuple(range(1, rank - 1)) if self.axes is None else tuple(a + rank if a < 0 else a for a in self.axes)
        wrong = [axis for axis in axes if not 0 < axis < rank - 1]
        if wrong:
            raise ShapeError(f"attention_axes must lie between batch and features, 1 … {rank - 2}, not {show(axes)}")
        for axis in range(rank - 1):
            if axis not in axes and not sizes.equal(query.shape[axis], value.shape[axis]):
                raise ShapeError(
                    f"query {query} and value {value} must have the same size along axis {axis}, "
                    "where they do not attend"
                )
        return axes

    def scores(self, query: TensorType, value: TensorType) -> TensorType:
        """The type of the scores: other axes, heads, the query's positions, the value's positions."""
        axes = self.attended(query, value)
        apart = tuple(size for axis, size in enumerate(query.shape[:-1]) if axis not in axes)
        along = tuple(x.shape[axis] for x in (query, value) for axis in axes)
        return TensorType((*apart, self.queries, *along), floating(query))

    def made(self, query: TensorType) -> TensorType:
        """The type of the result."""
        last: Shape = query.shape[-1:] if self.output is None else self.output
        return TensorType((*query.shape[:-1], *last), floating(query))

    def projections(self, found: Inputs) -> dict[str, tuple[TensorType, int, int]]:
        """Of each projection before the scores, in Keras's order: its input, heads and size."""
        parts = {"query": (found.query, self.queries, self.key_dim), "key": (found.key, self.keys, self.key_dim)}
        if self.gate:
            parts["gate"] = (found.query, self.queries, self.value_dim)
        return parts | {"value": (found.value, self.keys, self.value_dim)}

    def weights(self, found: Inputs) -> dict[str, WeightType]:
        """query/kernel, query/bias, ..., attention_output/kernel, attention_output/bias."""
        kernel, bias = self.initializers
        made: dict[str, WeightType] = {}

        def put(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
            made[f"{name}/kernel"] = WeightType((*before, *after), kernel)
            if self.use_bias:
                made[f"{name}/bias"] = WeightType(after, bias)

        for name, (x, heads, size) in self.projections(found).items():
            put(name, (channels(x),), (heads, size))
        put("attention_output", (self.queries, self.value_dim), self.output or (channels(found.query),))
        return made

    def joined(self, query: TensorType) -> TensorType:
        """The heads' results side by side, which the last projection takes."""
        return TensorType((*query.shape[:-1], self.queries, self.value_dim), floating(query))

    def macs(self, found: Inputs) -> Size:
        """Projections, scores, weighted sums, and the last projection."""
        total: Size = self.joined(found.query).elements * sizes.product(
            self.made(found.query).shape[found.query.rank - 1 :]
        )
        for x, heads, size in self.projections(found).values():
            total = total + x.elements * (heads * size)
        return total + self.scores(found.query, found.value).elements * (self.key_dim + self.value_dim)

    def operations(self, found: Inputs) -> Operations:
        """Biases; pointwise: the scaled queries, softmax, masks, and the gate with its product."""
        scores, joined = self.scores(found.query, found.value), self.joined(found.query)
        bias: Size = self.made(found.query).elements
        for x, heads, size in self.projections(found).values():
            bias = bias + sizes.product(x.shape[:-1]) * (heads * size)
        scaled = sizes.product(found.query.shape[:-1]) * (self.queries * self.key_dim)
        pointwise = scaled + scores.elements * (2 if self.masked else 1) + joined.elements * (2 if self.gate else 0)
        return Operations(bias=bias if self.use_bias else 0, pointwise=pointwise)

    def saved(self, found: Inputs, returned: bool) -> Saved:
        """The inputs, all projections, the scores behind softmax, and the heads' results."""
        scores, joined = self.scores(found.query, found.value), self.joined(found.query)
        projected = [
            TensorType((*x.shape[:-1], heads, size), floating(x))
            for x, heads, size in self.projections(found).values()
        ]
        extra = [*projected, joined, *([joined] if self.gate else []), *([] if returned else [scores])]
        if self.dropout:
            extra += [TensorType(scores.shape, "bool"), scores]
        mask = (found.count - 1,) if found.mask else ()
        return Saved((*range(found.count - found.mask), *mask), (1,) if returned else (), tuple(extra))

    def workspace(self, found: Inputs, returned: bool, flash: bool) -> Size:
        """Projections and scores; then value, gate, scores before and behind softmax; then the heads' results."""
        scores, joined = self.scores(found.query, found.value).bytes, self.joined(found.query).bytes
        own = {
            name: TensorType((*x.shape[:-1], heads, size), floating(x)).bytes
            for name, (x, heads, size) in self.projections(found).items()
        }
        late = own["value"] + own.get("gate", 0)
        early = late + own["query"] + own["key"]
        if flash:  # scores are never held
            return early + joined
        behind = 0 if returned else scores
        return sizes.maximum(sizes.maximum(early + scores, late + behind + joined), late + scores + behind)

    def reach(self, found: Inputs, output: int, window: Window | None) -> tuple[Reads | None, ...]:
        """A query is read at its own position, key and value along all attended positions, or within a window."""
        axes = self.attended(found.query, found.value)
        rank = found.query.rank
        apart = [axis for axis in range(rank - 1) if axis not in axes]
        if output == 0:
            own: dict[int, Relation | Everything] = {axis: Window(axis) for axis in range(rank - 1)}
        else:  # the axes of the scores: others, heads, the query's positions, the value's positions
            own = {axis: Window(place) for place, axis in enumerate(apart)}
            own |= {axis: Window(len(apart) + 1 + place) for place, axis in enumerate(axes)}
            window = None
        query = (*(own[axis] for axis in range(rank - 1)), EVERYTHING)
        along: Relation | Everything = EVERYTHING if window is None else window
        other = (*(along if axis in axes else own[axis] for axis in range(rank - 1)), EVERYTHING)
        reads: list[Reads | None] = [query, other, *((other,) if found.count - found.mask == 3 else ())]
        if output == 1 and len(reads) == 3:
            reads[1] = None  # scores see query and key only
        return tuple(reads)


class HeadsLayer(Layer):
    """What the layers made of heads answer."""

    executable = False
    use_causal_mask: bool
    attention_mask: bool
    return_attention_scores: bool
    sliding_window: int | None
    flash_attention: bool | None

    @property
    def heads(self) -> Heads:
        """Their numbers and sizes."""
        raise NotImplementedError

    def found(self, types: Sequence[TensorType]) -> Inputs:
        """The inputs by name."""
        return inputs(types, self.attention_mask)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found, heads = self.found(types), self.heads
        scores = heads.scores(found.query, found.value)
        return (heads.made(found.query), *((scores,) if self.return_attention_scores else ()))

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return self.heads.weights(self.found(types))

    def macs(self, *types: TensorType) -> Size | None:
        return self.heads.macs(self.found(types))

    def operations(self, *types: TensorType) -> Operations | None:
        return self.heads.operations(self.found(types))

    def saved(self, *types: TensorType) -> Saved | None:
        return self.heads.saved(self.found(types), self.return_attention_scores)

    def workspace(self, *types: TensorType) -> Size | None:
        return self.heads.workspace(self.found(types), self.return_attention_scores, bool(self.flash_attention))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        found, window, size = self.found(types), None, self.sliding_window
        if size is not None and found.query.rank == 3:
            window = Window(1, 1, size if self.use_causal_mask else 2 * size - 1, size - 1)
        reads = self.heads.reach(found, output, window)
        return (*reads, *(((EVERYTHING,) * types[-1].rank,) if found.mask else ()))


def check_flash(layer: Any) -> None:
    """Flash attention computes the same without keeping the scores; SettingError where Keras has none."""
    if layer.flash_attention and layer.dropout:
        raise SettingError(f"{layer.kind}: flash_attention=True has no dropout; set dropout=0.0, not {layer.dropout}")
    if layer.flash_attention and layer.return_attention_scores:
        raise SettingError(f"{layer.kind}: flash_attention=True cannot return attention scores, which it never holds")


@dataclass(frozen=True)
class Scores:
    """The single-headed layers: sizes of query, value and key, and of what they make."""

    found: Inputs

    @property
    def type(self) -> TensorType:
        """The scores: (batch, ..., T, S)."""
        query, key = self.found.query, self.found.key
        return TensorType((*query.shape[:-1], key.shape[-2]), floating(query))

    @property
    def made(self) -> TensorType:
        """The result: (batch, ..., T, features of the value)."""
        query = self.found.query
        return TensorType((*query.shape[:-1], self.found.value.shape[-1]), floating(query))

    @property
    def pairs(self) -> Size:
        """Numbers of the queries that meet a key."""
        return self.type.elements * self.found.query.shape[-1]

    @property
    def weighted(self) -> Size:
        """Products of the scores with the values."""
        return self.type.elements * self.found.value.shape[-1]


class SingleLayer(Layer):
    """What the layers with one head answer, whatever their scores are."""

    executable = False
    dropout: float
    use_causal_mask: bool
    return_attention_scores: bool

    def scores(self, types: Sequence[TensorType]) -> Scores:
        """The sizes; ShapeError when query and key cannot meet."""
        found = inputs(types, False)
        query, key = found.query, found.key
        if query.rank != key.rank or not all(map(sizes.equal, query.shape[:-2], key.shape[:-2])):
            raise ShapeError(f"query {query} and key {key} must have the same axes but for their lengths")
        if not sizes.equal(query.shape[-1], key.shape[-1]):
            raise ShapeError(f"query {query} and key {key} must have equally many features")
        return Scores(found)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        scores = self.scores(types)
        return (scores.made, *((scores.type,) if self.return_attention_scores else ()))

    def spent(self, types: Sequence[TensorType]) -> Size:
        """Pointwise results that all have: softmax, and the causal mask."""
        return self.scores(types).type.elements * (2 if self.use_causal_mask else 1)

    @property
    def paired(self) -> bool:
        """Whether every pair of query and key makes a vector, of which the score is a sum."""
        raise NotImplementedError

    def workspace(self, *types: TensorType) -> Size | None:
        """Scores, beside the pairs' vectors that they are sums of, or beside what is behind softmax."""
        scores = self.scores(types)
        behind = 0 if self.return_attention_scores else scores.type.bytes
        pairs = scores.type.bytes * types[0].shape[-1] if self.paired else 0
        return scores.type.bytes + sizes.maximum(pairs, behind)

    def kept(self, types: Sequence[TensorType], *inner: TensorType) -> Saved:
        """The inputs, the scores behind softmax, and what the way to the scores keeps."""
        scores = self.scores(types).type
        extra = [*inner, *(() if self.return_attention_scores else (scores,))]
        if self.dropout:
            extra += [TensorType(scores.shape, "bool"), scores]
        return Saved(tuple(range(len(types))), (1,) if self.return_attention_scores else (), tuple(extra))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        rank = types[0].rank
        outer = tuple(map(Window, range(rank - 2)))
        query: Reads = (*outer, Window(rank - 2), EVERYTHING)
        key: Reads = (*outer, EVERYTHING, EVERYTHING)
        value: Reads = (*outer, EVERYTHING, EVERYTHING if len(types) == 2 else Window(rank - 1))
        if len(types) == 2:
            return query, value
        return query, (None if output == 1 else value), key
