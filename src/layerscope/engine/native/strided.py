"""Convolutions of a stride with fewer products: every s-th tap meets every s-th cell.

Along an axis, a convolution of stride s is the sum of s convolutions of stride 1, each of some of the taps with one
of the images that lie interleaved: 7 taps by 2 are 4 taps on even cells and 3 on odd ones. Each of them is computed
with fewer products (5 and 4 for two results, in place of 14), in the form that filtering.py has for all algorithms.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from layerscope.engine.native.algorithms import Algorithm, Row, direct, pointed
from layerscope.engine.native.filtering import Placed
from layerscope.engine.native.taps import Axis, PairAxis, Tap

POINTS = (0.0, 1.0, -1.0, 2.0, 0.5, -2.0, -0.5)
"""Where polynomials are evaluated, in this order."""

EXACT = 3
"""With so many of them, all that the image is multiplied with is 0, 1 or -1: where it is constant, all products but
those of the point 1 are exactly zero, so that equal results are equal to the bit.
"""

RESULTS = (2, 3)
"""Results of a patch: with more, roundings grow beyond F4's, which are 2.3 times the definition's."""


@functools.cache
def strided(results: int, taps: int, stride: int) -> Algorithm:
    """The algorithm for so many results of a stride."""
    patch = (results - 1) * stride + taps
    a, b, g = list[Row](), list[Row](), list[Row]()
    for cell in range(min(stride, taps)):
        own = [t for t in range(taps) if t % stride == cell]
        count, scale = len(own), 2.0**cell  # no two sums alike: each has one product
        part = pointed(POINTS[: results + count - 2], results, count) if count > 1 else direct(results, 1)
        a += [tuple(x * scale for x in column) for column in zip(*part.a, strict=True)]
        for row in part.b:
            places = {cell + n * stride: x for n, x in enumerate(row)}
            b.append(tuple(places.get(n, 0.0) for n in range(patch)))
        for row in part.g:
            places = {t: x / scale for t, x in zip(own, row, strict=True)}
            g.append(tuple(places.get(t, 0.0) for t in range(taps)))
    return Algorithm(results * stride, tuple(zip(*a, strict=True)), tuple(b), tuple(g))


def on_axis(axis: Axis, count: int, even: bool = False, ties: bool = False) -> Iterator[tuple[Placed, ...]]:
    """The ways to compute `count` results along an axis of a stride, each in one or two parts (filtering.on_axis)."""
    if len(axis.phases) == 1 and axis.step == 1:
        yield from _ways(axis.phases[0].taps, axis.stride, count, even, ties)


def on_pair(axis: PairAxis) -> Iterator[tuple[Placed, ...]]:
    """The ways to sum up a kernel's gradient along such an axis."""
    yield from _ways(axis.taps, axis.stride, axis.count, False, False)


def _ways(taps: Sequence[Tap], stride: int, count: int, even: bool, ties: bool) -> Iterator[tuple[Placed, ...]]:
    first, size, smallest = taps[0].offset if taps else 0, len(taps), 2 if even else 1
    close = [tap.offset for tap in taps] == list(range(first, first + size))
    if stride < 2 or not count or not close or any(len(tap.sources) > 1 for tap in taps):
        return
    sources, deepest = tuple(tap.sources[0] for tap in taps), -(-size // stride)  # taps on one of the images
    least = [n for n in RESULTS if n <= deepest and n % smallest == 0 and not (ties and n + deepest - 2 > EXACT)]
    rest = direct(smallest, size, stride)
    for algorithm in [*(strided(results, size, stride) for results in least), rest] if least else []:
        tiles, left = divmod(count, algorithm.results)
        if not tiles or (left and ties) or left % smallest:
            continue
        parts = [Placed(algorithm, first, 0, tiles, sources)]
        if left:
            start = count - left
            parts.append(Placed(rest, first + start * stride, start, left // smallest, sources))
        yield tuple(parts)
