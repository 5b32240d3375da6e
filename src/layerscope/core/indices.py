"""Sets of indices along one axis, as intervals."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.core.dataclasses import dataclass

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
