"""Receptive fields: how much of the input one output position depends on.

`fields` follows them forward through a network on an unbounded input, once for all layers: for each
axis of each input the dependency sets of one period of positions. `dependency` goes back from a box
of positions of the actual, bounded network.

Source: docs/definitions.md; Araujo, Norris & Sim, "Computing receptive fields of convolutional neural
networks", Distill (2019), for networks without upsampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, gcd, lcm

from layerscope.core import propagate
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.reach import NOTHING, Everything, Indices, Reads, Relation
from layerscope.core.types import TensorType

MOST_PHASES = 4096
InputAxis = tuple[int, int]
"""(number of a network input, one of its axes)."""


@dataclass(frozen=True)
class Bound:
    """Position o depends on indices within floor(o·ratio) + low … floor(o·ratio) + high."""

    ratio: Fraction
    low: int
    high: int


@dataclass(frozen=True)
class Field:
    """How one axis of one input is seen from the positions along `axis` of a tensor.

    Exactly: position o depends on sets[o mod period] moved by shift·floor(o / period). Above 4,096
    phases a bound stands instead. `everything`: the whole axis, as after a global layer, or where
    no bound holds (branches of different scale meet, a concatenation along the axis).
    """

    axis: int
    shift: int = 1
    sets: tuple[Indices, ...] = (Indices(((0, 0),)),)
    everything: bool = False
    bound: Bound | None = None

    @property
    def jump(self) -> Fraction:
        """Input positions per output position."""
        return self.bound.ratio if self.bound else Fraction(self.shift, len(self.sets))

    @property
    def start(self) -> int | None:
        """The first index that position 0 depends on (may lie in the padding)."""
        if self.bound:
            return self.bound.low
        return self.sets[0].hull[0] if self.sets[0] else None

    @property
    def phases(self) -> int:
        """How many positions until the pattern repeats, moved by whole input positions."""
        return self.bound.ratio.denominator if self.bound else len(self.sets)

    @property
    def holes(self) -> bool:
        """Whether some hull contains indices that do not matter (dilation does that)."""
        return any(found.holes for found in self.sets) and not self.bound

    @property
    def extents(self) -> tuple[int, int]:
        """Smallest and largest hull over one period of positions."""
        if self.bound:
            return 0, self.bound.high - self.bound.low + 1
        sizes = [found.extent for found in self.sets]
        return min(sizes), max(sizes)

    def at(self, position: int) -> Indices:
        """The indices on which one position depends."""
        turn, phase = divmod(position, len(self.sets))
        return self.sets[phase].shift(turn * self.shift)

    def as_bound(self) -> Bound:
        """The tightest bound of this form."""
        if self.bound:
            return self.bound
        ratio, lows, highs = self.jump, [0], [0]
        for phase, found in enumerate(self.sets):
            if found:
                lows.append(found.hull[0] - floor(phase * ratio))
                highs.append(found.hull[1] - floor(phase * ratio))
        return Bound(ratio, min(lows[1:] or lows), max(highs[1:] or highs))


Fields = Mapping[InputAxis, Field]


def spatial_axes(type: TensorType) -> tuple[int, ...]:
    """The axes that have positions: all between batch and channels; of two axes, the second."""
    return (1,) if type.rank == 2 else tuple(range(1, type.rank - 1))


def fields(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> list[tuple[Fields, ...]]:
    """For every output of every node, its field on each axis of each input that it depends on."""
    fed = {id(node): found for node, found in zip(graph.nodes, propagate.fed_types(graph, types), strict=True)}
    seeds = {
        node: ({(number, axis): Field(axis) for axis in spatial_axes(types[node][0])},)
        for number, node in enumerate(graph.inputs)
    }

    def rule(node: Node, seen: tuple[Fields, ...]) -> tuple[Fields, ...]:
        results: list[Fields] = []
        for output in range(len(node.layer.out(*fed[id(node)]))):
            made: dict[InputAxis, Field] = {}
            for reads, there in zip(node.layer.reach(output, *fed[id(node)]), seen, strict=True):
                for key, field in there.items() if reads is not None else ():
                    step = through(field, reads or ())
                    made[key] = union(made[key], step) if key in made else step
            results.append(made)
        return tuple(results)

    return propagate.forward(graph, seeds, rule)


def through(field: Field, reads: Reads) -> Field:
    """A field seen through one layer."""
    if field.everything:
        return field
    relation = reads[field.axis]
    if isinstance(relation, Everything) or getattr(relation, "partial", False):
        return replace(field, everything=True, sets=(NOTHING,), bound=None)
    steps, period = relation.steps, len(field.sets)
    turns = period // gcd(period, steps[1])
    if field.bound or steps[0] * turns > MOST_PHASES:
        return Field(relation.axis, bound=_bound_through(field.as_bound(), relation))
    sets: list[Indices] = []
    for position in range(steps[0] * turns):
        pulled = relation.pull(Indices(((position, position),)))
        found = [field.at(i) for low, high in pulled.intervals for i in range(low, high + 1)]
        sets.append(Indices.of(*(pair for part in found for pair in part.intervals)))
    return _reduced(Field(relation.axis, steps[1] * turns // period * field.shift, tuple(sets)))


def _reduced(field: Field) -> Field:
    """The same field with the shortest period."""
    period = len(field.sets)
    for shorter in range(1, period // 2 + 1):
        whole, rest = divmod(field.shift * shorter, period)
        if period % shorter == 0 and not rest:
            same = (field.sets[o + shorter] == field.sets[o].shift(whole) for o in range(period - shorter))
            if all(same):
                return replace(field, shift=whole, sets=field.sets[:shorter])
    return field


def _bound_through(bound: Bound, relation: Relation) -> Bound:
    ratio = Fraction(relation.steps[1], relation.steps[0])
    low, high = relation.bounds
    spare = 0 if (bound.ratio * ratio).denominator == bound.ratio.denominator == 1 else 1
    return Bound(
        bound.ratio * ratio,
        bound.low + floor(low * bound.ratio),
        bound.high + floor(high * bound.ratio) + spare,
    )


def union(one: Field, other: Field) -> Field:
    """What depends on either of two fields, as where branches meet."""
    if one.everything or other.everything:
        return one if one.everything else other
    if one.jump != other.jump or one.axis != other.axis:
        # Positions drift apart without limit, so on an unbounded input no smaller bound holds.
        return replace(one, everything=True, sets=(NOTHING,), bound=None)
    period = lcm(len(one.sets), len(other.sets))
    if one.bound or other.bound or period > MOST_PHASES:
        a, b = one.as_bound(), other.as_bound()
        return Field(one.axis, bound=Bound(a.ratio, min(a.low, b.low), max(a.high, b.high)))
    sets = tuple(one.at(o) | other.at(o) for o in range(period))
    return _reduced(Field(one.axis, int(one.jump * period), sets))


Box = tuple[Indices, ...]


def dependency(graph: Graph, types: Sequence[tuple[TensorType, ...]], boxes: Mapping[Edge, Box]) -> dict[int, Box]:
    """For each network input (by number) the indices, per axis, on which boxes of positions depend.

    Clipped to the actual sizes at every layer; an input on which nothing depends is left out.
    Errors: ShapeError when a size is open.
    """
    fed = propagate.fed_types(graph, types)

    def rule(number: int, node: Node, wanted: Mapping[int, Box]) -> list[Box | None]:
        asked: list[Box | None] = [None] * len(node.inputs)
        for output, box in wanted.items():
            for n, reads in enumerate(node.layer.reach(output, *fed[number])):
                found = _pull(reads, box, fed[number][n])
                if found is not None:
                    earlier = asked[n]
                    asked[n] = found if earlier is None else _join(earlier, found)
        return asked

    asked = propagate.backward(graph, boxes, rule, _join)
    return {number: asked[node, 0] for number, node in enumerate(graph.inputs) if (node, 0) in asked}


def whole(type: TensorType) -> Box:
    """All positions of a tensor."""
    return tuple(Indices(((0, _known(size) - 1),)) for size in type.shape)


def _known(size: object) -> int:
    if isinstance(size, int):
        return size
    raise ShapeError(f"the size {size} is open; give it a number first")


def _pull(reads: Reads | None, box: Box, type: TensorType) -> Box | None:
    if reads is None or not all(box):
        return None
    pulled = tuple(
        Indices(((0, _known(size) - 1),)) if isinstance(r, Everything) else r.pull(box[r.axis]).clip(_known(size))
        for r, size in zip(reads, type.shape, strict=True)
    )
    return pulled if all(pulled) else None


def _join(one: Box, other: Box) -> Box:
    return tuple(a | b for a, b in zip(one, other, strict=True))


def read_at_all(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> dict[int, Box]:
    """For each input the indices per axis that reach some output, as a box; see `dependency`."""
    boxes = {(node, output): whole(types[node][output]) for node, output in graph.outputs}
    return dependency(graph, types, boxes)
