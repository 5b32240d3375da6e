"""For tests: bytes around every buffer that nobody may touch, and margins that stay zero."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerscope.engine.native.ir import bytes_of
from layerscope.engine.native.layout import Buffer, Layout

Array = np.ndarray[Any, Any]
BYTE = 0xA5
"""What the bytes around buffers hold."""


def spots(layout: Layout) -> list[list[Any]]:
    """Per guarded buffer: region, guard before, start, end, guard's end, item's bytes, framed sizes, margins."""
    found: list[list[Any]] = []
    for buffer in layout.own if layout.guard else ():
        start, end = buffer.offset, buffer.offset + buffer.bytes
        framed, before = _frame(buffer)
        shape = list(buffer.shape)
        if layout.schedule.draft.strips > 1 and len(framed) > 2:  # the margin above and below strips is written
            before[1], shape[1] = 0, framed[1]
        found.append(
            [
                buffer.region,
                [start - layout.guard, start, end, end + layout.guard],
                bytes_of(buffer.item),
                framed,
                before,
                shape,
            ]
        )
    return found


def _frame(buffer: Buffer) -> tuple[list[int], list[int]]:
    """A buffer's sizes with its margin, and how much of it stands before index 0 of each axis."""
    ends = [buffer.extent, *buffer.strides[:-1]]
    sizes = [a // b for a, b in zip(ends, buffer.strides, strict=True)] if buffer.strides else []
    left, before = buffer.origin, list[int]()
    for stride in buffer.strides:
        before.append(left // stride)
        left %= stride
    return sizes, before


def fill(memory: Array, bases: Sequence[Mapping[str, int]], found: Sequence[Sequence[Any]]) -> None:
    """Write the guards."""
    for _, guard in _guards(memory, bases, found):
        guard[:] = BYTE


def check(memory: Array, bases: Sequence[Mapping[str, int]], found: Sequence[Sequence[Any]]) -> None:
    """RuntimeError where a guard was overwritten or a margin is not zero."""
    for name, guard in _guards(memory, bases, found):
        if (guard != BYTE).any():
            raise RuntimeError(f"compiled code wrote beyond a buffer: {name}")
    for base, (region, (_, start, end, _), item, framed, before, shape) in itertools.product(bases, found):
        if region in base and framed != shape:
            bits = memory[base[region] + start : base[region] + end].reshape(*framed, item)
            inside = np.zeros(framed, bool)
            inside[tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))] = True
            if bits[~inside].any():
                raise RuntimeError(f"compiled code wrote into the margin of a buffer: {region} {shape} in {framed}")


def _guards(
    memory: Array, bases: Sequence[Mapping[str, int]], found: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, Array]]:
    for base, (region, (low, start, end, high), *_) in itertools.product(bases, found):
        if region in base:
            yield f"before {region} {start}", memory[base[region] + low : base[region] + start]
            yield f"behind {region} {end}", memory[base[region] + end : base[region] + high]
