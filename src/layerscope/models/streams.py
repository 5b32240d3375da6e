"""Examples that are read when they are wanted, so that training needs memory for a part of them only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError
from layerscope.core.types import show

Array = NDArray[Any]


class Source(ABC):
    """Examples that `fit`, `evaluate` and `predict` take in place of an array, and read part by part.

    `shape` are the sizes of one example, `dtype` is the type of the arrays that `read` gives, `len` the number
    of examples. `read` is called in a thread of its own while the part before is computed with.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.float32)

    @abstractmethod
    def __len__(self) -> int:
        """How many examples there are."""

    @abstractmethod
    def read(self, rows: Array) -> Array:
        """The examples of these numbers (int64, in any order), as an array (len(rows), *shape)."""

    def reshaped(self, shape: Sequence[int]) -> Source:
        """The same examples, each in another shape of as many numbers; DataError when they are not as many."""
        return self if tuple(shape) == self.shape else Reshaped(self, tuple(shape))

    def array(self, start: int = 0, stop: int | None = None) -> Array:
        """The examples from `start` to before `stop` as one array."""
        return self.read(np.arange(*slice(start, stop).indices(len(self))[:2], dtype=np.int64))


class Reshaped(Source):
    """Examples of another source in another shape; what is read is the same memory."""

    def __init__(self, base: Source, shape: tuple[int, ...]) -> None:
        if np.prod(shape, dtype=np.int64) != np.prod(base.shape, dtype=np.int64):
            raise DataError(f"examples of {show(base.shape)} do not fit into {show(shape)}: they hold other numbers")
        self.base, self.shape, self.dtype = base, shape, base.dtype

    def __len__(self) -> int:
        return len(self.base)

    def read(self, rows: Array) -> Array:
        """The examples of these numbers, reshaped."""
        return self.base.read(rows).reshape(len(rows), *self.shape)


class ArraySource(Source):
    """The examples of an array, which may be memory-mapped.

    `scale` divides them: 255 for pixels of 0 to 255. With it, what is read is float32 in a copy.
    """

    def __init__(self, array: Array, scale: int | None = None) -> None:
        self.values, self.scale = array, scale
        self.shape = array.shape[1:]
        self.dtype = array.dtype if scale is None else np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Array) -> Array:
        """The examples of these numbers; those in a row are taken without a copy where nothing is scaled."""
        count = len(rows)
        ordered = count and rows[-1] - rows[0] == count - 1 and bool((np.diff(rows) == 1).all())
        taken = self.values[int(rows[0]) : int(rows[0]) + count] if ordered else self.values[rows]
        return taken if self.scale is None else taken.astype(np.float32) / np.float32(self.scale)
