"""Convolutions with fewer products along one axis (1×7, 7×1, sequences, volumes): which algorithm, in what steps.

A row of more taps than an algorithm takes is cut into groups of taps. What a group makes of its patches is added up
with the others' before anything is brought back, as if groups were more input channels. Where groups lie as far apart
as patches, the patches are made once for all of them. Taps along other axes are added up in the same way.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from layerscope.engine.native import correlate
from layerscope.engine.native.algorithms import F4, Algorithm, pointed
from layerscope.engine.native.correlate import Plan, Tile, balanced
from layerscope.engine.native.filtering import operations
from layerscope.engine.native.kernel import Memory
from layerscope.engine.native.operations import Correlate, rest
from layerscope.engine.native.parts import definition
from layerscope.engine.native.stages import Stage
from layerscope.engine.native.taps import Axis, PairAxis, Phase, Tap, product, spacing

NEAR = 40 << 10
"""Bytes of one product's side of the image that stay in the nearest cache while channels pass by."""

WIDE = 512 << 10
"""Bytes of all products' sides of the image, and of what they make of results, that are in work at once."""

PACKED = 8 << 20
"""Bytes of the kernel's side above which it is too far away."""


MADE = 1.5
"""What a number of the kernel's side costs, which is made once a batch, in multiply–adds."""

MAKING = 0.8
"""What an instruction costs that makes the image's side, likewise."""

PART = 20_000
"""What code of its own costs beside its time: it is to be compiled."""


ROOTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))
SIX, SEVEN = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5), (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Points beside infinity. Rounding errors are 1.2 to 2 times those of the plain sum with five of them, 2 to 3 times
with six or seven; others were up to ten times as far off.
"""

ALGORITHMS = (F4, pointed(ROOTS, 3, 4), pointed(SIX, 4, 4), pointed(SIX, 3, 5), pointed(SEVEN, 4, 5))
"""F(4, 3), F(3, 4), F(4, 4), F(3, 5), F(4, 5)."""


@dataclass(frozen=True)
class Group:
    """Some neighbouring taps: the algorithm's tap number `first` is the kernel's tap number `taps[0]`, counted along
    the axis; the patch of the first results begins `start` inputs behind what the axis' first tap reads.
    """

    start: int
    first: int
    taps: tuple[int, ...]

    def products(self, algorithm: Algorithm) -> set[int]:
        """The products that are not zero."""
        behind = self.first + len(self.taps)
        return {n for n, row in enumerate(algorithm.g) if any(row[self.first : behind])}

    def within(self, algorithm: Algorithm) -> bool:
        """Whether products read no more than the group's taps do. (What they read beyond would cancel out, if it were
        numbers at all.)
        """
        last = self.first + len(self.taps) - 1 + algorithm.results - 1
        read = {n for p in self.products(algorithm) for n, x in enumerate(algorithm.b[p]) if x}
        return read <= set(range(self.first, last + 1))


@dataclass(frozen=True)
class Grouped:
    """An algorithm for a row of taps, in groups."""

    algorithm: Algorithm
    groups: tuple[Group, ...]

    @property
    def shared(self) -> bool:
        """Whether a group's patches are those of the one before, moved on by one."""
        return all(b.start - a.start == self.algorithm.step for a, b in itertools.pairwise(self.groups))

    @property
    def whole(self) -> bool:
        """Whether no product is zero in all groups."""
        made = [group.products(self.algorithm) for group in self.groups]
        return len({number for some in made for number in some}) == self.algorithm.products

    def of(self, number: int) -> tuple[int, int]:
        """The groups of a product: the first, and the one behind the last."""
        found = [n for n, group in enumerate(self.groups) if number in group.products(self.algorithm)]
        assert found == list(range(found[0], found[-1] + 1)), "groups in order"
        return found[0], found[-1] + 1

    @property
    def products(self) -> int:
        """Products for a tile of results, all groups together."""
        return sum(len(group.products(self.algorithm)) for group in self.groups)

    def slots(self, tiles: int) -> int:
        """How many patches are made for so many tiles."""
        return tiles + len(self.groups) - 1 if self.shared else tiles * len(self.groups)

    def slot(self, group: int, tiles: int) -> int:
        """Where a group's patches begin among them."""
        return group if self.shared else group * tiles

    def patches(self, tiles: int) -> list[tuple[int, list[int]]]:
        """For each of them the first input, and the products that are wanted of it."""
        found: list[tuple[int, list[int]]] = []
        for number in range(self.slots(tiles)):
            users = [n for n in range(len(self.groups)) if 0 <= number - self.slot(n, tiles) < tiles]
            start = self.groups[users[0]].start + (number - self.slot(users[0], tiles)) * self.algorithm.step
            found.append((start, sorted({p for n in users for p in self.groups[n].products(self.algorithm)})))
        return found


@functools.cache
def rows(taps: int) -> tuple[Grouped, ...]:
    """The ways to compute a row of taps."""
    found: list[Grouped] = []
    for algorithm in ALGORITHMS:
        size, step = len(algorithm.g[0]), algorithm.step
        far = min(step, size)  # from group to group
        count = max(1, -(-(taps - size) // far) + 1)
        ways: list[Grouped] = []
        for before in range((count - 1) * far + size - taps + 1):
            groups: list[Group] = []
            for n in range(count):
                low = max(0, n * far - before)
                high = taps if n == count - 1 else (n + 1) * far - before
                groups.append(Group(n * far - before, low - n * far + before, tuple(range(low, high))))
            way = Grouped(algorithm, tuple(groups))
            fits = all(group.taps and group.first + len(group.taps) <= size for group in groups)
            if fits and way.whole and all(group.within(algorithm) for group in groups):
                ways.append(way)
        if ways:
            found.append(min(ways, key=lambda way: way.products))
    return tuple(found)


@dataclass(frozen=True)
class Packing:
    """The kernel's side: (product, output channel's tile, tap of other axes, group, input channel, channel of the
    tile). `sources` are the kernel's taps: for each of the other axes' taps those of the row.
    """

    row: Grouped
    sources: tuple[tuple[int, ...], ...]
    channels: int

    def before(self, product: int, do: Correlate) -> int:
        """Where a product's part begins."""
        groups = sum(high - low for low, high in map(self.row.of, range(product)))
        return groups * len(self.sources) * do.inputs * do.outputs

    def size(self, do: Correlate) -> int:
        return self.before(self.row.algorithm.products, do)


@dataclass(frozen=True)
class Line:
    """How a convolution is computed: the row's axis, `tiles` of it from the first result on; the axis along which
    `side` positions are computed at once (that of the row: `side` tiles, else `deep` tiles one after the other);
    output channels of a tile of registers, input channels at once. All of this is done for each of `apart` rows that
    lie interleaved, as the taps of a dilated convolution read them.
    """

    axis: int
    across: int
    row: Grouped
    tiles: int
    side: int
    deep: int
    channels: int
    block: int
    sources: tuple[tuple[int, ...], ...]
    apart: int = 1

    @property
    def packing(self) -> Packing:
        return Packing(self.row, self.sources, self.channels)

    @property
    def size(self) -> tuple[int, int]:
        """Tiles of the row, and positions across, that are in work at once."""
        return (self.side, 1) if self.across == self.axis else (self.deep, self.side)


def cut(
    memory: Memory, stage: Stage, found: Sequence[Plan], sums: int, gain: float
) -> tuple[Line, list[Plan]] | None:
    """How a convolution is computed along one axis, and plain tiles for what is left behind whole tiles; None where
    the estimated time is not well below `gain` times the definition's.
    """
    assert stage.root is not None
    do = cast(Correlate, stage.root.do)
    if do.groups > 1 or not do.axes or sums < 8 or memory.module.lanes < 2 or stage.root.ties or do.inputs < 4:
        return None
    if not all(_simple(axis) for axis in do.axes):
        return None
    best: tuple[float, Line, list[Plan]] | None = None
    for axis in range(len(do.axes)):
        taps = do.axes[axis].phases[0].taps
        apart = spacing([tap.offset for tap in taps])
        if len(taps) < 3 or not apart or found[0].extents[axis + 1] % apart or (stage.pool and apart > 1):
            continue
        for row in rows(len(taps)):
            for line, left, price in _ways(memory, stage, do, found, axis, row, sums, apart):
                if best is None or price < best[0]:
                    best = price, line, left
    plain = definition(do, found)
    return None if best is None or best[0] > 0.9 * gain * plain else best[1:]


def _simple(axis: Axis) -> bool:
    """Whether an axis moves by one, with taps in even steps and one of the kernel's for each."""
    if axis.stride != 1 or axis.step != 1 or len(axis.phases) != 1:
        return False
    taps = axis.phases[0].taps
    return all(len(t.sources) == 1 for t in taps) and spacing([t.offset for t in taps]) is not None


def _ways(
    memory: Memory,
    stage: Stage,
    do: Correlate,
    found: Sequence[Plan],
    axis: int,
    row: Grouped,
    sums: int,
    apart: int,
) -> Iterator[tuple[Line, list[Plan], float]]:
    counts, each = found[0].extents[1:], row.algorithm.results
    tiles, over = divmod(counts[axis] // apart, each)
    if not tiles or not _pools(stage, axis, each, over):
        return
    left = _left(memory, do, stage, found[0], axis, tiles * each * apart, sums) if over else []
    price = definition(do, left) * 1.1 + PART
    sources = sources_of([a.phases[0] for a in do.axes], do.window, axis)
    bytes = memory.module.lanes * (4 if memory.module.real == "float" else 8)
    size = Packing(row, sources, 1).size(do)
    if size * bytes // memory.module.lanes > PACKED:
        return
    for across in range(len(do.axes)):
        if stage.pool and across != axis:
            continue
        for side in range(1, min(tiles if across == axis else counts[across], 8) + 1):
            for channels in range(1, min(do.outputs, sums // side) + 1):
                line = _fitted(Line(axis, across, row, tiles, side, 1, channels, 0, sources, apart), do, bytes)
                yield line, left, price + _price(line, do, counts, size)


def _pools(stage: Stage, axis: int, each: int, over: int) -> bool:
    """Whether tiles are whole windows of the pool that follows."""
    if not stage.pool:
        return True
    window = stage.pool.do.windows.window
    return not over and each % window[axis] == 0 and all(n == 1 for a, n in enumerate(window) if a != axis)


def sources_of(axes: Sequence[Phase | PairAxis], window: Sequence[int], axis: int) -> tuple[tuple[int, ...], ...]:
    """The kernel's taps: for each of the other axes' taps those of a row."""
    places = [[tap.sources[0] for tap in some.taps] for some in axes]
    steps = [math.prod(window[n + 1 :]) for n in range(len(window))]
    others = [[place * step for place in some] for some, step in zip(places, steps, strict=True)]
    row = others.pop(axis)
    return tuple(tuple(sum(found) + tap for tap in row) for found in itertools.product(*others))


def _left(memory: Memory, do: Correlate, stage: Stage, plan: Plan, axis: int, done: int, sums: int) -> list[Plan]:
    """Plain tiles for the results behind the whole ones; taps that all of them read beyond the edge are left out."""
    assert stage.root is not None
    phase, value = plan.phases[axis], stage.root.inputs[0]
    size, count = rest(value)[axis], phase.count - done
    framed = axis > 0 or value not in memory.layout.schedule.draft.in_strips
    taps = tuple(Tap(t.offset + done, t.sources) for t in phase.taps)
    taps = tuple(t for t in taps if not framed or t.offset < size) or taps[:1]
    phases = (*plan.phases[:axis], Phase(0, count, taps), *plan.phases[axis + 1 :])
    extents = (*plan.extents[: axis + 1], count, *plan.extents[axis + 2 :])
    tile = correlate.choose(extents, do.outputs, sums, [1] * len(extents))
    packing = correlate.Packing(tuple(product([p.taps for p in phases], do.window)), tile.channels)
    return [Plan(phases, extents, tile, packing)]


def _fitted(line: Line, do: Correlate, bytes: int) -> Line:
    """With as many tiles and input channels at once as caches hold."""
    algorithm, reach = line.row.algorithm, _reach(line, do)
    deep = 1
    if line.across != line.axis:
        for more in range(2, min(line.tiles, 4) + 1):
            if algorithm.products * do.outputs * line.side * more * bytes <= WIDE // 2 and line.tiles % more == 0:
                deep = more
    slots = line.row.slots(line.side if line.across == line.axis else deep)
    wide = slots * reach * math.prod(_planes(line, do)) * bytes  # of one channel
    block = min(do.inputs, max(4, min(NEAR // wide, WIDE // (wide * algorithm.products)) // 4 * 4))
    return replace(line, deep=deep, block=block)


def _reach(line: Line, do: Correlate) -> int:
    """How many positions across are read for those in work."""
    if line.across == line.axis:
        return 1
    offsets = [tap.offset for tap in do.axes[line.across].phases[0].taps]
    return line.side + offsets[-1] - offsets[0]


def _planes(line: Line, do: Correlate) -> list[int]:
    """Taps along each of the axes that are neither the row's nor that across."""
    return [len(a.phases[0].taps) for n, a in enumerate(do.axes) if n not in (line.axis, line.across)]


def _price(line: Line, do: Correlate, counts: Sequence[int], size: int) -> float:
    """The estimated time in multiply–adds."""
    algorithm, each = line.row.algorithm, math.prod(n for a, n in enumerate(counts) if a != line.axis)
    along, each = line.across == line.axis, each * line.apart
    total, other = (line.tiles, each) if along else (counts[line.across], each // counts[line.across] * line.tiles)
    deep, taps, planes = line.deep, len(line.sources), math.prod(_planes(line, do))
    image = sum(map(bool, itertools.chain(*algorithm.b[:1]))) + operations(algorithm.b) + 1.5 * algorithm.products
    price = MADE * size
    for begin, end, side in balanced(total, line.side):
        turns = (end - begin) // side * other / deep
        slots, reach = line.row.slots(side if along else deep), 1 if along else _reach(line, do) - line.side + side
        once = MAKING * do.inputs * planes * slots * reach * image
        tile = correlate.cost((side,), do.outputs, Tile((side,), line.channels))
        once += deep * tile * line.row.products * taps * do.inputs
        blocks = -(-do.inputs // line.block)
        kept = 1.5 * (blocks + 1) * algorithm.products + 0.7 * operations(algorithm.a)
        once += deep * side * do.outputs * kept
        price += turns * once
    return price


def described(line: Line, what: str = "results") -> str:
    """In words: products for results."""
    taps = f" × {len(line.sources)} taps" if len(line.sources) > 1 else ""
    return (
        f"{line.row.products} products for {line.row.algorithm.results} {what} in a row{taps}, "
        f"tile of {line.side} {'patches' if line.across == line.axis else 'rows'} × {line.channels} channels"
    )
