"""Examples that are read when they are wanted, so that training needs memory for a part of them only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import DataError
from layerscope.core.types import show

Array = NDArray[Any]


class Source(ABC):
    """Examples that `fit`, `evaluate` and `predict` take in place of an array, and read part by part.

    `shape` is that of the array which all examples would be, (examples, *sizes); `dtype` is the type of what
    `read` gives. `read` is called in a thread of its own while the examples before are computed with, never
    by two threads of one fit at once. Slices, `len` and `reshape` are as an array's and read nothing.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.float32)

    @abstractmethod
    def read(self, rows: Array) -> Array:
        """The examples of these numbers (int64, in any order), as an array (len(rows), *sizes)."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> Source:
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise DataError(f"examples that are read when wanted are cut in one piece, not in steps of {step}")
        return Cut(self, start, max(start, stop))

    def reshape(self, *shape: int) -> Source:
        """The same examples in another shape (examples, *sizes) of as many numbers; DataError otherwise."""
        return self if shape == self.shape else Reshaped(self, shape)

    def array(self, start: int = 0, stop: int | None = None) -> Array:
        """The examples from `start` to before `stop` as one array."""
        return self.read(np.arange(*slice(start, stop).indices(len(self))[:2], dtype=np.int64))

    @property
    def root(self) -> tuple[Source, int]:
        """The source that is read for this one, and where in it this one's examples begin."""
        return self, 0

    def dress(self, array: Array, rows: Array) -> Array:
        """What `read(rows)` gives, from what its root gave for them."""
        return array


class View(Source):
    """Some or all examples of another source, read from that one."""

    base: Source
    start = 0

    @property
    def root(self) -> tuple[Source, int]:
        """The root of its base, further on where a part is cut out."""
        source, start = self.base.root
        return source, start + self.start

    def read(self, rows: Array) -> Array:
        """The examples of these numbers."""
        source, start = self.root
        return self.dress(source.read(rows + start if start else rows), rows)

    def dress(self, array: Array, rows: Array) -> Array:
        """As the base has them."""
        return self.base.dress(array, rows + self.start if self.start else rows)


class Cut(View):
    """The examples from `start` to before `stop`."""

    def __init__(self, base: Source, start: int, stop: int) -> None:
        self.base, self.start, self.dtype = base, start, base.dtype
        self.shape = (stop - start, *base.shape[1:])


class Reshaped(View):
    """Examples in another shape; what is read is the same memory."""

    def __init__(self, base: Source, shape: tuple[int, ...]) -> None:
        if shape[0] not in (-1, len(base)) or np.prod(shape[1:]) != np.prod(base.shape[1:]):
            raise DataError(f"examples of the shape {show(base.shape)} cannot be brought into {show(shape)}")
        self.base, self.dtype, self.shape = base, base.dtype, (len(base), *shape[1:])

    def dress(self, array: Array, rows: Array) -> Array:
        """The same numbers in the new shape."""
        return super().dress(array, rows).reshape(len(rows), *self.shape[1:])


class Checked(View):
    """Examples that are looked at when they are read; `check` gets them with their numbers and may raise."""

    def __init__(self, base: Source, check: Callable[[Array, Array], None]) -> None:
        self.base, self.check, self.shape, self.dtype = base, check, base.shape, base.dtype

    def dress(self, array: Array, rows: Array) -> Array:
        """The same, checked."""
        array = super().dress(array, rows)
        self.check(array, rows)
        return array


class ArraySource(Source):
    """The examples of an array, which may be memory-mapped, or of what is sliced like one (HDF5, Zarr).

    `scale` divides them: 255 for pixels of 0 to 255. What is read is then float32.
    """

    def __init__(self, array: Array, scale: int | None = None) -> None:
        self.values, self.scale, self.shape = array, scale, tuple(array.shape)
        whole = np.dtype(np.int64) if array.dtype == np.int32 else array.dtype  # int32 is what switches are
        self.dtype = whole if scale is None else np.dtype(np.float32)

    def read(self, rows: Array) -> Array:
        """The examples of these numbers; neighbours without a copy where nothing is scaled."""
        count = len(rows)
        neighbours = count and rows[-1] - rows[0] == count - 1 and bool((np.diff(rows) == 1).all())
        if neighbours:
            taken = self.values[int(rows[0]) : int(rows[0]) + count]
        else:
            taken = self.values[rows] if isinstance(self.values, np.ndarray) else self._runs(rows)
        return (
            np.asarray(taken, self.dtype)
            if self.scale is None
            else np.divide(taken, np.float32(self.scale), dtype=np.float32)
        )

    def _runs(self, rows: Array) -> Array:
        """From what is no array of NumPy's, by slices: all that files of arrays have in common."""
        wanted, back = np.unique(rows, return_inverse=True)
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        ends = [*(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), len(wanted)]
        start = 0
        for end in ends:
            found[start:end] = self.values[int(wanted[start]) : int(wanted[end - 1]) + 1]
            start = end
        return found[back.reshape(-1)]


def stored(value: Any) -> bool:
    """Whether these are examples that lie elsewhere, as memory-mapped arrays and the arrays of HDF5 or Zarr do:
    with a shape, a NumPy dtype and slices, and read only as far as somebody asks.
    """
    if isinstance(value, np.ndarray):
        return isinstance(value, np.memmap) and value.ndim > 0
    like = all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
    told = like and not isinstance(value, Source) and isinstance(getattr(value, "dtype", None), np.dtype)
    return told and not any(hasattr(value, name) for name in ("__array_interface__", "__dlpack__", "iloc"))


class Picked(Source):
    """Some examples of another source, by their numbers."""

    def __init__(self, base: Source, rows: Array) -> None:
        self.base, self.rows, self.dtype, self.shape = base, rows, base.dtype, (len(rows), *base.shape[1:])

    def read(self, rows: Array) -> Array:
        """The examples of these numbers among the picked ones."""
        return self.base.read(self.rows[rows])


class Joined(Source):
    """The examples of several sources, one behind the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources, self.dtype = sources, sources[0].dtype
        self.shape = (sum(map(len, sources)), *sources[0].shape[1:])

    def read(self, rows: Array) -> Array:
        """The examples of these numbers."""
        found, first = np.empty((len(rows), *self.shape[1:]), self.dtype), 0
        for source in self.sources:
            own = (rows >= first) & (rows < first + len(source))
            if own.any():
                found[own] = source.read(rows[own] - first)
            first += len(source)
        return found
