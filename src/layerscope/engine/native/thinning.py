"""Of the images that a program is given, only the rows and columns that somebody reads.

Where all who read an image move over it by steps of two, say, and their taps meet only every second row, the others
are not brought into lanes: what a program works on is the thinner image, over which they move by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerscope.engine.native.operations import Correlate, Op, Pair, fresh, of_batch, rest
from layerscope.engine.native.taps import Axis, PairAxis
from layerscope.engine.program import Value

if TYPE_CHECKING:
    from layerscope.engine.native.draft import Draft

RUN = 16
"""Neighbouring numbers that must remain in one piece, so that they are read as registers."""


@dataclass(frozen=True)
class Thinned:
    """Of arrays of `sizes` (without the batch), along each axis the places start, start + step, ..."""

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    steps: tuple[int, ...]


def thin(draft: Draft) -> None:
    """Give a program thinner images where that changes nothing."""
    users = draft.users()
    for key, value in list(draft.inputs.items()):
        if key[0] != "data" or not of_batch(value) or value not in users:
            continue
        if found := _read(value, users[value]):
            sizes = tuple(-(-(n - a) // s) for n, a, s in zip(found.sizes, found.starts, found.steps, strict=True))
            made = fresh(value.type.with_shape((value.type.shape[0], *sizes)))
            for op in users[value]:
                axes = zip(op.do.axes, found.starts, found.steps, strict=False)
                op.do = replace(op.do, axes=tuple(_thinner(axis, start, step) for axis, start, step in axes))
            draft.replace(value, made)
            draft.inputs[key], draft.thinned[key] = made, found


def _read(value: Value, users: Sequence[Op]) -> Thinned | None:
    """What is read of a value; None where that is all, or not known."""
    for op in users:
        if not isinstance(op.do, Correlate | Pair) or any(v is value for v in op.inputs[1:]) or not op.do.axes:
            return None
    sizes = rest(value)
    starts, steps = [0] * len(sizes), [1] * len(sizes)
    for number in range(len(sizes) - 1):
        offsets = [offset for op in users for offset in _offsets(op.do.axes[number])]
        strides = [op.do.axes[number].stride for op in users]
        if offsets and math.prod(sizes[number + 1 :]) >= RUN:
            step = math.gcd(*strides, *(offset - offsets[0] for offset in offsets))
            start = offsets[0] % step
            if start < sizes[number]:
                starts[number], steps[number] = start, step
    return Thinned(sizes, tuple(starts), tuple(steps)) if max(steps) > 1 else None


def _offsets(axis: Axis | PairAxis) -> list[int]:
    found = axis.taps if isinstance(axis, PairAxis) else [tap for phase in axis.phases for tap in phase.taps]
    return [tap.offset for tap in found]


def _thinner(axis: Axis | PairAxis, start: int, step: int) -> Axis | PairAxis:
    """The same axis over every step-th place from `start` on."""
    if isinstance(axis, PairAxis):
        moved = tuple(replace(tap, offset=(tap.offset - start) // step) for tap in axis.taps)
        return replace(axis, stride=axis.stride // step, taps=moved)
    phases = tuple(
        replace(phase, taps=tuple(replace(tap, offset=(tap.offset - start) // step) for tap in phase.taps))
        for phase in axis.phases
    )
    return replace(axis, stride=axis.stride // step, phases=phases)
