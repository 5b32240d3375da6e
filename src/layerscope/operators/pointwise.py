"""Elementwise functions of one or several tensors, softmax, and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import Reads, same
from layerscope.core.types import BITS, TensorType
from layerscope.operators._axes import (
    axis_of,
    broadcast,
    broadcast_reads,
    is_floating,
    needed,
    whole,
)
from layerscope.operators._operator import Operator
from layerscope.operators._windows import numbers

KEEPS = ("nothing", "inputs", "outputs", "ends", "partners", "condition", "signs")


@dataclass(frozen=True, eq=False)
class Pointwise(Operator):
    """Each output element depends on the elements at its own index only; operands stretch to one shape.

    `work`: functions computed for an output element; None: one fewer than there are operands, as for a sum.
    `aligned`: numbers of the operands whose axes are the output's, None for all; the others (a scale of each channel,
    limits) are read whole. `keeps`: what the gradient needs: the inputs, the outputs, both
    ("ends"), of a product the other factors
    ("partners"), of a choice the condition, or a mask of the output's shape ("signs").
    Shapes: any that broadcast (NumPy's rule) → the common one.
    Units: each result of a function of an element is one pointwise operation.
    Errors: ShapeError where shapes do not broadcast.
    Source: ONNX's elementwise operators, Abs to Xor.
    """

    work: int | None = 1
    keeps: str = "inputs"
    dtype: str = ""
    """Of the output; that of operand `typed` where it is empty."""
    typed: int = 0
    aligned: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keeps not in KEEPS:
            raise SettingError(f"{self.kind}: keeps must be one of {', '.join(KEEPS)}, not {self.keeps!r}")
        if self.dtype not in ("", *BITS):
            raise SettingError(f"{self.kind}: unknown dtype {self.dtype!r}; known: {', '.join(BITS)}")
        if self.aligned is not None:
            object.__setattr__(self, "aligned", numbers(self.aligned, f"{self.kind}: an aligned operand", least=0))
        if self.work is not None:
            sizes.checked(self.work, f"{self.kind}: work", least=0)

    @property
    def elementwise(self) -> bool:
        return len(self.slots) == 1

    def _aligned(self, operands: Sequence[TensorType | None]) -> list[TensorType]:
        return [one for n, one in enumerate(operands) if one is not None and self._is_aligned(n)]

    def _is_aligned(self, number: int) -> bool:
        return self.aligned is None or number in self.aligned

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        shape = broadcast(*(one.shape for one in self._aligned(operands)))
        return (TensorType(shape, self.dtype or needed(operands, self.typed, "that of the output's dtype").dtype),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        work = len(self._aligned(operands)) - 1 if self.work is None else self.work
        return Operations(pointwise=self.infer(*operands)[0].elements * work)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        (out,) = self.infer(*operands)
        if not is_floating(out.dtype) or self.keeps == "nothing":
            return NOTHING_SAVED
        if self.keeps == "outputs":
            return Saved(outputs=(0,))
        if self.keeps == "condition":
            return Saved((0,))
        if self.keeps == "signs":
            return Saved(extra=(TensorType(out.shape, "bool"),))
        floats = [n for n, one in enumerate(operands) if one is not None and is_floating(one.dtype)]
        if self.keeps in ("inputs", "ends"):
            return Saved(tuple(floats), (0,) if self.keeps == "ends" else ())
        learned = {n for n in floats if not isinstance(self.slots[n], TensorType)}
        return Saved(tuple(n for n in floats if learned - {n}))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        (out,) = self.infer(*operands)
        return tuple(
            None if one is None else broadcast_reads(one.shape, out.shape) if self._is_aligned(n) else whole(one)
            for n, one in enumerate(operands)
        )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 4))
        return [
            Example(cls("Relu", keeps="outputs"), (x,), (x,)),
            Example(
                cls("Less", keeps="nothing", dtype="bool", slots=(None, None)),
                (x, TensorType((3, 1))),
                (TensorType((2, 3, 4), "bool"),),
            ),
            Example(cls("Sum", work=None, keeps="nothing", slots=(None,) * 3), (x, x, TensorType((4,))), (x,)),
        ]


@dataclass(frozen=True, eq=False)
class Softmax(Operator):
    """exp(x) divided by its sum along an axis, its logarithm (LogSoftmax), or 1 at the largest (Hardmax).

    `flatten`: along all axes from `axis` on, as before ONNX's operator set 13.
    Units: one pointwise operation an element.
    Source: ONNX operators Softmax, LogSoftmax, Hardmax.
    """

    axis: int = -1
    flatten: bool = False

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        if x.rank and not (self.flatten and self.axis == x.rank):
            axis_of(self.axis, x.rank)
        return (x,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=needed(operands, 0, "the input").elements)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED if self.type_name == "Hardmax" else Saved(outputs=(0,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        rank = needed(operands, 0, "the input").rank
        if not rank:
            return ((),)
        axis = self.axis % rank if self.axis != rank else rank
        return (same(rank, tuple(range(axis, rank if self.flatten else axis + 1))),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 5, 10))
        return [Example(cls("Softmax"), (x,), (x,)), Example(cls("LogSoftmax", 1, flatten=True), (x,), (x,))]


@dataclass(frozen=True, eq=False)
class Dropout(Operator):
    """Nothing at inference; in training, some elements become 0 and the others are scaled.

    Shapes: unchanged; the mask, where it is asked for, has the input's shape.
    Source: Srivastava et al. (2014); ONNX operator Dropout.
    """

    mask: str = "bool"
    """The dtype of the mask."""
    rate: float = 0.5

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        return x, TensorType(x.shape, self.mask)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def viewed(self, *types: TensorType) -> int | None:
        return 0 if types else None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        if self.rate == 0:
            return NOTHING_SAVED
        return Saved(extra=(TensorType(needed(operands, 0, "the input").shape, "bool"),))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the input")
        return (same(x.rank), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 8))
        return [
            Example(cls("Dropout", results=1), (x,), (x,)),
            Example(cls("Dropout"), (x,), (x, TensorType((2, 8), "bool"))),
        ]


@dataclass(frozen=True, eq=False)
class DynamicQuantization(Operator):
    """A tensor as whole numbers of 8 bits, with the scale and zero point that its own range asks for.

    Shapes: unchanged, and two numbers. Units: the search for the smallest and largest number reads each element twice
    (pooling); each result is one pointwise operation.
    Source: ONNX operator DynamicQuantizeLinear.
    """

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the input")
        return TensorType(x.shape, "uint8"), TensorType((), "float32"), TensorType((), "uint8")

    def effort(self, *operands: TensorType | None) -> Operations | None:
        count = needed(operands, 0, "the input").elements
        return Operations(pooling=count * 2, pointwise=count)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (whole(needed(operands, 0, "the input")),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        results = (TensorType((2, 8), "uint8"), TensorType(()), TensorType((), "uint8"))
        return [Example(cls("DynamicQuantizeLinear"), (TensorType((2, 8)),), results)]
