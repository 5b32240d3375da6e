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


def uniform(shape: Sequence[int], seed: int, step: int, stream: int) -> Array:
    """Numbers in [0, 1) with 24 bits, one for each place in row-major order."""
    key = 0
    for part in (seed, step, stream):
        word = np.array([(key + (part + 1) * GOLDEN) % 2**64], np.uint64)
        key = int(mix(word)[0])
    count = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    bits = mix(count * np.uint64(GOLDEN) + np.uint64(key)) >> np.uint64(40)
    return (bits.astype(np.float64) / 2**24).reshape(shape)


@dataclass(frozen=True)
class Random(Primitive):
    """Uniform numbers in [0, 1) of a type; `stream` tells the draws of one step apart."""

    type: TensorType
    stream: int
    seed: int = 0

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self.type,)

    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        shape = frame.shape(self.type.shape)
        return (uniform(shape, frame.seed + (self.seed << 32), frame.step, self.stream).astype(frame.dtype),)

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        return []
