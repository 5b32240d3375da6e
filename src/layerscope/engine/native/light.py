"""Light values: what costs little to make of one image and sums over the batch, and is made wherever it is wanted.

So a batch normalisation keeps the image that it was given for later segments, and neither what it makes of it nor
what a relu makes of that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from layerscope.engine.native import pointwise
from layerscope.engine.native.draft import Draft
from layerscope.engine.native.operations import Op, Within, fresh, of_batch
from layerscope.engine.primitives.map import Map
from layerscope.engine.program import Value

AGAIN = 6
"""Operations on an image that take less time than to keep their result."""


class Light:
    """The light values of a draft, as they are found; `totals` are sums over the batch and what comes of them,
    `uniform` values that are one number for all elements of an example.
    """

    def __init__(self, draft: Draft, totals: Collection[Value], uniform: Collection[Value]) -> None:
        self.draft, self.totals, self.uniform = draft, totals, uniform
        self.made: dict[Value, Op] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self.made

    def takes(self, op: Op) -> bool:
        """Whether an operation makes a light value, which is noted then."""
        if not isinstance(op.do, Within) and not (isinstance(op.do, Map) and pointwise.cheap(op.do.function)):
            return False
        images = [value for value in op.inputs if of_batch(value)]
        (result,) = op.outputs
        light = (
            len(images) == 1
            and images[0].type == result.type
            and images[0] not in self.uniform
            and (images[0] in self.made or any(value in self.totals for value in op.inputs))
            and self._length(images[0]) < AGAIN
            and result not in self.draft.outputs.values()
        )
        if light:
            self.made[result] = op
        return light

    def _length(self, value: Value) -> int:
        """How many operations make a light value."""
        return 1 + max(map(self._length, self.made[value].inputs)) if value in self.made else 0

    def again(self, value: Value) -> Op:
        """A light value once more."""
        op, made = self.made[value], fresh(value.type)
        self.draft.cut_like(made, value)
        return Op(op.do, op.inputs, (made,), op.label)

    def bases(self, values: Iterable[Value]) -> set[Value]:
        """What light values are made of, in place of them."""
        found = set[Value]()
        for value in values:
            found |= self.bases(self.made[value].inputs) if value in self.made else {value}
        return found
