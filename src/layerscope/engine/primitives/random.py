"""Random numbers that depend on seed, step and place only, so that any engine can repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Array, Frame, Gradients, Primitive

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value

GOLDEN = 0x9E3779B97F4A7C15


def mix(counter: Array) -> Array:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014) on unsigned 64-bit integers."""
    z = counter
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def whole(shape: Sequence[int], seed: int, step: int, stream: int) -> Array:
    """Whole numbers of 24 bits, one for each place in row-major order."""
    key = 0
    for part in (seed, step, stream):
        word = np.array([(key + (part + 1) * GOLDEN) % 2**64], np.uint64)
        key = int(mix(word)[0])
    count = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    return (mix(count * np.uint64(GOLDEN) + np.uint64(key)) >> np.uint64(40)).reshape(shape)


def uniform(shape: Sequence[int], seed: int, step: int, stream: int) -> Array:
    """Numbers in [0, 1) with 24 bits, one for each place in row-major order."""
    return whole(shape, seed, step, stream).astype(np.float64) / 2**24


LOG2 = (0.693145751953125, 1.428606765330187e-06)
"""log 2 in two parts, the first short."""
HALF_ROOT = 0x3F3504F3
"""The bits of sqrt(1/2) in single precision."""
LOG = (
    *(0.3333333134651184, -0.250008225440979, 0.20001260936260223, -0.1662321388721466),
    *(0.14199545979499817, -0.13147591054439545, 0.1281484216451645, -0.07818213105201721),
)
"""(log(1 + f) - f + f²/2) / f³ on sqrt(1/2) - 1 <= f <= sqrt(2) - 1."""
INNER = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
OUTER = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)
"""erfinv(x) / x, from the highest power: of w - 2.5 where w = -log(1 - x²) is below 5, of sqrt(w) - 3 elsewhere.

Source: Giles, "Approximating the erfinv function" (GPU Computing Gems, 2012).
"""
ROOT = 1.4142135381698608
"""sqrt(2) in single precision."""


def normal(shape: Sequence[int], seed: int, step: int, stream: int) -> Array:
    """Normal numbers of mean 0 and deviation 1: the quantiles of the middles of 2²⁴ equal parts, up to ±5.4.

    In single precision by sums, products and roots that are rounded one by one, so that every engine has the same
    bits.
    """
    real = np.float32
    x = (2 * whole(shape, seed, step, stream).astype(np.int64) + (1 - 2**24)).astype(real) * real(2.0**-24)
    t = (real(1) - x) * (real(1) + x)
    bits = t.view(np.int32)
    power = (bits - np.int32(HALF_ROOT)) & np.int32(-(1 << 23))
    f = (bits - power).view(real) - real(1)
    k = (power >> 23).astype(real)
    square = f * f
    rest = (f * square) * _polynomial(f, LOG[::-1]) + k * real(LOG2[1])
    w = -(k * real(LOG2[0]) + (f + (square * real(-0.5) + rest)))
    inner, outer = _polynomial(w - real(2.5), INNER), _polynomial(np.sqrt(w) - real(3), OUTER)
    return (np.where(w < real(5), inner, outer) * x) * real(ROOT)


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """From the highest power."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + np.float32(coefficient)
    return total


LAWS = {"uniform": uniform, "normal": normal}


@dataclass(frozen=True)
class Random(Primitive):
    """Numbers of a type: "uniform" in [0, 1), or "normal"; `stream` tells the draws of one step apart."""

    type: TensorType
    stream: int
    seed: int = 0
    law: str = "uniform"

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self.type,)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        shape = frame.shape(self.type.shape)
        numbers = LAWS[self.law](shape, frame.seed + (self.seed << 32), frame.step, self.stream)
        return (numbers.astype(frame.dtype),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return []
