"""Parts of tensors, and tensors put side by side: Slice, Split, Concat, Pad, CenterCropPad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Fixed, Reads, Window, listed
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show
from layerscope.operators._axes import axis_of, fits, needed
from layerscope.operators._moving import Moving, Way, without_elements

FAR = (1 << 31) - 2
"""Ends at or beyond this stand for the end of the axis, whatever its size."""


def _inside(place: Size, size: Size, low: int, high: Size) -> Size:
    """A start or end as an index between low and high; a negative one counts from the end of the axis."""
    if isinstance(place, int) and place >= FAR:
        return high
    if isinstance(place, int) and place <= -FAR:
        return low
    if sizes.upper_bound(place) < 0:
        place = place + size
    if isinstance(place, int) and isinstance(high, int):
        return min(max(place, low), high)
    if sizes.upper_bound(place - low) < 0:
        return low
    if sizes.lower_bound(place - high) >= 0:
        return high
    # where that is open, the place is taken to lie within; it is an assumption of the trace
    return place if sizes.at_least(high, place) and sizes.at_least(place, low) else high


@dataclass(frozen=True, eq=False)
class Slice(Moving):
    """From each axis in `axes` the elements from a start to an end (without it), in steps.

    Negative starts and ends count from the end; what lies outside is cut off.
    Law: ceil((end - start) / step), at least 0.
    Shapes: (..., n, ...) → (..., n', ...).
    Source: ONNX operator Slice.
    """

    starts: Any = ()
    ends: Any = ()
    axes: Any = None
    steps: Any = None

    def _ranges(self, x: TensorType) -> dict[int, tuple[Size, Size, int]]:
        """Start, length and step by axis."""
        count = len(self.starts)
        axes = range(count) if self.axes is None else self.axes
        steps: Sequence[int] = (1,) * count if self.steps is None else self.steps
        if not count == len(self.ends) == len(axes) == len(steps):
            raise ShapeError(f"{count} starts, {len(self.ends)} ends, {len(axes)} axes and {len(steps)} steps")
        found: dict[int, tuple[Size, Size, int]] = {}
        for axis, start, end, step in zip(axes, self.starts, self.ends, steps, strict=True):
            axis = axis_of(axis, x.rank)
            size = x.shape[axis]
            if step == 0:
                raise ShapeError(f"the step along axis {axis} is 0")
            if step > 0:
                first, last = _inside(start, size, 0, size), _inside(end, size, 0, size)
                length = sizes.ceil_div(last - first, step)
            else:
                first, last = _inside(start, size, 0, size - 1), _inside(end, size, -1, size - 1)
                length = sizes.ceil_div(first - last, -step)
            found[axis] = first, 0 if sizes.upper_bound(length) <= 0 else length, step
        return found

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        shape = list(x.shape)
        for axis, (_, length, _) in self._ranges(x).items():
            shape[axis] = length
        return (x.with_shape(tuple(shape)),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        ways: list[Way] = [Window(axis) for axis in range(x.rank)]
        for axis, (first, length, step) in self._ranges(x).items():
            ways[axis] = _stepped(axis, first, length, step)
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 8, 9))
        return [
            Example(cls("Slice", (1, 0), (7, 9), (2, 3), (1, 2)), (x,), (TensorType((2, 3, 6, 5)),)),
            Example(cls("Slice", (-3,), (FAR,), (3,)), (x,), (TensorType((2, 3, 8, 3)),)),
            Example(cls("Slice", (-1,), (-100,), (2,), (-2,)), (x,), (TensorType((2, 3, 4, 9)),)),
        ]


def _stepped(axis: int, first: Size, length: Size, step: int) -> Way:
    """How a range is read; one that goes backwards as a list."""
    if not isinstance(first, int) or (step < 0 and not isinstance(length, int)):
        return EVERYTHING
    if step > 0 or length == 1:
        return Window(axis, max(step, 1), 1, -first)
    return listed(axis, range(first, first + step * cast(int, length), step))


@dataclass(frozen=True, eq=False)
class Split(Moving):
    """Parts along one axis, of these `lengths`, or `parts` equal ones (the last may be shorter).

    `keepdims` false: each part has length 1 and loses the axis (SplitToSequence).
    Shapes: (..., n, ...) → (..., n₁, ...), (..., n₂, ...), ...
    Errors: ShapeError where the lengths do not add up to the axis.
    Source: ONNX operators Split, SplitToSequence.
    """

    axis: int = 0
    lengths: Any = None
    parts: int | None = None
    keepdims: bool = True

    def _lengths(self, x: TensorType) -> tuple[Size, ...]:
        size = x.shape[axis_of(self.axis, x.rank)]
        if self.lengths is not None:
            fits(sum(self.lengths, 0), size, f"the sum of {show(tuple(self.lengths))}", "the axis")
            return tuple(self.lengths)
        if not self.parts:
            raise ShapeError("needs the lengths of its parts, or their number")
        part = sizes.ceil_div(size, self.parts)
        if not isinstance(size, int) or not isinstance(part, int):
            whole = sizes.floor_div(size, self.parts)
            fits(whole * self.parts, size, f"{self.parts} equal parts", "the axis")
            return (whole,) * self.parts
        return tuple(max(min(part, size - number * part), 0) for number in range(self.parts))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        axis = axis_of(self.axis, x.rank)
        found: list[TensorType] = []
        for length in self._lengths(x):
            middle = (length,) if self.keepdims else ()
            if not self.keepdims:
                fits(length, 1, "the length of a part that loses its axis", "it has to be")
            found.append(x.with_shape((*x.shape[:axis], *middle, *x.shape[axis + 1 :])))
        return tuple(found)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        axis = axis_of(self.axis, x.rank)
        start = sum(self._lengths(x)[:output], 0)
        ways: list[Way] = [Window(n if self.keepdims or n < axis else n - 1) for n in range(x.rank)]
        if not isinstance(start, int):
            ways[axis] = EVERYTHING
        else:
            ways[axis] = Window(axis, before=-start) if self.keepdims else Fixed(start)
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, half = TensorType((2, 6, 4)), TensorType((2, 3, 4))
        return [
            Example(cls("Split", 1, parts=2), (x,), (half, half)),
            Example(cls("Split", 1, (1, 5)), (x,), (TensorType((2, 1, 4)), TensorType((2, 5, 4)))),
            Example(cls("SplitToSequence", 0, (1, 1), keepdims=False), (x,), (TensorType((6, 4)),) * 2),
        ]


@dataclass(frozen=True, eq=False)
class Concat(Moving):
    """Tensors side by side along an axis, or with `new_axis` stacked along one that is put in.

    Shapes: (..., n₁, ...), (..., n₂, ...), ... → (..., n₁ + n₂ + ..., ...).
    Errors: ShapeError where another axis differs.
    Source: ONNX operators Concat, ConcatFromSequence.
    """

    axis: int = 0
    new_axis: bool = False

    def _parts(self, operands: Sequence[TensorType | None]) -> tuple[int, list[TensorType]]:
        found = [needed(operands, number, "a tensor") for number in range(len(operands))]
        if not found:
            raise ShapeError("needs at least one tensor")
        return axis_of(self.axis, found[0].rank + self.new_axis), found

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        axis, parts = self._parts(operands)
        first = parts[0]
        listed = ", ".join(map(str, parts))
        if len({part.rank for part in parts}) > 1:
            raise ShapeError(f"its operands have different numbers of axes: {listed}")
        shape: list[Size] = list(first.shape)
        for other in range(first.rank):
            if other == axis and not self.new_axis:
                continue
            for part in parts:
                if not sizes.equal(shape[other], part.shape[other]):
                    raise ShapeError(f"axis {other} must be equal, but its operands are {listed}")
                if isinstance(part.shape[other], int):
                    shape[other] = part.shape[other]
        if self.new_axis:
            shape.insert(axis, len(parts))
        else:
            shape[axis] = sum((part.shape[axis] for part in parts[1:]), first.shape[axis])
        return (first.with_shape(tuple(shape)),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        axis, parts = self._parts(operands)
        found: list[Reads] = []
        offset: Size = 0
        for part in parts:
            ways: list[Way] = [Window(n + (self.new_axis and n >= axis)) for n in range(part.rank)]
            if not self.new_axis:
                exact = isinstance(offset, int)
                ways[axis] = (
                    Window(axis, before=offset, partial=len(parts) > 1)
                    if isinstance(offset, int) and exact
                    else EVERYTHING
                )
                offset = offset + part.shape[axis]
            found.append(tuple(ways))
        return tuple(found)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 3, 4)), TensorType((2, 5, 4))
        two = (None, None)
        return [
            Example(cls("Concat", 1, slots=two), (x, y), (TensorType((2, 8, 4)),)),
            Example(cls("ConcatFromSequence", 1, True, slots=two), (x, x), (TensorType((2, 2, 3, 4)),)),
        ]


@dataclass(frozen=True, eq=False)
class Pad(Moving):
    """Elements put before and behind each axis of `axes`; negative numbers take away.

    `mode` constant, reflect, edge or wrap says which; it does not change sizes. In a receptive field the padding
    stands outside of the input, as with convolutions, whatever is in it.
    Law: n + begin + end.
    Shapes: (..., n, ...) → (..., n', ...).
    Source: ONNX operator Pad.
    """

    begins: Any = ()
    ends: Any = ()
    axes: Any = None
    mode: str = "constant"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("constant", "reflect", "edge", "wrap"):
            raise SettingError(f"{self.kind}: mode is constant, reflect, edge or wrap, not {self.mode!r}")

    def _pads(self, x: TensorType) -> dict[int, tuple[Size, Size]]:
        axes = tuple(range(len(self.begins)) if self.axes is None else self.axes)
        if not len(axes) == len(self.begins) == len(self.ends):
            raise ShapeError(f"{len(self.begins)} begins and {len(self.ends)} ends for {len(axes)} axes of {x}")
        if self.axes is None and len(axes) != x.rank:
            raise ShapeError(f"pads of {len(axes)} axes for {x}, which has {x.rank}")
        pads = zip(axes, self.begins, self.ends, strict=True)
        return {axis_of(axis, x.rank): (begin, end) for axis, begin, end in pads}

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        shape = list(x.shape)
        for axis, (begin, end) in self._pads(x).items():
            shape[axis] = shape[axis] + begin + end
            if sizes.upper_bound(shape[axis]) < 0:
                raise ShapeError(f"takes {-(begin + end)} away from axis {axis} of {x}")
        return (x.with_shape(tuple(shape)),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        ways: list[Way] = [Window(axis) for axis in range(x.rank)]
        for axis, (begin, _) in self._pads(x).items():
            ways[axis] = Window(axis, before=begin) if isinstance(begin, int) else EVERYTHING
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 8, 8))
        return [
            Example(cls("Pad", (1, 2), (1, -3), (2, 3)), (x,), (TensorType((2, 3, 10, 7)),)),
            Example(cls("Pad", (0, 0, 2, 2), (0, 0, 2, 2), mode="reflect"), (x,), (TensorType((2, 3, 12, 12)),)),
        ]


@dataclass(frozen=True, eq=False)
class CenterCropPad(Moving):
    """Each axis of `axes` brought to a size by cropping or by zeros, as many at both ends.

    Where the difference is odd, a crop starts at its half rounded down, and the odd zero stands behind.
    Shapes: (..., n, ...) → (..., target, ...).
    Source: ONNX operator CenterCropPad.
    """

    shape: Any = ()
    axes: Any = None

    def _targets(self, x: TensorType) -> dict[int, Size]:
        axes = tuple(range(x.rank) if self.axes is None else self.axes)
        if len(axes) != len(self.shape):
            raise ShapeError(f"{len(self.shape)} sizes for {len(axes)} axes of {x}")
        return {axis_of(axis, x.rank): size for axis, size in zip(axes, self.shape, strict=True)}

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        targets = self._targets(x)
        return (x.with_shape(tuple(targets.get(axis, size) for axis, size in enumerate(x.shape))),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        ways: list[Way] = [Window(axis) for axis in range(x.rank)]
        for axis, target in self._targets(x).items():
            size = x.shape[axis]
            if not isinstance(size, int) or not isinstance(target, int):
                ways[axis] = EVERYTHING
            else:
                before = (target - size) // 2 if target >= size else -((size - target) // 2)
                ways[axis] = Window(axis, before=before)
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 7, 8))
        return [Example(cls("CenterCropPad", (4, 11), (2, 3)), (x,), (TensorType((2, 3, 4, 11)),))]


@dataclass(frozen=True, eq=False)
class Indexed(Moving):
    """What stands in Python's square brackets: of each axis a range in steps, or one index; new axes of size 1.

    `picks` has an entry for each axis of the result, in order: (axis, start, length, step) of the input, or None for
    a new axis; a length of None is that of the axis. `taken` has (axis, index) for each axis of which one index is
    taken; it is gone.
    Law: the result's sizes are the lengths.
    Shapes: (n₀, n₁, ...) → (length, ..., 1, ...).
    Errors: ShapeError where an axis is named twice or not at all, or a range leaves it.
    Source: Python's data model; PyTorch, torch.select, narrow, diagonal slices of views.
    """

    picks: Any = ()
    taken: Any = ()

    def _rows(self, x: TensorType) -> tuple[tuple[int, int, int | None, int] | None, ...]:
        rows = cast(tuple[tuple[int, int, int | None, int] | None, ...], tuple(self.picks))
        axes = sorted(
            [
                *(row[0] for row in rows if row is not None),
                *(axis for axis, _ in cast(Sequence[tuple[int, int]], self.taken)),
            ]
        )
        if axes != list(range(x.rank)):
            raise ShapeError(f"takes the axes {axes} of {x}, which are not each of its {x.rank} axes once")
        for axis, start, length, step in (row for row in rows if row is not None):
            size = x.shape[axis]
            if isinstance(size, int) and length and not 0 <= start + step * (length - 1) < size:
                raise ShapeError(f"takes {length} from {start} in steps of {step} of axis {axis} of {x}")
        for axis, index in cast(Sequence[tuple[int, int]], self.taken):
            size = x.shape[axis]
            if isinstance(size, int) and not 0 <= index < size:
                raise ShapeError(f"takes index {index} of axis {axis} of {x}")
        return rows

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        rows = self._rows(x)
        lengths = [1 if row is None else x.shape[row[0]] if row[2] is None else row[2] for row in rows]
        return (x.with_shape(tuple(lengths)),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        ways: list[Way] = [EVERYTHING] * x.rank
        for axis, index in cast(Sequence[tuple[int, int]], self.taken):
            ways[axis] = Fixed(index)
        for place, row in enumerate(self._rows(x)):
            if row is not None:
                axis, start, length, step = row
                ways[axis] = _stepped(place, start, 1 if length is None else length, step)
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 8, 9))
        made = cls("getitem", ((0, 0, 2, 1), None, (3, 1, 4, 2)), ((1, 0), (2, 7)))
        return [
            Example(made, (x,), (TensorType((2, 1, 4)),)),
            Example(cls("narrow", ((0, 1, 1, 1), (1, 0, 3, 1))), (TensorType((2, 3)),), (TensorType((1, 3)),)),
        ]
