"""Layers that bring numbers to a mean and a spread, or to a length, along some of the axes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.contract import Array, Layer
from layerscope.core.costs import Operations, Saved
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._spatial import floating, one_input, sequence


class Normalisation(Layer):
    """One input, an output of the same shape, and statistics of groups of elements.

    The kinds have their settings in Keras's order, so this is no dataclass. It counts every element once.
    """

    axis: Any

    @property
    @abstractmethod
    def axes(self) -> tuple[int, ...]:
        """The axes as they were given."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        self.places(x)
        return (TensorType(x.shape, floating(x)),)

    def places(self, type: TensorType) -> tuple[int, ...]:
        """The axes counted from the front; ShapeError for one that the input has not."""
        for axis in self.axes:
            if not -type.rank <= axis < type.rank:
                raise ShapeError(f"axis {axis} is not one of the {type.rank} axes of {type}")
        return tuple(axis % type.rank for axis in self.axes)

    def along(self, type: TensorType) -> tuple[int, ...]:
        """The sizes of the axes, which weights need to be numbers."""
        found: list[int] = []
        for axis, place in zip(self.axes, self.places(type), strict=True):
            size = type.shape[place]
            if not isinstance(size, int):
                raise ShapeError(f"needs to know the size of axis {axis}, but got {type}")
            found.append(size)
        return tuple(found)

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(normalisation=one_input(types).elements)

    def statistics(self, type: TensorType) -> TensorType:
        """One number for each group of elements that are normalised together."""
        whole = set(self.places(type))
        return TensorType(tuple(1 if axis in whole else n for axis, n in enumerate(type.shape)), floating(type))

    def spread(self, program: Builder, weight: Value, type: TensorType) -> Value:
        """A weight of the axes' sizes in a shape in which it meets the input."""
        shape = self.beside(type)
        return weight if weight.type.shape == shape else program.reshape(weight, shape)

    def beside(self, type: TensorType) -> tuple[Size, ...]:
        """The input's shape with 1 for all other axes, without those in front."""
        whole = set(self.places(type))
        return tuple(n if axis in whole else 1 for axis, n in enumerate(type.shape) if axis >= min(whole))

    def scaled(self, program: Builder, y: Value, gamma: Value | None = None, beta: Value | None = None) -> Value:
        """gamma · y + beta, each where it is given."""
        if gamma is not None:
            y = program.map("mul", y, self.spread(program, gamma, y.type))
        return y if beta is None else program.map("add", y, self.spread(program, beta, y.type))

    def rescaled(self, y: Array, gamma: Array | None = None, beta: Array | None = None) -> Array:
        """The same of arrays."""
        shape = [n if axis in {a % y.ndim for a in self.axes} else 1 for axis, n in enumerate(y.shape)]
        y = y if gamma is None else y * gamma.reshape(shape)
        return y if beta is None else y + beta.reshape(shape)

    def affine(self, weights: Mapping[str, Any]) -> tuple[Any, Any]:
        """gamma and beta of a layer that may do without."""
        layer: Any = self
        return weights["gamma"] if layer.scale else None, weights["beta"] if layer.center else None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank, everything=self.places(types[0])),)


def standardised(program: Builder, x: Value, axes: tuple[int, ...], epsilon: float, centred: bool = True) -> Value:
    """(x - mean) / √(variance + epsilon) over axes; not centred, x over that root."""
    mean = program.reduce("mean", x, axes, keep=True)
    # Around the mean a sum of squares does not move with it, so the gradient need not go this way.
    away = program.map("sub", x, program.map("constant", mean))
    variance = program.reduce("mean", program.map("square", away), axes, keep=True)
    numerator = program.map("sub", x, mean) if centred else x
    return program.map("mul", numerator, _inverse_root(program, program.map("shift", variance, offset=epsilon)))


def shortened(program: Builder, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """x divided by its length along axes, which is taken to be at least epsilon."""
    squares = program.reduce("sum", program.map("square", x), axes, keep=True)
    bounded = program.map("clip", squares, low=epsilon**2, high=math.inf)
    return program.map("mul", x, _inverse_root(program, bounded))


def by_root_mean_square(program: Builder, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """x / √(mean of x² + epsilon) over axes."""
    mean = program.reduce("mean", program.map("square", x), axes, keep=True)
    return program.map("mul", x, _inverse_root(program, program.map("shift", mean, offset=epsilon)))


def _inverse_root(program: Builder, x: Value) -> Value:
    root = program.map("sqrt", x)
    # 0·√… + 1 is the one that is divided.
    return program.map("div", program.map("shift", program.map("scale", root, factor=0.0), offset=1.0), root)


def kept(numbers: TensorType, count: int) -> Saved:
    """What a normalisation keeps: its input, and `count` statistics of each group."""
    return Saved(inputs=(0,), extra=(numbers,) * count)


def scale_and_shift(layer: Any, shape: tuple[int, ...]) -> dict[str, WeightType]:
    """gamma and beta, each where the layer has it."""
    found = {"gamma": WeightType(shape, layer.gamma_initializer)} if layer.scale else {}
    return found | ({"beta": WeightType(shape, layer.beta_initializer)} if layer.center else {})


def one_axis(value: Any, kind: str) -> int:
    """One whole number, or a list that holds just one, as old files of Keras do."""
    parts = sequence(value)
    if len(parts) == 1 and isinstance(parts[0], int) and not isinstance(parts[0], bool):
        return parts[0]
    raise SettingError(f"{kind}: axis must be a whole number, not {value!r}")


def several_axes(value: Any, kind: str) -> int | tuple[int, ...]:
    """One whole number, or several, in Keras's order: sorted as they are given."""
    parts = sequence(value)
    if not parts or not all(isinstance(part, int) and not isinstance(part, bool) for part in parts):
        raise SettingError(f"{kind}: axis must be a whole number or a list of them, not {value!r}")
    return tuple(sorted(parts)) if isinstance(value, list | tuple) else parts[0]


def listed(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """What `several_axes` returns, as a tuple."""
    return value if isinstance(value, tuple) else (value,)


def blocks(count: int, groups: int) -> int:
    """The channels of each group; ShapeError when they cannot be split evenly."""
    if count % groups:
        raise ShapeError(f"the input's {count} channels cannot be split into {groups} groups")
    return count // groups


def groups_of(value: Any, kind: str) -> int:
    """The number of groups; -1 stands for one a channel."""
    if isinstance(value, int) and not isinstance(value, bool) and (value > 0 or value == -1):
        return value
    raise SettingError(f"{kind}: groups must be at least 1, or -1 for one a channel, not {value!r}")


def numbers_of(shape: Sequence[Size], dtype: str) -> TensorType:
    """A type of statistics."""
    return TensorType(tuple(shape), dtype)
