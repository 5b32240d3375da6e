"""Where values lie: strides, margins of zeros around images, and which memory is used again.

A value of the batch is kept for one block of examples: (groups, *shape), each item one register of lanes, one
lane an example. What a convolution reads beyond the edge of an image is a margin of its buffer, zero from the
start and never written. Buffers that are written whole share memory when their lifetimes are apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from layerscope.engine.native import views
from layerscope.engine.native.draft import Draft
from layerscope.engine.native.ir import Module, bytes_of, vector
from layerscope.engine.native.operations import (
    Copy,
    Correlate,
    FromWinners,
    Means,
    Op,
    Pair,
    PairPooled,
    fresh,
    of_batch,
    rest,
)
from layerscope.engine.native.stages import Schedule, Stage
from layerscope.engine.native.taps import shares
from layerscope.engine.native.views import Life, Views
from layerscope.engine.primitives import place, pool
from layerscope.engine.program import Value

ALIGN = 64
"""Bytes: a cache line, and the widest register."""

CROWDED = 1024
"""Bytes: positions so far apart, or a multiple of it, share a few sets of a cache; an item between them helps."""

Margin = tuple[tuple[int, int], ...]


@dataclass(eq=False)
class Buffer:
    """Memory of one value in a region; `origin` is the item of the element at index 0, after the margin."""

    region: str
    item: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    origin: int
    extent: int
    offset: int = 0

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.extent * bytes_of(self.item)


_Life = tuple[int, int, Buffer]
"""The first and the last stage that need a buffer."""


def strided(region: str, item: str, shape: Sequence[int], margin: Margin = ()) -> Buffer:
    """A row-major buffer with a margin on the axes behind the first."""
    around = [(0, 0)] * len(shape)
    for axis, pair in enumerate(margin, 1):
        around[axis] = pair
    padded = [n + a + b for n, (a, b) in zip(shape, around, strict=True)]
    strides = [math.prod(padded[axis + 1 :]) for axis in range(len(shape))]
    origin = sum(stride * before for stride, (before, _) in zip(strides, around, strict=True))
    return Buffer(region, item, tuple(shape), tuple(strides), origin, math.prod(padded))


def margin(buffer: Buffer) -> tuple[int, int]:
    """Rows of a margin before and behind those of the first axis of examples."""
    before = buffer.origin // buffer.strides[1]
    return before, buffer.strides[0] // buffer.strides[1] - buffer.shape[1] - before


def _union(a: Margin, b: Margin) -> Margin:
    return tuple((max(p[0], q[0]), max(p[1], q[1])) for p, q in itertools.zip_longest(a, b, fillvalue=(0, 0)))


def pooled_counts(windows: pool.Windows, sizes: Sequence[int]) -> tuple[int, ...]:
    """Windows along each axis."""
    return tuple(
        (n + sum(pad) - k) // s + 1
        for n, pad, k, s in zip(sizes, windows.pads, windows.window, windows.strides, strict=True)
    )


def reads(draft: Draft, op: Op, position: int, stage: Stage | None = None) -> Margin:
    """How far an operation reads beyond the edges of its input."""
    sizes = rest(op.inputs[position])[:-1]
    ranges: list[tuple[int, int]] = []
    if isinstance(op.do, Correlate) and position == 0 and op.do.axes:
        ranges = [axis.reads() for axis in op.do.axes]
        if stage and stage.pool:  # windows cut by the edge are computed whole
            windows = stage.pool.do.windows
            counts = pooled_counts(windows, rest(stage.pool.inputs[0])[:-1])
            for number, axis in enumerate(op.do.axes):
                last = counts[number] * windows.window[number] - 1
                found = [tap.offset for tap in axis.phases[0].taps]
                ranges[number] = (min(found), max(ranges[number][1], last * axis.stride + max(found)))
    elif isinstance(op.do, pool.PoolMax):
        if op.inputs[0] in draft.in_strips:
            windows, begin = op.do.windows, op.do.windows.pads[0][0]
            last = (rest(op.outputs[0])[0] - 1) * windows.strides[0] + windows.window[0] - 1
            ranges = [(-begin, last - begin)]
    elif isinstance(op.do, place.Pad):
        before = op.do.pads[0][0]
        ranges = [(-before, sizes[0] - 1 - before)] if op.inputs[0] in draft.in_strips else []
    elif isinstance(op.do, place.ResizeLinear):
        ranges = [(-1, sizes[0])] if op.inputs[0] in draft.in_strips else []
    elif isinstance(op.do, place.ResizeLinearAdjoint):
        for n, f in zip(rest(op.outputs[0])[:-1], op.do.factors, strict=True):
            found = [at for at, *_ in shares(f)]
            ranges.append((min(found), (n - 1) * f + max(found)))
    elif isinstance(op.do, FromWinners | Means) or (isinstance(op.do, Pair) and position == 0):
        ranges = [axis.reads() for axis in op.do.axes]
    elif isinstance(op.do, PairPooled) and position == 0:
        windows, counts = op.do.windows, rest(op.inputs[1])[:-1]
        for axis, k, n in zip(op.do.pair.axes, windows.window, counts, strict=True):
            offsets = [tap.offset for tap in axis.taps]
            ranges.append((min(offsets), n * k - 1 + max(offsets)))
    return tuple((max(0, -low), max(0, high - (n - 1))) for (low, high), n in zip(ranges, sizes, strict=False))


@dataclass(eq=False)
class Layout:
    """The buffers of a schedule and the bytes of each region of a thread's memory."""

    module: Module
    groups: int
    schedule: Schedule
    guard: int = 0
    buffers: dict[Value, Buffer] = field(default_factory=dict[Value, Buffer])
    regions: dict[str, int] = field(default_factory=dict[str, int])
    winners: dict[Value, pool.Windows] = field(default_factory=dict[Value, pool.Windows])
    packings: list[tuple[Value, Correlate, Any, Buffer]] = field(
        default_factory=list[tuple[Value, Correlate, Any, Buffer]]
    )

    own: list[Buffer] = field(default_factory=list[Buffer])
    views: Views = field(default_factory=dict[Value, tuple[Value, int]])

    def reserve(self, buffer: Buffer) -> Buffer:
        """Memory of its own at the end of a region."""
        align = max(ALIGN, bytes_of(self.module.vector))
        guard = -(-self.guard // align) * align
        buffer.offset = self.regions.get(buffer.region, 0) + guard
        self.regions[buffer.region] = buffer.offset + -(-buffer.bytes // align) * align + guard
        self.own.append(buffer)
        return buffer

    def workspace(self, item: str, *shapes: Sequence[int]) -> list[Buffer]:
        """Memory for one kernel while it runs: all kernels use the same, which stays in a near cache so."""
        buffers = [strided("workspace", item, shape) for shape in shapes]
        if self.guard:
            return [self.reserve(buffer) for buffer in buffers]
        place = 0
        for buffer in buffers:
            buffer.offset = place
            place += -(-buffer.bytes // ALIGN) * ALIGN
        self.regions["workspace"] = max(place, self.regions.get("workspace", 0))
        return buffers

    def of(self, value: Value) -> Buffer:
        """The buffer of a value, or of the value whose memory it is under another shape."""
        if value not in self.buffers:
            origin = self.buffers[self.schedule.origin(value)]
            alias = strided(origin.region, origin.item, (*origin.shape[:1], *rest(value)))
            alias.offset = origin.offset
            self.buffers[value] = alias
        return self.buffers[value]

    def item(self, value: Value) -> str:
        """What a value of the batch is made of: numbers, winners of a pool, or places."""
        lanes = self.module.lanes
        if value in self.winners:
            cells = math.prod(self.winners[value].window)
            return vector("i8" if cells < 128 else "i32", lanes)
        return vector("i32", lanes) if value.type.dtype == "int32" else self.module.vector


def arranged(module: Module, schedule: Schedule, groups: int, guard: int = 0) -> Layout:
    """Buffers for all values of the batch that stages hand to each other."""
    _copies(schedule)
    layout = Layout(module, groups, schedule, guard)
    for stage in schedule.stages:
        for op in stage.all():
            if isinstance(op.do, pool.PoolMax):
                layout.winners[op.outputs[1]] = op.do.windows
    made = _lifetimes(schedule)
    kept = _kept(schedule)
    margins = _margins(schedule)
    dense = _aliased(schedule)
    layout.views = views.found(schedule, made, kept, dense)
    _joined(layout.views, made, margins)
    taken = dense | {*layout.views, *(whole for whole, _ in layout.views.values()), *schedule.draft.outputs.values()}
    over = views.successors(schedule, made, kept, taken)
    _joined({value: (other, 0) for value, other in over.items()}, made, margins)
    free: dict[str, list[_Life]] = {"scratch": [], "kept": []}
    framed: dict[tuple[object, ...], list[tuple[int, Buffer]]] = {}
    for value, (first, last, whole) in sorted(made.items(), key=lambda pair: pair[1][:2]):
        margin, shape = margins.get(value, ()), (groups, *rest(value))
        item = layout.item(value)
        apart = ()
        if value not in dense and len(shape) > 2 and shape[-1] * bytes_of(item) % CROWDED == 0:
            apart = ((0, 0),) * (len(shape) - 2 - len(margin)) + ((0, 1),)
        buffer = strided("kept" if value in kept else "scratch", item, shape, (*margin, *apart))
        layout.buffers[value] = buffer
        if not whole or guard:
            layout.reserve(buffer)
        elif any(pair != (0, 0) for pair in margin):  # whose margin is where another one's was may have its memory
            cut = value in schedule.draft.in_strips  # in margins of strips stands what their neighbours hold
            key = (buffer.region, item, cut, *buffer.strides, *shape, buffer.origin)
            _shared(layout, buffer, framed.setdefault(key, []), first, last)
        else:
            free[buffer.region].append((first, last, buffer))
    for region, lives in free.items():
        _placed(layout, region, lives)
    for value in layout.views:
        whole, channel = views.placed(layout.views, value)
        buffer = layout.buffers[whole]
        shape, origin = (groups, *rest(value)), buffer.origin + channel * buffer.strides[-1]
        layout.buffers[value] = replace(buffer, shape=shape, origin=origin)
    for value, other in over.items():
        while other in over:
            other = over[other]
        layout.buffers[value] = layout.buffers[other]  # the same one: a kernel has one pointer to both
    return layout


def _joined(found: Views, made: dict[Value, Life], margins: dict[Value, Margin]) -> None:
    """Whoever holds others lives as long as they do, and has their margins."""
    for value in found:
        whole, _ = views.placed(found, value)
        (first, last, _), (begin, end, all) = made.pop(value), made[whole]
        made[whole] = min(first, begin), max(last, end), all
        if around := _union(margins.get(whole, ()), margins.get(value, ())):
            margins[whole] = around


def _placed(layout: Layout, region: str, lives: Sequence[_Life]) -> None:
    """Memory for buffers, the largest first: each at the first place where none is that lives at the same time."""
    start = end = layout.regions.get(region, 0)
    align = max(ALIGN, bytes_of(layout.module.vector))
    found: list[_Life] = []
    for first, last, buffer in sorted(lives, key=lambda life: -life[2].bytes):
        place = start
        for before, behind, other in sorted(found, key=lambda life: life[2].offset):
            if before <= last and first <= behind:
                if place + buffer.bytes <= other.offset:
                    break
                place = max(place, other.offset + -(-other.bytes // align) * align)
        buffer.offset = place
        found.append((first, last, buffer))
        layout.own.append(buffer)
        end = max(end, place + -(-buffer.bytes // align) * align)
    if lives:
        layout.regions[region] = end


def _shared(layout: Layout, buffer: Buffer, free: list[tuple[int, Buffer]], first: int, last: int) -> None:
    """Memory of a buffer that is dead by now and large enough, the smallest such; or new memory."""
    fitting = [pair for pair in free if pair[0] < first and pair[1].bytes >= buffer.bytes]
    if fitting:
        best = min(fitting, key=lambda pair: pair[1].bytes)
        free.remove(best)
        buffer.offset = best[1].offset
        free.append((last, Buffer(buffer.region, best[1].item, (), (), 0, best[1].extent, best[1].offset)))
    else:
        layout.reserve(buffer)
        free.append((last, buffer))


def _aliased(schedule: Schedule) -> set[Value]:
    return {schedule.origin(value) for value in schedule.aliases}


def _margins(schedule: Schedule) -> dict[Value, Margin]:
    found: dict[Value, Margin] = {}
    for stage in schedule.stages:
        for op in stage.all():
            for position, value in enumerate(op.inputs):
                if of_batch(value):
                    origin, around = schedule.origin(value), reads(schedule.draft, op, position, stage)
                    if any(pair != (0, 0) for pair in around):
                        found[origin] = _union(found.get(origin, ()), around)
    return found


def _copies(schedule: Schedule) -> None:
    """Values that are also seen under another shape lie dense; who wants a margin around them reads a copy."""
    dense = _aliased(schedule)
    copies: dict[Value, Value] = {}
    for stage in list(schedule.stages):
        for op in stage.all():
            for position, value in enumerate(op.inputs):
                if not of_batch(value) or schedule.origin(value) not in dense:
                    continue
                if all(pair == (0, 0) for pair in reads(schedule.draft, op, position, stage)):
                    continue
                if value not in copies:
                    copies[value] = fresh(value.type)
                    schedule.draft.cut_like(copies[value], value)
                    copy = Stage(None, rest(value), [Op(Copy(), (value,), (copies[value],))])
                    copy.stored = [copies[value]]
                    copy.segment = stage.segment
                    schedule.stages.insert(schedule.stages.index(stage), copy)
                op.inputs = tuple(copies[v] if v is value else v for v in op.inputs)


def _kept(schedule: Schedule) -> set[Value]:
    """Values of the batch that a later segment than their own reads, or a stage that all threads share: all blocks
    keep theirs until then.
    """
    maker = {value: stage.segment for stage in schedule.stages for op in stage.all() for value in op.outputs}
    found: set[Value] = set()
    for stage in schedule.stages:
        for op in stage.all():
            for value in op.inputs:
                if of_batch(value) and (stage.shared or maker.get(schedule.origin(value), 0) < stage.segment):
                    found.add(schedule.origin(value))
    last = max((stage.segment for stage in schedule.stages), default=0)
    for value in schedule.draft.outputs.values():
        if of_batch(value) and maker.get(schedule.origin(value), 0) < last:
            found.add(schedule.origin(value))
    return found


def _lifetimes(schedule: Schedule) -> dict[Value, Life]:
    """First and last stage of each value that lies in memory, and whether its maker writes all of it."""
    found: dict[Value, Life] = {}
    end = len(schedule.stages)
    ends = {stage.segment: number for number, stage in enumerate(schedule.stages)}
    draft: Draft = schedule.draft
    for value in draft.inputs.values():
        if of_batch(value):
            found[schedule.origin(value)] = (-1, -1, True)
    for number, stage in enumerate(schedule.stages):
        made = [(value, True) for value in stage.stored]
        made += [(value, True) for value in (stage.pool.outputs if stage.pool else ())]
        made += [(value, True) for op in stage.planes for value in op.outputs]
        made += [(value, False) for op in stage.spreads for value in op.outputs]
        if stage.root and not isinstance(stage.root.do, Correlate | Pair | PairPooled):
            made += [(value, True) for value in stage.root.outputs]
        for value, whole in made:
            if value not in schedule.needed and value not in stage.stored:
                continue
            found[value] = (number, number, whole)
        for op in stage.all():
            for value in op.inputs:
                origin = schedule.origin(value)
                if origin in found:
                    first, last, whole = found[origin]
                    # What all threads share comes behind the segment.
                    found[origin] = (first, max(last, ends[stage.segment] if stage.shared else number), whole)
    for value in draft.outputs.values():
        if of_batch(value):
            first, _, whole = found[schedule.origin(value)]
            found[schedule.origin(value)] = (first, end, whole)
    return found
