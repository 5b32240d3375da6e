"""An engine's three verbs over sources: chunk by chunk, the next one read while one is computed with.

A chunk holds whole batches, the last one what is left, so that batches, random numbers and sums are those of
one call with arrays, to the bit.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from layerscope.core.errors import DataError
from layerscope.core.types import show
from layerscope.engine.reference import Means, NotFinite, OnBatch
from layerscope.models.streams import Array, Source

if TYPE_CHECKING:
    from layerscope.models.engines import Engine

CHUNK = 8 << 20
"""Bytes of arrays that are read in one piece, few enough to stay in a cache; three pieces are in memory: in use,
waiting, being read."""

Data = Sequence[Any]
"""Arrays and sources."""


def train_epoch(
    engine: Engine,
    x: Data,
    y: Data,
    order: Array,
    batch_size: int,
    on_batch: OnBatch,
    exact: bool,
    means: Means | None = None,
) -> dict[str, Any]:
    """`Engine.train_epoch` for arrays or sources."""
    if not _streamed(x, y):
        return engine.train_epoch(x, y, order, batch_size, on_batch, exact, means)
    means = means or Means(engine.job.measures)
    going = True

    def told(batch: int, logs: Mapping[str, Any]) -> bool:
        nonlocal going
        going = on_batch(first + batch, logs) and going
        return going

    with _chunks(x, y, order, batch_size) as chunks:
        for chunk in chunks:
            first, rows = chunk.start // batch_size, np.arange(chunk.count)
            try:
                engine.train_epoch(chunk.x, chunk.y, rows, batch_size, told, exact, means)
            except NotFinite as error:
                raise NotFinite(first + error.batch, error.loss) from None
            if not going:
                break
    return means.values()


def evaluate(engine: Engine, x: Data, y: Data, batch_size: int, on_batch: OnBatch) -> dict[str, Any]:
    """`Engine.evaluate` for arrays or sources."""
    if not _streamed(x, y):
        return engine.evaluate(x, y, batch_size, on_batch)
    means = Means(engine.job.measures)
    with _chunks(x, y, np.arange(len(x[0])), batch_size) as chunks:
        for chunk in chunks:
            engine.evaluate(chunk.x, chunk.y, batch_size, on_batch, means)
    return means.values()


def predict(engine: Engine, x: Data, batch_size: int, on_batch: OnBatch) -> list[Array]:
    """`Engine.predict` for arrays or sources."""
    if not _streamed(x, ()):
        return engine.predict(x, batch_size, on_batch)
    results: list[Array] = []
    with _chunks(x, (), np.arange(len(x[0])), batch_size) as chunks:
        for chunk in chunks:
            made = engine.predict(chunk.x, batch_size, on_batch)
            if not results:
                results = [np.empty((len(x[0]), *array.shape[1:]), array.dtype) for array in made]
            for whole, array in zip(results, made, strict=True):
                whole[chunk.start : chunk.start + chunk.count] = array
            del made
    return results


def _streamed(*given: Data) -> bool:
    return any(isinstance(one, Source) for part in given for one in part)


@dataclass
class _Chunk:
    """Some batches, in the order in which they are computed; `start` is the place of the first example."""

    start: int
    count: int
    x: list[Array]
    y: list[Array]


@contextlib.contextmanager
def _chunks(x: Data, y: Data, order: Array, batch_size: int) -> Generator[Iterator[_Chunk]]:
    """The chunks of one pass, read by a thread that ends with the block."""
    bounds = _bounds(x, y, len(order), batch_size)
    with ahead(_Chunk(start, stop - start, *_read(x, y, order[start:stop])) for start, stop in bounds) as chunks:
        yield chunks


T = TypeVar("T")
_END = object()


@contextlib.contextmanager
def ahead(items: Iterable[T]) -> Generator[Iterator[T]]:
    """The items, each made by a thread while the one before is worked with; the thread ends with the block.

    What is raised while one is made is raised where it is taken.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=1)
    over = threading.Event()

    def hand(found: Any) -> None:
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                return ready.put(found, timeout=0.05)

    def work() -> None:
        try:
            for item in items:
                hand((item,))
                if over.is_set():
                    return
            hand(_END)
        except BaseException as error:
            hand(error)

    def taken() -> Iterator[T]:
        while (found := ready.get()) is not _END:
            if isinstance(found, BaseException):
                raise found
            yield found[0]

    reader = threading.Thread(target=work, name="layerscope-reader", daemon=True)
    reader.start()
    try:
        yield taken()
    finally:
        over.set()
        reader.join(1.0)  # it may be within one slow read, whose result nobody wants any more


def _bounds(x: Data, y: Data, count: int, batch_size: int) -> list[tuple[int, int]]:
    """Where chunks begin and end. A last batch that is not whole joins the chunk before: a program is compiled for
    the examples of a batch, of which every chunk must have enough.
    """
    each = sum(int(np.prod(one.shape[1:])) * max(4, one.dtype.itemsize) for one in (*x, *y))
    whole = max(1, CHUNK // max(1, each * batch_size)) * batch_size
    starts = list(range(0, count, whole))
    if len(starts) > 1 and count - starts[-1] < batch_size:
        del starts[-1]
    return list(zip(starts, [*starts[1:], count], strict=True))


def _read(x: Data, y: Data, rows: Array) -> tuple[list[Array], list[Array]]:
    """These examples of all arrays and sources; what has one root is read once, and stays the same memory."""
    roots: dict[tuple[int, int], Array] = {}

    def one(given: Any) -> Array:
        if not isinstance(given, Source):
            return given[rows]
        source, start = given.root
        key = (id(source), start)
        if key not in roots:
            roots[key] = _sound(source, source.read(rows + start if start else rows), len(rows))
        return given.dress(roots[key], rows)

    return [one(given) for given in x], [one(given) for given in y]


def _sound(source: Source, array: Any, count: int) -> Array:
    """What a source read, if it is what the source promised."""
    want = (count, *source.shape[1:])
    if not isinstance(array, np.ndarray) or array.shape != want or array.dtype != source.dtype:
        have = f"{array.dtype} {show(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(
            f"{type(source).__name__}.read gave {have} for {count} examples, but by its shape and dtype it must be "
            f"{source.dtype} {show(want)}"
        )
    return array
