"""Normalisations: by learned or own statistics of a batch, layer, group, channel or neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import axis_of, broadcast_reads, fits, needed, optional, rank_of, stretches, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import numbers


@dataclass(frozen=True, eq=False)
class BatchNormalization(Operator):
    """(x - mean) / sqrt(variance + epsilon) · scale + B for each channel; the statistics are operands.

    In `training_mode` they are the batch's own, and the moved averages are further outputs.
    Shapes: (batch, C, ...) with scale, B, mean and variance (C,) → unchanged.
    Units: elements count as normalisation.
    Errors: ShapeError where operands are not one number a channel.
    Source: Ioffe & Szegedy (2015); ONNX operator BatchNormalization.
    """

    training_mode: bool = False
    channel_axis: int = 1

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        channel = self._channel(x)
        for number, what in ((1, "scale"), (2, "B"), (3, "the mean"), (4, "the variance")):
            one = needed(operands, number, what)
            rank_of(one, 1, what, 1)
            fits(one.shape[0], channel, f"the size of {what}", "the number of channels")
        statistics = TensorType((channel,), needed(operands, 3, "the mean").dtype)
        return (x, statistics, statistics, statistics, statistics) if self.training_mode else (x,)

    def _channel(self, x: TensorType) -> Size:
        rank_of(x, 1, "the input of a batch normalisation")
        return x.shape[axis_of(self.channel_axis, x.rank)] if x.rank > 1 else 1

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(normalisation=needed(operands, 0, "the input").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        statistics = TensorType((self._channel(needed(operands, 0, "the input")),), "float32")
        return Saved((0,), extra=(statistics, statistics))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        if self.training_mode or output:
            read: Reads = tuple(Window(0) if a == self.channel_axis and output else EVERYTHING for a in range(x.rank))
        else:
            read = same(x.rank)
        return (read, *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 8, 5, 5))
        held = {n: WeightType((8,), trainable=n < "m") for n in ("B", "W", "mean", "var")}
        made = cls("BatchNormalization", slots=(None, "W", "B", "mean", "var"), parameters=held)
        return [Example(made, (x,), (x,))]


@dataclass(frozen=True, eq=False)
class Normalization(Operator):
    """Normalises each example by statistics over some of its axes (layer, instance, RMS, mean-variance, Lp).

    `axes` are those that the statistics run over; None: all behind the channels (instance). `additions`: how many
    operands are added first (com.microsoft SkipLayerNormalization). `statistics`: further outputs with the mean and
    the inverse deviation.
    Shapes: unchanged; scale and bias stretch to the input's shape, or have one number a channel.
    Units: elements count as normalisation, an addition before as pointwise.
    Source: Ba et al. (2016); Ulyanov et al. (2016); Zhang & Sennrich (2019); ONNX operators LayerNormalization,
    InstanceNormalization, RMSNormalization, MeanVarianceNormalization, LpNormalization.
    """

    axes: Any = None
    by_channel: bool = False
    """Scale and bias have one number a channel (axis 1), rather than the shape of the normalised axes."""
    additions: int = 0
    statistics: tuple[str, ...] | Any = ()
    """dtypes of further outputs, which have the input's shape with the normalised axes at 1; "sum": the input's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes is not None:
            object.__setattr__(self, "axes", numbers(self.axes, f"{self.kind}: an axis", least=-64))
        object.__setattr__(self, "statistics", tuple(self.statistics))

    def _normalised(self, x: TensorType) -> tuple[int, ...]:
        if self.axes is None:
            return tuple(range(2, x.rank))
        return tuple(axis_of(axis, x.rank) for axis in self.axes)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        axes = self._normalised(x)
        for number in range(1, len(operands)):
            one = optional(operands, number)
            if one is None:
                continue
            if self.by_channel:
                rank_of(one, 1, f"its operand {number}", 1)
                fits(one.shape[0], x.shape[1], f"the size of operand {number}", "the number of channels")
            elif not stretches(one.shape, x.shape):
                raise ShapeError(f"its operand {number} of shape {one} does not stretch to {x}")
        flat: tuple[Size, ...] = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
        extra = (x if dtype == "sum" else TensorType(flat, dtype) for dtype in self.statistics)
        return (x, *extra)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x = needed(operands, 0, "the input")
        return Operations(normalisation=x.elements, pointwise=x.elements * self.additions)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        x = needed(operands, 0, "the input")
        axes = self._normalised(x)
        flat = TensorType(tuple(1 if axis in axes else n for axis, n in enumerate(x.shape)))
        centred = self.type_name not in ("RMSNormalization", "LpNormalization")
        extra = (flat, flat) if centred else (flat,)
        # What is normalised is the sum, where something is added first.
        return Saved(extra=(*extra, x)) if self.additions else Saved((0,), extra=extra)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        read = same(x.rank, self._normalised(x))
        table: list[Reads | None] = [read]
        for number, one in enumerate(operands[1:], 1):
            if one is None or self.by_channel:
                table.append(whole(one))
            elif number <= self.additions:
                table.append(read[x.rank - one.rank :])
            else:
                table.append(broadcast_reads(one.shape, x.shape))
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, held = TensorType((2, 7, 16)), {"W": WeightType((16,)), "B": WeightType((16,))}
        image = TensorType((2, 3, 4, 4))
        return [
            Example(cls("LayerNormalization", (-1,), slots=(None, "W", "B"), parameters=held), (x,), (x,)),
            Example(cls("LpNormalization", (1,)), (x,), (x,)),
            Example(
                cls(
                    "InstanceNormalization",
                    by_channel=True,
                    slots=(None, "W", "B"),
                    parameters={"W": WeightType((3,)), "B": WeightType((3,))},
                ),
                (image,),
                (image,),
            ),
        ]


@dataclass(frozen=True, eq=False)
class GroupNormalization(Operator):
    """Normalises groups of channels of each example by their own mean and variance.

    Shapes: (batch, C, ...) with scale and bias (C,), or (groups,) in ONNX's operator set 18 → unchanged.
    Units: elements count as normalisation.
    Errors: ShapeError where the channels do not divide into groups.
    Source: Wu & He (2018); ONNX operator GroupNormalization; com.microsoft GroupNorm (channels last).
    """

    num_groups: int = 1
    channel_axis: int = 1
    activation: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.num_groups, f"{self.kind}: num_groups")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        rank_of(x, 2, "the input of a group normalisation")
        count = x.shape[axis_of(self.channel_axis, x.rank)]
        if isinstance(count, int) and count % self.num_groups:
            raise ShapeError(f"its {count} channels cannot be split into {self.num_groups} groups")
        for number in (1, 2):
            one = optional(operands, number)
            if one is not None and one.shape not in ((count,), (self.num_groups,)):
                fits(sizes.product(one.shape), count, f"the size of operand {number}", "the number of channels")
        return (x,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x = needed(operands, 0, "the input")
        return Operations(normalisation=x.elements, pointwise=x.elements if self.activation else 0)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        statistics = TensorType((needed(operands, 0, "the input").shape[0], self.num_groups))
        return Saved((0,), extra=(statistics, statistics))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        return (same(x.rank, tuple(range(1, x.rank))), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, held = TensorType((2, 8, 5, 5)), {"W": WeightType((8,)), "B": WeightType((8,))}
        return [Example(cls("GroupNormalization", 4, slots=(None, "W", "B"), parameters=held), (x,), (x,))]


@dataclass(frozen=True, eq=False)
class LocalResponseNormalization(Operator):
    """Divides each element by a power of the sum of squares of its neighbours along the channels.

    Shapes: (batch, C, ...) → unchanged. Units: elements count as normalisation.
    Source: Krizhevsky et al. (2012); ONNX operator LRN.
    """

    size: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.size, f"{self.kind}: size")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        rank_of(x, 2, "the input of a local response normalisation")
        return (x,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(normalisation=needed(operands, 0, "the input").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        x = needed(operands, 0, "the input")
        return Saved((0,), (0,), extra=(x,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        near = Window(1, 1, self.size, (self.size - 1) // 2)
        return (tuple(near if axis == 1 else Window(axis) for axis in range(x.rank)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 8, 5, 5))
        return [Example(cls("LRN", 5), (x,), (x,))]
