"""Batches that somebody else makes: generators, data loaders, and sequences such as Keras's PyDataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerscope.core.errors import DataError
from layerscope.models.streams import Source, stored

FORM = "a batch is x, (x, y) or (x, y, sample_weight)"


def of_batches(x: Any, y: Any = None) -> bool:
    """Whether x gives batches one after the other, rather than being all examples."""
    if isinstance(x, Batches):
        return True
    if isinstance(x, str | bytes | Mapping | Source | np.ndarray) or x is None or stored(x):
        return False
    if isinstance(x, list | tuple):
        return y is None and len(x) > 0 and all(isinstance(one, tuple) and len(one) in (2, 3) for one in x)
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__") or hasattr(x, "shape"):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or _indexed(x)


def _indexed(x: Any) -> bool:
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


def unpacked(batch: Any, what: str) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch, as arrays; what is missing is None."""
    if isinstance(batch, list | tuple):
        if not 1 <= len(batch) <= 3:
            raise DataError(f"{what}: {FORM}, but one has {len(batch)} parts")
        parts = [_arrays(part) for part in batch]
    else:
        parts = [_arrays(batch)]
    x, y, weight = (*parts, None, None)[:3]
    return x, y, weight


def _arrays(value: Any) -> Any:
    """Tensors of other frameworks as arrays of NumPy."""
    if isinstance(value, Mapping):
        return {key: _arrays(part) for key, part in value.items()}
    if isinstance(value, list | tuple) and any(hasattr(part, "shape") or part is None for part in value):
        return [_arrays(part) for part in value]
    if value is None or isinstance(value, np.ndarray | Source):
        return value
    moved: Any = value
    for name in ("detach", "cpu"):  # of PyTorch's tensors
        moved = getattr(moved, name)() if hasattr(moved, name) else moved
    return np.asarray(moved)


class Batches:
    """One of these givers of batches, asked for a pass after the other.

    `again`: whether each pass begins anew; otherwise the passes go on with one iterator.
    `size`: how many batches a whole pass has, or None where nobody knows.
    """

    def __init__(self, given: Any, what: str = "") -> None:
        if callable(given) and not hasattr(given, "__iter__") and not _indexed(given):
            raise DataError(f"{what}x is a function; call it, and give the generator that it makes")
        self.given: Any = given
        self.what = what
        self.again = not hasattr(given, "__next__")
        self.size: int | None = len(self.given) if hasattr(given, "__len__") else None
        self._first: list[Any] = []

    @classmethod
    def of(cls, given: Any, what: str = "") -> Batches:
        """What gives batches; itself when it is one of these already."""
        return given if isinstance(given, Batches) else cls(given, what)

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return f"{self.what}{type(self.given).__name__}"

    def first(self) -> tuple[Any, Any, Any]:
        """The first batch, which the next pass will give again; DataError when there is none."""
        if not self._first:
            found = next(self._pass(None), None) if self.again else next(self.given, None)
            if found is None:
                raise DataError(f"{self.title} gave no batch")
            self._first = [found]
        batch = self._first[0]
        if self.again:
            self._first = []  # which it gives by itself
        return unpacked(batch, self.title)

    def each(self, steps: int | None, random: np.random.Generator | None = None) -> Iterator[tuple[Any, Any, Any]]:
        """The batches of a pass, at most `steps`; a sequence in an order drawn from `random`."""
        kept, self._first = self._first, []
        for batch in itertools.islice(itertools.chain(kept, self._pass(random)), steps):
            yield unpacked(batch, self.title)

    def _pass(self, random: np.random.Generator | None) -> Iterator[Any]:
        if not self.again:
            return self.given
        if not _indexed(self.given) or (random is None and hasattr(self.given, "__iter__")):
            return iter(self.given)
        if isinstance(self.given, Sequence) or not hasattr(self.given, "batch_sampler"):
            return self._indexed(random)
        return iter(self.given)

    def _indexed(self, random: np.random.Generator | None) -> Iterator[Any]:
        count = len(self.given)
        order = range(count) if random is None else random.permutation(count).tolist()
        return (self.given[number] for number in order)

    def told(self, hook: str) -> None:
        """Call `on_epoch_begin` or `on_epoch_end` of a sequence that has it."""
        function = getattr(self.given, hook, None)
        if callable(function):
            function()
