"""Which input positions an output position depends on, one axis at a time.

A *relation* says it for one layer and one axis of its input: `pull(o)` is the set of input
indices that the output index o depends on, on an unbounded input. All relations here are
periodic: pull(o + steps[0]) = pull(o) + steps[1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

MOST_INTERVALS = 1024


@dataclass(frozen=True)
class Indices:
    """A set of integers as sorted, disjoint, non-adjacent closed intervals."""

    intervals: tuple[tuple[int, int], ...]

    @staticmethod
    def of(*intervals: tuple[int, int]) -> Indices:
        """The union of closed intervals; an interval whose end lies before its start is empty."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted(pair for pair in intervals if pair[0] <= pair[1]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        while len(merged) > MOST_INTERVALS:
            # Bounded cost: close every second gap. The hull stays exact, `holes` stays true.
            merged = [(merged[i][0], merged[min(i + 1, len(merged) - 1)][1]) for i in range(0, len(merged), 2)]
        return Indices(tuple(merged))

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: Indices) -> Indices:
        return Indices.of(*self.intervals, *other.intervals)

    def shift(self, offset: int) -> Indices:
        return Indices(tuple((low + offset, high + offset) for low, high in self.intervals))

    def clip(self, size: int) -> Indices:
        """The part that lies in 0 … size-1."""
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

    @property
    @abstractmethod
    def bounds(self) -> tuple[Fraction, Fraction]:
        """(a, b): every input index of output o lies in [o·r + a, o·r + b], r = steps[1] / steps[0]."""


@dataclass(frozen=True)
class Window(Relation):
    """Output o reads inputs o·stride - before + dilation·t for t in 0 … size-1 (convolution, pooling).

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
        stride, before, dilation = self.stride, self.before, self.dilation
        if self.size == stride == 1:
            return output.shift(-before)
        found: list[tuple[int, int]] = []
        reach = dilation * (self.size - 1)
        for low, high in output.intervals:
            first, last = low * stride - before, high * stride - before
            whole = dilation == 1 and (low == high or stride <= self.size)
            if whole or (stride == 1 and high - low + 1 >= dilation):
                found.append((first, last + reach))
            elif stride == 1:
                found += [(first + dilation * t, last + dilation * t) for t in range(self.size)]
            else:
                starts = (o * stride - before for o in range(low, high + 1))
                found += [(i, i) for start in starts for i in range(start, start + reach + 1, dilation)]
        return Indices.of(*found)

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
        found: list[tuple[int, int]] = []
        for low, high in output.intervals:
            if self.dilation == 1:
                joined = high - low + 1 >= self.stride  # then no input between the ends is left out
                for a, b in [(low, high)] if joined else [(o, o) for o in range(low, high + 1)]:
                    first = -((self.size - 1 - a - self.before) // self.stride)
                    found.append((first, (b + self.before) // self.stride))
                continue
            for o in range(low, high + 1):
                for t in range(self.size):
                    place = o + self.before - self.dilation * t
                    if place % self.stride == 0:
                        found.append((place // self.stride, place // self.stride))
        return Indices.of(*found)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        reach = self.dilation * (self.size - 1)
        return Fraction(self.before - reach, self.stride), Fraction(self.before, self.stride)


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

    def pull(self, output: Indices) -> Indices:
        found: list[tuple[int, int]] = []
        for low, high in output.intervals:
            for o in range(low, high + 1):
                # position (2o + 1 - factor) / (2·factor)
                below, rest = divmod(2 * o + 1 - self.factor, 2 * self.factor)
                found.append((below - self.support + 1, below + self.support) if rest else (below, below))
        return Indices.of(*found)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        centre = Fraction(1 - self.factor, 2 * self.factor)
        return centre - self.support, centre + self.support


@dataclass(frozen=True)
class Share(Relation):
    """Output o of `parts` reads its share of `size` inputs: floor(o·size / parts) … ceil((o + 1)·size / parts) - 1.

    Adaptive pooling. The windows repeat with the period parts / gcd(size, parts).
    """

    axis: int
    size: int
    parts: int

    @property
    def steps(self) -> tuple[int, int]:
        ratio = Fraction(self.size, self.parts)
        return ratio.denominator, ratio.numerator

    def pull(self, output: Indices) -> Indices:
        def share(o: int) -> tuple[int, int]:
            return o * self.size // self.parts, -(-(o + 1) * self.size // self.parts) - 1

        # neighbouring shares touch or overlap, so what lies between the ends is read
        return Indices.of(*((share(low)[0], share(high)[1]) for low, high in output.intervals))

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        ratio = Fraction(self.size, self.parts)
        inner = Fraction(ratio.denominator - 1, ratio.denominator)
        return -inner, ratio + inner - 1


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
