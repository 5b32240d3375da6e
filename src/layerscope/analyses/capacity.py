"""Capacity: how many independent numbers about the input can pass, what is never read, what pooling discards.

The capacity of a tensor is the smallest cut between the inputs and it: the fewest numbers, in tensors that together
interrupt every path, that all it knows must go through. No network of this graph, whatever its weights, has there a
Jacobian (for a linear network: a matrix) of larger rank.
Source: docs/definitions.md; Ford & Fulkerson, "Maximal flow through a network" (1956), for cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import prod

from layerscope.core import boxes, cuts, propagate
from layerscope.core.binding import bind
from layerscope.core.boxes import Box, Region
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.types import BATCH, TensorType, example

KEEPS_THE_LARGEST = ("MaxPool", "GlobalMaxPool", "AdaptiveMaxPool", "FractionalMaxPool")
"""Operators of files that keep one number of each window; layers of ours say `maximum`."""

MOST_PARTIAL = 64
"""Layers that read a part of their input and are looked at closely; of others the bound is a little larger."""
Types = Sequence[tuple[TensorType, ...]]


@dataclass(frozen=True)
class LayerCapacity:
    """What is known of one layer's output, in numbers per example.

    elements: how many numbers it holds. capacity: at most so many of them are independent, and `narrowest` is the
    layer whose output limits that ("" where several together do). unread: how many of them no output of the network
    depends on. dropped: for each axis but batch and channels, the positions of the layer's input that it never
    reads, as where floor division leaves a border. discarded: the share of its input's numbers that it cannot pass
    on because it keeps the largest of each window; 0 for all other layers. None where a size is open.
    """

    elements: int | None
    capacity: int | None
    narrowest: str
    unread: int | None
    dropped: tuple[int, ...]
    discarded: Fraction


@dataclass(frozen=True)
class Capacity:
    """One row a node; `capacity` is that of all outputs together, with the layer that limits it.

    `read` holds, for each input by its number, the boxes of its indices that some output depends on.
    """

    layers: tuple[LayerCapacity, ...]
    capacity: int | None
    narrowest: str
    read: Mapping[int, Region]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def unread(self) -> int | None:
        """Numbers of all inputs that nothing depends on; None where sizes are open."""
        if not self.shapes:
            return None
        return sum(prod(shape) - volume(self.read.get(number, ())) for number, shape in enumerate(self.shapes))

    def unread_map(self, input: int = 0) -> list[list[bool]]:
        """For each row and column of an input (batch, rows, columns, channels …) whether it is never read.

        Errors: ShapeError for an input that has no rows and columns.
        """
        shape = self.shapes[input] if self.shapes else ()
        if len(shape) < 3:
            raise ShapeError("a map of what is never read needs an input with rows and columns")
        found = [[True] * shape[2] for _ in range(shape[1])]
        for box in self.read.get(input, ()):
            for row in _each(box[1].intervals):
                for column in _each(box[2].intervals):
                    found[row][column] = False
        return found


def capacity(graph: Graph, types: Types | None = None) -> Capacity:
    """What can pass through each layer, what is never read, what is discarded; nothing is computed.

    Units: numbers per example; open sizes make everything None.
    """
    types = propagate.types(graph) if types is None else types
    one = [tuple(example(type) for type in row) for row in types]
    if not all(isinstance(size, int) for row in one for type in row for size in type.shape):
        blank = LayerCapacity(None, None, "", None, (), Fraction(0))
        return Capacity((blank,) * len(graph.nodes), None, "", {}, ())
    graph = bind(graph, {BATCH: 1})  # settings hold the batch, too: a shape to reshape to, for instance
    fed = propagate.fed_types(graph, one)
    asked = _asked(graph, one, fed, graph.outputs)
    found, total = _cuts(graph, one, fed, asked)
    rows = tuple(
        LayerCapacity(
            elements=_count(one[number][0]),
            capacity=found[number, 0][0],
            narrowest=_name(graph, found[number, 0][1]),
            unread=_count(one[number][0]) - volume(asked.get((number, 0), ())),
            dropped=_dropped(node, fed[number], one[number]),
            discarded=_discarded(node, fed[number], one[number]),
        )
        for number, node in enumerate(graph.nodes)
    )
    read = {number: asked[node, 0] for number, node in enumerate(graph.inputs) if (node, 0) in asked}
    shapes = tuple(tuple(int(str(n)) for n in one[node][0].shape) for node in graph.inputs)
    return Capacity(rows, total[0], _name(graph, total[1]), read, shapes)


def _count(type: TensorType) -> int:
    return int(str(type.elements))


def _name(graph: Graph, edge: Edge | None) -> str:
    return "" if edge is None else graph.nodes[edge[0]].label


def _cuts(
    graph: Graph, types: Types, fed: Types, asked: Mapping[Edge, Region]
) -> tuple[dict[Edge, cuts.Cut], cuts.Cut]:
    """The smallest cut before each tensor, and that before all outputs together, of which `asked` is asked.

    A layer that reads a part of its input cannot see what only the rest depends on: for it the tensors before count
    as far as it asks for them.
    """
    limits: dict[Edge, int] = {}
    sources: dict[Edge, list[Edge]] = {}
    starts, partial = {(node, 0) for node in graph.inputs}, 0
    for number, node in enumerate(graph.nodes):
        for output in range(len(types[number])):
            edge = number, output
            limits[edge] = _limit(node, output, fed[number], types[number])
            reads = node.layer.reach(output, *fed[number]) if edge not in starts else ()
            sources[edge] = [source for source, read in zip(node.inputs, reads, strict=False) if read is not None]
            if edge not in starts and partial < MOST_PARTIAL and _partial(node, output, fed[number], types[number]):
                partial += 1
                seen = _asked(graph, types, fed, [edge])
                within = {one: min(size, volume(seen.get(one, ()))) for one, size in limits.items() if one in seen}
                limits[edge] = min(limits[edge], cuts.smallest(within, sources, starts, [edge])[1][0])
    found, _ = cuts.smallest(limits, sources, starts, graph.outputs)
    within = {one: min(size, volume(asked.get(one, ()))) for one, size in limits.items()}
    return found, cuts.smallest(within, sources, starts, graph.outputs)[1]


def _partial(node: Node, output: int, fed: Sequence[TensorType], made: Sequence[TensorType]) -> bool:
    """Whether a layer reads a part of its only input."""
    read = _read(node, output, fed, made) if len(fed) == 1 and made[output].plane is None else None
    return read is not None and volume((read,)) < _count(fed[0])


def _limit(node: Node, output: int, fed: Sequence[TensorType], made: Sequence[TensorType]) -> int:
    """How many independent numbers this layer alone can put out, however many it is given."""
    type, layer = made[output], node.layer
    if type.plane is not None:  # switches say where, not what: they do not move with the numbers
        return 0
    count = limit = _count(type)
    if len(fed) == 1 and (read := _read(node, output, fed, made)) is not None:
        limit = min(limit, volume((read,)))
    if layer.kind == "Softmax" or getattr(layer, "activation", None) == "softmax":
        axis = getattr(layer, "axis", -1) if layer.kind == "Softmax" else -1
        if isinstance(axis, int) and type.rank > 1:
            limit = min(limit, count - count // int(str(type.shape[axis])))  # they sum to 1
    if layer.kind.startswith("Separable") and count:
        channels = getattr(layer, "filters", 0)
        between = int(str(fed[0].shape[-1])) * int(getattr(layer, "depth_multiplier", 1))
        limit = min(limit, count // channels * between) if channels and layer.kind[-1] == "D" else limit
    return limit


def _read(node: Node, output: int, fed: Sequence[TensorType], made: Sequence[TensorType]) -> Box | None:
    """What the output reads of the first input, as a box."""
    reads = node.layer.reach(output, *fed)[0]
    return boxes.pull(reads, boxes.whole(made[output]), fed[0])


def _asked(graph: Graph, types: Types, fed: Types, ends: Sequence[Edge]) -> dict[Edge, Region]:
    """For each tensor the boxes of indices that these tensors depend on."""

    def rule(number: int, node: Node, wanted: Mapping[int, Region]) -> list[Region | None]:
        needed: list[Region | None] = [None] * len(node.inputs)
        for output, region in wanted.items():
            for n, reads in enumerate(node.layer.reach(output, *fed[number])):
                for box in region:
                    pulled = boxes.pull(reads, box, fed[number][n])
                    if pulled is not None:
                        have = needed[n]
                        needed[n] = (pulled,) if have is None else boxes.union(have, (pulled,))
        return needed

    seeds: dict[Edge, Region] = {edge: (boxes.whole(types[edge[0]][edge[1]]),) for edge in ends}
    return propagate.backward(graph, seeds, rule, boxes.union)


def _dropped(node: Node, fed: Sequence[TensorType], made: Sequence[TensorType]) -> tuple[int, ...]:
    if len(fed) != 1 or fed[0].rank < 3 or not _count(fed[0]) or not _count(made[0]):
        return ()
    read = _read(node, 0, fed, made)
    if read is None:
        return ()
    first = getattr(node.layer, "data_format", None) == "channels_first"
    channel = 1 if first else getattr(node.layer, "channel_axis", -1) % fed[0].rank
    lost = [(axis, int(str(size)) - read[axis].count) for axis, size in enumerate(fed[0].shape)]
    found = tuple(count for axis, count in lost if axis not in (0, channel))
    return found if any(found) else ()


def _discarded(node: Node, fed: Sequence[TensorType], made: Sequence[TensorType]) -> Fraction:
    chooses = getattr(node.layer, "maximum", False) is True or node.layer.kind in KEEPS_THE_LARGEST
    if not chooses or not fed or not _count(fed[0]):
        return Fraction(0)
    return max(Fraction(0), 1 - Fraction(_count(made[0]), _count(fed[0])))


def volume(region: Region) -> int:
    """How many positions a union of boxes holds."""
    if not region:
        return 0

    @cache
    def inside(numbers: tuple[int, ...], axis: int) -> int:
        if axis == len(region[0]):
            return 1
        total = 0
        for count, part in _pieces([(n, region[n][axis].intervals) for n in numbers]):
            total += count * inside(part, axis + 1)
        return total

    return inside(tuple(range(len(region))), 0)


def _pieces(sets: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Stretches of an axis on which the same sets lie: their length, and which sets."""
    if len(sets) == 1:
        yield sum(high - low + 1 for low, high in sets[0][1]), (sets[0][0],)
        return
    marks: list[tuple[int, int, int]] = []
    for number, intervals in sets:
        for low, high in intervals:
            marks += [(low, 1, number), (high + 1, -1, number)]
    marks.sort()
    active: set[int] = set()
    last = 0
    for place, sign, number in marks:
        if active and place > last:
            yield place - last, tuple(sorted(active))
        last = place
        active.add(number) if sign > 0 else active.discard(number)


def _each(intervals: Sequence[tuple[int, int]]) -> Iterator[int]:
    for low, high in intervals:
        yield from range(low, high + 1)
