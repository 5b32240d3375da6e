"""Receptive fields: how much of the input one output position depends on.

`fields` follows them forward through a network on an unbounded input, once for all layers: for each
axis of each input the dependency sets of one period of positions. `dependency` goes back from a box
of positions of the actual, bounded network, and `projection` forward from a box of an input to what
depends on it. All cost in proportion to the layers, not to the sizes of their tensors.

Source: docs/definitions.md; Araujo, Norris & Sim, "Computing receptive fields of convolutional neural
networks", Distill (2019), for networks without upsampling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import floor, gcd, lcm

from layerscope.core import boxes, propagate
from layerscope.core.boxes import Box, Region
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.indices import NOTHING, Indices, progression
from layerscope.core.reach import Everything, Fixed, Listed, Reads, Relation, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType

MOST_PHASES = 4096
MOST_INTERVALS = 1 << 16
"""Of all phases of a field together. Beyond it gaps in the middle of the sets are closed; hulls stay exact."""
MOST_LISTED = 1024
"""Positions behind a list of indices that are told each by itself; above, such a field is everything."""
GONE = -1
"""The axis of a field of which one index was taken."""
IDENTITY = 1, 1, 0, False
"""Stride, size, padding of a window that reads each position at its own place, and that all do."""
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
    no bound holds (branches of different scale meet, a concatenation along the axis). A shift of 0:
    an index was taken, the axis (now -1) is gone, and all positions depend on the same set; or `ends`: behind a list
    of indices there are only as many positions as sets.
    """

    axis: int
    shift: int = 1
    sets: tuple[Indices, ...] = (Indices(((0, 0),)),)
    everything: bool = False
    bound: Bound | None = None
    ends: bool = False

    @cached_property
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

    @cached_property
    def holes(self) -> bool:
        """Whether some hull contains indices that do not matter (dilation does that)."""
        return any(found.holes for found in self.sets) and not self.bound

    @cached_property
    def extents(self) -> tuple[int, int]:
        """Smallest and largest hull over one period of positions."""
        if self.bound:
            return 0, self.bound.high - self.bound.low + 1
        sizes = [found.extent for found in self.sets]
        return min(sizes), max(sizes)

    def at(self, position: int) -> Indices:
        """The indices on which one position depends; of a bound all those within."""
        if self.bound:
            place = floor(self.bound.ratio * position)
            return Indices(((place + self.bound.low, place + self.bound.high),))
        turn, phase = divmod(position, len(self.sets))
        return NOTHING if self.ends and turn else self.sets[phase].shift(turn * self.shift)

    def over(self, low: int, high: int) -> Iterable[tuple[int, int]]:
        """Intervals whose union is what the positions low … high depend on."""
        period, shift, sets = len(self.sets), self.shift, self.sets
        if self._solid:
            (turn, phase), (last, end) = divmod(low, period), divmod(high, period)
            return ((sets[phase].intervals[0][0] + turn * shift, sets[end].intervals[0][1] + last * shift),)
        found: list[tuple[int, int]] = []
        if high - low < period:
            for position in range(low, high + 1):
                move = position // period * shift
                found += [(a + move, b + move) for a, b in sets[position % period].intervals]
            return found
        for phase, indices in enumerate(sets):
            first, last = -((phase - low) // period), (high - phase) // period
            for a, b in indices.intervals:
                found += progression(a + first * shift, shift, last - first + 1, b - a + 1)
        return found

    @cached_property
    def _solid(self) -> bool:
        """Whether neighbouring positions depend on intervals that move on and leave no gap."""
        if any(len(found.intervals) != 1 for found in self.sets):
            return False
        ends = [found.intervals[0] for found in self.sets]
        ends.append((ends[0][0] + self.shift, ends[0][1] + self.shift))
        return all(a <= c <= b + 1 and b <= d for (a, b), (c, d) in pairwise(ends))

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


def spatial_axes(type: TensorType, channel_axis: int = -1) -> tuple[int, ...]:
    """The axes that have positions: all but the batch (the first) and the channels; of two axes, the second."""
    return (1,) if type.rank == 2 else tuple(n for n in range(1, type.rank) if n != channel_axis % type.rank)


def channel_axis(node: Node) -> int:
    """Which axis of an input node holds channels."""
    return getattr(node.layer, "channel_axis", -1)


def fields(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> list[tuple[Fields, ...]]:
    """For every output of every node, its field on each axis of each input that it depends on."""
    asked = propagate.asked(graph, types)
    places = {id(node): number for number, node in enumerate(graph.nodes)}
    seeds = {
        node: (
            {(number, axis): Field(axis) for axis in spatial_axes(types[node][0], channel_axis(graph.nodes[node]))},
        )
        for number, node in enumerate(graph.inputs)
    }
    known: Known = {}

    def rule(node: Node, seen: tuple[Fields, ...]) -> tuple[Fields, ...]:
        number = places[id(node)]
        results: list[Fields] = []
        for output in range(len(types[number])):
            made: dict[InputAxis, Field] = {}
            for reads, there in zip(asked[number].reach(output), seen, strict=True):
                for key, field in there.items() if reads is not None else ():
                    step = through(field, reads or (), types[number][output].shape, known)
                    made[key] = union(made[key], step) if key in made else step
            results.append(made)
        return tuple(results)

    return propagate.forward(graph, seeds, rule)


Known = dict[object, tuple[Field, Field]]
"""Fields, and what a layer made of them: the axes of an image mostly share them."""


def through(field: Field, reads: Reads, sizes: Sequence[Size], known: Known) -> Field:
    """A field seen through one layer, whose output has these sizes."""
    if field.everything or field.axis == GONE:
        return field
    relation = reads[field.axis]
    if isinstance(relation, Fixed):
        return Field(GONE, 0, (field.at(relation.index),))
    if type(relation) is Window and (relation.stride, relation.size, relation.before, relation.partial) == IDENTITY:
        return field if relation.axis == field.axis else replace(field, axis=relation.axis)
    if isinstance(relation, Everything) or getattr(relation, "partial", False):
        return _unknown(field)
    if field.ends or isinstance(relation, Listed):
        return _one_by_one(field, relation, sizes[relation.axis])
    # vars: all that a relation says, but for the axis
    key = (
        id(field.sets),
        field.shift,
        field.bound,
        type(relation),
        *(v for k, v in vars(relation).items() if k != "axis"),
    )
    if key not in known:
        known[key] = field, _through(field, relation)
    return replace(known[key][1], axis=relation.axis)


def _unknown(field: Field) -> Field:
    return replace(field, everything=True, sets=(NOTHING,), bound=None, ends=False)


def _one_by_one(field: Field, relation: Relation, size: Size) -> Field:
    """As no period says what each position behind a list of indices sees, each is asked."""
    if field.bound or not isinstance(size, int) or not 0 < size <= MOST_LISTED:
        return _unknown(field)
    sets: list[Indices] = []
    for o in range(size):
        read = relation.pull(Indices(((o, o),)))
        read = read.clip(len(field.sets)) if field.ends else read
        parts = [field.at(i) for low, high in read.intervals for i in range(low, high + 1)]
        sets.append(parts[0] if len(parts) == 1 else Indices.of(*(pair for part in parts for pair in part.intervals)))
    return Field(relation.axis, 0, _lean(sets), ends=True)


def _through(field: Field, relation: Relation) -> Field:
    steps, period = relation.steps, len(field.sets)
    turns = period // gcd(period, steps[1])
    if field.bound or steps[0] * turns > MOST_PHASES:
        return Field(relation.axis, bound=_bound_through(field.as_bound(), relation))
    pulled = [relation.pull(Indices(((o, o),))).intervals for o in range(steps[0])]
    sets: list[Indices] = []
    for turn in range(turns):
        move = turn * steps[1]
        sets += (
            Indices.of(*(pair for low, high in parts for pair in field.over(low + move, high + move)))
            for parts in pulled
        )
    return _reduced(Field(relation.axis, steps[1] * turns // period * field.shift, _lean(sets)))


def _lean(sets: Sequence[Indices]) -> tuple[Indices, ...]:
    most = max(2, MOST_INTERVALS // len(sets))
    return tuple(found.at_most(most) for found in sets)


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
    ends = [len(field.sets) for field in (one, other) if field.ends]
    if one.axis != other.axis or (ends and (one.bound or other.bound)):
        return _unknown(one)
    if ends:
        return Field(one.axis, 0, _lean([one.at(o) | other.at(o) for o in range(max(ends))]), ends=True)
    if one.jump != other.jump:
        # Positions drift apart without limit, so on an unbounded input no smaller bound holds.
        return _unknown(one)
    period = lcm(len(one.sets), len(other.sets))
    if one.bound or other.bound or period > MOST_PHASES:
        a, b = one.as_bound(), other.as_bound()
        return Field(one.axis, bound=Bound(a.ratio, min(a.low, b.low), max(a.high, b.high)))
    sets = tuple(one.at(o) | other.at(o) for o in range(period))
    return _reduced(Field(one.axis, int(one.jump * period), _lean(sets)))


def dependency(graph: Graph, types: Sequence[tuple[TensorType, ...]], asked: Mapping[Edge, Box]) -> dict[int, Box]:
    """For each network input (by number) the indices, per axis, on which boxes of positions depend.

    Clipped to the actual sizes at every layer; an input on which nothing depends is left out.
    Errors: ShapeError when a size is open.
    """
    found = demanded(graph, types, asked, reads_of(graph, types))
    return {number: boxes.around(found[node, 0]) for number, node in enumerate(graph.inputs) if (node, 0) in found}


LayerReads = Sequence[Sequence[tuple[Reads | None, ...]]]
"""For each node and each of its outputs, how each input is read."""


def reads_of(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> LayerReads:
    """How every node reads its inputs, asked once for many positions."""
    fed = propagate.fed_types(graph, types)
    return [
        [node.layer.reach(output, *fed[number]) for output in range(len(types[number]))] if node.inputs else []
        for number, node in enumerate(graph.nodes)
    ]


def demanded(
    graph: Graph, types: Sequence[tuple[TensorType, ...]], asked: Mapping[Edge, Box], reads: LayerReads
) -> dict[Edge, Region]:
    """Of every tensor the positions on which boxes of positions depend, those boxes among them.

    Clipped to the actual sizes at every layer; a tensor on which nothing depends is left out.
    Errors: ShapeError when a size is open.
    """
    fed = propagate.fed_types(graph, types)

    def rule(number: int, node: Node, wanted: Mapping[int, Region]) -> list[Region | None]:
        needed: list[Region | None] = [None] * len(node.inputs)
        for output, region in wanted.items():
            for n, one in enumerate(reads[number][output]):
                pulled = (boxes.pull(one, box, fed[number][n]) for box in region)
                needed[n] = _together(needed[n], pulled)
        return needed

    return propagate.backward(graph, {edge: (box,) for edge, box in asked.items()}, rule, boxes.union)


def projection(
    graph: Graph, types: Sequence[tuple[TensorType, ...]], given: Mapping[int, Box]
) -> list[tuple[Box | None, ...]]:
    """For every output of every node the positions that depend on boxes of network inputs (by number).

    The inverse of `dependency`. None where nothing depends on them.
    Errors: ShapeError when a size is open.
    """
    made = reached(graph, types, given, reads_of(graph, types))
    return [tuple(None if region is None else boxes.around(region) for region in row) for row in made]


def reached(
    graph: Graph, types: Sequence[tuple[TensorType, ...]], given: Mapping[int, Box], reads: LayerReads
) -> list[tuple[Region | None, ...]]:
    """As `projection`, as regions, which one box need not be where branches meet."""
    places = {id(node): number for number, node in enumerate(graph.nodes)}
    seeds = {node: ((given[number],) if number in given else None,) for number, node in enumerate(graph.inputs)}

    def rule(node: Node, seen: tuple[Region | None, ...]) -> tuple[Region | None, ...]:
        number = places[id(node)]
        found: list[Region | None] = []
        for output, type in enumerate(types[number]):
            there: Region | None = None
            for one, region in zip(reads[number][output], seen, strict=True):
                there = _together(there, (boxes.push(one, box, type) for box in region or ()))
            found.append(there)
        return tuple(found)

    return propagate.forward(graph, seeds, rule)


def _together(one: Region | None, others: Iterable[Box | None]) -> Region | None:
    for box in others:
        if box is not None:
            one = (box,) if one is None else boxes.union(one, (box,))
    return one


def read_at_all(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> dict[int, Box]:
    """For each input the indices per axis that reach some output, as a box; see `dependency`."""
    asked = {(node, output): boxes.whole(types[node][output]) for node, output in graph.outputs}
    return dependency(graph, types, asked)
