"""Sums of rows that grow while tiles of results are in registers (planes.py)."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.engine.native.fusions import Stage
from layerscope.engine.native.ir import Code, Index, Value
from layerscope.engine.native.kernel import Kernel, Memory, Scope
from layerscope.engine.native.operations import Op, rest


class RowSums:
    """Sums of rows of one channel, for the positions of a tile."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.found: dict[tuple[Op, tuple[int, ...]], tuple[list[Index], list[Value]]] = {}

    def add(self, position: Sequence[int]) -> None:
        """The results at a position of the tile, where the scope is now."""
        for op in self.scope.stage.planes:
            key = op, tuple(position[:2])
            _, values = self.found.setdefault(key, (list(self.scope.index), []))
            values.append(self.scope.get(op.inputs[0]))

    def store(self) -> None:
        """To what the rows' sums have grown to."""
        k = self.scope.kernel
        for (op, _), (index, values) in self.found.items():
            self.scope.at(index)
            array, place = self.scope.place(op.outputs[0])
            k.store(k.fadd(k.load(array, place), total(k, values)), array, place)


def total(k: Code, values: Sequence[Value]) -> Value:
    """The sum, in pairs."""
    found = list(values)
    while len(found) > 1:
        pairs = [k.fadd(a, b) for a, b in zip(found[::2], found[1::2], strict=False)]
        found = pairs + found[len(found) - len(found) % 2 :]
    return found[0]


def clear(memory: Memory, stage: Stage) -> list[Kernel]:
    """What makes the rows' sums zero before a stage."""
    kernels: list[Kernel] = []
    for op in stage.planes:
        kernel, (value,) = Kernel(memory), op.outputs
        buffer = memory.buffer(value)
        shape = rest(value)
        with kernel.nest((memory.groups, *shape), bounds=kernel.rows(shape)) as (index, _):
            kernel.store(kernel.constant(0), kernel.array(buffer), kernel.dot(index, buffer.strides))
        kernel.ret()
        kernels.append(kernel)
    return kernels
