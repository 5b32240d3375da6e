from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling, Words
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers import _activation
from layerscope.layers._spatial import floating, one_input


@dataclass(frozen=True, eq=False)
class Activation(Layer):
    """A function put to every number by itself; some, such as softmax, to the last axis as a whole.

    relu max(x, 0); relu6 that, at most 6; leaky_relu x or 0.2·x; elu, celu x or exp(x) - 1; selu 1.0507·x or
    1.7581·(exp(x) - 1); gelu x·Φ(x), gelu_tanh its approximation by tanh (Keras's gelu(approximate=True)); sigmoid
    1 / (1 + exp(-x)); silu (swish) x·sigmoid(x); log_sigmoid; hard_sigmoid x/6 + 1/2 within 0 … 1; hard_silu
    (hard_swish) x·hard_sigmoid(x); tanh; hard_tanh x within ±1; mish x·tanh(softplus(x)); softplus log(1 + exp(x));
    squareplus (x + √(x² + 4)) / 2; softsign x / (1 + |x|); exponential exp(x); hard_shrink x or 0 within ±1/2;
    soft_shrink x brought nearer to 0 by 1/2; tanh_shrink x - tanh(x); sparse_plus 0, (x + 1)²/4 or x; sparse_sigmoid
    (x + 1)/2 within 0 … 1; softmax exp(xᵢ) / Σ exp(xⱼ), log_softmax its logarithm; linear x. The other functions of
    Keras 3 are described only: glu (which halves the last axis), sparsemax, threshold.

    Shapes: (batch, ...) → (batch, ...); glu: (batch, ..., n) → (batch, ..., n / 2).
    Errors: UnknownNameError for a function that Keras does not know; ShapeError where glu meets an odd axis.
    Source: Nair & Hinton (2010) for relu; Clevert et al. (2015) for elu; Hendrycks & Gimpel (2016) for gelu and silu;
    Klambauer et al. (2017) for selu; Misra (2019) for mish; Howard et al. (2019) for hard_silu; keras.activations.
    """

    activation: Any

    words = Words(("activation",), ("activation",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        checked = _activation.checked(self.activation, self)
        if checked is None:
            raise SettingError(f"{self.kind}: give one of {', '.join(_activation.NAMES)}")
        object.__setattr__(self, "activation", checked)

    @property
    def linear(self) -> bool:
        return self.activation == "linear"

    @property
    def injective(self) -> bool:
        return self.activation in _activation.INJECTIVE

    @property
    def elementwise(self) -> bool:
        return self.activation not in _activation.MIXING

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        return (_activation.out(self.activation, TensorType(x.shape, floating(x))),)

    def operations(self, *types: TensorType) -> Operations | None:
        return _activation.operations(self.activation, types[0])

    def saved(self, *types: TensorType) -> Saved | None:
        if self.activation == "linear":
            return NOTHING_SAVED
        return Saved(outputs=(0,)) if self.activation in _activation.BY_OUTPUT else Saved(inputs=(0,))

    def shares(self, *types: TensorType) -> int | None:
        return 0 if self.activation == "linear" else None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank, everything=() if self.elementwise else (-1,)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return (_activation.define(self.activation, arrays[0]),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (_activation.lower(program, self.activation, values[0]),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 4, 5))
        even, half = TensorType((2, 3, 4, 6)), TensorType((2, 3, 4, 3))
        names = ("relu", *_activation.NAMES)
        return [*(Example(cls(name), (x,), (x,)) for name in names), Example(cls("glu"), (even,), (half,))]

    spellings = {
        "keras": Spelling("Activation"),
        "torch": Spelling(
            "torch.nn.ReLU",
            "LeakyReLU(0.2), ELU, GELU, Sigmoid, SiLU, Tanh, Softmax(dim=1), Softplus: one module each",
        ),
        "onnx": Spelling("Relu", "LeakyRelu, Elu, Gelu, Sigmoid, Tanh, Softmax, Softplus: one operator each"),
    }
