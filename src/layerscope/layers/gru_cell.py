from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfStep


@dataclass(frozen=True, eq=False)
class GRUCell(_recurrent.Cell, OfStep):
    """One step of GRU: from an input and the state h to the output and the new state.

    z, r = σ(x·W + h·U + b) with σ the recurrent activation; h' = z⊙h + (1 - z)⊙g.
    reset_after=True (as cuDNN): g = activation(x·W + b₁ + r⊙(h·U + b₂)); False: g = activation(x·W + (r⊙h)·U + b).
    The columns of W, U and b are in the order z, r, g.
    For RNN, which repeats it along time; without states they are zero.

    Shapes: (batch, features), and the state (batch, units) → (batch, units), (batch, units);
    kernel (features, 3·units), recurrent_kernel (units, 3·units), bias (2, 3·units), or (3·units,).
    MACs: batch × 3 × (features + units) × units.
    Errors: SizeError when units is not at least 1; ShapeError when a state does not fit; UnknownNameError or
    SettingError for an initializer, regularizer or constraint that is none.
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
    """

    units: Any
    activation: str | None = "tanh"
    recurrent_activation: str | None = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    reset_after: bool = True
    seed: Any = None

    law = "(batch, features) → (batch, units), and the new state"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.gru(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, h, wide = TensorType((2, 3)), TensorType((2, 4)), TensorType((5, 7))
        return [
            Example(cls(4), (x, h), (h, h)),
            Example(cls(4, use_bias=False), (x,), (h, h)),
            Example(
                cls(2, "relu", reset_after=False, dropout=0.25, recurrent_dropout=0.5),
                (wide,),
                (TensorType((5, 2)),) * 2,
            ),
        ]

    spellings = {
        "keras": Spelling("GRUCell"),
        "torch": Spelling("torch.nn.GRUCell", "weights transposed, two biases"),
        "onnx": Spelling("", "GRU on one step"),
    }
