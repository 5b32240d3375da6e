from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _activation
from layerscope.layers._penalties import OfKernel
from layerscope.layers._spatial import channels, floating, one_input


@dataclass(frozen=True, eq=False)
class Dense(OfKernel):
    """A linear map of the last axis: every output is a weighted sum of all inputs, plus a bias.

    y = activation(x · W + b). On more than two axes it acts at every position by itself: (28, 28, 1)
    becomes (28, 28, units). To mix positions, put Flatten before it.

    Shapes: (batch, ..., n) → (batch, ..., units); kernel (n, units), bias (units,).
    MACs: output elements × n.
    Errors: ShapeError when the input has no axis but the batch.
    Source: Rosenblatt, "The perceptron" (1958).
    """

    units: Any
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    words = Words(("dense", "linear"), ("units",))
    law = "(..., n) → (..., units)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", sizes.checked(self.units, f"{self.kind}: units"))
        object.__setattr__(self, "activation", _activation.checked(self.activation, self))

    @property
    def linear(self) -> bool:
        return self.activation in (None, "linear")

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_activation.out(self.activation, self._before(*types)),)

    def _before(self, *types: TensorType) -> TensorType:
        """The type before the activation."""
        x = one_input(types)
        if x.rank < 2:
            raise ShapeError(f"needs a batch and at least one more axis, but got {x}")
        return TensorType((*x.shape[:-1], self.units), floating(x))

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        found = {"kernel": WeightType((channels(types[0]), self.units), self.kernel_initializer)}
        return found | ({"bias": WeightType((self.units,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size:
        return types[0].elements * self.units

    def operations(self, *types: TensorType) -> Operations | None:
        out = self._before(*types)
        return Operations(bias=out.elements if self.use_bias else 0) + _activation.operations(self.activation, out)

    def saved(self, *types: TensorType) -> Saved | None:
        return _activation.saved(self.activation, self._before(*types), inputs=(0,))

    def workspace(self, *types: TensorType) -> Size | None:
        return _activation.workspace(self.activation, self._before(*types))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank, everything=(-1,)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        y = (arrays[0][..., :, None] * weights["kernel"]).sum(axis=-2)
        return (_activation.define(self.activation, y + weights["bias"] if self.use_bias else y),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        y = program.matmul(values[0], weights["kernel"])
        if self.use_bias:
            y = program.map("add", y, weights["bias"])
        return (_activation.lower(program, self.activation, y),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: Dense, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        return [
            case(cls(10, "softmax"), (2, 784), (2, 10)),
            case(cls(3, use_bias=False), (64, 4, 2), (64, 4, 3)),
            case(cls(5, "gelu"), (2, 3, 4, 7), (2, 3, 4, 5)),
        ]

    spellings = {
        "keras": Spelling("Dense"),
        "torch": Spelling("torch.nn.Linear", "weight is (units, n), the transpose of ours"),
        "onnx": Spelling("Gemm", "or MatMul with Add on more than two axes"),
    }
