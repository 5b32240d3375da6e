from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling, Words
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent
from layerscope.layers._penalties import OfSteps


@dataclass(frozen=True, eq=False)
class SimpleRNN(_recurrent.Recurrent, OfSteps):
    """The plain recurrent layer: each step sees its input and the output of the step before.

    h' = activation(x·W + h·U + b), h = 0 before the first step.
    The output is that of the last step, or with `return_sequences` those of all; output t depends on the inputs
    up to t only (from t on, with `go_backwards`, which reads the last step first and gives its output first). Further
    inputs are the initial states. `stateful` starts from the states that the batch before ended with; they are no
    weights.

    Shapes: (batch, time, features) → (batch, units), or (batch, time, units) with return_sequences; with return_state
    also (batch, units), the last state; kernel (features, units), recurrent_kernel (units, units), bias (units,).
    MACs: batch × time × (features + units) × units.
    Other operations, in each step: units additions of a bias; an addition and the function for each unit.
    Kept for the backward pass (through time): the input and all outputs; with dropout, what it left, and one mask a
    sequence.
    Errors: ShapeError when the input has not three axes, a state does not fit, or `unroll` or `stateful` meet an open
    size; UnknownNameError or SettingError for an initializer, regularizer or constraint that is none.
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
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    seed: Any = None

    words = Words(("simple_rnn",), ("units",))
    law = "(batch, time, features) → (batch, units), or (batch, time, units)"

    def __post_init__(self) -> None:
        _recurrent.check_gates(self)

    @property
    def step(self) -> _recurrent.Gates:
        """One step of it."""
        return _recurrent.simple(self)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, last, all_steps = TensorType((2, 5, 3)), TensorType((2, 4)), TensorType((2, 5, 4))
        states = (last,) * 1
        full = cls(4, return_sequences=True, return_state=True, unroll=True)
        return [
            Example(cls(4), (x,), (last,)),
            Example(full, (x, *states), (all_steps, *states)),
            Example(cls(4, "relu", use_bias=False, go_backwards=True), (x,), (last,)),
            Example(cls(4, None, dropout=0.5, recurrent_dropout=0.25, return_sequences=True), (x,), (all_steps,)),
        ]

    spellings = {
        "keras": Spelling("SimpleRNN"),
        "torch": Spelling("torch.nn.RNN", "its weights are transposed, and it has two biases; batch_first=True"),
        "onnx": Spelling("RNN", "time first; weights transposed, two biases"),
    }
