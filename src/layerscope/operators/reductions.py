"""What collapses axes: sums, means, extremes and the like; running sums; determinants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import EVERYTHING, Everything, Reads, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._axes import axis_of, fits, is_floating, needed, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import numbers


@dataclass(frozen=True, eq=False)
class Reduction(Operator):
    """One number of all that lie along some axes: their sum, mean, largest, norm, ...; or the index of an extreme.

    `axes` None: all of them. `before`, `after`: functions of each element (a square) and of each result (a root).
    `keeps` is "nothing" (sums, means), "ends" (input and output) or "places" (where the extreme was).
    Shapes: reduced axes become 1, or vanish without `keepdims`.
    Units: elements read count as pooling, `before` and `after` as pointwise.
    Errors: ShapeError for an axis that there is not.
    Source: ONNX operators ReduceSum, ReduceMean, ReduceMax, ..., ArgMax, ArgMin.
    """

    axes: Any = None
    keepdims: bool = True
    before: int = 0
    after: int = 0
    keeps: str = "nothing"
    dtype: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes is not None:
            object.__setattr__(self, "axes", numbers(self.axes, f"{self.kind}: an axis", least=-64))

    def _reduced(self, x: TensorType) -> tuple[int, ...]:
        return tuple(range(x.rank)) if self.axes is None else tuple(axis_of(axis, x.rank) for axis in self.axes)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        reduced = self._reduced(x)
        kept: list[Size] = [1 if axis in reduced else n for axis, n in enumerate(x.shape)]
        if not self.keepdims:
            kept = [n for axis, n in enumerate(x.shape) if axis not in reduced]
        return (TensorType(tuple(kept), self.dtype or x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x, (out,) = needed(operands, 0, "the input"), self.infer(*operands)
        pointwise = x.elements * self.before + out.elements * self.after
        return Operations(pooling=x.elements if self._reduced(x) else 0, pointwise=pointwise)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        (out,) = self.infer(*operands)
        if self.keeps == "nothing" or not is_floating(out.dtype):
            return NOTHING_SAVED
        return Saved((0,), (0,)) if self.keeps == "ends" else Saved(extra=(TensorType(out.shape, "int64"),))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        reduced, place = self._reduced(x), 0
        found: list[Window | Everything] = []
        for axis in range(x.rank):
            found.append(EVERYTHING if axis in reduced else Window(place))
            place += self.keepdims or axis not in reduced
        return (tuple(found), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 5, 6))
        return [
            Example(cls("ReduceMean", (-1,)), (x,), (TensorType((2, 5, 1)),)),
            Example(
                cls("ReduceL2", (1,), keepdims=False, before=1, after=1, keeps="ends"), (x,), (TensorType((2, 6)),)
            ),
            Example(cls("ArgMax", (0,), dtype="int64"), (x,), (TensorType((1, 5, 6), "int64"),)),
        ]


@dataclass(frozen=True, eq=False)
class Cumulative(Operator):
    """Running sums or products along an axis, from the start or, `reverse`, from the end.

    `axis` None: the data say which; then all is read.
    Shapes: unchanged. Units: one pointwise operation an element.
    Source: ONNX operators CumSum, CumProd.
    """

    axis: int | None = 0

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        if self.axis is not None:
            axis_of(self.axis, x.rank)
        return (x,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=needed(operands, 0, "the input").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((0,), (0,)) if self.type_name == "CumProd" else NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        rank = needed(operands, 0, "the input").rank
        axes = tuple(range(rank)) if self.axis is None else (self.axis,)
        return (same(rank, axes), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("CumSum", 1), (TensorType((2, 5)),), (TensorType((2, 5)),))]


@dataclass(frozen=True, eq=False)
class Determinant(Operator):
    """The determinant of square matrices in the last two axes.

    Shapes: (..., M, M) → (...). MACs: those of an LU decomposition, M·(M - 1)·(2M - 1) / 6 a matrix.
    Source: ONNX operator Det.
    """

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        rank_of(x, 2, "the input of a determinant")
        fits(x.shape[-2], x.shape[-1], "the height of its matrices", "their width")
        return (TensorType(x.shape[:-2], x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        m = needed(operands, 0, "the input").shape[-1]
        steps = m * (m - 1) * (2 * m - 1)
        return self.infer(*operands)[0].elements * steps // 6 if isinstance(m, int) else None

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=needed(operands, 0, "the input").shape[-1] * self.infer(*operands)[0].elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((0,), (0,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        return ((*map(Window, range(x.rank - 2)), EVERYTHING, EVERYTHING),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("Det"), (TensorType((4, 3, 3)),), (TensorType((4,)),))]
