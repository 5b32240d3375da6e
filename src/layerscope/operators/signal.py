"""Spectra of signals, and tensors that are made from numbers alone: windows, filters, noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window, same
from layerscope.core.sizes import Size
from layerscope.core.types import BITS, TensorType
from layerscope.operators._axes import axis_of, known, needed, rank_of, whole
from layerscope.operators._operator import Operator
from layerscope.operators._windows import size_list, size_of


@dataclass(frozen=True, eq=False)
class FourierTransform(Operator):
    """The discrete Fourier transform along one axis; the last axis holds a real number or a complex pair.

    `length`: to which the axis is cut or filled, None: as it is. `onesided`: without the half that is conjugate.
    What it computes depends on the algorithm, so that its cost is unknown.
    Shapes: (..., n, ..., 1 or 2) → (..., length, ..., 2); onesided ⌊length / 2⌋ + 1, and back 2·(n - 1) real numbers.
    Errors: ShapeError where the last axis is transformed.
    Source: ONNX operator DFT.
    """

    axis: int = -2
    length: Any = None
    onesided: bool = False
    inverse: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length is not None:
            object.__setattr__(self, "length", size_of(self.length, f"{self.kind}: length"))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        rank_of(x, 2, "the input of a Fourier transform")
        axis = axis_of(self.axis, x.rank)
        if axis == x.rank - 1:
            raise ShapeError("cannot transform the last axis, which holds real and imaginary parts")
        n: Size = x.shape[axis] if self.length is None else self.length
        back = self.onesided and self.inverse
        if back and self.length is None:
            n = (x.shape[axis] - 1) * 2
        if self.onesided and not self.inverse:
            n = sizes.floor_div(n, 2) + 1
        shape = [*x.shape[:-1], 1 if back else 2]
        shape[axis] = n
        return (TensorType(tuple(shape), x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        return None

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (same(needed(operands, 0, "the input").rank, (self.axis, -1)), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 10, 1))
        return [
            Example(cls("DFT"), (x,), (TensorType((2, 10, 2)),)),
            Example(cls("DFT", onesided=True), (x,), (TensorType((2, 6, 2)),)),
        ]


@dataclass(frozen=True, eq=False)
class FrameTransform(Operator):
    """The Fourier transforms of windows of a signal (STFT). Their cost depends on the algorithm and is unknown.

    Shapes: (batch, n, 1 or 2) → (batch, floor((n - frame) / step) + 1, bins, 2); bins are the frame's cells, onesided
    ⌊frame / 2⌋ + 1.
    Errors: ShapeError where a frame is longer than the signal.
    Source: ONNX operator STFT.
    """

    step: int = 1
    frame: int | None = None
    """Cells of a window; None: the whole signal."""
    onesided: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.step, f"{self.kind}: step")

    def _frame(self, x: TensorType) -> int:
        return known(x.shape[1] if self.frame is None else self.frame, "the length of a frame")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the signal")
        rank_of(x, 2, "the signal", 3)
        frame = self._frame(x)
        if not sizes.at_least(x.shape[1], frame):
            raise ShapeError(f"a frame has {frame} cells, but the signal only {x.shape[1]}")
        bins = frame // 2 + 1 if self.onesided else frame
        return (TensorType((x.shape[0], sizes.floor_div(x.shape[1] - frame, self.step) + 1, bins, 2), x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        return None

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the signal")
        read: Reads = (Window(0), Window(1, self.step, self._frame(x)), EVERYTHING)
        return (read[: x.rank], *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        made = cls("STFT", 8, 16)
        return [Example(made, (TensorType((1, 128, 1)),), (TensorType((1, 15, 9, 2)),))]


@dataclass(frozen=True, eq=False)
class Made(Operator):
    """A tensor that is made from settings, whatever the data: windows of signals, filters, noise, decoded images.

    `sizes` None: it has the shape of operand 0. `dtype` "": that of operand 0. Making it is not counted but for
    noise, of which each number is one pointwise operation.
    Source: ONNX operators HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix, RandomNormal, RandomUniform,
    their -Like forms, Bernoulli, Multinomial, ImageDecoder.
    """

    sizes: Any = None
    dtype: str = ""
    work: int = 0
    batched: bool = False
    """The first axis is that of operand 0, before `sizes`."""
    elementwise_of: bool = False
    """Each element depends on operand 0 at its own place (Bernoulli)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sizes is not None:
            object.__setattr__(self, "sizes", size_list(self.sizes, f"{self.kind}: sizes"))
        if self.dtype not in ("", *BITS):
            raise SettingError(f"{self.kind}: unknown dtype {self.dtype!r}; known: {', '.join(BITS)}")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        first = needed(operands, 0, "the input") if self.sizes is None or self.batched or not self.dtype else None
        shape: tuple[Size, ...] = self.sizes if self.sizes is not None else first.shape if first else ()
        if self.batched and first:
            shape = (first.shape[0], *shape)
        return (TensorType(shape, self.dtype or (first.dtype if first else "float32")),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=self.infer(*operands)[0].elements * self.work) if self.work else NONE

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        if not operands:
            return ()
        x = operands[0]
        rest = tuple(map(whole, operands[1:]))
        if x is None or (self.sizes is None and not self.elementwise_of):
            return (None, *rest)  # only its shape is asked for
        if self.elementwise_of:
            return (same(x.rank), *rest)
        if self.batched:
            return ((Window(0), *(EVERYTHING,) * (x.rank - 1)), *rest)
        return (whole(x), *rest)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 5))
        return [
            Example(cls("RandomNormalLike", work=1), (x,), (x,)),
            Example(cls("Bernoulli", dtype="bool", work=1, elementwise_of=True), (x,), (TensorType((2, 5), "bool"),)),
            Example(cls("Multinomial", (3,), "int32", 1, True), (x,), (TensorType((2, 3), "int32"),)),
        ]
