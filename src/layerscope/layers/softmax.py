from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.layers import _activation
from layerscope.layers._normalisation import Normalisation, listed, several_axes


@dataclass(frozen=True, eq=False)
class Softmax(Normalisation):
    """exp(xᵢ) / Σ exp(xⱼ) along an axis, or over several together: positive numbers whose sum is 1.

    In one line of text the bare word softmax is Activation("softmax"); softmax with an axis is this layer.

    Shapes: (batch, ...) → (batch, ...).
    Errors: ShapeError when the input has no such axis.
    """

    axis: Any = -1

    words = Words(("softmax",), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", several_axes(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return listed(self.axis)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=types[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        """Its output, from which the derivative follows."""
        return Saved(outputs=(0,))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        (x,) = arrays
        places = tuple(axis % x.ndim for axis in self.axes)
        return (_activation.define_softmax(x, places),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        return (_activation.lower_softmax(program, x, self.places(x.type)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 7, 5, 3))
        return [Example(cls(), (x,), (x,)), Example(cls(axis=1), (x,), (x,)), Example(cls(axis=[1, 2]), (x,), (x,))]

    spellings = {
        "keras": Spelling("Softmax"),
        "torch": Spelling("torch.nn.Softmax", "dim, counted with the channels first"),
        "onnx": Spelling("Softmax", "axis, counted with the channels first"),
    }
