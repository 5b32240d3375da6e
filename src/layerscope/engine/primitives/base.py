"""What a primitive answers: its types, its NumPy form, and its adjoint in primitives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core import sizes
from layerscope.core.types import BATCH, Shape, TensorType

if TYPE_CHECKING:
    from layerscope.engine.program import Program, Value

Array = NDArray[Any]

CHUNK_BYTES = 2 << 20
"""Work goes through as many examples at a time as about fit into a core's cache."""


Gradients = Sequence["Value | None"]


def chunks(examples: int, bytes_each: int) -> Iterator[slice]:
    """Slices of the batch of about CHUNK_BYTES."""
    step = max(1, CHUNK_BYTES // max(bytes_each, 1))
    for start in range(0, examples, step):
        yield slice(start, min(start + step, examples))


@dataclass(frozen=True)
class Frame:
    """What is known only when a program runs."""

    batch: int
    dtype: np.dtype[Any]
    seed: int = 0
    step: int = 0

    def shape(self, shape: Shape) -> tuple[int, ...]:
        """A shape with the batch size filled in."""
        return sizes.numbers(sizes.bind(size, {BATCH: self.batch}) for size in shape)


class Primitive(ABC):
    """One operation. Its settings are the fields of a frozen dataclass."""

    @abstractmethod
    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        """Types of the results."""

    @abstractmethod
    def run(self, frame: Frame, *arrays: Array) -> tuple[Array, ...]:
        """The NumPy form."""

    def adjoint(
        self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value], gradients: Gradients
    ) -> Gradients:
        """Gradients of the inputs from those of the outputs, as primitives; None: no gradient flows."""
        raise NotImplementedError(f"{type(self).__name__} has no adjoint")


def only(gradients: Gradients) -> Value:
    """The gradient of the first output, which is the one that carries it."""
    assert gradients[0] is not None
    return gradients[0]
