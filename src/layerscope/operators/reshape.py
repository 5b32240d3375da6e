"""Other axes over the same numbers: Reshape, Flatten, Squeeze, Unsqueeze."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show
from layerscope.operators._axes import axis_of, needed
from layerscope.operators._moving import View


@dataclass(frozen=True, eq=False)
class Reshape(View):
    """The same numbers in row-major order, in another shape; one size may be -1 (the rest), 0 copies the input's.

    `allowzero`: 0 is a size of its own.
    Shapes: any → `shape`, with as many elements.
    Errors: ShapeError where the numbers of elements differ.
    Source: ONNX operator Reshape.
    """

    shape: Any = ()
    allowzero: bool = False

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        shape: list[Size] = list(self.shape)
        for axis, size in enumerate(shape):
            if size == 0 and not self.allowzero:
                if axis >= x.rank:
                    raise ShapeError(f"shape {show(tuple(shape))} copies axis {axis} of {x}, which has no such axis")
                shape[axis] = x.shape[axis]
        if shape.count(-1) > 1:
            raise ShapeError(f"only one size may be -1, not {show(tuple(shape))}")
        if -1 in shape:
            shape[shape.index(-1)] = self._rest(x, [size for size in shape if size != -1])
        if not sizes.equal(sizes.product(tuple(shape)), x.elements):
            raise ShapeError(
                f"cannot bring {x}, which has {x.elements} elements, into {show(tuple(shape))}, "
                f"which has {sizes.product(tuple(shape))}"
            )
        return (x.with_shape(tuple(shape)),)

    @staticmethod
    def _rest(x: TensorType, told: list[Size]) -> Size:
        """The size that -1 stands for: sizes that are on both sides cancel."""
        given = list(x.shape)
        for size in list(told):
            if size in given and not isinstance(size, int):
                given.remove(size)
                told.remove(size)
        total, known = sizes.product(tuple(given)), sizes.product(tuple(told))
        if known == 0:
            return 0
        quotient = sizes.quotient(total, known)
        if quotient is None and isinstance(known, int):
            return sizes.floor_div(total, known)  # whether that is whole is checked by whoever asked
        if quotient is None:
            raise ShapeError(f"cannot tell what {total} elements divided by {known} are, for the size -1")
        return quotient

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 8, 8))
        return [
            Example(cls("Reshape", (0, -1)), (x,), (TensorType((2, 192)),)),
            Example(cls("Reshape", (2, 3, 64)), (x,), (TensorType((2, 3, 64)),)),
            Example(cls("Reshape", (2, 3, 4, 2, 4, 2)), (x,), (TensorType((2, 3, 4, 2, 4, 2)),)),
        ]


@dataclass(frozen=True, eq=False)
class Flatten(View):
    """A matrix: the axes before `axis` make the rows, the others the columns.

    Shapes: (a, ..., b, c, ..., d) → (a···b, c···d).
    Source: ONNX operator Flatten.
    """

    axis: int = 1

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        axis = self.axis + x.rank if self.axis < 0 else self.axis
        if not 0 <= axis <= x.rank:
            raise ShapeError(f"axis {self.axis} is not one of the {x.rank} axes of its input")
        return (x.with_shape((sizes.product(x.shape[:axis]), sizes.product(x.shape[axis:]))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 8, 8))
        return [
            Example(cls("Flatten"), (x,), (TensorType((2, 192)),)),
            Example(cls("Flatten", 2), (x,), (TensorType((6, 64)),)),
        ]


@dataclass(frozen=True, eq=False)
class Squeeze(View):
    """Takes out axes of size 1: those in `axes`, or all of them where it is None.

    Shapes: (..., 1, ...) → (..., ...).
    Errors: ShapeError where such an axis has another size.
    Source: ONNX operator Squeeze.
    """

    axes: Any = None

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        gone = {axis_of(axis, x.rank) for axis in self.axes or ()}
        if self.axes is None:
            gone = {axis for axis, size in enumerate(x.shape) if size == 1}
        for axis in gone:
            if not sizes.equal(x.shape[axis], 1):
                raise ShapeError(f"axis {axis} of {x} has the size {x.shape[axis]}; only axes of size 1 can go")
        return (x.with_shape(tuple(size for axis, size in enumerate(x.shape) if axis not in gone)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 1, 8, 1))
        return [
            Example(cls("Squeeze"), (x,), (TensorType((2, 8)),)),
            Example(cls("Squeeze", (-1,)), (x,), (TensorType((2, 1, 8)),)),
        ]


@dataclass(frozen=True, eq=False)
class Unsqueeze(View):
    """Puts in axes of size 1, at `axes` of the result.

    Shapes: (..., ...) → (..., 1, ...).
    Errors: ShapeError where an axis is named twice, or lies beyond the result's.
    Source: ONNX operator Unsqueeze.
    """

    axes: Any = ()

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        rank = x.rank + len(self.axes)
        places = {axis_of(axis, rank) for axis in self.axes}
        if len(places) != len(self.axes):
            raise ShapeError(f"axes {show(tuple(self.axes))} name one axis twice")
        rest = iter(x.shape)
        return (x.with_shape(tuple(1 if axis in places else next(rest) for axis in range(rank))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 8))
        return [Example(cls("Unsqueeze", (1, -1)), (x,), (TensorType((2, 1, 8, 1)),))]
