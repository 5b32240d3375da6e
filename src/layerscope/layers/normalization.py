from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import Shape, TensorType, WeightType
from layerscope.layers._spatial import floating, one_input

EPSILON = 1e-7
"""Keras's: no deviation is taken to be less."""


@dataclass(frozen=True, eq=False)
class Normalization(Layer):
    """(x - mean) / √variance, with constants for each index along `axis`: features of mean 0 and variance 1.

    mean and variance are given, or learnt from data beforehand (`adapt`), not while training. `invert` goes back.
    axis=None has one mean and variance for all.

    Shapes: (batch, ...) → (batch, ...), floating. Unless they are given, mean and variance (sizes of the axes), and
    count (), how much was seen; none of them trainable.
    Operations: one normalised element an element.
    Errors: SettingError when only one of mean and variance is given; ShapeError when an axis is not there or open.
    Source: Keras 3, `keras.layers.Normalization`.
    """

    axis: Any = -1
    mean: Any = None
    variance: Any = None
    invert: bool = False

    law = "(...) → (...)"

    def __post_init__(self) -> None:
        given = () if self.axis is None else self.axis
        parts = cast(Sequence[Any], given if isinstance(given, tuple | list) else (given,))
        object.__setattr__(self, "axis", tuple(sizes.checked(part, f"{self.kind}: axis", -8) for part in parts))
        for name in ("mean", "variance"):
            value = getattr(self, name)
            if hasattr(value, "tolist"):  # an array
                object.__setattr__(self, name, value.tolist())
        if (self.mean is None) != (self.variance is None):
            told = f"mean={self.mean!r} and variance={self.variance!r}"
            raise SettingError(f"{self.kind}: give both mean and variance or none, not {told}")

    @property
    def elementwise(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def kept(self, x: TensorType) -> Shape:
        """The sizes of the axes along which mean and variance vary."""
        axes: tuple[int, ...] = self.axis
        wrong = [axis for axis in axes if not -x.rank <= axis < x.rank]
        if wrong:
            raise ShapeError(f"axis {wrong[0]} is not there: the input {x} has {x.rank} axes")
        return tuple(x.shape[axis] for axis in sorted({axis % x.rank for axis in axes}))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if not all(isinstance(size, int) for size in self.kept(x)):
            raise ShapeError(f"needs to know the sizes along axis {self.axis}, but got {x}")
        return (TensorType(x.shape, floating(x)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        if self.mean is not None:
            return {}
        shape = sizes.numbers(self.kept(types[0]))
        return {
            "mean": WeightType(shape, "zeros", trainable=False),
            "variance": WeightType(shape, "ones", trainable=False),
            "count": WeightType((), "zeros", trainable=False, dtype="int32"),
        }

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(normalisation=types[0].elements)

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        mean, root = self.moments(TensorType(x.shape), weights)
        y = mean + x * root if self.invert else (x - mean) / root
        return (y.astype(x.dtype if x.dtype.kind == "f" else np.float32),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        shape = self._beside(x.type)
        if self.mean is None:
            bounded = program.map("clip", program.map("sqrt", weights["variance"]), low=EPSILON, high=math.inf)
            mean, root = (program.reshape(value, shape or (1,)) for value in (weights["mean"], bounded))
        else:
            known = sizes.numbers(shape) or (1,)
            mean, root = (program.table(array.ravel().tolist(), known) for array in self.moments(x.type, {}))
        if self.invert:
            return (program.map("add", program.map("mul", x, root), mean),)
        return (program.map("div", program.map("sub", x, mean), root),)

    def _beside(self, x: TensorType) -> Shape:
        """The input's shape with 1 for all axes along which mean and variance do not vary, without those in front."""
        axes = {axis % x.rank for axis in self.axis}
        return tuple(n if axis in axes else 1 for axis, n in enumerate(x.shape) if axis >= min(axes, default=x.rank))

    def moments(self, x: TensorType, weights: Mapping[str, Array]) -> tuple[Array, Array]:
        """Mean and deviation (at least EPSILON), given or of the weights, in a shape in which they meet the input."""
        import numpy as np

        found: list[Array] = []
        for name, given in (("mean", self.mean), ("variance", self.variance)):
            held = np.array(weights[name] if given is None else given, np.float64)
            whole: Array = np.broadcast_to(held, sizes.numbers(self.kept(x)))
            found.append(whole.reshape(sizes.numbers(self._beside(x))))
        return found[0], np.maximum(np.sqrt(found[1]), EPSILON)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, images = TensorType((2, 7)), TensorType((2, 9, 8, 3))
        return [
            Example(cls(), (x,), (x,)),
            Example(cls((1, -1)), (images,), (images,)),
            Example(cls(None, 0.5, 2.0, invert=True), (TensorType((2, 7), "int32"),), (x,)),
        ]

    spellings = {
        "keras": Spelling("Normalization"),
        "torch": Spelling("torchvision.transforms.v2.Normalize", "a transform, put to data outside the network"),
        "onnx": Spelling("Sub", "and Div"),
    }
