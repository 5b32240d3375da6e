"""Layers that change numbers at random while training, and pass them through at inference."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from layerscope.core import sizes
from layerscope.core.contract import Array, Outputs
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, show
from layerscope.layers._pointwise import Passing
from layerscope.layers._spatial import floating, one_input, spatial

NoiseShape = tuple[int | None, ...] | None


BATCHED = "noise_shape must have None for the batch, so that each example has random numbers of its own"


def noise_shape(value: Any, kind: str) -> NoiseShape:
    """The sizes of the random numbers, None for those of the input; None: one number for each element."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise SettingError(f"{kind}: noise_shape must be a sequence of sizes or None, not {value!r}")
    parts = cast(Sequence[Any], value)
    return tuple(None if part is None else sizes.checked(part, f"{kind}: a size of noise_shape") for part in parts)


def mask(given: NoiseShape, type: TensorType) -> TensorType:
    """Which numbers are kept; ShapeError when noise_shape has another number of axes than the input."""
    if given is None:
        return TensorType(type.shape, "bool")
    if len(given) != type.rank:
        raise ShapeError(f"noise_shape {show(given)} has {len(given)} axes, but the input {type.rank}: {type}")
    for axis, (one, n) in enumerate(zip(given, type.shape, strict=True)):
        if one not in (None, 1) and isinstance(n, int) and one != n:
            raise ShapeError(
                f"noise_shape {show(given)} has {one} along axis {axis}, where the input {type} has {n}; "
                "it must have as many, or 1"
            )
    return TensorType(tuple(n if one is None else one for one, n in zip(given, type.shape, strict=True)), "bool")


class Noise(Passing):
    """While training, each number is changed by a random one."""

    drawn: ClassVar[str] = "uniform"
    """What the random numbers are: "uniform" in [0, 1), or "normal" of mean 0 and deviation 1."""
    seed: int | None

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether its settings say that nothing changes."""

    @abstractmethod
    def changed(self, x: Array, noise: Array) -> Array:
        """What it makes of an array and the random numbers."""

    @abstractmethod
    def lowered(self, program: Builder, x: Value, noise: Value) -> Value:
        """The same as primitives."""

    def noise(self, type: TensorType) -> TensorType:
        """The type of the random numbers."""
        return TensorType(type.shape, floating(type))

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        (x,) = arrays
        if not training or self.idle:
            return (x,), {}
        assert random is not None, "training needs random numbers"
        return (self.changed(x, random).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        if not training or self.idle:
            return (x,)
        return (self.lowered(program, x, program.random(self.noise(x.type), self.seed or 0, self.drawn)),)


def kept(program: Builder, noise: Value, rate: float) -> Value:
    """1 where a number of the noise is at least the rate, 0 elsewhere."""
    return program.map("at_least", noise, bound=float(rate))


class SpatialDropping(Noise):
    """While training, drops whole channels of an example. The kinds have their settings in Keras's order."""

    rank: ClassVar[int]
    rate: Any

    @property
    def idle(self) -> bool:
        return not self.rate

    @property
    def _factor(self) -> float:
        """What is kept grows by it; of nothing, nothing is kept."""
        return 1 / (1 - self.rate) if self.rate < 1 else 0.0

    def noise(self, type: TensorType) -> TensorType:
        batch, *rest = type.shape
        ones = (1,) * self.rank
        return TensorType((batch, rest[0], *ones) if self._first else (batch, *ones, rest[-1]), floating(type))

    def changed(self, x: Array, noise: Array) -> Array:
        return x * (noise >= self.rate) * self._factor

    def lowered(self, program: Builder, x: Value, noise: Value) -> Value:
        return program.map("mul", x, program.map("scale", kept(program, noise, self.rate), factor=self._factor))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        spatial(one_input(types), self.rank, self._first)
        return super().out(*types)

    @property
    def _first(self) -> bool:
        return getattr(self, "data_format", None) == "channels_first"

    def saved(self, *types: TensorType) -> Saved | None:
        """Which channels were kept."""
        return Saved(extra=(TensorType(self.noise(types[0]).shape, "bool"),)) if self.rate else NOTHING_SAVED
