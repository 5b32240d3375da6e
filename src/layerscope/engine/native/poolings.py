"""Max pooling in registers: the largest of a window's cells with its number, and the way back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from layerscope.engine.native.ir import Index, Value
from layerscope.engine.native.kernel import Kernel, Memory, Scope
from layerscope.engine.native.operations import Op, rest
from layerscope.engine.native.pulls import all_of, cells, inside, is_cell, leaves, number
from layerscope.engine.native.taps import product


def winners(
    scope: Scope,
    op: Op,
    group: Index,
    at: Sequence[Index],
    channel: Index,
    own: Sequence[Value],
    compete: Sequence[Value] = (),
    zeros: Sequence[Value] = (),
) -> None:
    """Store the largest of a window's cells, given row-major, and which it is; the first of equals wins.

    `compete`: the lanes in which each but the first takes part, if not in all; `zeros`: those in which each is zero,
    if that is known. Where the stage pools first, its pointwise operations are done to the largest alone.
    """
    k, memory = scope.kernel, scope.memory
    windows, sizes = op.do.windows, rest(op.inputs[0])[:-1]
    kept = op.outputs[1] in memory.layout.buffers
    type = memory.layout.item(op.outputs[1])
    rows = memory.rows(op.inputs[0])
    found: list[Value] = []
    if zeros:
        own = [k.select(zero, k.constant(0), value) for zero, value in zip(zeros, own, strict=True)]
    for cell, position in enumerate(itertools.product(*(range(n) for n in windows.window))):
        where = [k.add(k.mul(i, s), c) for i, s, c in zip(at, windows.strides, position, strict=True)]
        conditions = [
            inside(k, i, n) if pad[1] > 0 else None for i, n, pad in zip(where, sizes, windows.pads, strict=True)
        ]
        if rows:
            conditions[0] = k.within(op.inputs[0], where[0]) if leaves(windows, rows, position[0]) else None
        real = all_of(k, conditions)
        found.append(own[cell] if real is None else k.select(real, own[cell], k.constant(-math.inf)))
    best, winner = found[0], number(k, 0, type)
    for cell, value in enumerate(found[1:], 1):
        better = k.compare("ogt", value, best)
        better = k.both(better, compete[cell - 1]) if compete else better
        best = k.select(better, value, best)
        if kept:
            winner = k.select(better, number(k, cell, type), winner)
    if len(found) > 1:  # NaN wins, so that it is found in the loss
        best = k.select(_unordered(k, found), k.constant(math.nan), best)
    index = [group, *at, channel]
    if scope.stage.pools_first:
        assert scope.stage.root is not None
        scope.at(index)
        scope.values[scope.stage.root.outputs[0]] = best
        scope.compute()
        best = scope.get(op.inputs[0])
    _put(k, memory, op, index, best, winner if kept else None)


def _unordered(k: Kernel, values: Sequence[Value]) -> Value:
    """Whether one of some numbers is NaN: compared in pairs."""
    pairs = [(values[n], values[min(n + 1, len(values) - 1)]) for n in range(0, len(values), 2)]
    mask = k.compare("uno", *pairs[0])
    for pair in pairs[1:]:
        mask = k.either(mask, k.compare("uno", *pair))
    return mask


def _put(k: Kernel, memory: Memory, op: Op, index: Sequence[Index], best: Value, winner: Value | None) -> None:
    if memory.spare(op.outputs[0]):
        best = k.select(k.within(op.outputs[0], index[1]), best, k.constant(0))
    for value, result in zip(op.outputs, (best, winner), strict=True):
        if result is not None and value in memory.layout.buffers:
            buffer = memory.buffer(value)
            k.store(result, k.array(buffer), k.dot(index, buffer.strides))


def pool_max(scope: Scope, op: Op) -> None:
    """The largest of a window's cells at the scope's index, of any windows; NaN wins, so that it is found."""
    k, memory = scope.kernel, scope.memory
    type = memory.layout.item(op.outputs[1])
    best: Value | None = None
    winner = number(k, 0, type)
    for cell, real, index in cells(k, op.do.windows, op.inputs[0], scope.index[1:-1]):
        value = scope.read(op.inputs[0], [scope.index[0], *index, scope.index[-1]])
        if real is not None:
            value = k.select(real, value, k.constant(-math.inf))
        if best is None:
            best, winner = value, number(k, cell, type)
            continue
        lost = k.both(k.compare("uno", value, value), k.compare("ord", best, best))
        better = k.either(k.compare("ogt", value, best), lost)
        best = k.select(better, value, best)
        winner = k.select(better, number(k, cell, type), winner)
    assert best is not None
    _put(k, memory, op, scope.index, best, winner)


def spread(scope: Scope, op: Op) -> None:
    """Write a gradient to its window's winner and zeros to the window's other cells; windows do not overlap."""
    k, memory = scope.kernel, scope.memory
    gradient, winner = scope.get(op.inputs[0]), scope.load(op.inputs[1])
    buffer, sizes = memory.buffer(op.outputs[0]), rest(op.outputs[0])[:-1]
    array = k.array(buffer)
    for cell, position in enumerate(itertools.product(*(range(n) for n in op.do.windows.window))):
        at = [
            k.add(k.mul(i, s), c) for i, s, c in zip(scope.index[1:-1], op.do.windows.strides, position, strict=True)
        ]
        real = all_of(
            k,
            [
                inside(k, i, n) if pad[1] > 0 else None
                for i, n, pad in zip(at, sizes, op.do.windows.pads, strict=True)
            ],
        )
        value = k.select(is_cell(k, winner, cell), gradient, k.constant(0))
        place = k.dot([scope.index[0], *at, scope.index[-1]], buffer.strides)
        if real is None:
            k.store(value, array, place)
        else:
            with k.when(real):
                k.store(value, array, place)


def from_winners(scope: Scope, op: Op) -> None:
    """Each cell's sum over the windows that it won; beyond the edges gradients are zero. Phase by phase."""
    k, do, (g, winners), channels = scope.kernel, op.do, op.inputs, rest(op.outputs[0])[-1]
    buffer = scope.memory.buffer(op.outputs[0])
    phases = list(itertools.product(*(axis.phases for axis in do.axes)))
    shared = k.shared([(0, first.count, 1) for first, *_ in phases])
    for phase, (low, high, _) in zip(phases, shared, strict=True):
        found = product([p.taps for p in phase], do.window)
        counts = [p.count for p in phase]
        with k.nest((scope.memory.groups, *counts, channels), bounds={1: (low, high)}) as ((group, *at, channel), _):
            total: Value | None = None
            for offsets, (cell,) in found:
                place = [group, *(k.add(q, offset) for q, offset in zip(at, offsets, strict=True)), channel]
                won = is_cell(k, scope.read(winners, place), cell)
                part = k.select(won, scope.read(g, place), k.constant(0))
                total = part if total is None else k.fadd(total, part)
            to = [k.add(k.mul(q, a.step), p.start) for q, a, p in zip(at, do.axes, phase, strict=True)]
            k.store(total or k.constant(0), k.array(buffer), k.dot([group, *to, channel], buffer.strides))
