"""Reading and writing values without a batch: single numbers, and some side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerscope.core.sizes import numbers
from layerscope.engine.native.ir import ITEM_BYTES, Array, Index, Value, lanes, vector
from layerscope.engine.native.kernel import Kernel
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.operations import elements
from layerscope.engine.program import Value as Node


@dataclass(eq=False)
class Parts:
    """What every thread has of a sum over the batch; `stride` is the distance of two threads in bytes."""

    buffers: Mapping[Node, Buffer]


def size(value: Node) -> int:
    """How many elements a value without a batch has."""
    return elements(numbers(value.type.shape))


class FlatMemory:
    """Flat values in a kernel with the parameters `threads` and `stride` (bytes between threads)."""

    def __init__(self, k: Kernel, parts: Parts) -> None:
        self.k, self.parts = k, parts

    def load(self, value: Node, index: Index, count: int) -> Value:
        """`count` elements from an index on; of a sum over the batch, what all threads have together."""
        type = vector(self.k.module.real, count)
        if value in self.parts.buffers:
            return self._summed(self.parts.buffers[value], index, type)
        return self.loaded(self.k.array(self.k.memory.flat[value]), index, type)

    def loaded(self, array: Array, index: Index, type: str) -> Value:
        """Elements of an array, anywhere."""
        k = self.k
        self._check(array, index, type)
        return k.put(type, f"load {type}, {k.address(array, index)}, align {ITEM_BYTES[k.module.real]}")

    def store(self, value: Value, buffer: Buffer, index: Index) -> None:
        """Write elements from an index on."""
        k, array = self.k, self.k.array(buffer)
        self._check(array, index, value.type)
        k.line(f"store {value}, {k.address(array, index)}, align {ITEM_BYTES[k.module.real]}")

    def _check(self, array: Array, index: Index, type: str) -> None:
        if self.k.module.checked and lanes(type) > 1:
            self.k.load(array, self.k.add(index, lanes(type) - 1))

    def _summed(self, buffer: Buffer, index: Index, type: str) -> Value:
        """The sum of all threads' parts, in the order of the threads."""
        k = self.k
        array = k.array(buffer)
        first = self.loaded(array, index, type)
        with k.loop(Value("%threads", "i64"), 1, k.i64(1), carry=[first]) as (t, carry):
            far = k.put("ptr", f"getelementptr i8, {array.pointer}, {k.i64(k.mul(t, Value('%stride', 'i64')))}")
            other = self.loaded(Array(far, array.item, array.extent, array.first), index, type)
            carry.values = [k.fadd(carry.values[0], other)]
        return carry.values[0]
