"""Convolution, deformable convolution and transposed convolution in any number of spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Spread, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import fits, known, needed, optional, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import Placed, auto_pad, numbers, per_axis, places


@dataclass(frozen=True, eq=False)
class _Convolving(Operator):
    """Settings and checks of convolutions in both directions. The channels are axis 1."""

    strides: Any = ()
    pads: Any = ()
    dilations: Any = ()
    group: int = 1
    auto_pad: str = "NOTSET"
    weight: int = 1
    """Number of the operand that is the kernel."""
    bias: int | None = 2
    """Number of the operand that is the bias; None where there can be none."""
    dtype: str = ""
    """Of the output; that of the input where it is empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "strides", numbers(self.strides, f"{self.kind}: strides"))
        object.__setattr__(self, "dilations", numbers(self.dilations, f"{self.kind}: dilations"))
        object.__setattr__(self, "pads", numbers(self.pads, f"{self.kind}: pads", least=-(2**31)))
        object.__setattr__(self, "auto_pad", auto_pad(self.auto_pad, self.kind))
        sizes.checked(self.group, f"{self.kind}: group")

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, TensorType, tuple[int, ...]]:
        """Input, kernel, and the sizes of the kernel's window."""
        x, w = needed(operands, 0, "the input"), needed(operands, self.weight, "the kernel")
        rank = rank_of(x, 3, "the input of a convolution")
        rank_of(w, rank, "its kernel", rank)
        return x, w, tuple(known(size, "its kernel's sizes") for size in w.shape[2:])

    def _grouped(self, count: Size, what: str) -> Size:
        if isinstance(count, int) and count % self.group:
            raise ShapeError(f"{what} ({count}) cannot be split into {self.group} groups")
        return sizes.floor_div(count, self.group)

    def _bias(self, operands: Sequence[TensorType | None], filters: Size) -> bool:
        bias = optional(operands, self.bias)
        if bias is not None:
            rank_of(bias, 1, "its bias", 1)
            fits(bias.shape[0], filters, "the size of its bias", "the number of filters")
        return bias is not None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        # An activation that follows is known by its result.
        outputs = (0,) if getattr(self, "after", 0) else ()
        return Saved(tuple(n for n in range(len(operands)) if n != self.bias), outputs)


@dataclass(frozen=True, eq=False)
class Convolution(_Convolving):
    """Cross-correlation with a kernel; of quantised numbers, too (ConvInteger, QLinearConv).

    Law: n' = floor((n + begin + end - d·(k - 1) - 1) / s) + 1; SAME: ceil(n / s).
    Shapes: (batch, C, *n) with the kernel (filters, C / group, *k) and the bias (filters,) → (batch, filters, *n').
    MACs: output positions × kernel area × C / group × filters; products with padding count.
    Errors: ShapeError where channels and kernel do not fit, or a window does not.
    Source: ONNX operators Conv, ConvInteger, QLinearConv; com.microsoft FusedConv (an activation follows: `after`).
    """

    after: int = 0
    """Pointwise functions of each result: an activation, an addition, its quantisation."""
    deformed: bool = False
    """DeformConv: each cell of a window is moved by an offset that is an operand."""

    def placed(self, *operands: TensorType | None) -> tuple[Placed, ...]:
        """Windows of every spatial axis."""
        x, _, kernel = self._sides(operands)
        return places(x.shape[2:], kernel, self.strides, self.dilations, self.pads, self.auto_pad)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, w, _ = self._sides(operands)
        filters = w.shape[0]
        fits(x.shape[1], w.shape[1] * self.group, "the input's number of channels", "what its kernel takes")
        self._grouped(filters, "its filters")
        self._bias(operands, filters)
        out = tuple(p.out for p in self.placed(*operands))
        return (TensorType((x.shape[0], filters, *out), self.dtype or x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        (out,), (_, w, kernel) = self.infer(*operands), self._sides(operands)
        return out.elements * w.shape[1] * sizes.product(kernel)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        (out,), (x, _, kernel) = self.infer(*operands), self._sides(operands)
        work = Operations(
            bias=out.elements if optional(operands, self.bias) else 0, pointwise=out.elements * self.after
        )
        if self.deformed:  # one interpolation for each cell of a window and channel
            work += Operations(pointwise=sizes.product((x.shape[0], x.shape[1], *out.shape[2:], *kernel)))
        return work

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        found = self.placed(*operands)
        windows = (Window(0), EVERYTHING, *(p.relation(axis) for axis, p in enumerate(found, 2)))
        table = [whole(one) for one in operands]
        at_position: Reads = (Window(0), EVERYTHING, *(Window(axis) for axis in range(2, len(windows))))
        table[0] = windows
        if self.deformed:
            table[0] = (Window(0), *(EVERYTHING,) * (len(windows) - 1))
            table = [at_position if n in (2, 4) and one else one for n, one in enumerate(table)]
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(shape: tuple[int, ...], kernel: tuple[int, ...], out: tuple[int, ...], **told: Any) -> Example:
            made = cls("Conv", slots=(None, "W"), parameters={"W": WeightType(kernel)}, **told)
            return Example(made, (TensorType(shape),), (TensorType(out),))

        return [
            case((2, 3, 32, 32), (16, 3, 3, 3), (2, 16, 32, 32), pads=(1, 1, 1, 1)),
            case((1, 4, 9), (6, 2, 3), (1, 6, 4), strides=(2,), group=2),
            case((1, 1, 6, 7, 8), (2, 1, 3, 3, 3), (1, 2, 3, 4, 4), strides=(2, 2, 2), auto_pad="SAME_LOWER"),
        ]


@dataclass(frozen=True, eq=False)
class TransposedConvolution(_Convolving):
    """The adjoint of a convolution: each input stamps the kernel, times its value, into the output.

    Law: n' = (n - 1)·s + d·(k - 1) + 1 + output_padding - begin - end; SAME or `output_shape`: the pads follow from
    the output's size (n·s for SAME, less where stamps do not cover it), the odd cell at the start (at the end for
    SAME_UPPER).
    Shapes: (batch, C, *n) with the kernel (C, filters / group, *k) and the bias (filters,) → (batch, filters, *n').
    MACs: input positions × kernel area × C × filters / group.
    Errors: ShapeError where channels and kernel do not fit, or nothing of the output is left.
    Source: ONNX operator ConvTranspose.
    """

    output_padding: Any = ()
    output_shape: Any = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        added = numbers(self.output_padding, f"{self.kind}: output_padding", least=0)
        object.__setattr__(self, "output_padding", added)
        object.__setattr__(self, "output_shape", numbers(self.output_shape, f"{self.kind}: output_shape"))
        if self.output_shape and self.auto_pad == "VALID":
            raise SettingError(f"{self.kind}: output_shape and auto_pad VALID contradict each other")

    def placed(self, *operands: TensorType | None) -> tuple[tuple[Size, Size], ...]:
        """(size of the output, cells cropped at its start) of every spatial axis."""
        x, _, kernel = self._sides(operands)
        rank = len(kernel)
        asked = self.output_shape[-rank:] if len(self.output_shape) == rank + 2 else self.output_shape
        strides, spread = per_axis(self.strides, rank, "strides"), per_axis(self.dilations, rank, "dilations")
        added, wanted = (
            per_axis(self.output_padding, rank, "output_padding", 0),
            per_axis(asked, rank, "output_shape", 0),
        )
        pads = per_axis(self.pads, 2 * rank, "pads", 0)
        found: list[tuple[Size, Size]] = []
        for axis, n in enumerate(x.shape[2:]):
            stamped = (n - 1) * strides[axis] + (kernel[axis] - 1) * spread[axis] + 1 + added[axis]
            if wanted[axis] or self.auto_pad.startswith("SAME"):
                total = sizes.maximum(stamped - (wanted[axis] or n * strides[axis]), 0)
                out: Size = wanted[axis] or stamped - total
                half = sizes.floor_div(total, 2)
                begin = half if self.auto_pad == "SAME_UPPER" else total - half
            else:
                begin, end = (0, 0) if self.auto_pad == "VALID" else (pads[axis], pads[axis + rank])
                out = stamped - begin - end
            if not sizes.at_least(out, 1):
                raise ShapeError(f"its output would have the size {out}: the padding crops all of it")
            found.append((out, begin))
        return tuple(found)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, w, _ = self._sides(operands)
        fits(x.shape[1], w.shape[0], "the input's number of channels", "what its kernel takes")
        self._grouped(x.shape[1], "the input's channels")
        filters = w.shape[1] * self.group
        self._bias(operands, filters)
        out = tuple(size for size, _ in self.placed(*operands))
        return (TensorType((x.shape[0], filters, *out), self.dtype or x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        x, w, kernel = self._sides(operands)
        return x.elements * w.shape[1] * sizes.product(kernel)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(bias=self.infer(*operands)[0].elements if optional(operands, self.bias) else 0)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        _, _, kernel = self._sides(operands)
        rank = len(kernel)
        strides, spread = per_axis(self.strides, rank, "strides"), per_axis(self.dilations, rank, "dilations")
        middle = (
            Spread(axis + 2, strides[axis], kernel[axis], begin, spread[axis])
            if isinstance(begin, int)
            else EVERYTHING
            for axis, (_, begin) in enumerate(self.placed(*operands))
        )
        return ((Window(0), EVERYTHING, *middle), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(shape: tuple[int, ...], kernel: tuple[int, ...], out: tuple[int, ...], **told: Any) -> Example:
            made = cls("ConvTranspose", slots=(None, "W"), parameters={"W": WeightType(kernel)}, **told)
            return Example(made, (TensorType(shape),), (TensorType(out),))

        return [
            case((1, 8, 8, 8), (8, 4, 4, 4), (1, 4, 16, 16), strides=(2, 2), pads=(1, 1, 1, 1)),
            case((2, 4, 5), (4, 3, 3), (2, 6, 10), strides=(2,), group=2, auto_pad="SAME_UPPER"),
        ]


@dataclass(frozen=True, eq=False)
class CausalConvolution(Operator):
    """A depthwise convolution of a sequence with what came before it, which is handed on as a state.

    Shapes: (batch, C, length) with the kernel (C, 1, k), the bias (C,) and the state (batch, C, k - 1) → unchanged,
    and the new state. MACs: output elements × k.
    Source: ONNX operator CausalConvWithState.
    """

    after: int = 0

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, int]:
        x, w = needed(operands, 0, "the input"), needed(operands, 1, "the kernel")
        rank_of(x, 3, "the input of a causal convolution", 3)
        rank_of(w, 3, "its kernel", 3)
        fits(w.shape[0], x.shape[1], "the number of its kernels", "the number of channels")
        return x, known(w.shape[2], "the size of its kernel")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, size = self._sides(operands)
        return x, TensorType((x.shape[0], x.shape[1], size - 1), x.dtype)

    def products(self, *operands: TensorType | None) -> Size | None:
        x, size = self._sides(operands)
        return x.elements * size

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x, _ = self._sides(operands)
        return Operations(bias=x.elements if optional(operands, 2) else 0, pointwise=x.elements * self.after)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        x, _ = self._sides(operands)
        return Saved((0, 1, 3), extra=(x,) if self.after else ())

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        _, size = self._sides(operands)
        along = EVERYTHING if output else Window(2, 1, size, size - 1)
        table = [whole(one) for one in operands]
        table[0] = (*same(2), along)
        if optional(operands, 3) is not None:
            table[3] = (*same(2), EVERYTHING)
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, held = TensorType((2, 4, 9)), {"W": WeightType((4, 1, 3)), "B": WeightType((4,))}
        made = cls("CausalConvWithState", slots=(None, "W", "B"), parameters=held)
        return [Example(made, (x,), (x, TensorType((2, 4, 2))))]
