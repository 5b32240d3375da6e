"""Pooling with windows, pooling of regions, global pooling, and max unpooling, in any number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Share, Spread, Window
from layerscope.core.types import TensorType
from layerscope.operators._axes import fits, known, needed, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import Placed, auto_pad, numbers, per_axis, places, size_list


@dataclass(frozen=True, eq=False)
class Pooling(Operator):
    """The largest number (MaxPool), the mean (AveragePool) or the p-norm (LpPool) of each window.

    `count_include_pad`: a mean counts the padding's zeros. `storage_order` 1: Indices are column-major.
    Law: n' = floor((n + begin + end - d·(k - 1) - 1) / s) + 1; with `ceil_mode` rounded up, without windows that
    would start in the padding at the end; SAME: ceil(n / s).
    Shapes: (batch, C, *n) → (batch, C, *n'); MaxPool also the Indices of the winners, int64.
    Units: cells read, those of padding included, count as pooling. `channel_axis` is 1, or -1 for channels last.
    Errors: ShapeError where a window does not fit.
    Source: ONNX operators MaxPool, AveragePool, LpPool.
    """

    kernel_shape: Any = ()
    strides: Any = ()
    pads: Any = ()
    dilations: Any = ()
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False
    count_include_pad: bool = False
    storage_order: int = 0
    indices: bool = False
    channel_axis: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel_shape", "strides", "dilations"):
            object.__setattr__(self, name, numbers(getattr(self, name), f"{self.kind}: {name}"))
        object.__setattr__(self, "pads", numbers(self.pads, f"{self.kind}: pads", least=-(2**31)))
        object.__setattr__(self, "auto_pad", auto_pad(self.auto_pad, self.kind))

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        rank_of(x, len(self.kernel_shape) + 2, "the input of a pooling", len(self.kernel_shape) + 2)
        channel = self.channel_axis % x.rank
        return tuple(axis for axis in range(1, x.rank) if axis != channel)

    def placed(self, *operands: TensorType | None) -> tuple[Placed, ...]:
        """Windows of every spatial axis."""
        x = needed(operands, 0, "the input")
        spatial = [x.shape[axis] for axis in self._axes(x)]
        return places(
            spatial, self.kernel_shape, self.strides, self.dilations, self.pads, self.auto_pad, self.ceil_mode
        )

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        shape = list(x.shape)
        for axis, p in zip(self._axes(x), self.placed(*operands), strict=True):
            shape[axis] = p.out
        pooled = TensorType(tuple(shape), x.dtype)
        return (pooled, TensorType(pooled.shape, "int64")) if self.indices else (pooled,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pooling=self.infer(*operands)[0].elements * sizes.product(self.kernel_shape))

    def kept(self, *operands: TensorType | None) -> Saved | None:
        if self.type_name == "AveragePool":
            return NOTHING_SAVED
        if self.type_name == "LpPool":
            return Saved((0,), (0,))
        if self.indices and (self.results is None or self.results > 1):
            return Saved(outputs=(1,))
        return Saved(extra=(TensorType(self.infer(*operands)[0].shape, "int32"),))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        found: list[Window] = [Window(axis) for axis in range(x.rank)]
        for axis, p in zip(self._axes(x), self.placed(*operands), strict=True):
            found[axis] = p.relation(axis)
        return (tuple(found), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(shape: tuple[int, ...], kernel: tuple[int, ...], out: tuple[int, ...], **told: Any) -> Example:
            made = cls(told.pop("type_name", "MaxPool"), kernel, **told)
            return Example(made, (TensorType(shape),), (TensorType(out),))

        return [
            case((2, 3, 32, 32), (2, 2), (2, 3, 16, 16), strides=(2, 2)),
            case((1, 2, 7), (3,), (1, 2, 4), type_name="AveragePool", strides=(2,), pads=(1, 0), ceil_mode=True),
            case((1, 5, 6, 2), (2, 2), (1, 3, 3, 2), strides=(2, 2), auto_pad="SAME_UPPER", channel_axis=-1),
        ]


@dataclass(frozen=True, eq=False)
class GlobalPooling(Operator):
    """One number for each example and channel: the largest, the mean or the p-norm of all positions.

    Shapes: (batch, C, *n) → (batch, C, 1, ...).
    Units: all elements read count as pooling.
    Source: ONNX operators GlobalMaxPool, GlobalAveragePool, GlobalLpPool.
    """

    channel_axis: int = 1

    def _pooled(self, x: TensorType) -> tuple[int, ...]:
        rank_of(x, 2, "the input of a global pooling")
        return tuple(axis for axis in range(1, x.rank) if axis != self.channel_axis % x.rank)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        pooled = self._pooled(x)
        return (TensorType(tuple(1 if axis in pooled else n for axis, n in enumerate(x.shape)), x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pooling=needed(operands, 0, "the input").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        if self.type_name == "GlobalMaxPool":
            return Saved(extra=(TensorType(self.infer(*operands)[0].shape, "int32"),))
        return NOTHING_SAVED if self.type_name == "GlobalAveragePool" else Saved((0,), (0,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        pooled = self._pooled(x)
        read: Reads = tuple(EVERYTHING if axis in pooled else Window(axis) for axis in range(x.rank))
        return (read, *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        made = cls("GlobalAveragePool")
        return [Example(made, (TensorType((2, 3, 7, 7)),), (TensorType((2, 3, 1, 1)),))]


@dataclass(frozen=True, eq=False)
class AdaptivePooling(Operator):
    """The largest number or the mean of each of `size` shares of every axis behind the channels (axis 1).

    Of n cells, output o of m pools floor(o·n / m) … ceil((o + 1)·n / m) - 1; None keeps an axis as it is.
    Shapes: (batch, C, *n) → (batch, C, *m), of AdaptiveMaxPool also the indices of the winners, int64.
    Units: cells read count as pooling.
    Errors: ShapeError where there is not one size for each spatial axis, SizeError where a size is open.
    Source: PyTorch, torch.nn.functional.adaptive_avg_pool2d and its relatives.
    """

    size: Any = (1, 1)
    maximum: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size", size_list(self.size, f"{self.kind}: size", absent=True))

    def _axes(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """Cells and shares of every spatial axis."""
        rank_of(x, len(self.size) + 2, "the input of an adaptive pooling", len(self.size) + 2)
        cells = tuple(known(n, "the sizes of its input") for n in x.shape[2:])
        return tuple((n, n if m is None else int(m)) for n, m in zip(cells, self.size, strict=True))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        pooled = TensorType((*x.shape[:2], *(m for _, m in self._axes(x))), x.dtype)
        return (pooled, TensorType(pooled.shape, "int64")) if self.maximum else (pooled,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x = needed(operands, 0, "the input")
        read = 1
        for n, m in self._axes(x):
            read *= sum(-((o + 1) * n // -m) - o * n // m for o in range(m))
        return Operations(pooling=sizes.product(x.shape[:2]) * read)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        if not self.maximum:
            return NOTHING_SAVED
        places = TensorType(self.infer(*operands)[0].shape, "int64")
        return Saved(outputs=(1,)) if self.results is None or self.results > 1 else Saved(extra=(places,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        found: list[Share | Window | Everything] = [Window(0), Window(1)]
        for axis, (n, m) in enumerate(self._axes(x), 2):
            found.append(Window(axis) if n == m else EVERYTHING if m == 1 else Share(axis, n, m))
        return (tuple(found), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 29, 17))
        return [
            Example(cls("AdaptiveAvgPool", (7, 7)), (x,), (TensorType((2, 3, 7, 7)),)),
            Example(cls("AdaptiveMaxPool", (None, 1), True, results=1), (x,), (TensorType((2, 3, 29, 1)),)),
        ]


@dataclass(frozen=True, eq=False)
class MaxUnpooling(Operator):
    """Each value back at the place that its index names, zeros elsewhere.

    Law: n' = (n - 1)·s + k - begin - end, or what `output_shape` says.
    Shapes: (batch, C, *n) and indices of this shape → (batch, C, *n').
    Errors: ShapeError where indices and values differ in shape.
    Source: ONNX operator MaxUnpool.
    """

    kernel_shape: Any = ()
    strides: Any = ()
    pads: Any = ()
    output_shape: Any = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("kernel_shape", 1), ("strides", 1), ("pads", 0)):
            object.__setattr__(self, name, numbers(getattr(self, name), f"{self.kind}: {name}", least))
        object.__setattr__(self, "output_shape", size_list(self.output_shape, f"{self.kind}: output_shape"))

    def _geometry(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rank = len(self.kernel_shape)
        rank_of(x, rank + 2, "the input of an unpooling", rank + 2)
        return per_axis(self.strides, rank, "strides"), per_axis(self.pads, 2 * rank, "pads", 0)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, indices = needed(operands, 0, "the input"), needed(operands, 1, "the indices")
        rank_of(indices, x.rank, "its operand of indices", x.rank)
        for axis, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)):
            fits(a, b, f"the size of axis {axis}", "that of the indices")
        strides, pads = self._geometry(x)
        if self.output_shape:
            if len(self.output_shape) != x.rank:
                raise ShapeError(f"output_shape has {len(self.output_shape)} numbers, but the input {x.rank} axes")
            return (TensorType(tuple(self.output_shape), x.dtype),)
        rank = len(self.kernel_shape)
        spatial = (
            (n - 1) * strides[i] + self.kernel_shape[i] - pads[i] - pads[i + rank] for i, n in enumerate(x.shape[2:])
        )
        return (TensorType((*x.shape[:2], *spatial), x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((1,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        strides, pads = self._geometry(x)
        read: Reads = tuple(
            # Of another size, a flat index no longer lies in its own window.
            EVERYTHING if self.output_shape else Spread(axis + 2, strides[axis], k, pads[axis])
            for axis, k in enumerate(self.kernel_shape)
        )
        both: Reads = (Window(0), Window(1), *read)
        return (both, both, *map(whole, operands[2:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((1, 2, 3, 4))
        made = cls("MaxUnpool", (2, 2), (2, 2), slots=(None, None))
        return [Example(made, (x, TensorType(x.shape, "int64")), (TensorType((1, 2, 6, 8)),))]


@dataclass(frozen=True, eq=False)
class RegionPooling(Operator):
    """Regions of an image, each pooled to one size; where they lie is an operand.

    `samples`: points that are read for each number of the result; 0: that depends on the data, so that the
    operations are unknown.
    Shapes: (batch, C, height, width) and regions (number, ...) → (number, C, *size).
    Source: ONNX operators RoiAlign, MaxRoiPool.
    """

    size: Any = (1, 1)
    samples: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size", numbers(self.size, f"{self.kind}: size"))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, regions = needed(operands, 0, "the input"), needed(operands, 1, "the regions")
        rank_of(x, 4, "the input of a pooling of regions", 4)
        rank_of(regions, 2, "its operand of regions", 2)
        return (TensorType((regions.shape[0], x.shape[1], *self.size), x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        if not self.samples:
            return None
        return Operations(pooling=self.infer(*operands)[0].elements * self.samples)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        (out,) = self.infer(*operands)
        inputs = tuple(number for number in range(1, len(operands)))
        return Saved(inputs, extra=(TensorType(out.shape, "int32"),) if self.type_name == "MaxRoiPool" else ())

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        anywhere: list[Everything | Window] = [EVERYTHING, Window(1), EVERYTHING, EVERYTHING]
        regions = ((Window(0), *(EVERYTHING,) * (one.rank - 1)) if one else None for one in operands[1:])
        return (tuple(anywhere), *regions)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        inputs = (TensorType((1, 3, 20, 20)), TensorType((5, 4)), TensorType((5,), "int64"))
        made = cls("RoiAlign", (7, 7), samples=4, slots=(None, None, None))
        return [Example(made, inputs, (TensorType((5, 3, 7, 7)),))]
