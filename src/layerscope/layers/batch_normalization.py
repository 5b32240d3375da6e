from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words, describe_only
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._normalisation import Normalisation, kept, one_axis, scale_and_shift
from layerscope.layers._penalties import OfScale
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class BatchNormalization(Normalisation, OfScale):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted by learned numbers.

    y = gamma · (x - mean) / √(variance + epsilon) + beta. While training, mean and variance are those of the batch;
    at inference they are weights, the moving averages of training, so that each number depends on itself alone. A
    frozen one (trainable=False) does the latter in training, too.

    Shapes: (batch, ...) → (batch, ...); gamma, beta, moving_mean, moving_variance (C,), the last two not trainable,
    C the size of `axis`; with renorm also moving_stddev, renorm_mean, renorm_stddev.
    Errors: ShapeError when the input has no such axis, or its size is open.
    Source: Ioffe & Szegedy, "Batch normalization" (2015); Ioffe, "Batch renormalization" (2017).
    """

    axis: Any = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    moving_mean_initializer: Any = "zeros"
    moving_variance_initializer: Any = "ones"
    renorm: bool = False
    renorm_clipping: Any = None
    renorm_momentum: float = 0.99
    synchronized: bool = False

    averages = True
    words = Words(("batchnorm", "batch_normalization", "bn"), ("axis",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", one_axis(self.axis, self.kind))
        if self.renorm:
            describe_only(self, "renorm is not supported")

    @property
    def axes(self) -> tuple[int, ...]:
        return (self.axis,)

    @property
    def elementwise(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        shape = self.along(types[0])
        moving = {
            "moving_mean": self.moving_mean_initializer,
            "moving_variance": self.moving_variance_initializer,
        }
        if self.renorm:
            moving |= {
                "moving_stddev": self.moving_variance_initializer,
                "renorm_mean": self.moving_mean_initializer,
                "renorm_stddev": self.moving_variance_initializer,
            }
        frozen = {name: WeightType(shape, initializer, trainable=False) for name, initializer in moving.items()}
        return scale_and_shift(self, shape) | frozen

    def saved(self, *types: TensorType) -> Saved | None:
        """Its input, and the mean and spread of each channel of the batch."""
        return kept(TensorType(self.along(types[0]), floating(types[0])), 2)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        mean, variance, state = weights["moving_mean"], weights["moving_variance"], {}
        if training:
            axes = tuple(axis for axis in range(x.ndim) if axis != self.axis % x.ndim)
            mean, variance = x.mean(axis=axes), x.var(axis=axes)
            state = {
                f"moving_{name}": weights[f"moving_{name}"] * self.momentum + found * (1 - self.momentum)
                for name, found in (("mean", mean), ("variance", variance))
            }
        shape = [n if axis == self.axis % x.ndim else 1 for axis, n in enumerate(x.shape)]
        y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + self.epsilon)
        y = self.rescaled(y, *self.affine(weights))
        return (y.astype(x.dtype),), {name: array.astype(x.dtype) for name, array in state.items()}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        mean, variance = weights["moving_mean"], weights["moving_variance"]
        if training:
            axes = tuple(axis for axis in range(x.type.rank) if axis != self.places(x.type)[0])
            mean = program.reduce("mean", x, axes)
            # Around the mean a sum of squares does not move with it, so the gradient need not go this way.
            away = program.map("sub", x, self.spread(program, program.map("constant", mean), x.type))
            variance = program.reduce("mean", program.map("square", away), axes)
            for name, found in (("moving_mean", mean), ("moving_variance", variance)):
                kept = program.map("scale", weights[name], factor=self.momentum)
                fresh = program.map("scale", program.map("constant", found), factor=1 - self.momentum)
                program.update(weights[name], program.map("add", kept, fresh))
        root = program.map("sqrt", program.map("shift", variance, offset=self.epsilon))
        # 0·√… + 1 is the one that is divided where there is no gamma.
        one = (
            weights["gamma"]
            if self.scale
            else program.map("shift", program.map("scale", root, factor=0.0), offset=1.0)
        )
        mean, factor = (self.spread(program, v, x.type) for v in (mean, program.map("div", one, root)))
        y = program.map("mul", program.map("sub", x, mean), factor)
        return (program.map("add", y, self.spread(program, weights["beta"], x.type)) if self.center else y,)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, first = TensorType((2, 7, 5, 3)), TensorType((2, 3, 7, 5))
        return [
            Example(cls(), (x,), (x,)),
            Example(cls(center=False, scale=False), (x,), (x,)),
            Example(cls(momentum=0.5, epsilon=0.1), (TensorType((6, 4)),), (TensorType((6, 4)),)),
            Example(cls(axis=1, scale=False), (first,), (first,)),
            Example(cls(renorm=True), (TensorType((4, 6)),), (TensorType((4, 6)),)),
        ]

    spellings = {
        "keras": Spelling("BatchNormalization"),
        "torch": Spelling("torch.nn.BatchNorm2d", "1d, 2d, 3d; channels first; eps 1e-5; momentum 0.1 is 0.9 here"),
        "onnx": Spelling("BatchNormalization", "channels first; epsilon 1e-5"),
    }
