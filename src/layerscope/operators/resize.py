"""Resizing by any ratio, sampling at points, and grids of points."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Scaled, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators._axes import fits, needed, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import size_list

MODES = ("nearest", "linear", "cubic")
CENTRES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn")
COORDINATES = (*CENTRES, "asymmetric", "align_corners", "tf_crop_and_resize")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
POLICIES = ("stretch", "not_larger", "not_smaller")
WHOLE_FACTORS = 64


def ratio(scale: float) -> Fraction:
    """The fraction that is meant by a number in single precision: 0.6 is 3/5 where they are the same float32."""
    exact = Fraction(scale)
    simple = exact.limit_denominator(1024)
    same = struct.pack("f", float(simple)) == struct.pack("f", scale)
    return simple if same else exact


@dataclass(frozen=True, eq=False)
class Resize(Operator):
    """Another number of positions along some axes, each interpolated from its neighbours.

    One entry an axis: `sizes` of the output (None: from the scale), `scales` (None: 1). `mode` is nearest, linear or
    cubic; `coordinates` says where an output position lies on the input, `rounding` which neighbour is nearest.
    `antialias` widens the kernel where the axis shrinks.
    Law: n' = floor(n·scale).
    Units: each interpolated element is one pointwise operation; nearest computes nothing.
    Errors: SettingError for unknown words, ShapeError where sizes and axes do not match.
    Source: ONNX operators Resize, Upsample. Where the reach has a border at which positions are moved into the image,
    it is the smallest of its form that holds there too.
    """

    sizes: Any = None
    scales: Any = None
    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    antialias: bool = False
    policy: str = "stretch"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (
            ("mode", MODES),
            ("coordinates", COORDINATES),
            ("rounding", ROUNDINGS),
            ("policy", POLICIES),
        ):
            if getattr(self, name) not in known:
                told = getattr(self, name)
                raise SettingError(f"{self.kind}: {name} must be one of {', '.join(known)}, not {told!r}")
        if (self.sizes is None) == (self.scales is None):
            raise SettingError(f"{self.kind}: give either sizes or scales")
        if self.sizes is not None:
            object.__setattr__(self, "sizes", size_list(self.sizes, f"{self.kind}: sizes", absent=True))
        if self.scales is not None:
            object.__setattr__(self, "scales", tuple(self.scales))
        for scale in cast(Sequence[Any], self.scales or ()):
            if scale is not None and not (isinstance(scale, int | float) and 0 < scale < float("inf")):
                raise SettingError(f"{self.kind}: a scale must be a positive number, not {scale!r}")

    def _scaled(self, x: TensorType) -> list[tuple[Size, Fraction | None]]:
        """The output's size along each axis, and the scale where it is known."""
        given: tuple[Any, ...] = self.sizes if self.sizes is not None else self.scales
        if len(given) != x.rank:
            raise ShapeError(f"has {len(given)} sizes or scales, but its input the {x.rank} axes {x}")
        if self.scales is not None:
            scales = [Fraction(1) if scale is None else ratio(scale) for scale in given]
            return [
                (sizes.floor_div(n * s.numerator, s.denominator), s) for n, s in zip(x.shape, scales, strict=True)
            ]
        wanted = self._fitted(x, given) if self.policy != "stretch" else given
        return [(n if one is None else one, _quotient(n, one)) for n, one in zip(x.shape, wanted, strict=True)]

    def _fitted(self, x: TensorType, given: tuple[Any, ...]) -> list[Size | None]:
        """The sizes where the image keeps the proportions of its sides."""
        pairs = [(n, one) for n, one in zip(x.shape, given, strict=True) if one is not None]
        if not all(isinstance(n, int) and isinstance(one, int) for n, one in pairs):
            raise ShapeError(f"needs to know the sizes of its input to keep its proportions, but got {x}")
        quotients = [Fraction(cast(int, one), cast(int, n)) for n, one in pairs]
        scale = (min if self.policy == "not_larger" else max)(quotients, default=Fraction(1))
        return [
            None if one is None else floor(scale * cast(int, n) + Fraction(1, 2))
            for n, one in zip(x.shape, given, strict=True)
        ]

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        shape = tuple(size for size, _ in self._scaled(x))
        if any(sizes.upper_bound(size) < 1 for size, n in zip(shape, x.shape, strict=True) if size != n):
            raise ShapeError(f"an input of {x} would be resized to nothing")
        return (TensorType(shape, x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE if self.mode == "nearest" else Operations(pointwise=self.infer(*operands)[0].elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        found = tuple(
            self._axis(axis, n, out, scale)
            for axis, (n, (out, scale)) in enumerate(zip(x.shape, self._scaled(x), strict=True))
        )
        return (found, *map(whole, operands[1:]))

    def _axis(self, axis: int, n: Size, out: Size, scale: Fraction | None) -> Relation | Everything:
        if n == out and (scale is None or scale == 1):
            return Window(axis)
        line = self._line(n, out, scale)
        if line is None or line[0] == 0:
            return EVERYTHING
        step, factor, offset = line
        if self.mode == "nearest":
            shift = {"floor": 0, "ceil": factor - 1, "round_prefer_ceil": factor // 2}
            first = last = offset + shift.get(self.rounding, factor // 2 - 1)
        elif self.antialias and step > factor:
            radius = step if self.mode == "linear" else 2 * step
            first, last = offset - radius + factor, offset + radius - 1
        else:
            more = 0 if self.mode == "linear" else factor
            first, last = offset - more, offset + factor - 1 + more
        # Positions beyond the edge are moved to it: there the reach must not miss the image.
        last = max(last, 0)
        if isinstance(n, int) and isinstance(out, int):
            first = min(first, n * factor - 1 - (out - 1) * step)
        else:
            first = min(first, step - 1)
        return Scaled(axis, step, factor, first, last)

    def _line(self, n: Size, out: Size, scale: Fraction | None) -> tuple[int, int, int] | None:
        """(a, f, c): output o lies at (o·a + c) / f of the input, f even; None where that is not known."""
        how = self.coordinates
        if how == "pytorch_half_pixel" and out == 1:
            how = "asymmetric"
        if how == "align_corners":
            if not isinstance(n, int) or not isinstance(out, int):
                return None
            return (2 * (n - 1), 2 * (out - 1), 0) if out > 1 else (2, 2, 0)  # the only one is the first
        if scale is None or how == "tf_crop_and_resize":
            return None
        p, q = scale.numerator, scale.denominator
        if how == "asymmetric":
            return 2 * q, 2 * p, 0
        if how == "tf_half_pixel_for_nn":
            return 2 * q, 2 * p, q
        if how == "half_pixel_symmetric" and self.scales is not None:
            if not isinstance(n, int) or not isinstance(out, int):
                return None
            moved = Fraction(n, 2) * (1 - out / (n * scale))
            d = moved.denominator
            return 2 * q * d, 2 * p * d, (q - p) * d + moved.numerator * 2 * p
        return 2 * q, 2 * p, q - p

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(shape: tuple[int, ...], out: tuple[int, ...], **told: Any) -> Example:
            return Example(cls("Resize", **told), (TensorType(shape),), (TensorType(out),))

        return [
            case(
                (1, 3, 8, 8),
                (1, 3, 16, 16),
                scales=(None, None, 2.0, 2.0),
                coordinates="asymmetric",
                rounding="floor",
            ),
            case((1, 2, 5, 7), (1, 2, 8, 7), sizes=(None, None, 8, None), mode="linear"),
            case((1, 1, 10), (1, 1, 6), scales=(None, None, 0.6), mode="cubic", antialias=True),
        ]


def _quotient(n: Size, out: Size | None) -> Fraction | None:
    """out / n where that is known."""
    if out is None:
        return Fraction(1)
    if isinstance(n, int) and isinstance(out, int):
        return Fraction(out, n) if n else None
    return next((Fraction(k) for k in range(1, WHOLE_FACTORS + 1) if n * k == out), None)


@dataclass(frozen=True, eq=False)
class GridSample(Operator):
    """The input at points that another operand lists, interpolated.

    Shapes: (batch, C, *n) and a grid (batch, *m, dimensions) → (batch, C, *m).
    Units: each sampled element is one pointwise operation. It is assumed to read all positions.
    Source: Jaderberg et al. (2015); ONNX operator GridSample.
    """

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, grid = needed(operands, 0, "the input"), needed(operands, 1, "the grid")
        rank_of(x, 3, "the input of a sampling")
        rank_of(grid, x.rank, "its grid", x.rank)
        fits(grid.shape[0], x.shape[0], "the batch size of its grid", "that of its input")
        fits(grid.shape[-1], x.rank - 2, "the last size of its grid", "the number of spatial axes")
        return (TensorType((*x.shape[:2], *grid.shape[1:-1]), x.dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=self.infer(*operands)[0].elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((0, 1))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        spatial = range(2, x.rank)
        image: Reads = (Window(0), Window(1), *(EVERYTHING for _ in spatial))
        return (image, (Window(0), *map(Window, spatial), EVERYTHING))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        inputs = (TensorType((2, 3, 8, 9)), TensorType((2, 4, 5, 2)))
        return [Example(cls("GridSample", slots=(None, None)), inputs, (TensorType((2, 3, 4, 5)),))]


@dataclass(frozen=True, eq=False)
class AffineGrid(Operator):
    """The points of a regular grid, moved by an affine map of each example.

    Shapes: maps (batch, d, d + 1) → (batch, *m, d), m the `spatial` sizes. MACs: output elements × (d + 1).
    Source: ONNX operator AffineGrid.
    """

    spatial: Any = (1, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "spatial", size_list(self.spatial, f"{self.kind}: spatial"))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        maps = needed(operands, 0, "the maps")
        rank_of(maps, 3, "its operand of maps", 3)
        count = len(self.spatial)
        fits(maps.shape[1], count, "the number of rows of its maps", "the number of spatial axes")
        return (TensorType((maps.shape[0], *self.spatial, count), maps.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        return self.infer(*operands)[0].elements * (len(self.spatial) + 1)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED  # the grid itself is made anew

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return ((Window(0), Window(len(self.spatial) + 1), EVERYTHING), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("AffineGrid", (4, 5)), (TensorType((2, 2, 3)),), (TensorType((2, 4, 5, 2)),))]
