from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._normalisation import shortened
from layerscope.layers._spatial import floating, sequence

EPSILON = 1e-7
"""Keras's: no length is taken to be less."""


@dataclass(frozen=True, eq=False)
class Dot(Layer):
    """The sum of products of two tensors along one axis of each, example by example.

    `axes` are the two axes, or one number for both. With `normalize` both are divided by their length along it
    first, so that the result is the cosine of their angle.

    Shapes: (batch, a..., n, b...), (batch, c..., n, d...) → (batch, a..., b..., c..., d...); (batch, 1) when no
    axis is left.
    MACs: output elements × n.
    Errors: ShapeError when the two axes differ in size, or one is the batch.
    """

    axes: Any
    normalize: bool = False

    law = "(a..., n, b...), (c..., n, d...) → (a..., b..., c..., d...)"

    def __post_init__(self) -> None:
        pair, alone = sequence(self.axes), not isinstance(self.axes, list | tuple)
        whole = all(isinstance(part, int) and not isinstance(part, bool) for part in pair)
        if not whole or not (alone or len(pair) == 2):
            raise SettingError(f"{self.kind}: axes must be one whole number or two, not {self.axes!r}")
        object.__setattr__(self, "axes", pair[0] if alone else pair)

    @property
    def _pair(self) -> tuple[int, ...]:
        """The axes as they were given, one for each input."""
        return sequence(self.axes) * (2 if isinstance(self.axes, int) else 1)

    def places(self, types: Sequence[TensorType]) -> tuple[int, int]:
        """The two axes counted from the front; ShapeError for one that the inputs do not have."""
        if len(types) != 2:
            raise ShapeError(f"takes a list of 2 inputs, but got {len(types)}")
        found: list[int] = []
        for axis, type in zip(self._pair, types, strict=True):
            place = axis + type.rank if axis < 0 else axis
            if not 0 < place < type.rank:
                raise ShapeError(f"axis {axis} is not one of the {type.rank - 1} axes after the batch of {type}")
            found.append(place)
        return found[0], found[1]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        one, other = self.places(types)
        x, y = types
        if not sizes.equal(x.shape[one], y.shape[other]):
            raise ShapeError(
                f"axis {one} of {x} and axis {other} of {y} must be equal, "
                f"but are {x.shape[one]} and {y.shape[other]}"
            )
        if not sizes.equal(x.shape[0], y.shape[0]):
            raise ShapeError(f"the batches of {x} and {y} differ: {x.shape[0]} against {y.shape[0]}")
        left = tuple(n for axis, n in enumerate(x.shape) if axis != one)
        right = tuple(n for axis, n in enumerate(y.shape) if axis not in (0, other))
        shape = left + right
        return (TensorType(shape if len(shape) > 1 else (*shape, 1), floating(x)),)

    def macs(self, *types: TensorType) -> Size:
        return self.out(*types)[0].elements * types[0].shape[self.places(types)[0]]

    def operations(self, *types: TensorType) -> Operations | None:
        normalised = types[0].elements + types[1].elements
        return Operations(normalisation=normalised if self.normalize else 0)

    def saved(self, *types: TensorType) -> Saved | None:
        """Both inputs; normalised ones too, with their lengths, when they are made."""
        if not self.normalize:
            return Saved(inputs=(0, 1))
        lengths = (
            t.with_shape(tuple(1 if a == axis else n for a, n in enumerate(t.shape)))
            for t, axis in zip(types, self.places(types), strict=True)
        )
        return Saved(extra=(*types, *lengths))

    def workspace(self, *types: TensorType) -> Size | None:
        return types[0].bytes + types[1].bytes if self.normalize else 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        one, other = self.places(types)
        place = 1
        found: list[Reads] = []
        for type, summed in zip(types, (one, other), strict=True):
            reads: list[Any] = [Window(0)]
            for axis in range(1, type.rank):
                reads.append(EVERYTHING if axis == summed else Window(place))
                place += axis != summed
            found.append(tuple(reads))
        return tuple(found)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        one, other = (axis % array.ndim for axis, array in zip(self._pair, arrays, strict=True))
        x, y = arrays
        if self.normalize:
            x, y = (
                a / np.maximum(np.sqrt((a * a).sum(axis=axis, keepdims=True)), EPSILON)
                for a, axis in ((x, one), (y, other))
            )
        made = np.stack([np.tensordot(a, b, (one - 1, other - 1)) for a, b in zip(x, y, strict=True)])
        return (made[:, None] if made.ndim == 1 else made,), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        types = tuple(value.type for value in values)
        rows: list[Value] = []
        for value, axis in zip(values, self.places(types), strict=True):
            if self.normalize:
                value = shortened(program, value, (axis,), EPSILON)
            rank = value.type.rank
            if axis != rank - 1:
                value = program.permute(value, (*(a for a in range(rank) if a != axis), axis))
            batch, *rest, size = value.type.shape
            rows.append(program.reshape(value, (batch, sizes.product(tuple(rest)), size)))
        return (program.reshape(program.dots(rows[0], rows[1]), self.out(*types)[0].shape),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 7, 5)), TensorType((2, 5, 3))
        flat = TensorType((2, 9))
        return [
            Example(cls((2, 1)), (x, y), (TensorType((2, 7, 3)),)),
            Example(cls(-1, normalize=True), (flat, flat), (TensorType((2, 1)),)),
            Example(cls(1), (x, x), (TensorType((2, 5, 5)),)),
        ]

    spellings = {
        "keras": Spelling("Dot"),
        "torch": Spelling("torch.bmm", "of transposed tensors; torch.nn.CosineSimilarity with normalize"),
        "onnx": Spelling("MatMul", "of transposed tensors"),
    }
