from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfSteps


@dataclass(frozen=True, eq=False)
class GRU(_recurrent.Recurrent, OfSteps):
    """Gated recurrent unit: one gate decides how much of the state stays, one how much of it the new value sees.

    z, r = σ(x·W + h·U + b) with σ the recurrent activation; h' = z⊙h + (1 - z)⊙g.
    reset_after=True (as cuDNN): g = activation(x·W + b₁ + r⊙(h·U + b₂)); False: g = activation(x·W + (r⊙h)·U + b).
    The columns of W, U and b are in the order z, r, g.
    The output is that of the last step, or with `return_sequences` those of all; output t depends on the inputs
    up to t only (from t on, with `go_backwards`, which reads the last step first and gives its output first). Further
    inputs are the initial states. `stateful` starts from the states that the batch before ended with; they are no
    weights.

    Shapes: (batch, time, features) → (batch, units), or (batch, time, units) with return_sequences; with return_state
    also (batch, units), the last state; kernel (features, 3·units), recurrent_kernel (units, 3·units), bias (2,
    3·units), or (3·units,).
    MACs: batch × time × 3 × (features + units) × units.
    Other operations, in each step: 6·units additions of a bias (3·units unless reset_after); for each unit three
    functions, four products, four sums.
    Kept for the backward pass (through time): the input, all outputs, and of each step the gates z and r, the new
    value g, and h·U + b₂ (or r⊙h); with dropout, what it left, and one mask a sequence.
    Errors: ShapeError when the input has not three axes, a state does not fit, or `unroll` or `stateful` meet an open
    size; UnknownNameError or SettingError for an initializer, regularizer or constraint that is none.
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
    seed: Any = None
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    reset_after: bool = True

    words = Words(("gru",), ("units",))
    law = "(batch, time, features) → (batch, units), or (batch, time, units)"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.gru(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, last, all_steps = TensorType((2, 5, 3)), TensorType((2, 4)), TensorType((2, 5, 4))
        states = (last,) * 1
        full = cls(4, return_sequences=True, return_state=True, unroll=True)
        return [
            Example(cls(4), (x,), (last,)),
            Example(full, (x, *states), (all_steps, *states)),
            Example(cls(4, "relu", use_bias=False, go_backwards=True, reset_after=False), (x,), (last,)),
            Example(cls(4, None, dropout=0.5, recurrent_dropout=0.25, return_sequences=True), (x,), (all_steps,)),
        ]

    spellings = {
        "keras": Spelling("GRU"),
        "torch": Spelling(
            "torch.nn.GRU", "as reset_after=True; gates in the order r, z, n, weights transposed; batch_first=True"
        ),
        "onnx": Spelling("GRU", "time first; linear_before_reset=1 is reset_after=True; weights transposed"),
    }
