"""Primitives that are linear in some of their arguments, with arrays: the cases of the adjoint test.

A case names the arguments in which the primitive is linear; the others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.engine.primitives import conv, matmul, place, pool, reduce, shape
from layerscope.engine.primitives.base import Frame, Primitive

from .settings import Seeded


@dataclass
class Linear:
    """One primitive with its arguments; `linear` are the numbers of those that it is linear in."""

    primitive: Primitive
    arrays: list[np.ndarray]
    linear: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return f"{type(self.primitive).__name__} {' '.join(str(a.shape) for a in self.arrays)}"


def all_cases(seeds: int = 8) -> Iterator[Linear]:
    for seed in range(seeds):
        for rank in (1, 2, 3):
            c = Seeded(100 * rank + seed)
            yield from convolutions(c, rank)
            yield from pools(c, rank)
            yield from places(c, rank)
            yield from rearrangements(c, rank)
        yield from products(Seeded(seed))


def _several(c: Seeded, rank: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(c.whole(low, high) for _ in range(rank))


def _geometry(c: Seeded, rank: int):
    """Window, geometry and sizes that fit; pads may be negative."""
    most = 3 if rank < 3 else 2
    window, strides, dilation = (_several(c, rank, 1, most) for _ in range(3))
    pads = tuple((c.whole(-1, 2), c.whole(-1, 2)) for _ in range(rank))
    spans = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    sizes = tuple(max(span - sum(pad), 3) + c.whole(0, 3) for span, pad in zip(spans, pads, strict=True))
    out = tuple((n + sum(pad) - span) // s + 1 for n, pad, span, s in zip(sizes, pads, spans, strides, strict=True))
    return window, conv.Geometry(strides, pads, dilation, c.one([1, 1, 2, 3])), sizes, out


def convolutions(c: Seeded, rank: int) -> Iterator[Linear]:
    window, geometry, sizes, out = _geometry(c, rank)
    g, batch = geometry.groups, c.whole(1, 3)
    each_in, filters = c.whole(1, 2), g * c.whole(1, 2)
    x, y = c.rng.normal(size=(batch, *sizes, g * each_in)), c.rng.normal(size=(batch, *out, filters))
    kernel = c.rng.normal(size=(*window, each_in, filters))
    yield Linear(conv.Conv(geometry), [x, kernel], (0, 1))
    yield Linear(conv.ConvTranspose(geometry, sizes), [y, kernel], (0, 1))
    yield Linear(conv.ConvKernel(geometry, window), [x, y], (0, 1))


def pools(c: Seeded, rank: int) -> Iterator[Linear]:
    most = 3 if rank < 3 else 2
    window, strides = _several(c, rank, 1, most), _several(c, rank, 1, most)
    # as in every layer, no window lies in the padding as a whole
    pads = tuple((c.whole(0, k - 1), c.whole(0, k - 1)) for k in window)
    sizes = tuple(k + c.whole(0, 3) for k in window)
    windows = pool.Windows(window, strides, pads)
    x = c.rng.integers(0, 4, size=(c.whole(1, 2), *sizes, c.whole(1, 2))).astype(float)  # ties abound
    out = windows_out(windows, x)
    g = c.rng.normal(size=out)
    switches = pool.PoolMax(windows).run(Frame(len(x), x.dtype), x)[1]
    yield Linear(pool.PoolMean(windows), [x])
    yield Linear(pool.PoolMeanAdjoint(windows, sizes), [g])
    yield Linear(pool.PoolMaxAdjoint(windows, sizes), [g, switches])
    somewhere = c.rng.integers(0, int(np.prod(sizes)), size=out).astype(np.int32)  # collisions abound
    yield Linear(place.Unpool(sizes), [g, switches])
    yield Linear(place.Unpool(sizes), [g, somewhere])


def windows_out(windows: pool.Windows, x: np.ndarray) -> tuple[int, ...]:
    sizes = (
        (n + sum(pad) - k) // s + 1
        for n, pad, k, s in zip(x.shape[1:-1], windows.pads, windows.window, windows.strides, strict=True)
    )
    return (x.shape[0], *sizes, x.shape[-1])


def places(c: Seeded, rank: int) -> Iterator[Linear]:
    factors = _several(c, rank, 1, 4 if rank < 3 else 3)
    sizes = _several(c, rank, 1, 4)
    large = tuple(n * f for n, f in zip(sizes, factors, strict=True))
    batch, count = c.whole(1, 2), c.whole(1, 3)
    x, y = c.rng.normal(size=(batch, *sizes, count)), c.rng.normal(size=(batch, *large, count))
    for forward, back in (
        (place.Repeat, place.RepeatAdjoint),
        (place.Nails, place.Nth),
        (place.ResizeLinear, place.ResizeLinearAdjoint),
    ):
        yield Linear(forward(factors), [x])
        yield Linear(back(factors), [y])
    pads = tuple((c.whole(-1, 2), c.whole(-1, 2)) for _ in range(rank))
    z = c.rng.normal(size=(batch, *(n + 2 for n in sizes), count))
    yield Linear(place.Pad(pads), [z])
    deep = c.rng.normal(size=(batch, *sizes, count * int(np.prod(factors))))
    yield Linear(place.PixelShuffle(factors), [deep])
    yield Linear(place.PixelUnshuffle(factors), [y])


def rearrangements(c: Seeded, rank: int) -> Iterator[Linear]:
    sizes = _several(c, rank + 1, 1, 4)
    x = c.rng.normal(size=sizes)
    order = tuple(int(axis) for axis in c.rng.permutation(rank + 1))
    yield Linear(shape.Permute(order), [x])
    yield Linear(shape.Reshape((int(np.prod(sizes[:-1])), sizes[-1], 1)), [x])
    axis = c.whole(0, rank)
    for number in range(3):  # linear in one part when the others are zero
        parts = [np.zeros((*sizes[:axis], c.whole(1, 3), *sizes[axis + 1 :])) for _ in range(3)]
        parts[number] = c.rng.normal(size=parts[number].shape)
        yield Linear(shape.Concatenate(axis), parts, (number,))
    axes = tuple(sorted(c.rng.choice(rank + 1, size=c.whole(1, rank), replace=False).tolist()))
    for how in ("sum", "mean"):
        for keep in (False, True):
            yield Linear(reduce.Reduce(how, axes, keep), [x])
            small = c.rng.normal(size=reduced(sizes, axes, keep))
            yield Linear(reduce.Expand(sizes, axes, mean=how == "mean"), [small])


def reduced(sizes, axes, keep: bool) -> tuple[int, ...]:
    return tuple(1 if a in axes else n for a, n in enumerate(sizes) if keep or a not in axes)


def products(c: Seeded) -> Iterator[Linear]:
    n, m = c.whole(1, 5), c.whole(1, 5)
    lead = _several(c, c.whole(1, 3), 1, 4)
    x, y, matrix = c.rng.normal(size=(*lead, n)), c.rng.normal(size=(*lead, m)), c.rng.normal(size=(n, m))
    yield Linear(matmul.MatMul(), [x, matrix], (0, 1))
    yield Linear(matmul.MatMul(transposed=True), [y, matrix], (0, 1))
    yield Linear(matmul.RowProduct(), [x, y], (0, 1))
    batch, k = c.whole(1, 3), c.whole(1, 5)
    yield Linear(matmul.Dots(), [c.rng.normal(size=(batch, n, k)), c.rng.normal(size=(batch, m, k))], (0, 1))
