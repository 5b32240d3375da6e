"""Between rows of examples in memory and lanes: transposes, sums over lanes, gathering and scattering."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from layerscope.engine.native.correlate import segments
from layerscope.engine.native.fetching import NEAREST, fetch
from layerscope.engine.native.ir import ITEM_BYTES, Array, Code, Index, Value, scalar, vector
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import rest
from layerscope.engine.native.thinning import Thinned
from layerscope.engine.program import Value as Node

AHEAD = 512
"""Bytes by which given images are fetched before they are read: so many rows at once are more than a processor
follows by itself.
"""


def flip(k: Code, values: Sequence[Value]) -> list[Value]:
    """The transpose of a square of registers: exchange halves, quarters, ... of pairs of them."""
    rows, count = list(values), len(values)
    distance = 1
    while distance < count:
        for i in range(count):
            if i & distance:
                continue
            a, b = rows[i], rows[i + distance]
            low = [n if not n & distance else count + n - distance for n in range(count)]
            high = [n + distance if not n & distance else count + n for n in range(count)]
            rows[i], rows[i + distance] = k.shuffle(a, b, low), k.shuffle(a, b, high)
        distance *= 2
    return rows


def lane_sums(k: Code, values: Sequence[Value]) -> Value:
    """One register whose lane n is the sum over the lanes of value n: pairs are halved and put side by side."""
    count = k.module.lanes
    if count == 1:
        return values[0]
    found: list[Value | None] = [*values, *[None] * (count - len(values))]
    width = count // 2
    zero = k.constant(0)
    while width >= 1:
        merged: list[Value | None] = []
        for a, b in zip(found[::2], found[1::2], strict=True):
            if a is None:
                merged.append(None)
                continue
            low = [
                base + group * 2 * width + n
                for base in (0, count)
                for group in range(count // (2 * width))
                for n in range(width)
            ]
            high = [n + width for n in low]
            merged.append(k.fadd(k.shuffle(a, b or zero, low), k.shuffle(a, b or zero, high)))
        found = merged
        width //= 2
    assert found[0] is not None
    return found[0]


def alive(memory: Memory) -> Kernel:
    """The kernel that notes which lanes hold an example: parameter count, how many there are from the first on."""
    k = Kernel(memory)
    k.parameters = [("count", "i64")]
    lanes, together = k.module.lanes, memory.together
    array, once = k.array(memory.alive), k.array(memory.once)
    with k.loop(memory.groups) as (group, _):
        value = Value("zeroinitializer", k.module.vector)
        for lane in range(lanes):
            real = k.icmp("slt", k.add(k.mul(group, together), lane % together), Value("%count", "i64"))
            one = k.select(real, k.constant(1, k.module.real), k.constant(0, k.module.real))
            value = one if lanes == 1 else k.put(value.type, f"insertelement {value}, {one}, i64 {lane}")
        k.store(value, array, group)
        if together < lanes:
            zero = Value("zeroinitializer", value.type)
            k.store(k.shuffle(value, zero, [n + lanes * (n >= together) for n in range(lanes)]), once, group)
    k.ret()
    return k


CODES = {
    "float32": ("float", ""),
    "float64": ("double", ""),
    "float16": ("half", ""),
    "uint8": ("i8", "uitofp"),
    "bool": ("i8", "uitofp"),
    "int8": ("i8", "sitofp"),
    "uint16": ("i16", "uitofp"),
    "int16": ("i16", "sitofp"),
    "uint32": ("i32", "uitofp"),
    "int32": ("i32", "sitofp"),
    "uint64": ("i64", "uitofp"),
    "int64": ("i64", "sitofp"),
}
"""How numbers of a NumPy type are read: LLVM's type, and how they become floating."""


def _converted(k: Code, value: Value, dtype: str, to: str) -> Value:
    """What was read, as the engine's numbers (or as i32 for places)."""
    item, operation = CODES[dtype]
    if to == "i32":
        return value
    if operation:
        return k.convert(operation, value, to)
    if ITEM_BYTES[item] == ITEM_BYTES[to]:
        return value
    return k.convert("fpext" if ITEM_BYTES[item] < ITEM_BYTES[to] else "fptrunc", value, to)


def gather(memory: Memory, value: Node, dtype: str, thinned: Thinned | None = None) -> Kernel:
    """The kernel that reads a block's examples, or what is `thinned` of them, into lanes: parameters rows, order,
    first, count, then buffers.

    Lanes behind `count` repeat the first example.
    """
    k = Kernel(memory)
    k.parameters = [("rows", "ptr"), ("order", "ptr"), ("first", "i64"), ("count", "i64")]
    buffer, count = memory.buffer(value), k.module.lanes
    shape, item, strips = buffer.shape[1:], CODES[dtype][0], _Strips(memory, value, thinned)
    order = Array(Value("%order", "ptr"), "i64", 2**62)
    data = Array(Value("%rows", "ptr"), item, 2**62)
    to = scalar(buffer.item)
    target = k.array(buffer)
    inner, steps = _runs(buffer, strips.outer)
    runs, length = shape[: len(shape) - inner], math.prod(shape[len(shape) - inner :])
    bounds, spans = _shared(k, runs, length)
    with k.loop(buffer.shape[0]) as (group, _):
        starts: list[Index] = []
        for lane in range(count):
            at = k.add(k.mul(group, memory.together), lane % memory.together)
            real = k.icmp("slt", at, Value("%count", "i64"))
            at = k.put("i64", f"select {real}, {k.i64(at)}, i64 0")
            starts.append(k.mul(k.load(order, k.add(Value("%first", "i64"), at)), strips.size))
        with k.nest(runs, bounds=bounds) as (outer, _):
            places = [k.add(s, strips.place(k, lane, outer, length)) for lane, s in enumerate(starts)]
            place = k.dot(outer, buffer.strides[1 : 1 + len(outer)], k.mul(group, buffer.strides[0]))
            for begin, end, step in spans:
                with k.loop(end, step, begin) as (i, _):
                    found = _rows(k, data, [k.add(s, i) for s in places], step, dtype, to)
                    for n, number in enumerate(found):
                        if strips.spare:
                            zero = Value("zeroinitializer", number.type)
                            number = k.select(k.within(value, outer[0]), number, zero)
                        k.store(number, target, k.add(place, k.mul(k.add(i, n), steps)))
    k.ret()
    return k


def _rows(k: Code, data: Array, places: Sequence[Index], step: int, dtype: str, to: str) -> list[Value]:
    """`step` numbers of each lane's row, as that many registers."""
    count = len(places)
    if count > 1 and step == count and data.item != "half":
        type = vector(data.item, count)
        rows: list[Value] = []
        for place in places:
            pointer = k.address(data, place)
            fetch(k, data, k.add(place, AHEAD // ITEM_BYTES[data.item]), NEAREST)
            rows.append(
                _converted(k, k.put(type, f"load {type}, {pointer}, align {ITEM_BYTES[data.item]}"), dtype, to)
            )
        return flip(k, rows)
    found: list[Value] = []
    for n in range(step):
        value = Value("poison", vector(to, count))
        for lane, place in enumerate(places):
            one = _converted(k, k.load(data, k.add(place, n)), dtype, to)
            value = one if count == 1 else k.put(value.type, f"insertelement {value}, {one}, i64 {lane}")
        found.append(value)
    return found


def _flat(k: Code, index: Sequence[Index], shape: Sequence[int]) -> Index:
    place: Index = 0
    for i, n in zip(index, shape, strict=True):
        place = k.add(k.mul(place, n), i)
    return place


def _spans(length: int, count: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, step): whole registers, of which the last may overlap another; or what is less than one."""
    for begin, end, step in segments(length, count):
        yield (length - count, end, count) if step < count < length else (begin, end, step)


def _shared(
    k: Kernel, runs: Sequence[int], length: int
) -> tuple[dict[int, tuple[Index, Index]], list[tuple[Index, Index, int]]]:
    """Bounds of the loops over runs of numbers that lie evenly, and spans of a run; threads share one of both."""
    spans = list(_spans(length, k.module.lanes))
    return (k.rows(runs, 0), [*spans]) if runs else ({}, k.shared(spans))


def _runs(buffer: Buffer, outer: int) -> tuple[int, int]:
    """How many inner axes, without the first `outer`, lie evenly in memory, and the distance of two neighbours."""
    shape, strides = buffer.shape[1:], buffer.strides[1:]
    if not shape:
        return 0, 1
    inner = min(1, len(shape) - outer)
    while inner < len(shape) - outer and strides[-inner - 1] == strides[-inner] * shape[-inner]:
        inner += 1
    return inner, strides[-1]


class _Strips:
    """Where the rows of an example lie in the array of all, whether lanes hold strips of it or the whole, and all of
    its rows or some.
    """

    def __init__(self, memory: Memory, value: Node, thinned: Thinned | None = None) -> None:
        self.memory, self.shape, self.total = memory, rest(value), memory.rows(value)
        whole = (self.total, *self.shape[1:]) if self.total else self.shape
        plain = (0,) * len(whole), (1,) * len(whole)
        self.sizes = thinned.sizes if thinned else whole
        self.starts, self.steps = (thinned.starts, thinned.steps) if thinned else plain
        self.size = math.prod(self.sizes)
        self.spare = memory.spare(value)
        thin = [axis for axis, step in enumerate(self.steps) if step > 1]
        self.outer = max([int(self.spare), *(axis + 1 for axis in thin)])
        """How many axes must be gone over one by one."""

    def place(self, k: Code, lane: int, outer: Sequence[Index], length: int) -> Index:
        """The place in an example of a lane's run of `length` numbers; of its last row for rows to spare."""
        rows, first = lane // self.memory.together * self.shape[0] if self.total else 0, 0
        row = outer[0] if outer else 0
        if self.spare:
            row = k.intrinsic("smin", "i64", k.i64(k.add(row, rows)), k.i64(self.total - 1))
        elif rows:
            first = rows * self.steps[0] * math.prod(self.sizes[1:])
        at = [
            k.add(k.mul(i, step), start)
            for i, step, start in zip([row, *outer[1:]], self.steps, self.starts, strict=False)
        ]
        return k.add(k.mul(_flat(k, at[: len(outer)], self.sizes[: len(outer)]), length), first)

    def holds(self, k: Code, lane: int, row: Index) -> Value:
        """Whether a lane's row is one of the example."""
        return k.icmp("slt", k.add(row, lane // self.memory.together * self.shape[0]), self.total)


def scatter(memory: Memory, value: Node) -> Kernel:
    """The kernel that writes a block's results as rows: parameters rows, first, count, then buffers."""
    k = Kernel(memory)
    k.parameters = [("rows", "ptr"), ("first", "i64"), ("count", "i64")]
    buffer, count = memory.buffer(value), k.module.lanes
    shape, item, together, strips = buffer.shape[1:], scalar(buffer.item), memory.together, _Strips(memory, value)
    data = Array(Value("%rows", "ptr"), item, 2**62)
    source = k.array(buffer)
    inner, steps = _runs(buffer, strips.outer)
    runs, length = shape[: len(shape) - inner], math.prod(shape[len(shape) - inner :])
    bounds, spans = _shared(k, runs, length)
    with k.loop(buffer.shape[0]) as (group, _), k.nest(runs, bounds=bounds) as (outer, _):
        place = k.dot(outer, buffer.strides[1 : 1 + len(outer)], k.mul(group, buffer.strides[0]))
        for begin, end, step in spans:
            with k.loop(end, step, begin) as (i, _):
                found = [k.load(source, k.add(place, k.mul(k.add(i, n), steps))) for n in range(step)]
                rows = flip(k, found) if step == count and count > 1 else None
                for lane in range(count if strips.total else together):
                    row = k.add(k.mul(group, together), lane % together)
                    real = k.icmp("slt", row, Value("%count", "i64"))
                    real = k.both(real, strips.holds(k, lane, outer[0])) if strips.spare else real
                    with k.when(real):
                        start = k.mul(k.add(Value("%first", "i64"), row), strips.size)
                        at = k.add(start, strips.place(k, lane, outer, length), i)
                        if rows:
                            k.line(f"store {rows[lane]}, {k.address(data, at)}, align {ITEM_BYTES[item]}")
                        else:
                            for n, number in enumerate(found):
                                k.store(k.lane(number, lane), data, k.add(at, n))
    k.ret()
    return k
