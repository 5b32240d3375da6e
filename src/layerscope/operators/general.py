"""Operators of JAX whose axes may lie in any order: convolution, window reductions, and what moves numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Fixed, Reads, Relation, Spread, Window, listed
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import fits, known, needed, rank_of, whole
from layerscope.operators._moving import Moving
from layerscope.operators._operator import Operator
from layerscope.operators._windows import numbers


def _count(n: Size, k: int, stride: int, before: int, end: int, stretch: int, spread: int) -> Size:
    """How many windows of k cells, `spread` apart, lie on n cells, `stretch` apart, with padding at both ends."""
    spare = (n - 1) * stretch + 1 + (before + end - spread * (k - 1) - 1)
    if not sizes.at_least(spare, 0):
        raise ShapeError(
            f"a window covers {spread * (k - 1) + 1} cells, but the axis has only {(n - 1) * stretch + 1}"
            + (f", and {before + end} of padding" if before + end else "")
        )
    return sizes.floor_div(spare, stride) + 1


def _relation(axis: int, k: int, stride: int, before: int, stretch: int, spread: int) -> Relation | Everything:
    """How such an axis is read."""
    if stretch == 1:
        return Window(axis, stride, k, before, spread)
    return Spread(axis, stretch, k, spread * (k - 1) - before, spread) if stride == 1 else EVERYTHING


@dataclass(frozen=True, eq=False)
class GeneralConvolution(Operator):
    """A convolution whose operands have their axes in any order, with holes in the kernel and between inputs.

    `input_axes`, `output_axes`: the batch's axis, the channels', then the spatial ones; `kernel_axes`: those of the
    filters, of the channels, then the spatial ones. `pads` has all begins, then all ends. `stretch`: inputs lie that
    far apart, with zeros between them: a transposed convolution. `batch_group`: so many parts of the batch, each with
    filters of its own.
    Law: n' = floor(((n - 1)·b + 1 + begin + end - d·(k - 1) - 1) / s) + 1.
    MACs: output positions × kernel area × C / group × filters; where inputs are stretched, input positions instead of
    output positions, since products with the zeros between them are none (with a stride above 1 too: the pairs of an
    output and a cell of its window that hold an input).
    Errors: ShapeError where channels and kernel do not fit, or a window does not.
    Source: jax.lax.conv_general_dilated.
    """

    input_axes: Any = ()
    kernel_axes: Any = ()
    output_axes: Any = ()
    strides: Any = ()
    pads: Any = ()
    stretch: Any = ()
    dilations: Any = ()
    group: int = 1
    batch_group: int = 1
    dtype: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (
            ("input_axes", 0), ("kernel_axes", 0), ("output_axes", 0), ("strides", 1), ("pads", -(2**31)),
            ("stretch", 1), ("dilations", 1),
        ):  # fmt: skip
            object.__setattr__(self, name, numbers(getattr(self, name), f"{self.kind}: {name}", least))
        rank = len(self.input_axes)
        for name in ("input_axes", "kernel_axes", "output_axes"):
            if sorted(getattr(self, name)) != list(range(rank)):
                raise SettingError(
                    f"{self.kind}: {name} must name each of {rank} axes once, not {getattr(self, name)}"
                )
        if {len(self.strides), len(self.stretch), len(self.dilations), len(self.pads) / 2} != {rank - 2}:
            raise SettingError(f"{self.kind}: needs strides, stretch, dilations and pads for {rank - 2} axes")

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[list[Size], list[Size], tuple[int, ...]]:
        """Sizes of input and kernel in the order of the settings, and those of the kernel's window."""
        x, w = needed(operands, 0, "the input"), needed(operands, 1, "the kernel")
        rank = len(self.input_axes)
        rank_of(x, rank, "the input of a convolution", rank)
        rank_of(w, rank, "its kernel", rank)
        kernel: list[Size] = [w.shape[axis] for axis in cast(tuple[int, ...], self.kernel_axes)]
        return (
            [x.shape[a] for a in self.input_axes],
            kernel,
            tuple(known(k, "its kernel's sizes") for k in kernel[2:]),
        )

    def _steps(self, axis: int) -> tuple[int, int, int, int]:
        """Stride, padding before, stretch and dilation of a spatial axis."""
        return self.strides[axis], self.pads[axis], self.stretch[axis], self.dilations[axis]

    def _positions(self, spatial: Sequence[Size], kernel: Sequence[int]) -> list[Size]:
        rank = len(kernel)
        return [
            _count(n, k, s, before, self.pads[axis + rank], b, d)
            for axis, (n, k) in enumerate(zip(spatial, kernel, strict=True))
            for s, before, b, d in (self._steps(axis),)
        ]

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        given, w, kernel = self._sides(operands)
        fits(given[1], w[1] * self.group, "the input's number of channels", "what its kernel takes")
        batch = sizes.quotient(given[0], self.batch_group)
        for count, parts, what in ((w[0], self.group, "filters"), (w[0], self.batch_group, "filters")):
            if isinstance(count, int) and count % parts:
                raise ShapeError(f"its {what} ({count}) cannot be split into {parts} groups")
        if batch is None:
            raise ShapeError(f"the batch ({given[0]}) cannot be split into {self.batch_group} groups")
        made = [batch, w[0], *self._positions(given[2:], kernel)]
        shape: list[Size] = [0] * len(made)
        for axis, size in zip(self.output_axes, made, strict=True):
            shape[axis] = size
        return (TensorType(tuple(shape), self.dtype or needed(operands, 0, "the input").dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        (out,), (given, w, kernel) = self.infer(*operands), self._sides(operands)
        ordered = [out.shape[axis] for axis in cast(tuple[int, ...], self.output_axes)]
        total: Size = ordered[0] * w[0] * w[1]
        for axis, k in enumerate(kernel):
            stride, before, stretch, spread = self._steps(axis)
            n, m = given[axis + 2], ordered[axis + 2]
            if stretch == 1:
                total = total * m * k
            elif stride == 1:
                total = total * n * k
            else:
                many, cells = known(m, "its output's sizes"), known(n, "its input's sizes")
                places = (o * stride - before + spread * t for o in range(many) for t in range(k))
                total = total * sum(p % stretch == 0 and 0 <= p // stretch < cells for p in places)
        return total

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations()

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((0, 1))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        _, _, kernel = self._sides(operands)
        ways: list[Relation | Everything] = [EVERYTHING] * len(self.input_axes)
        if self.batch_group == 1:
            ways[self.input_axes[0]] = Window(self.output_axes[0])
        for axis, k in enumerate(kernel):
            ways[self.input_axes[axis + 2]] = _relation(self.output_axes[axis + 2], k, *self._steps(axis))
        return (tuple(ways), whole(operands[1]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(shape: tuple[int, ...], kernel: tuple[int, ...], out: tuple[int, ...], **told: Any) -> Example:
            rank = len(shape) - 2
            last = (0, rank + 1, *range(1, rank + 1))
            told = {
                "strides": (1,) * rank, "pads": (0, 0) * rank, "stretch": (1,) * rank, "dilations": (1,) * rank,
                "input_axes": last, "kernel_axes": (rank + 1, rank, *range(rank)), "output_axes": last,
            } | told  # fmt: skip
            made = cls("conv", slots=(None, "W"), parameters={"W": WeightType(kernel)}, **told)
            return Example(made, (TensorType(shape),), (TensorType(out),))

        return [
            case((2, 32, 32, 3), (3, 3, 3, 16), (2, 32, 32, 16), pads=(1, 1, 1, 1)),
            case((1, 8, 8, 6), (4, 4, 6, 4), (1, 16, 16, 4), stretch=(2, 2), pads=(2, 2, 2, 2)),
            case((4, 9, 4), (3, 2, 6), (2, 4, 6), strides=(2,), group=2, batch_group=2),
        ]


@dataclass(frozen=True, eq=False)
class WindowReduction(Operator):
    """The largest, smallest, or the sum of each window, which may reach along every axis.

    Law: as GeneralConvolution's; one number for each axis, the batch's and the channels' too. `pads` has all begins,
    then all ends.
    Shapes: (n, ...) → (n', ...).
    Units: cells read, those of padding included, count as pooling.
    Errors: ShapeError where a window does not fit.
    Source: jax.lax.reduce_window.
    """

    window: Any = ()
    strides: Any = ()
    pads: Any = ()
    stretch: Any = ()
    dilations: Any = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("window", 1), ("strides", 1), ("pads", -(2**31)), ("stretch", 1), ("dilations", 1)):
            object.__setattr__(self, name, numbers(getattr(self, name), f"{self.kind}: {name}", least))

    def _rows(self, x: TensorType) -> list[tuple[int, int, int, int, int, int]]:
        """Window, stride, begin, end, stretch and dilation of every axis."""
        rank = len(self.window)
        rank_of(x, rank, "the input of a window reduction", rank)
        rows = zip(
            self.window, self.strides, self.pads[:rank], self.pads[rank:], self.stretch, self.dilations, strict=True
        )
        return list(rows)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        return (x.with_shape(tuple(_count(n, *row) for n, row in zip(x.shape, self._rows(x), strict=True))),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pooling=self.infer(*operands)[0].elements * prod(self.window))

    def kept(self, *operands: TensorType | None) -> Saved | None:
        if "sum" in self.type_name:
            return NOTHING_SAVED
        return Saved(extra=(TensorType(self.infer(*operands)[0].shape, "int32"),))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        rows = self._rows(needed(operands, 0, "the input"))
        ways = (_relation(axis, k, s, before, b, d) for axis, (k, s, before, _, b, d) in enumerate(rows))
        return (tuple(ways), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        ones = (1, 1, 1, 1)
        made = cls("reduce_window_max", (1, 2, 2, 1), (1, 2, 2, 1), (0, 1, 0, 0, 0, 0, 1, 0), ones, ones)
        return [Example(made, (TensorType((2, 7, 7, 3)),), (TensorType((2, 4, 4, 3)),))]


@dataclass(frozen=True, eq=False)
class Arranged(Moving):
    """Numbers in another order or place, and for each axis of each operand how it is read.

    `ways` has a row for each operand, with an entry for each of its axes: () where the axis is read whole, (index,)
    where that one is taken, or (axis of the output, stride, size, before, dilation) as a window, or those and a 1
    where the axis is spread instead (see core/reach.py). `lists`: (operand, axis, axis of the output, indices...) for
    each axis of which a list of indices is taken, whatever its way says. `view`: the output shares the memory of the
    first operand. `keeps`: numbers of the operands that the gradient needs, indices above all. `adds`: number of an
    operand of which each element is added to another one.
    Shapes: as `outputs` states.
    Units: it computes nothing, but one pointwise operation for each element that is added.
    Source: jax.lax.broadcast_in_dim, squeeze, pad, rev, gather, scatter, dynamic_slice, sort and others.
    """

    outputs: Any = ()
    ways: Any = ()
    view: bool = False
    keeps: Any = ()
    adds: int | None = None
    lists: Any = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        listed = cast(Iterable[Any], self.outputs)
        types = tuple(one if isinstance(one, TensorType) else TensorType.from_json(one, 0) for one in listed)
        if not types:
            raise SettingError(f"{self.kind}: outputs must list at least one type")
        rows = tuple(
            tuple(numbers(way, f"{self.kind}: ways", -(2**31)) if way != () else () for way in row)
            for row in cast(Iterable[Iterable[Any]], self.ways)
        )
        if any(len(way) not in (0, 1, 5, 6) for row in rows for way in row):
            raise SettingError(f"{self.kind}: each of its ways must have no number, 1, 5 or 6")
        lists = tuple(numbers(row, f"{self.kind}: lists", 0) for row in cast(Iterable[Any], self.lists))
        if any(len(row) < 4 or row[0] >= len(rows) or row[1] >= len(rows[row[0]]) for row in lists):
            raise SettingError(f"{self.kind}: lists name an operand, its axis, the output's and at least one index")
        object.__setattr__(self, "outputs", types)
        object.__setattr__(self, "ways", rows)
        object.__setattr__(self, "lists", lists)
        object.__setattr__(self, "keeps", numbers(self.keeps, f"{self.kind}: keeps", 0))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return cast(tuple[TensorType, ...], self.outputs)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        if self.adds is None:
            return super().effort(*operands)
        return Operations(pointwise=needed(operands, self.adds, "what is added").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved(self.keeps)

    def viewed(self, *types: TensorType) -> int | None:
        return 0 if self.view and types and self.slots[0] is None else None

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        found = [list(map(_way, row)) for row in self.ways]
        for operand, axis, there, *indices in self.lists:
            found[operand][axis] = listed(there, indices)
        return tuple(None if one is None else tuple(row) for one, row in zip(operands, found, strict=True))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, wide = TensorType((3, 4)), TensorType((2, 3, 4))
        apart = TensorType((3, 7))
        return [
            Example(cls("broadcast_in_dim", (wide,), (((1, 1, 1, 0, 1), (2, 1, 1, 0, 1)),)), (x,), (wide,)),
            Example(cls("pad", (apart,), (((0, 1, 1, 0, 1), (1, 2, 1, 0, 1, 1)),)), (x,), (apart,)),
            Example(
                cls("squeeze", (TensorType((4,)),), (((0,), (0, 1, 1, 0, 1)),)),
                (TensorType((1, 4)),),
                (TensorType((4,)),),
            ),
            Example(cls("rev", (x,), (((0, 1, 1, 0, 1), ()),)), (x,), (x,)),
            Example(
                cls("gather", (wide.with_shape((3, 3)),), (((0, 1, 1, 0, 1), ()),), lists=((0, 1, 1, 3, 0, 2),)),
                (x,),
                (TensorType((3, 3)),),
            ),
        ]


def _way(told: Sequence[int]) -> Relation | Everything:
    if not told:
        return EVERYTHING
    if len(told) == 1:
        return Fixed(*told)
    axis, stride, size, before, dilation = told[:5]
    return (Spread if len(told) == 6 else Window)(axis, stride, size, before, dilation)
