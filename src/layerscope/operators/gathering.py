"""Elements picked by index or put at one: Gather, GatherElements, GatherND, the Scatter family, OneHot, TopK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core.contract import Example
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Fixed, Reads, Window, listed, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._axes import axis_of, fits, known, needed, whole
from layerscope.operators._moving import Moving, Way
from layerscope.operators._operator import ABSENT

INT = "int64"


@dataclass(frozen=True, eq=False)
class Gather(Moving):
    """Slices of the data along `axis`, by index: an embedding looked up, one position of many, some of them.

    `index` is the only index where there is one, without axes, and it is known; `indices` are those of a list that is
    known.

    Shapes: (a, n, b) and indices (i, j) → (a, i, j, b). It multiplies nothing.
    Source: ONNX operator Gather.
    """

    axis: int = 0
    index: int | None = None
    indices: Any = None

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, where = needed(operands, 0, "the data"), needed(operands, 1, "the indices")
        axis = axis_of(self.axis, x.rank)
        return (x.with_shape((*x.shape[:axis], *where.shape, *x.shape[axis + 1 :])),)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((1,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x, where = needed(operands, 0, "the data"), needed(operands, 1, "the indices")
        axis = axis_of(self.axis, x.rank)
        data = [
            Window(n) if n < axis else Window(n - 1 + where.rank) if n > axis else self._along(axis, x.shape[axis])
            for n in range(x.rank)
        ]
        return (tuple(data), tuple(Window(axis + n) for n in range(where.rank)))

    def _along(self, axis: int, size: Size) -> Way:
        """How the axis is read."""
        indices = cast(Sequence[int], (self.index,) if self.index is not None else self.indices or ())
        if not indices or (min(indices) < 0 and not isinstance(size, int)):
            return EVERYTHING
        found = [i if i >= 0 else i + cast(int, size) for i in indices]
        return listed(axis, found) if self.index is None else Fixed(*found)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        table, tokens = TensorType((1000, 64)), TensorType((2, 7), INT)
        some = cls("Gather", 1, indices=(0, 3, 2), slots=(None, TensorType((3,), INT)))
        return [
            Example(cls("Gather", slots=(None, None)), (table, tokens), (TensorType((2, 7, 64)),)),
            Example(some, (TensorType((2, 5, 4)),), (TensorType((2, 3, 4)),)),
        ]


@dataclass(frozen=True, eq=False)
class GatherElements(Moving):
    """One element for each index, from its own place but along `axis`, where the index says.

    Shapes: data and indices of as many axes → the indices' shape.
    Source: ONNX operator GatherElements.
    """

    axis: int = 0

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, where = needed(operands, 0, "the data"), needed(operands, 1, "the indices")
        axis_of(self.axis, x.rank)
        if x.rank != where.rank:
            raise ShapeError(f"the data {x} have {x.rank} axes, but the indices {where} {where.rank}")
        return (x.with_shape(where.shape),)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((1,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        return (same(x.rank, (self.axis,)), same(x.rank))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, where = TensorType((2, 5)), TensorType((2, 3), INT)
        return [Example(cls("GatherElements", 1, slots=(None, None)), (x, where), (TensorType((2, 3)),))]


@dataclass(frozen=True, eq=False)
class GatherND(Moving):
    """Elements or slices by indices of several axes; the first `batch_dims` axes go along.

    Shapes: data (b, n₁, ..., nₖ, rest) and indices (b, m, k) → (b, m, rest).
    Errors: ShapeError where the number of indexed axes is open, or larger than the data have.
    Source: ONNX operator GatherND.
    """

    batch_dims: int = 0

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, where = needed(operands, 0, "the data"), needed(operands, 1, "the indices")
        if where.rank == 0:
            raise ShapeError("its indices have no axes")
        depth = known(where.shape[-1], "how many axes are indexed, the indices' last size")
        if self.batch_dims + depth > x.rank or self.batch_dims >= where.rank:
            raise ShapeError(f"{depth} axes behind {self.batch_dims} of the batch are indexed, but the data are {x}")
        for axis in range(self.batch_dims):
            fits(x.shape[axis], where.shape[axis], f"axis {axis} of the data", "that of the indices")
        return (x.with_shape((*where.shape[:-1], *x.shape[self.batch_dims + depth :])),)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((1,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x, where = needed(operands, 0, "the data"), needed(operands, 1, "the indices")
        (y,) = self.infer(*operands)
        tail = y.rank - (where.rank - 1)
        shift = y.rank - x.rank
        data: list[Way] = [Window(n) if n < self.batch_dims else EVERYTHING for n in range(x.rank - tail)]
        data += [Window(n + shift) for n in range(x.rank - tail, x.rank)]
        return (tuple(data), (*(Window(n) for n in range(where.rank - 1)), EVERYTHING))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, where = TensorType((2, 5, 4)), TensorType((2, 3, 1), INT)
        return [Example(cls("GatherND", 1, slots=(None, None)), (x, where), (TensorType((2, 3, 4)),))]


@dataclass(frozen=True, eq=False)
class Scatter(Moving):
    """The data, with updates put at indices: ScatterElements, ScatterND, Scatter, TensorScatter (a cache of keys).

    `reduction` add, mul, max or min puts the update together with what is there.
    Shapes: data, indices and updates → the data's shape.
    Units: with a reduction, one pointwise operation for each update.
    Source: ONNX operators ScatterElements, ScatterND, Scatter, TensorScatter.
    """

    reduction: str = "none"
    updates: int = 2

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return (needed(operands, 0, "the data"),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        if self.reduction == "none":
            return NONE
        return Operations(pointwise=needed(operands, self.updates, "the updates").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        indices = 3 - self.updates
        return (
            Saved((0, indices, self.updates), (0,)) if self.reduction in ("mul", "max", "min") else Saved((indices,))
        )

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        return (same(x.rank), *(whole(part) for part in operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, where, put = TensorType((4, 5)), TensorType((2, 1), INT), TensorType((2, 5))
        return [Example(cls("ScatterND", slots=(None, None, None)), (x, where, put), (x,))]


@dataclass(frozen=True, eq=False)
class OneHot(Moving):
    """Each index as `depth` numbers, one of which is on; `depth` None: as many as its operand says, a `fresh` size.

    Shapes: (..., n, ...) → (..., depth, ...), the new axis at `axis` of the result.
    Source: ONNX operator OneHot.
    """

    depth: Any
    axis: int = -1

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        where, values = needed(operands, 0, "the indices"), needed(operands, 2, "the values")
        axis = axis_of(self.axis, where.rank + 1)
        return (TensorType((*where.shape[:axis], self.depth, *where.shape[axis:]), values.dtype),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        where = needed(operands, 0, "the indices")
        axis = axis_of(self.axis, where.rank + 1)
        ways = tuple(Window(n + (n >= axis)) for n in range(where.rank))
        return (ways, *(whole(part) for part in operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        where = TensorType((2, 3), INT)
        made = cls("OneHot", 10, slots=(None, ABSENT, TensorType((2,))))
        return [Example(made, (where,), (TensorType((2, 3, 10)),))]


@dataclass(frozen=True, eq=False)
class TopK(Moving):
    """The k largest (or smallest) elements along an axis, and their indices.

    Shapes: (..., n, ...) → (..., k, ...) twice; the indices are int64.
    Units: elements read count as pooling.
    Errors: ShapeError where k is larger than the axis.
    Source: ONNX operator TopK.
    """

    k: Any
    axis: int = -1

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        axis = axis_of(self.axis, x.rank)
        size = x.shape[axis]
        if isinstance(size, int) and isinstance(self.k, int) and not 0 <= self.k <= size:
            raise ShapeError(f"takes the {self.k} largest of {size} along axis {axis} of {x}")
        found = x.with_shape((*x.shape[:axis], self.k, *x.shape[axis + 1 :]))
        return (found, TensorType(found.shape, INT))

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pooling=needed(operands, 0, "the data").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((), (1,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        return (same(x.rank, (self.axis,)), *(whole(part) for part in operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 10)), TensorType((2, 3))
        return [Example(cls("TopK", 3), (x,), (y, TensorType((2, 3), INT)))]
