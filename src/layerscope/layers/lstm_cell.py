from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfStep


@dataclass(frozen=True, eq=False)
class LSTMCell(_recurrent.Cell, OfStep):
    """One step of LSTM: from an input and the states h and c to the output and the new states.

    i, f, o = σ(x·W + h·U + b), g = activation(x·W + h·U + b) with σ the recurrent activation;
    c' = f⊙c + i⊙g, h' = o⊙activation(c'). The columns of W, U and b are in the order i, f, g, o.
    For RNN, which repeats it along time; without states they are zero.

    Shapes: (batch, features), and the states twice (batch, units) → (batch, units), twice (batch, units);
    kernel (features, 4·units), recurrent_kernel (units, 4·units), bias (4·units,).
    MACs: batch × 4 × (features + units) × units.
    Errors: SizeError when units is not at least 1; ShapeError when a state does not fit; UnknownNameError or
    SettingError for an initializer, regularizer or constraint that is none.
    Source: Hochreiter & Schmidhuber, "Long short-term memory" (1997); Gers et al. (2000) for the forget gate.
    """

    units: Any
    activation: str | None = "tanh"
    recurrent_activation: str | None = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    unit_forget_bias: bool = True
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    seed: Any = None

    law = "(batch, features) → (batch, units), and the new states"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.lstm(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, h, wide = TensorType((2, 3)), TensorType((2, 4)), TensorType((5, 7))
        return [
            Example(cls(4), (x, h, h), (h, h, h)),
            Example(cls(4, use_bias=False), (x,), (h, h, h)),
            Example(cls(2, "relu", dropout=0.25, recurrent_dropout=0.5), (wide,), (TensorType((5, 2)),) * 3),
        ]

    spellings = {
        "keras": Spelling("LSTMCell"),
        "torch": Spelling("torch.nn.LSTMCell", "weights transposed, two biases"),
        "onnx": Spelling("", "LSTM on one step"),
    }
