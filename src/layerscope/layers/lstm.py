from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfSteps


@dataclass(frozen=True, eq=False)
class LSTM(_recurrent.Recurrent, OfSteps):
    """Long short-term memory: gates decide what each step writes to, keeps in and reads from its cell state.

    i, f, o = σ(x·W + h·U + b), g = activation(x·W + h·U + b) with σ the recurrent activation;
    c' = f⊙c + i⊙g, h' = o⊙activation(c'). The columns of W, U and b are in the order i, f, g, o.
    The output is that of the last step, or with `return_sequences` those of all; output t depends on the inputs
    up to t only (from t on, with `go_backwards`, which reads the last step first and gives its output first). Further
    inputs are the initial states. `stateful` starts from the states that the batch before ended with; they are no
    weights.

    Shapes: (batch, time, features) → (batch, units), or (batch, time, units) with return_sequences; with return_state
    also twice (batch, units), the last h and c; kernel (features, 4·units), recurrent_kernel (units, 4·units), bias
    (4·units,).
    MACs: batch × time × 4 × (features + units) × units.
    Other operations, in each step: 4·units additions of a bias; for each unit five functions, three products and five
    additions.
    Kept for the backward pass (through time): the input, all outputs, and of each step the four gates, the cell state
    and its activation; with dropout, what it left, and one mask a sequence.
    Errors: ShapeError when the input has not three axes, a state does not fit, or `unroll` or `stateful` meet an open
    size; UnknownNameError or SettingError for an initializer, regularizer or constraint that is none.
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
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False

    words = Words(("lstm",), ("units",))
    law = "(batch, time, features) → (batch, units), or (batch, time, units)"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.lstm(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, last, all_steps = TensorType((2, 5, 3)), TensorType((2, 4)), TensorType((2, 5, 4))
        states = (last,) * 2
        full = cls(4, return_sequences=True, return_state=True, unroll=True)
        return [
            Example(cls(4), (x,), (last,)),
            Example(full, (x, *states), (all_steps, *states)),
            Example(cls(4, "relu", use_bias=False, go_backwards=True), (x,), (last,)),
            Example(cls(4, None, dropout=0.5, recurrent_dropout=0.25, return_sequences=True), (x,), (all_steps,)),
        ]

    spellings = {
        "keras": Spelling("LSTM"),
        "torch": Spelling(
            "torch.nn.LSTM", "gates in the order i, f, g, o as here, weights transposed, two biases; batch_first=True"
        ),
        "onnx": Spelling("LSTM", "time first; gates in the order i, o, f, c; weights transposed, two biases"),
    }
