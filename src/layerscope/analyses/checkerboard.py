"""Checkerboards: how unevenly the windows of enlarging layers overlap, and what would make them even.

The *overlap* of a position counts the products of inputs and kernel taps that are added up there, in one channel, on
an unbounded input: for a transposed convolution of kernel 3 and stride 2 it is 1 and 2 in turn along an axis, so 1, 2
and 4 in an image (4 : 1). Behind several layers it is the result for equal inputs where all taps of a kernel weigh
the same; branches that meet count alike. It repeats with the strides, and is counted in whole numbers.

Source: Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts", Distill (2016).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property

from layerscope.core import propagate
from layerscope.core.dataclasses import dataclass
from layerscope.core.graph import Graph, Node
from layerscope.core.reach import Everything, Fixed, Interpolate, Listed, Reads, Relation, Spread, Window
from layerscope.core.types import TensorType

MOST_CELLS = 1 << 16
"""Of one period of a pattern; a larger one is not followed."""


@dataclass(frozen=True)
class Pattern:
    """Overlap over one period of positions: `shape` has the period along each axis of the tensor (1: no change along
    it), `counts` are whole numbers without a common divisor, row by row.
    """

    shape: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def even(self) -> bool:
        """Whether all positions have the same overlap."""
        return len(set(self.counts)) == 1

    @property
    def least(self) -> int:
        return min(self.counts)

    @property
    def most(self) -> int:
        return max(self.counts)

    @property
    def ratio(self) -> Fraction | None:
        """Largest over smallest overlap; None where some positions get nothing."""
        return Fraction(self.most, self.least) if self.least else None

    @cached_property
    def variance(self) -> Fraction:
        """Variance over the squared mean, exactly; the square of `variation`."""
        total, squares = sum(self.counts), sum(count * count for count in self.counts)
        return Fraction(squares * len(self.counts), total * total) - 1

    @property
    def variation(self) -> float:
        """Standard deviation over mean (the coefficient of variation) over one period; 0 when even."""
        return math.sqrt(self.variance)

    def along(self, axis: int) -> tuple[int, ...]:
        """The overlap along one axis, added up over the others, without a common divisor."""
        sums = [0] * self.shape[axis]
        for place, count in zip(itertools.product(*map(range, self.shape)), self.counts, strict=True):
            sums[place[axis]] += count
        common = math.gcd(*sums) or 1
        return tuple(value // common for value in sums)

    @staticmethod
    def of(shape: Sequence[int], counts: Sequence[int]) -> Pattern:
        """The same pattern with the shortest periods and the smallest whole numbers."""
        pattern = Pattern(tuple(shape), tuple(counts))
        for axis in range(len(pattern.shape)):
            pattern = _shortest(pattern, axis)
        common = math.gcd(*pattern.counts) or 1
        return Pattern(pattern.shape, tuple(count // common for count in pattern.counts))


def even(rank: int) -> Pattern:
    """The pattern of equal values."""
    return Pattern((1,) * rank, (1,))


def _shortest(pattern: Pattern, axis: int) -> Pattern:
    period = pattern.shape[axis]
    for shorter in range(1, period):
        if period % shorter == 0:
            turned = _along(pattern, axis, [[((o + shorter) % period, 1)] for o in range(period)])
            if turned.counts == pattern.counts:
                return _along(pattern, axis, [[(o, 1)] for o in range(shorter)])
    return pattern


Taps = list[list[tuple[int, int]]]
"""For each position of one period along the output: (position along the input, weight)."""


def _along(pattern: Pattern, axis: int, taps: Taps) -> Pattern:
    """A weighted sum along one axis."""
    before, period = math.prod(pattern.shape[:axis]), pattern.shape[axis]
    after = math.prod(pattern.shape[axis + 1 :])
    made: list[int] = []
    for block in range(before):
        for row in taps:
            starts = [((block * period + place) * after, weight) for place, weight in row]
            made += [sum(pattern.counts[start + n] * weight for start, weight in starts) for n in range(after)]
    return Pattern((*pattern.shape[:axis], len(taps), *pattern.shape[axis + 1 :]), tuple(made))


def _taps(relation: Relation, period: int) -> Taps | None:
    """What a layer whose taps all weigh the same makes of a pattern of this period; None where that is not known."""
    if isinstance(relation, Window) and not relation.partial:
        step, d = relation.stride, relation.dilation
        count = period // math.gcd(period, step)
        return [
            [((o * step - relation.before + d * t) % period, 1) for t in range(relation.size)] for o in range(count)
        ]
    if isinstance(relation, Spread):
        step = relation.stride
        return [
            [
                ((o + relation.before - relation.dilation * t) // step % period, 1)
                for t in range(relation.size)
                if (o + relation.before - relation.dilation * t) % step == 0
            ]
            for o in range(period * step)
        ]
    if isinstance(relation, Listed):
        return [[(i % period, 1)] for i in relation.indices] if period > 1 else [[(0, 1)]]
    if period == 1:  # resizing and adaptive pooling: means of equal values
        return [[(0, 1)]]
    if isinstance(relation, Interpolate) and relation.support == 1:
        found: Taps = []
        for o in range(period * relation.factor):
            below, rest = divmod(2 * o + 1 - relation.factor, 2 * relation.factor)
            found.append([(below % period, 2 * relation.factor - rest), ((below + 1) % period, rest)])
        return found
    return None


def through(pattern: Pattern, reads: Reads, rank: int) -> Pattern | None:
    """A pattern behind a layer, of whose output (of so many axes) `reads` says what it depends on.

    Where a layer reads a whole axis, its output counts as even along it. None where the result is not known: a
    resizing or a concatenation along an axis of something uneven, or a period too long to follow.
    """
    places: dict[int, int] = {}
    for axis, relation in enumerate(reads):
        if isinstance(relation, Fixed):
            taps: Taps | None = [[(relation.index % pattern.shape[axis], 1)]]
        elif isinstance(relation, Everything):
            taps = [[(n, 1) for n in range(pattern.shape[axis])]]
        else:
            taps = _taps(relation, pattern.shape[axis])
            if taps is None or relation.axis in places:
                return None
            places[relation.axis] = axis
        if math.prod(pattern.shape) // pattern.shape[axis] * len(taps) > MOST_CELLS:
            return None
        pattern = _along(pattern, axis, taps)
    shape = tuple(pattern.shape[places[axis]] if axis in places else 1 for axis in range(rank))
    strides = [math.prod(pattern.shape[axis + 1 :]) for axis in range(len(pattern.shape))]
    counts = [
        pattern.counts[sum(place[axis] * strides[source] for axis, source in places.items())]
        for place in itertools.product(*map(range, shape))
    ]
    return Pattern.of(shape, counts) if any(counts) else None


def together(patterns: Sequence[Pattern]) -> Pattern | None:
    """The mean of patterns, each with its own mean brought to 1; None where their common period is too long."""
    first, *rest = patterns
    if all(pattern == first for pattern in rest):
        return first
    shape = [math.lcm(*periods) for periods in zip(*(pattern.shape for pattern in patterns), strict=True)]
    if math.prod(shape) > MOST_CELLS:
        return None
    whole: list[list[int]] = []
    for pattern in patterns:
        for axis, period in enumerate(shape):
            pattern = _along(pattern, axis, [[(o % pattern.shape[axis], 1)] for o in range(period)])
        whole.append(list(pattern.counts))
    sums = [sum(counts) for counts in whole]
    common = math.lcm(*sums)
    return Pattern.of(
        shape, [sum(n * (common // s) for n, s in zip(row, sums, strict=True)) for row in zip(*whole, strict=True)]
    )


@dataclass(frozen=True)
class Overlap:
    """One layer: its overlap `alone`, behind equal values, and `so_far`, behind all layers before it.

    None where it is not known. `axes` are those of its output along which it enlarges, with the factor of each.
    `axes` is empty for a layer that only changes the pattern of those before it.
    """

    name: str
    kind: str
    alone: Pattern | None
    so_far: Pattern | None
    axes: tuple[tuple[int, Fraction], ...]
    shape: TensorType
    output: bool

    @property
    def enlarges(self) -> bool:
        return bool(self.axes)


@dataclass(frozen=True)
class Checkerboard:
    """The layers that enlarge or change the pattern, in order, and the network's outputs."""

    layers: tuple[Overlap, ...]

    @property
    def uneven(self) -> tuple[Overlap, ...]:
        """The layers whose own windows overlap unevenly."""
        return tuple(row for row in self.layers if row.enlarges and row.alone is not None and not row.alone.even)

    def __getitem__(self, name: str) -> Overlap:
        """The row of a layer; KeyError where it neither enlarges nor changes the pattern."""
        for row in self.layers:
            if row.name == name:
                return row
        raise KeyError(name)


def checkerboard(graph: Graph) -> Checkerboard:
    """The overlap of every layer that enlarges, alone and in the chain, and of the layers that change it.

    Exact, in whole numbers, on an unbounded input: at the edges of the actual one fewer windows overlap. Transposed
    convolutions of any kernel, stride, dilation and padding, upsampling, bed of nails, unpooling and pixel shuffle,
    and all layers between them; activations change nothing.
    """
    types = propagate.types(graph)
    fed = propagate.fed_types(graph, types)
    places = {id(node): number for number, node in enumerate(graph.nodes)}
    seeds = {number: (even(types[number][0].rank),) for number in graph.inputs}

    def rule(node: Node, seen: tuple[Pattern | None, ...]) -> tuple[Pattern | None, ...]:
        number = places[id(node)]
        return tuple(_met(node, seen, fed[number], output, type.rank) for output, type in enumerate(types[number]))

    found = propagate.forward(graph, seeds, rule)
    ends = {node for node, _ in graph.outputs}
    rows: list[Overlap] = []
    for number, node in enumerate(graph.nodes):
        if not node.inputs:
            continue
        axes = tuple(_enlarged(node, fed[number]))
        before = [found[source][output] for source, output in node.inputs]
        so_far = found[number][0]
        changed = any(one is not None and so_far is not None and _facts(one) != _facts(so_far) for one in before)
        if axes or changed or number in ends or (so_far is None and None not in before):
            alone = _met(node, [even(type.rank) for type in fed[number]], fed[number], 0, types[number][0].rank)
            type = types[number][0]
            rows.append(Overlap(node.label, node.layer.kind, alone, so_far, axes, type, number in ends))
    return Checkerboard(tuple(rows))


def _facts(pattern: Pattern) -> tuple[object, ...]:
    """What stays the same when axes of no period come and go."""
    return tuple(n for n in pattern.shape if n > 1), sorted(pattern.counts)


def _met(
    node: Node, seen: Sequence[Pattern | None], fed: Sequence[TensorType], output: int, rank: int
) -> Pattern | None:
    """What a node makes of its inputs' patterns; switches, which are places and no values, do not count."""
    made: list[Pattern] = []
    for reads, pattern, type in zip(node.layer.reach(output, *fed), seen, fed, strict=True):
        if reads is None or type.plane is not None:
            continue
        step = None if pattern is None else through(pattern, reads, rank)
        if step is None:
            return None
        made.append(step)
    return together(made) if made else even(rank)


def _enlarged(node: Node, fed: Sequence[TensorType]) -> Iterator[tuple[int, Fraction]]:
    """The axes of a node's output along which it has more positions than what it reads, and how many times."""
    seen = set[int]()
    for reads in node.layer.reach(0, *fed):
        for relation in reads or ():
            if not isinstance(relation, Everything) and relation.axis not in seen:
                steps = relation.steps
                if steps[0] > steps[1]:
                    seen.add(relation.axis)
                    yield relation.axis, Fraction(*steps)
