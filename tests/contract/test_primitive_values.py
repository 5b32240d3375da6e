"""Values of the N-D primitives in one, two and three dimensions, against loops written here."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from layerscope.engine.primitives.base import Frame
from layerscope.engine.primitives.conv import Conv
from layerscope.engine.primitives.matmul import Dots
from layerscope.engine.primitives.place import (
    Gather,
    GatherLast,
    Nails,
    Nth,
    Pad,
    PixelShuffle,
    PixelUnshuffle,
    Repeat,
    ResizeLinear,
    Unpool,
)
from layerscope.engine.primitives.pool import PoolMax, PoolMean
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.primitives.shape import Concatenate, Permute, Reshape, Slice
from layerscope.engine.primitives.table import Table
from layerscope.engine.program import Program
from layerscope.engine.reference import run

from .linear_cases import Linear, convolutions, places, pools
from .settings import Seeded

FRAME = Frame(1, np.dtype("float64"))
RANKS = pytest.mark.parametrize("rank", [1, 2, 3])
SEEDS = pytest.mark.parametrize("seed", range(6))


def ran(case: Linear) -> np.ndarray:
    return case.primitive.run(FRAME, *case.arrays)[0]


def cases(make, rank, seed, *classes):
    return [case for case in make(Seeded(50 * rank + seed), rank) if type(case.primitive) in classes]


def cell(array, index, channel, fill):
    """One cell of the spatial axes of all images, or the fill outside."""
    if all(0 <= i < n for i, n in zip(index, array.shape[1:-1], strict=True)):
        return array[(slice(None), *index, channel)]
    return np.full(array.shape[0], fill)


@RANKS
@SEEDS
def test_convolution(rank, seed):
    (case,) = cases(convolutions, rank, seed, Conv)
    (x, kernel), g = case.arrays, case.primitive.geometry
    out = ran(case)
    each_in, each_out = kernel.shape[-2], kernel.shape[-1] // g.groups
    for place in np.ndindex(*out.shape[1:-1]):
        for f in range(out.shape[-1]):
            total = 0.0
            for tap in np.ndindex(*kernel.shape[:-2]):
                index = [
                    o * s + d * t - p[0]
                    for o, s, d, t, p in zip(place, g.strides, g.dilation, tap, g.pads, strict=True)
                ]
                # a negative pad crops: what it cuts off is not there
                low = [max(-p[0], 0) for p in g.pads]
                high = [n + min(p[1], 0) for n, p in zip(x.shape[1:-1], g.pads, strict=True)]
                if all(a <= i < b for a, i, b in zip(low, index, high, strict=True)):
                    for c in range(each_in):
                        source = (f // each_out) * each_in + c
                        total = total + x[(slice(None), *index, source)] * kernel[(*tap, c, f)]
            np.testing.assert_allclose(out[(slice(None), *place, f)], total, rtol=1e-10, atol=1e-12)


@RANKS
@SEEDS
def test_pools(rank, seed):
    """Maximum (with its switch, the first of equals) and mean of the real cells of each window."""
    (case,) = cases(pools, rank, seed, PoolMean)
    (x,), w = case.arrays, case.primitive.windows
    means = ran(case)
    largest, switches = PoolMax(w).run(FRAME, x)
    sizes = x.shape[1:-1]
    for n, channel in itertools.product(range(x.shape[0]), range(x.shape[-1])):
        for place in np.ndindex(*means.shape[1:-1]):
            starts = [o * s - p[0] for o, s, p in zip(place, w.strides, w.pads, strict=True)]
            ranges = [range(max(a, 0), min(a + k, size)) for a, k, size in zip(starts, w.window, sizes, strict=True)]
            values = {i: x[(n, *i, channel)] for i in itertools.product(*ranges)}
            best = max(values.values())
            first = next(i for i, value in values.items() if value == best)
            assert largest[(n, *place, channel)] == best
            assert switches[(n, *place, channel)] == np.ravel_multi_index(first, sizes)
            assert math.isclose(means[(n, *place, channel)], sum(values.values()) / len(values), abs_tol=1e-12)


@RANKS
@SEEDS
def test_enlarging(rank, seed):
    for case in cases(places, rank, seed, Repeat, Nails, ResizeLinear):
        (x,), factors, out = case.arrays, case.primitive.factors, ran(case)
        assert out.shape[1:-1] == tuple(n * f for n, f in zip(x.shape[1:-1], factors, strict=True))
        for place in np.ndindex(*out.shape[1:-1]):
            got = out[(slice(None), *place)]
            if isinstance(case.primitive, ResizeLinear):
                wanted = interpolated(x, place, factors)
            else:
                source = tuple(o // f for o, f in zip(place, factors, strict=True))
                wanted = x[(slice(None), *source)]
                if isinstance(case.primitive, Nails) and any(o % f for o, f in zip(place, factors, strict=True)):
                    wanted = np.zeros_like(wanted)
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)


@RANKS
@SEEDS
def test_shuffling(rank, seed):
    """Each cell from its channel, whose number counts row-major: the block, then the place in it; and back."""
    (case,) = cases(places, rank, seed, PixelShuffle)
    (x,), factors, out = case.arrays, case.primitive.factors, ran(case)
    sizes, area = x.shape[1:-1], math.prod(factors)
    assert out.shape == (len(x), *(n * f for n, f in zip(sizes, factors, strict=True)), x.shape[-1] // area)
    for place in np.ndindex(*sizes):
        for channel in range(x.shape[-1]):
            block, step = divmod(channel, area)
            offsets = np.unravel_index(step, factors)
            there = (p * f + int(o) for p, f, o in zip(place, factors, offsets, strict=True))
            assert np.array_equal(out[(slice(None), *there, block)], x[(slice(None), *place, channel)])
    assert np.array_equal(PixelUnshuffle(factors).run(FRAME, out)[0], x)


def interpolated(x, place, factors):
    """Hat functions around the half-pixel centre, over an image whose edge cells repeat for ever."""
    centres = [(o + 0.5) / f - 0.5 for o, f in zip(place, factors, strict=True)]
    total = np.zeros((x.shape[0], x.shape[-1]))
    for corner in itertools.product(*(range(math.floor(c), math.floor(c) + 2) for c in centres)):
        weight = math.prod(max(0.0, 1 - abs(c - i)) for c, i in zip(centres, corner, strict=True))
        inside = [min(max(i, 0), n - 1) for i, n in zip(corner, x.shape[1:-1], strict=True)]
        total += weight * x[(slice(None), *inside)]
    return total


@RANKS
@SEEDS
def test_padding_and_cropping(rank, seed):
    (case,) = cases(places, rank, seed, Pad)
    (x,), pads, out = case.arrays, case.primitive.pads, ran(case)
    for place in np.ndindex(*out.shape[1:-1]):
        index = [o - p[0] for o, p in zip(place, pads, strict=True)]
        for channel in range(x.shape[-1]):
            assert np.array_equal(out[(slice(None), *place, channel)], cell(x, index, channel, 0.0))


@SEEDS
def test_unpooling_and_gathering_with_collisions(seed):
    rng = np.random.default_rng(seed)
    x, plane = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(2, 3, 3, 3))
    switches = rng.integers(0, 9, size=x.shape).astype(np.int32)
    wanted, owner = np.zeros((2, 9, 3)), {}
    for n, i, j, c in np.ndindex(*x.shape):  # row-major: the last stays
        wanted[n, switches[n, i, j, c], c] = x[n, i, j, c]
        owner[n, switches[n, i, j, c], c] = (n, i, j, c)
    assert np.array_equal(Unpool((3, 3)).run(FRAME, x, switches)[0], wanted.reshape(2, 3, 3, 3))
    every, last = Gather().run(FRAME, plane, switches)[0], GatherLast().run(FRAME, plane, switches)[0]
    for n, i, j, c in np.ndindex(*x.shape):
        stands = plane[n, switches[n, i, j, c] // 3, switches[n, i, j, c] % 3, c]
        assert every[n, i, j, c] == stands
        assert last[n, i, j, c] == (stands if owner[n, switches[n, i, j, c], c] == (n, i, j, c) else 0)
    assert (last == 0).any(), "there were collisions"


def test_plain_shapes():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(Permute((2, 0, 1)).run(FRAME, x)[0], np.moveaxis(x, 2, 0))
    assert np.array_equal(Reshape((4, 6)).run(FRAME, x)[0].ravel(), x.ravel())
    assert np.array_equal(Slice(2, 1, 2).run(FRAME, x)[0], x[:, :, 1:3])
    assert np.array_equal(Concatenate(1).run(FRAME, x, -x)[0][:, 3:], -x)
    assert np.array_equal(Nth((2,)).run(FRAME, x)[0], x[:, ::2])
    for how in ("sum", "mean", "max"):
        made = Reduce(how, (0, 2)).run(FRAME, x)[0]
        assert np.array_equal(made, getattr(x, how)(axis=(0, 2)))
    assert np.array_equal(Expand((3, 2), (1,), mean=True).run(FRAME, np.ones(3))[0], np.full((3, 2), 0.5))


@SEEDS
def test_dots_of_every_row_with_every_row(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 2, 5))
    made = Dots().run(FRAME, x, y)[0]
    assert made.shape == (3, 4, 2)
    for example, i, j in np.ndindex(*made.shape):
        np.testing.assert_allclose(made[example, i, j], math.fsum(x[example, i] * y[example, j]), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_table_holds_its_numbers_in_rows(dtype):
    program = Program()
    program.output(("it",), program.table([1, 2.5, 3, 4, 5, 6], (2, 1, 3)))
    (found,) = run(program, {}, Frame(1, np.dtype(dtype))).values()
    assert found.dtype == dtype
    assert found.tolist() == [[[1, 2.5, 3]], [[4, 5, 6]]]
    assert Table((0.0,), (1,)).out()[0].shape == (1,)
