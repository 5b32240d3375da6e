"""Tensors repeated, converted, made from nothing, or cut down to a size that only the data decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, Operations
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window, same
from layerscope.core.types import TensorType
from layerscope.operators._axes import broadcast, broadcast_reads, needed, whole
from layerscope.operators._moving import Moving, without_elements


@dataclass(frozen=True, eq=False)
class Expand(Moving):
    """Axes of size 1 repeated, and axes put in front, to fit a shape.

    Shapes: any → the shape to which both stretch.
    Source: ONNX operator Expand.
    """

    shape: Any = ()

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        return (x.with_shape(broadcast(x.shape, tuple(self.shape))),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        (y,) = self.infer(*operands)
        return (broadcast_reads(x.shape, y.shape), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("Expand", (2, 1, 6)), (TensorType((3, 1)),), (TensorType((2, 3, 6)),))]


@dataclass(frozen=True, eq=False)
class Tile(Moving):
    """The whole tensor repeated along each axis.

    Shapes: (n, ...) → (n·repeats, ...).
    Source: ONNX operator Tile.
    """

    repeats: Any = ()

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        if len(self.repeats) != x.rank:
            raise ShapeError(f"{len(self.repeats)} repeats for the {x.rank} axes of {x}")
        return (x.with_shape(tuple(size * n for size, n in zip(x.shape, self.repeats, strict=True))),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        again = tuple(axis for axis, n in enumerate(self.repeats) if n != 1)
        return (same(x.rank, again), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("Tile", (1, 3)), (TensorType((2, 4)),), (TensorType((2, 12)),))]


@dataclass(frozen=True, eq=False)
class Cast(Moving):
    """The same numbers as another dtype: Cast, CastLike; BitCast reads their bits anew.

    Shapes: any → the same, in `dtype`.
    Errors: ShapeError where the bits of BitCast do not fit.
    Source: ONNX operators Cast, CastLike, BitCast.
    """

    dtype: str = "float32"

    @property
    def elementwise(self) -> bool:
        return True

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return (TensorType(needed(operands, 0, "the data").shape, self.dtype),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (same(needed(operands, 0, "the data").rank), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("Cast", "float16"), (TensorType((2, 4)),), (TensorType((2, 4), "float16"),))]


@dataclass(frozen=True, eq=False)
class Filled(Moving):
    """A tensor whose elements depend on no data: ConstantOfShape, Range, Shape, Size.

    Shapes: any → `shape`.
    Source: ONNX operators ConstantOfShape, Range, Shape, Size.
    """

    shape: Any = ()
    dtype: str = "float32"

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return (TensorType(tuple(self.shape), self.dtype),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (None,) * len(operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        out = TensorType((4,), "int64")
        return [Example(cls("Shape", (4,), "int64"), (TensorType((2, 3, 8, 8)),), (out,))]


@dataclass(frozen=True, eq=False)
class FilledLike(Moving):
    """A tensor of the operand's sizes that depends on no data: EyeLike.

    Shapes: any → the same, in `dtype` (None: the operand's).
    Source: ONNX operator EyeLike.
    """

    dtype: str | None = None

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the operand whose sizes count")
        return (TensorType(x.shape, self.dtype or x.dtype),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (None,) * len(operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("EyeLike"), (TensorType((3, 4)),), (TensorType((3, 4)),))]


@dataclass(frozen=True, eq=False)
class Selection(Moving):
    """What the data select, in sizes that only they decide: NonZero, Compress, Unique, NonMaxSuppression, and any
    moving operator of which not the data but a shape, a number or a place is computed while the network runs.

    `shapes` and `dtypes` of the outputs; an open size in them stands for the one that is decided then. `axes`: those
    of the first operand that are read at the output's own index. `described`: whether it computes nothing else.
    Shapes: any → as `shapes` states.
    Source: ONNX operators NonZero, Compress, Unique, NonMaxSuppression.
    """

    shapes: Any = ()
    dtypes: Any = ()
    axes: Any = ()
    described: bool = field(default=True)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        pairs = zip(self.shapes, self.dtypes, strict=True)
        return tuple(TensorType(tuple(shape), dtype) for shape, dtype in pairs)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE if self.described else None

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        first, *others = operands
        ways = None if first is None else tuple(
            Window(axis) if axis in self.axes else EVERYTHING for axis in range(first.rank)
        )  # fmt: skip
        return (ways, *(whole(part) for part in others))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        count = sizes.named("count")
        x, y = TensorType((3, 4)), TensorType((2, count), "int64")
        return [Example(cls("NonZero", ((2, count),), ("int64",)), (x,), (y,))]
