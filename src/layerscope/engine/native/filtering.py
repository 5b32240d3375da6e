"""Where the algorithms of algorithms.py apply along an axis, and their matrices as instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from layerscope.engine.native.algorithms import (
    ADJOINT,
    BETWEEN,
    CENTRE,
    F2,
    F4,
    F25,
    Algorithm,
    Matrix,
    Row,
    direct,
    opposite,
)
from layerscope.engine.native.ir import Array, Code, Index, Value
from layerscope.engine.native.taps import Axis, PairAxis, Phase, Tap, spacing


@dataclass(frozen=True)
class Placed:
    """An algorithm on a part of an axis: `tiles` patches, the first of which begins at input `first` and makes the
    results from `start` on. `sources` are the kernel's taps in the algorithm's order. The last patch begins `shift`
    results earlier than it would behind the others, and makes some of theirs again. All of this is done for each of
    `apart` images that lie interleaved, as the taps of a dilated convolution read them.
    """

    algorithm: Algorithm
    first: int
    start: int
    tiles: int
    sources: tuple[int, ...]
    shift: int = 0
    apart: int = 1

    @property
    def regular(self) -> int:
        """How many patches lie side by side."""
        return self.tiles - bool(self.shift)


def on_axis(
    axis: Axis, count: int, even: bool = False, ties: bool = False, twice: bool = False
) -> Iterator[tuple[Placed, ...]]:
    """The ways to compute `count` results along an axis, each in one or two parts. With `twice` some are made twice.

    With `even` each part makes an even number of results, as pooling by 2 in registers needs. With `ties` results
    that read the same numbers are the same to the bit, as those of the definition are: wherever the image is constant
    all but one of F2's products are zero, and so are the differences behind upsampling; F4's are not.
    """
    if len(axis.phases) == 2 and axis.stride == 1 and axis.step == 2:
        yield from _upsampled(axis.phases, count)
    elif len(axis.phases) == 1 and axis.step == 1:
        ways = _interleaved(axis.phases[0].taps, axis.stride, count, even, twice)
        unequal = (F4, F25)
        yield from (way for way in ways if not ties or (len(way) == 1 and way[0].algorithm not in unequal))


def _interleaved(
    taps: Sequence[Tap], stride: int, count: int, even: bool = False, twice: bool = False
) -> Iterator[tuple[Placed, ...]]:
    """The ways on each of the images of every n-th cell, where taps are n cells apart."""
    apart = spacing([tap.offset for tap in taps]) or 1
    if apart == 1 or stride > 1 or even or count % apart:
        yield from _on_phase(taps, stride, count, even, twice)
        return
    close = [replace(tap, offset=n) for n, tap in enumerate(taps)]
    for way in _on_phase(close, 1, count // apart, even, twice):
        yield tuple(replace(p, first=taps[0].offset + p.first * apart, apart=apart) for p in way)


def on_pair(axis: PairAxis) -> Iterator[tuple[Placed, ...]]:
    """The ways to sum up a kernel's gradient along an axis."""
    yield from _interleaved(axis.taps, axis.stride, axis.count)


def _on_phase(taps: Sequence[Tap], stride: int, count: int, even: bool, twice: bool) -> Iterator[tuple[Placed, ...]]:
    offsets = [tap.offset for tap in taps]
    if offsets != list(range(offsets[0], offsets[0] + len(taps))) or not count:
        return
    groups = [frozenset(tap.sources) for tap in taps]
    if stride == 2 and len(taps) == 4:
        sources = _ends(groups[3], groups[2], groups[1], groups[0])
        if sources and not even:
            yield (Placed(ADJOINT, offsets[0], 0, count, sources),)
    elif stride == 1 and len(taps) in (3, 5) and all(len(group) == 1 for group in groups):
        yield from _plain(offsets[0], tuple(next(iter(group)) for group in groups), count, even, twice)


def _plain(first: int, sources: tuple[int, ...], count: int, even: bool, twice: bool) -> Iterator[tuple[Placed, ...]]:
    """Whole tiles, then what is left in tiles of two, by the definition, or by one more tile that begins earlier."""
    smallest, size = 2 if even else 1, len(sources)
    known = (F4, F2) if size == 3 else (F25,)
    for whole in (*known, direct(smallest, size)):
        tiles, left = divmod(count, whole.results)
        if not tiles:
            continue
        parts = [Placed(whole, first, 0, tiles, sources)]
        if left and twice and whole in known and left % smallest == 0:
            yield (Placed(whole, first, 0, tiles + 1, sources, whole.results - left),)
        if left >= 2 and left % 2 == 0:
            for small in (*known[1:], direct(2, size)):
                yield (*parts, Placed(small, first + count - left, count - left, left // 2, sources))
        elif left:
            yield (*parts, Placed(direct(1, size), first + count - left, count - left, left, sources))
        else:
            yield tuple(parts)


def _ends(
    x_first: frozenset[int], y_first: frozenset[int], x_second: frozenset[int], y_second: frozenset[int]
) -> tuple[int, int, int] | None:
    """w0, w1, w2 where the four are {w0}, {w0, w1}, {w1, w2}, {w2}."""
    if [len(group) for group in (x_first, y_first, x_second, y_second)] != [1, 2, 2, 1]:
        return None
    (w0,), (w2,) = x_first, y_second
    middle = y_first - x_first
    if w0 == w2 or middle != x_second - y_second or x_first | middle != y_first or y_second | middle != x_second:
        return None
    return w0, next(iter(middle)), w2


def _upsampled(phases: Sequence[Phase], count: int) -> Iterator[tuple[Placed, ...]]:
    """Behind nearest upsampling by 2 results come in two phases of two taps."""
    if any(len(phase.taps) != 2 or phase.count * 2 != count for phase in phases):
        return
    (a, b), (c, d) = (phase.taps for phase in phases)
    at = a.offset
    if (b.offset, d.offset) != (at + 1, c.offset + 1):
        return
    sets = [frozenset(tap.sources) for tap in (a, b, c, d)]
    if len(sets[0]) == 1 and c.offset == at + 1:
        sources = _ends(sets[0], sets[2], sets[1], sets[3])
        algorithm = CENTRE
    elif len(sets[0]) == 2 and c.offset == at:
        sources = _ends(sets[2], sets[0], sets[3], sets[1])
        algorithm = BETWEEN
    else:
        return
    if sources:
        yield (Placed(algorithm, at, 0, count // 2, sources),)


# --- matrices as instructions ---


def applied(k: Code, matrix: Matrix, values: Sequence[Value]) -> list[Value]:
    """The matrix times the values, with sums that several rows need made once."""
    matrix, values = _paired(k, matrix, values)
    made: dict[Row, Value] = {}
    found: list[Value] = []
    for number, row in enumerate(matrix):
        twin = next((other for n, other in enumerate(matrix) if n != number and opposite(row, other)), None)
        if twin is None:
            found.append(_sum(k, row, values, made))
            continue
        alike = tuple(x if x == y else 0.0 for x, y in zip(row, twin, strict=True))
        apart = tuple(x if x != y else 0.0 for x, y in zip(row, twin, strict=True))
        lead = next(x for x in apart if x)
        one = _sum(k, alike, values, made)
        other = _sum(k, apart if lead > 0 else tuple(-x for x in apart), values, made)
        found.append(k.fadd(one, other) if lead > 0 else k.fsub(one, other))
    return found


def patches(
    k: Code,
    x: Array,
    at: Index,
    strides: tuple[int, int],
    rows: Matrix,
    columns: Matrix,
    step: int,
    side: int,
) -> Iterator[list[Value]]:
    """`rows` · patch · `columns`ᵀ of patches side by side, as (column, patch), row by row, so that few numbers wait
    in registers; neighbouring patches share columns.
    """
    used = [any(row[y] for row in rows) for y in range(len(rows[0]))]
    found: list[list[Value]] = []
    for place in range((side - 1) * step + len(columns[0])):
        here = k.add(at, place * strides[1])
        cells = [k.load(x, k.add(here, y * strides[0])) if read else k.constant(0) for y, read in enumerate(used)]
        found.append(applied(k, rows, cells))
    for r in range(len(rows)):
        cells = [column[r] for column in found]
        made = [applied(k, columns, cells[start : start + len(columns[0])]) for start in range(0, side * step, step)]
        yield [patch[number] for number in range(len(columns)) for patch in made]


def operations(matrix: Matrix) -> int:
    """About how many instructions `applied` takes."""
    return sum(max(0, sum(map(bool, row)) - 1) for row in matrix)


def _paired(k: Code, matrix: Matrix, values: Sequence[Value]) -> tuple[Matrix, list[Value]]:
    """Two values that rows take with the same or with opposite signs become their sum and their difference."""
    columns, found = [list(column) for column in zip(*matrix, strict=True)], list(values)
    for i in range(len(columns)):
        for j in range(i + 1, len(columns)):
            a, b = columns[i], columns[j]
            same = [x if x == y else 0.0 for x, y in zip(a, b, strict=True)]
            apart = [x if x != y else 0.0 for x, y in zip(a, b, strict=True)]
            if all(abs(x) == abs(y) for x, y in zip(a, b, strict=True)) and any(same) and any(apart):
                found[i], found[j] = k.fadd(found[i], found[j]), k.fsub(found[i], found[j])
                columns[i], columns[j] = same, apart
    return tuple(zip(*columns, strict=True)), found


def _sum(k: Code, row: Row, values: Sequence[Value], made: dict[Row, Value]) -> Value:
    """The sum of the values times the row's numbers."""
    if row not in made:
        terms = sorted(((x, v) for x, v in zip(row, values, strict=True) if x), key=lambda term: term[0] != 1)
        type = values[0].type
        total: Value | None = None
        for x, value in terms:
            if total is None:
                total = value if x == 1 else k.fneg(value) if x == -1 else k.fmul(value, k.constant(x, type))
            elif abs(x) == 1:
                total = k.fadd(total, value) if x == 1 else k.fsub(total, value)
            else:
                total = k.fma(value, k.constant(x, type), total)
        made[row] = k.constant(0, type) if total is None else total
    return made[row]
