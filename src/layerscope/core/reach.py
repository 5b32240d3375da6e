"""Which input positions an output position depends on, one axis at a time.

A *relation* says it for one layer and one axis of its input: `pull(o)` is the set of input
indices that the output index o depends on, on an unbounded input, and `push(i)` the set of
output indices that depend on the input index i. All relations but `Listed` are periodic:
pull(o + steps[0]) = pull(o) + steps[1]. Neither costs more for a wider set of indices, as long as
the result has few gaps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd

from layerscope.core.dataclasses import dataclass
from layerscope.core.indices import MOST_INTERVALS, Indices, progression

MOST_LISTED = 4096
"""Indices of a list that are told one by one."""


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
class Share(Relation):
    """Output o of `parts` reads its share of `size` inputs: floor(o·size / parts) … ceil((o + 1)·size / parts) - 1.

    Adaptive pooling. The windows repeat with the period parts / gcd(size, parts).
    """

    axis: int
    size: int
    parts: int

    @property
    def scaled(self) -> Scaled:
        return Scaled(self.axis, self.size, self.parts, 0, self.size - 1)

    @property
    def steps(self) -> tuple[int, int]:
        return self.scaled.steps

    def pull(self, output: Indices) -> Indices:
        return self.scaled.pull(output)

    def push(self, input: Indices) -> Indices:
        return self.scaled.push(input)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        ratio = Fraction(self.size, self.parts)
        inner = Fraction(ratio.denominator - 1, ratio.denominator)
        return -inner, ratio + inner - 1


@dataclass(frozen=True)
class Interpolate(Relation):
    """Interpolation with half-pixel centres, enlarged `factor` times, by a kernel of `support` pixels to either side.

    Linear: support 1, the two neighbours; cubic 2; Lanczos its order. All these kernels are 0 at whole distances
    but 0, so a position that falls exactly on a pixel reads that one only.
    """

    axis: int
    factor: int
    support: int = 1

    @property
    def steps(self) -> tuple[int, int]:
        return self.factor, 1

    def _read(self, o: int) -> tuple[int, int]:
        below, rest = divmod(2 * o + 1 - self.factor, 2 * self.factor)
        return (below - self.support + 1, below + self.support) if rest else (below, below)

    def pull(self, output: Indices) -> Indices:
        found: list[tuple[int, int]] = []
        for low, high in output.intervals:  # one of two neighbours does not fall on a pixel, and reads more
            ends = [self._read(o) for o in (low, min(low + 1, high), max(high - 1, low), high)]
            found.append((min(a for a, _ in ends), max(b for _, b in ends)))
        return Indices.of(*found)

    def push(self, input: Indices) -> Indices:
        found: list[tuple[int, int]] = []
        if self.factor == 1:
            return input
        for low, high in input.intervals:
            # those between the pixels low - support and high + support, without those that fall on others than these
            first, last = self._after(low - self.support), self._after(high + self.support) - 1
            if self.factor % 2:
                on = (*range(low - self.support, low), *range(high + 1, high + self.support + 1))
                cuts = [pixel * self.factor + self.factor // 2 for pixel in on]
                found += [(a + 1, b - 1) for a, b in pairwise((first - 1, *cuts, last + 1))]
            else:
                found.append((first, last))
        return Indices.of(*found)

    def _after(self, pixel: int) -> int:
        """The first output position at the pixel or behind it."""
        return -((1 - self.factor - 2 * self.factor * pixel) // 2)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        centre = Fraction(1 - self.factor, 2 * self.factor)
        return centre - self.support, centre + self.support


@dataclass(frozen=True)
class Listed(Relation):
    """Output o reads the input indices[o], in any order, and any of them again. It has as many outputs as indices,
    and no period: other outputs than these read nothing.
    """

    axis: int
    indices: tuple[int, ...]

    @property
    def steps(self) -> tuple[int, int]:
        """On average: as many outputs as there are indices, over the inputs from the first to the last of them."""
        return len(self.indices), max(self.indices) - min(self.indices) + 1

    def pull(self, output: Indices) -> Indices:
        parts = (self.indices[max(low, 0) : max(high + 1, 0)] for low, high in output.intervals)
        return Indices.of(*((i, i) for part in parts for i in sorted({*part})))

    def push(self, input: Indices) -> Indices:
        wanted = {i for i in {*self.indices} if input & Indices(((i, i),))}
        return Indices.of(*((o, o) for o, i in enumerate(self.indices) if i in wanted))

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        ratio = Fraction(self.steps[1], self.steps[0])
        off = [i - o * ratio for o, i in enumerate(self.indices)]
        return min(off), max(off)


def listed(axis: int, indices: Sequence[int]) -> Relation | Everything:
    """How an axis is read of which these indices are taken: in equal steps forwards as by a window, which a slice is.

    A list of more than 4,096 is not followed: everything.
    """
    if not 0 < len(indices) <= MOST_LISTED:
        return EVERYTHING
    steps = {b - a for a, b in pairwise(indices)}
    if len(steps) > 1 or min(steps, default=1) < 1:
        return Listed(axis, tuple(indices))
    return Window(axis, min(steps, default=1), 1, -indices[0])


@dataclass(frozen=True)
class Everything:
    """The whole axis is read, whatever the output position."""


@dataclass(frozen=True)
class Fixed(Everything):
    """One index is read, whatever the output position: the axis is gone. Who does not ask which takes it for all."""

    index: int = 0


EVERYTHING = Everything()
Reads = tuple[Relation | Everything, ...]
"""For each axis of one input, how it is read."""


def same(rank: int, everything: tuple[int, ...] = ()) -> Reads:
    """Every axis at the output's own index, but those in `everything` read whole."""
    whole = {axis % rank for axis in everything}
    return tuple(EVERYTHING if axis in whole else Window(axis) for axis in range(rank))
