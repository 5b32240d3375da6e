"""Tensors joined element by element, as Keras broadcasts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar

from layerscope.core import sizes
from layerscope.core.contract import Array, Layer, Outputs
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating


def joint(left: TensorType, right: TensorType, verb: str) -> TensorType:
    """The type of two tensors joined: axes of size 1 are repeated, missing ones stand behind the batch.

    Errors: ShapeError, naming both shapes, when another axis differs, or the batch.
    """
    if not left.rank or not right.rank:
        raise ShapeError(f"cannot {verb} {left} and {right}: each needs a batch axis")
    wide = max(left.rank, right.rank)
    a, b = widened(left, wide), widened(right, wide)
    wrong = [
        f"axis {axis} has {m} against {n}"
        for axis, (m, n) in enumerate(zip(a, b, strict=True))
        if (axis == 0 or 1 not in (m, n)) and not sizes.equal(m, n)
    ]
    if wrong:
        raise ShapeError(f"cannot {verb} {left} and {right}: {'; '.join(wrong)}")
    return left.with_shape(tuple(n if m == 1 else m for m, n in zip(a, b, strict=True)))


def widened(type: TensorType, rank: int) -> tuple[Size, ...]:
    """The shape with axes of size 1 put in behind the batch until it has this many."""
    batch, *rest = type.shape
    return (batch, *(1,) * (rank - type.rank), *rest)


def reads_of(type: TensorType, out: TensorType) -> Reads:
    """How an input of this type is read by a result to which it was broadcast."""
    added = out.rank - type.rank
    places = [0, *(axis + added for axis in range(1, type.rank))]
    return tuple(
        EVERYTHING if n == 1 and out.shape[place] != 1 else Window(place)
        for n, place in zip(type.shape, places, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Merge(Layer):
    """One function of several tensors, element by element."""

    law = "all inputs (...) → (...), axes of size 1 repeated"
    verb: ClassVar[str]
    function: ClassVar[str]
    """The pointwise function that joins two."""
    exactly: ClassVar[int] = 0
    """How many inputs it takes; 0: one or more."""
    extra_steps: ClassVar[int] = 0
    """Functions of each element besides those that join two tensors."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        wanted = len(types) == self.exactly if self.exactly else bool(types)
        if not wanted:
            raise ShapeError(f"takes a list of {self.exactly or 'at least one'} inputs, but got {len(types)}")
        if not all(type.rank for type in types):
            raise ShapeError(f"needs inputs with a batch axis, but got {_listed(types)}")
        found = types[0]
        for other in types[1:]:
            found = joint(found, other, self.verb)
        return (TensorType(found.shape, floating(types[0])),)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=self.out(*types)[0].elements * (len(types) - 1 + self.extra_steps))

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        (out,) = self.out(*types)
        return tuple(reads_of(type, out) for type in types)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        joins = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum}
        most = max(array.ndim for array in arrays)
        wide = [array.reshape(len(array), *(1,) * (most - array.ndim), *array.shape[1:]) for array in arrays]
        return (reduce(joins[self.function], wide),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        most = max(value.type.rank for value in values)
        wide = [v if v.type.rank == most else program.reshape(v, widened(v.type, most)) for v in values]
        return (reduce(lambda left, right: program.map(self.function, left, right), wide),)


class Choice(Merge):
    """The largest or the smallest of several numbers; backward, each needs to know whether it was the one."""

    def saved(self, *types: TensorType) -> Saved | None:
        mask = TensorType(self.out(*types)[0].shape, "bool")
        return Saved(extra=(mask,) * (len(types) - 1))


def _listed(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types))
