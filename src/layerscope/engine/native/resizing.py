"""Linear interpolation and its adjoint: the place between two cells is at a distance that only the phase decides.

Result i of an axis enlarged by f lies at (i + 1/2)/f - 1/2 of the given one, between two neighbours; the edges' cells
are repeated. Rows (all axes but the last) are taken one after the other; along the last axis the f results that lie
around one cell are made together.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.engine.native.ir import Array, Index, Value
from layerscope.engine.native.kernel import Kernel, Scope
from layerscope.engine.native.operations import Op, rest
from layerscope.engine.native.pulls import clamped
from layerscope.engine.native.taps import between, shares
from layerscope.engine.program import Value as Node

UNROLLED = 8
"""Cells along an axis up to which what they add is written one after the other."""


def resize(scope: Scope, op: Op) -> None:
    """Each row from the two that it lies between, of which three columns make `factor` results."""
    k, (x,), (y,), factors = scope.kernel, op.inputs, op.outputs, op.do.factors
    (*rows, columns), channels = rest(x)[:-1], rest(x)[-1]
    large = [n * f for n, f in zip(rows, factors, strict=False)]
    phases = [between(factors[-1], phase) for phase in range(factors[-1])]
    used = sorted({at for phase in phases for at, _ in phase})
    outer = (scope.memory.groups, *large, columns, channels)
    with k.nest(outer, bounds=k.rows(outer[1:])) as ((group, *at, channel), _):
        pairs = [_pair(k, i, f) for i, f in zip(at[:-1], factors, strict=False)]
        around = {
            step: _between_rows(scope, x, group, pairs, clamped(k, k.add(at[-1], step), columns), channel)
            for step in used
        }
        buffer = scope.memory.buffer(y)
        for phase, cells in enumerate(phases):
            total = _weighted(k, [(around[step], k.constant(weight)) for step, weight in cells])
            column = k.add(k.mul(at[-1], factors[-1]), phase)
            k.store(total, k.array(buffer), k.dot([group, *at[:-1], column, channel], buffer.strides))


def _pair(k: Kernel, i: Index, factor: int) -> tuple[Index, Value]:
    """The row above (-1 at the edge), and the weight of the one below it."""
    moved = k.add(k.mul(i, 2), 1 + factor)
    above = k.add(k.div(moved, 2 * factor), -1)
    part = k.convert("sitofp", k.i64(k.rem(moved, 2 * factor)), k.module.real)
    return above, k.splat(k.fmul(part, k.constant(0.5 / factor, k.module.real)))


def _between_rows(
    scope: Scope, x: Node, group: Index, pairs: Sequence[tuple[Index, Value]], column: Index, channel: Index
) -> Value:
    """A column between the rows that lie around."""
    k, sizes = scope.kernel, rest(x)

    def along(axis: int, rows: list[Index]) -> Value:
        if axis == len(pairs):
            return scope.read(x, [group, *rows, column, channel])
        above, weight = pairs[axis]
        below = k.add(above, 1)
        if axis == 0 and scope.memory.rows(x):
            a, b = along(1, [above]), along(1, [below])
            a, b = k.select(k.within(x, above), a, b), k.select(k.within(x, below), b, a)
        else:
            a, b = (along(axis + 1, [*rows, clamped(k, i, sizes[axis])]) for i in (above, below))
        return k.fma(weight, k.fsub(b, a), a)

    return along(0, [])


def _weighted(k: Kernel, terms: Sequence[tuple[Value, Value]]) -> Value:
    total: Value | None = None
    for value, weight in terms:
        total = k.fmul(value, weight) if total is None else k.fma(value, weight, total)
    assert total is not None
    return total


def adjoint(scope: Scope, op: Op) -> None:
    """Each cell's shares of the gradients around it; beyond the edges they are zero."""
    k, (g,), (x,), factors = scope.kernel, op.inputs, op.outputs, op.do.factors
    outer = (scope.memory.groups, *rest(x))
    with k.nest(outer, bounds=k.rows(outer[1:])) as ((group, *at, channel), _):

        def along(axis: int, places: list[Index], weight: Value | None, total: Value) -> Value:
            if axis == len(factors):
                assert weight is not None
                return k.fma(scope.read(g, [group, *places, channel]), weight, total)
            found, start = shares(factors[axis]), k.mul(at[axis], factors[axis])
            if len(found) <= UNROLLED:
                for cell, share, side in found:
                    own = _share(scope, x, axis, at[axis], share, side)
                    both = own if weight is None else k.fmul(weight, own)
                    total = along(axis + 1, [*places, k.add(start, cell)], both, total)
                return total
            tables = [Array(k.module.table(t, k.module.real), k.module.real, len(found)) for t in _tables(found)]
            with k.loop(len(found), carry=[total]) as (n, carry):
                own = _by_table(scope, x, axis, at[axis], tables, n)
                both = own if weight is None else k.fmul(weight, own)
                place = k.add(start, n, found[0][0])
                carry.values = [along(axis + 1, [*places, place], both, carry.values[0])]
            return carry.values[0]

        total = along(0, [], None, k.constant(0))
        buffer = scope.memory.buffer(x)
        k.store(total, k.array(buffer), k.dot([group, *at, channel], buffer.strides))


def _inside(scope: Scope, x: Node, axis: int, index: Index) -> Value:
    """Whether a cell beside another one is one of the image."""
    k = scope.kernel
    if axis == 0 and scope.memory.rows(x):
        return k.within(x, index)
    return k.icmp("ult", index, rest(x)[axis])


def _share(scope: Scope, x: Node, axis: int, q: Index, share: float, side: int) -> Value:
    k = scope.kernel
    if not side:
        return k.constant(share)
    return k.select(_inside(scope, x, axis, k.add(q, side)), k.constant(share), k.constant(1))


def _tables(found: Sequence[tuple[int, float, int]]) -> list[list[float]]:
    """The shares, and what is added to them in the first cell and in the last one."""
    return [[w for _, w, _ in found], *([(1 - w) * (side == end) for _, w, side in found] for end in (-1, 1))]


def _by_table(scope: Scope, x: Node, axis: int, q: Index, tables: Sequence[Array], n: Index) -> Value:
    k = scope.kernel
    total = k.broadcast(tables[0], n)
    for end, table in zip((-1, 1), tables[1:], strict=True):
        more = k.select(_inside(scope, x, axis, k.add(q, end)), k.constant(0), k.broadcast(table, n))
        total = k.fadd(total, more)
    return total
