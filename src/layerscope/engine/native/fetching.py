"""What a loop reads next is brought near while it computes.

An image of a block is far from the nearest caches, and a processor foresees a few regular streams: not the cells of a
patch, of which each is one item of a stream of its own. So loops of products, which leave memory idle, ask for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.engine.native.ir import Array, Code, Index
from layerscope.engine.native.layout import Buffer

FAR = 1 << 19
"""Bytes of a buffer of which a core's second cache may not hold all until it is read again."""

NEAREST, SECOND = 3, 2
"""Caches, as LLVM numbers them."""

FEW = 8
"""Items that are asked for at once, before a loop; more are asked for one by one within it."""


def far(buffer: Buffer) -> bool:
    """Whether what is read of a buffer is likely to be far."""
    return buffer.bytes > FAR


def fetch(k: Code, array: Array, at: Index, cache: int = SECOND) -> None:
    """Ask for an item to be read. One that there is not does no harm."""
    pointer = k.put("ptr", f"getelementptr {array.item}, {array.pointer}, {k.i64(at)}")
    k.module.declare("void", "llvm.prefetch.p0", "ptr", "i32", "i32", "i32")
    k.line(f"call void @llvm.prefetch.p0({pointer}, i32 0, i32 {cache}, i32 1)")


@dataclass(frozen=True)
class Share:
    """What one of some loops asks for, which together ask for the items of some cells. `cells` and `turns` are how
    many there are and how far from one to the next; a loop has as many turns as a cell has items. This is loop
    `number` of `loops`.
    """

    cells: tuple[int, int]
    turns: tuple[int, int]
    number: Index
    loops: int

    @property
    def items(self) -> int:
        """How many it asks for at most."""
        return -(-self.cells[0] * self.turns[0] // self.loops)

    def at_once(self, k: Code, array: Array, at: Index) -> None:
        """Ask for them before the loop; the first cell lies at `at`."""
        for n in range(self.items):
            item = k.add(k.mul(self.number, self.items), n)
            cell = k.dot([k.div(item, self.turns[0]), k.rem(item, self.turns[0])], [self.cells[1], self.turns[1]], at)
            fetch(k, array, cell)

    def each_turn(self, k: Code, at: Index) -> list[Index]:
        """What it shall ask for in its first turn."""
        first = k.div(k.mul(self.number, self.cells[0]), self.loops)
        return [k.add(at, k.mul(k.add(first, n), self.cells[1])) for n in range(-(-self.cells[0] // self.loops))]
