"""Which input positions an output position depends on, one axis at a time.

A *relation* says it for one layer and one axis of its input: `pull(o)` is the set of input
indices that the output index o depends on, on an unbounded input, and `push(i)` the set of
output indices that depend on the input index i. All relations here are periodic:
pull(o + steps[0]) = pull(o) + steps[1]. Neither costs more for a wider set of indices, as long as
the result has few gaps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

MOST_INTERVALS = 16384
"""More intervals than any set of positions along an axis of 32,768 has; see `Indices.of`."""


@dataclass(frozen=True)
class Indices:
    """A set of integers as sorted, disjoint, non-adjacent closed intervals."""

    intervals: tuple[tuple[int, int], ...]

    @staticmethod
    def of(*intervals: tuple[int, int]) -> Indices:
        """The union of closed intervals; an interval whose end lies before its start is empty."""
        if len(intervals) == 1:
            return Indices(intervals) if intervals[0][0] <= intervals[0][1] else NOTHING
        merged: list[tuple[int, int]] = []
        for low, high in sorted(intervals):
            if low > high:
                continue
            if merged and low <= merged[-1][1] + 1:
                if high > merged[-1][1]:
                    merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return Indices(tuple(merged)).at_most(MOST_INTERVALS)

    def at_most(self, count: int) -> Indices:
        """The same set, with gaps in the middle closed until it has so many intervals (at least 2).

        So cost is bounded; the hull stays exact, `holes` stays true, and so do both ends.
        """
        if len(self.intervals) <= count:
            return self
        head = self.intervals[: count // 2]
        tail = self.intervals[len(self.intervals) - (count - count // 2) + 1 :]
        middle = self.intervals[len(head)][0], self.intervals[len(self.intervals) - len(tail) - 1][1]
        return Indices((*head, middle, *tail))

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: Indices) -> Indices:
        if not other or self.intervals == other.intervals:
            return self
        return Indices.of(*self.intervals, *other.intervals)

    def __and__(self, other: Indices) -> Indices:
        """The indices in both sets."""
        found: list[tuple[int, int]] = []
        mine, yours = self.intervals, other.intervals
        a = b = 0
        while a < len(mine) and b < len(yours):
            low, high = max(mine[a][0], yours[b][0]), min(mine[a][1], yours[b][1])
            if low <= high:
                found.append((low, high))
            if mine[a][1] < yours[b][1]:
                a += 1
            else:
                b += 1
        return Indices(tuple(found))

    def shift(self, offset: int) -> Indices:
        return Indices(tuple((low + offset, high + offset) for low, high in self.intervals))

    def clip(self, size: int) -> Indices:
        """The part that lies in 0 … size-1."""
        if self and self.intervals[0][0] >= 0 and self.intervals[-1][1] < size:
            return self
        return Indices.of(*((max(low, 0), min(high, size - 1)) for low, high in self.intervals))

    @property
    def hull(self) -> tuple[int, int]:
        """First and last index; only for a set that is not empty."""
        return self.intervals[0][0], self.intervals[-1][1]

    @property
    def extent(self) -> int:
        """Size of the hull; 0 for the empty set."""
        return self.hull[1] - self.hull[0] + 1 if self else 0

    @property
    def count(self) -> int:
        return sum(high - low + 1 for low, high in self.intervals)

    @property
    def holes(self) -> bool:
        """Whether the hull contains indices that are not in the set."""
        return len(self.intervals) > 1


NOTHING = Indices(())


def progression(first: int, step: int, count: int, length: int = 1) -> Iterator[tuple[int, int]]:
    """Intervals of one length, `step` from start to start; of very many those in the middle as one."""
    if step <= length:
        yield first, first + step * (count - 1) + length - 1
        return
    ends = MOST_INTERVALS // 2
    if count <= 2 * ends + 1:
        yield from ((first + step * n, first + step * n + length - 1) for n in range(count))
        return
    yield from progression(first, step, ends, length)
    yield first + step * ends, first + step * (count - ends - 1) + length - 1
    yield from progression(first + step * (count - ends), step, ends, length)


class Relation(ABC):
    """How one axis of a layer's input is read; `axis` is the axis of the output that steers it."""

    axis: int

    @property
    @abstractmethod
    def steps(self) -> tuple[int, int]:
        """(a, b): a further along the output is b further along the input."""

    @abstractmethod
    def pull(self, output: Indices) -> Indices:
        """The input indices on which the output indices depend."""

    @abstractmethod
    def push(self, input: Indices) -> Indices:
        """The output indices that depend on the input indices."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[Fraction, Fraction]:
        """(a, b): every input index of output o lies in [o·r + a, o·r + b], r = steps[1] / steps[0]."""


@dataclass(frozen=True)
class Window(Relation):
    """Output o reads inputs o·stride - before + dilation·t for t in 0 … size-1 (convolution, pooling, slicing).

    With stride 1 and size 1 it is a shift: padding (before > 0), cropping (before < 0), or identity.
    """

    axis: int
    stride: int = 1
    size: int = 1
    before: int = 0
    dilation: int = 1
    partial: bool = False
    """Only some outputs read this input at all, as in a concatenation along this axis."""

    @property
    def steps(self) -> tuple[int, int]:
        return 1, self.stride

    def pull(self, output: Indices) -> Indices:
        if self.size == self.stride == 1:
            return output.shift(-self.before) if self.before else output
        return _scattered(output, self.stride, self.size, self.before, self.dilation)

    def push(self, input: Indices) -> Indices:
        return _gathered(input, self.stride, self.size, self.before, self.dilation)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        return Fraction(-self.before), Fraction(self.dilation * (self.size - 1) - self.before)


@dataclass(frozen=True)
class Spread(Relation):
    """Output o reads every input i with o = i·stride - before + dilation·t, t in 0 … size-1.

    Transposed convolution; nearest upsampling (size = stride); bed of nails (size = 1); unpooling.
    """

    axis: int
    stride: int = 1
    size: int = 1
    before: int = 0
    dilation: int = 1

    @property
    def steps(self) -> tuple[int, int]:
        return self.stride, 1

    def pull(self, output: Indices) -> Indices:
        return _gathered(output, self.stride, self.size, self.before, self.dilation)

    def push(self, input: Indices) -> Indices:
        return _scattered(input, self.stride, self.size, self.before, self.dilation)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        reach = self.dilation * (self.size - 1)
        return Fraction(self.before - reach, self.stride), Fraction(self.before, self.stride)


def _gathered(given: Indices, stride: int, size: int, before: int, dilation: int) -> Indices:
    """All n with n·stride = m + before - dilation·t, m in `given`, t in 0 … size-1."""
    found: list[tuple[int, int]] = []
    for low, high in given.intervals:
        if dilation == 1 or high - low + 1 >= dilation:  # then m - dilation·t takes every value between its ends
            found.append((-((dilation * (size - 1) - low - before) // stride), (high + before) // stride))
        else:
            taps = range(0, dilation * size, dilation)
            found += [(-((tap - low - before) // stride), (high + before - tap) // stride) for tap in taps]
    return Indices.of(*found)


def _scattered(given: Indices, stride: int, size: int, before: int, dilation: int) -> Indices:
    """All m = n·stride - before + dilation·t, n in `given`, t in 0 … size-1."""
    found: list[tuple[int, int]] = []
    for low, high in given.intervals:
        first, count = low * stride - before, high - low + 1
        if stride == 1 or count == 1:
            found += progression(first, dilation, size, count)
        elif dilation == 1:
            found += progression(first, stride, count, size)
        else:
            found += _lattice(first, stride, count, dilation, size)
    return Indices.of(*found)


def _lattice(first: int, stride: int, count: int, dilation: int, size: int) -> Iterable[tuple[int, int]]:
    """The numbers first + stride·n + dilation·t, n < count, t < size, sorted by their remainder by the stride.

    The taps t, t + turn, t + 2·turn, ... leave the same remainder, `far` strides apart.
    """
    turn, far = stride // gcd(stride, dilation), dilation // gcd(stride, dilation)
    rows: list[tuple[int, int]] = []  # start and number of a progression by the stride
    for tap in range(min(size, turn)):
        times = (size - tap - 1) // turn + 1
        start = first + dilation * tap
        if far <= count:
            rows.append((start, count + far * (times - 1)))
        else:
            rows += [(start + far * stride * n, count) for n in range(times)]
    low = max(start for start, _ in rows)
    high = min(start + stride * (number - 1) for start, number in rows)
    if turn < stride or size < turn or far > count or low >= high:
        return (part for start, number in rows for part in progression(start, stride, number))
    # Every remainder occurs, so nothing is left out between the last start and the first end.
    found = [(low, high)]
    for start, number in rows:
        end = start + stride * (number - 1)
        found += [(m, m) for m in range(start, low, stride)]
        found += [(m, m) for m in range(end, high, -stride)]
    return found


@dataclass(frozen=True)
class Scaled(Relation):
    """Output o reads inputs floor((o·step + first) / factor) … floor((o·step + last) / factor), last ≥ first.

    Resizing by any ratio: position p(o) = (o·step + c) / factor; its nearest lower neighbour is first = last = c,
    linear interpolation first = c, last = c + factor - 1. Adaptive pooling from n to m: step n, factor m, first 0,
    last n - 1.
    """

    axis: int
    step: int
    factor: int
    first: int
    last: int

    @property
    def steps(self) -> tuple[int, int]:
        common = gcd(self.step, self.factor)
        return self.factor // common, self.step // common

    def pull(self, output: Indices) -> Indices:
        found: list[tuple[int, int]] = []
        for low, high in output.intervals:
            if self.step <= self.factor + self.last - self.first:  # then neighbours touch
                found.append((self._read(low)[0], self._read(high)[1]))
            elif high - low < MOST_INTERVALS:
                found += map(self._read, range(low, high + 1))
            else:
                a, b = low + MOST_INTERVALS // 2, high - MOST_INTERVALS // 2
                found += map(self._read, (*range(low, a), *range(b + 1, high + 1)))
                found.append((self._read(a)[0], self._read(b)[1]))
        return Indices.of(*found)

    def _read(self, o: int) -> tuple[int, int]:
        return (o * self.step + self.first) // self.factor, (o * self.step + self.last) // self.factor

    def push(self, input: Indices) -> Indices:
        step, factor = self.step, self.factor
        return Indices.of(
            *(
                (-((self.last - low * factor) // step), ((high + 1) * factor - 1 - self.first) // step)
                for low, high in input.intervals
            )
        )

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        return Fraction(self.first - self.factor + 1, self.factor), Fraction(self.last, self.factor)


@dataclass(frozen=True)
class Interpolate(Relation):
    """Linear interpolation between the two neighbours, half-pixel centres, enlarged `factor` times."""

    axis: int
    factor: int

    @property
    def scaled(self) -> Scaled:
        """Position (2o + 1 - factor) / (2·factor); exactly on a pixel it reads that one only."""
        return Scaled(self.axis, 2, 2 * self.factor, 1 - self.factor, self.factor)

    @property
    def steps(self) -> tuple[int, int]:
        return self.factor, 1

    def pull(self, output: Indices) -> Indices:
        return self.scaled.pull(output)

    def push(self, input: Indices) -> Indices:
        return self.scaled.push(input)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        centre = Fraction(1 - self.factor, 2 * self.factor)
        return centre - 1, centre + 1


@dataclass(frozen=True)
class Everything:
    """The whole axis is read, whatever the output position."""


EVERYTHING = Everything()
Reads = tuple[Relation | Everything, ...]
"""For each axis of one input, how it is read."""


def same(rank: int, everything: tuple[int, ...] = ()) -> Reads:
    """Every axis at the output's own index, but those in `everything` read whole."""
    whole = {axis % rank for axis in everything}
    return tuple(EVERYTHING if axis in whole else Window(axis) for axis in range(rank))
