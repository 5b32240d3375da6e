from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfStep


@dataclass(frozen=True, eq=False)
class SimpleRNNCell(_recurrent.Cell, OfStep):
    """One step of SimpleRNN: from an input and the state h to the output and the new state.

    h' = activation(x·W + h·U + b), h = 0 before the first step.
    For RNN, which repeats it along time; without states they are zero.

    Shapes: (batch, features), and the state (batch, units) → (batch, units), (batch, units);
    kernel (features, units), recurrent_kernel (units, units), bias (units,).
    MACs: batch × (features + units) × units.
    Errors: SizeError when units is not at least 1; ShapeError when a state does not fit; UnknownNameError or
    SettingError for an initializer, regularizer or constraint that is none.
    Source: Elman, "Finding structure in time" (1990).
    """

    units: Any
    activation: str | None = "tanh"
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    seed: Any = None

    law = "(batch, features) → (batch, units), and the new state"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.simple(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, h, wide = TensorType((2, 3)), TensorType((2, 4)), TensorType((5, 7))
        return [
            Example(cls(4), (x, h), (h, h)),
            Example(cls(4, use_bias=False), (x,), (h, h)),
            Example(cls(2, "relu", dropout=0.25, recurrent_dropout=0.5), (wide,), (TensorType((5, 2)),) * 2),
        ]

    spellings = {
        "keras": Spelling("SimpleRNNCell"),
        "torch": Spelling("torch.nn.RNNCell", "weights transposed, two biases"),
        "onnx": Spelling("", "RNN on one step"),
    }
