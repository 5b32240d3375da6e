"""How convolutions move over one axis: which places are read for which result, phase by phase.

A transposed convolution of stride s has s phases: results of one residue modulo s read the same taps.
A convolution behind nearest upsampling by f is one with f phases on the small image, whose taps are sums
of kernel taps (nearest ×2 before 3 taps reads 2 small pixels, not 3 large ones). All of this is arithmetic on
offsets, so one template serves them all: result[q·step + start] = Σ input[q·stride + offset] · Σ kernel[sources].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tap:
    """One place read, relative to q·stride; the kernel's taps that meet there are added up."""

    offset: int
    sources: tuple[int, ...]


def spacing(offsets: Sequence[int]) -> int | None:
    """The distance of evenly spaced offsets (0 for a single one); None where they are uneven."""
    steps = {b - a for a, b in itertools.pairwise(offsets)}
    return 0 if not steps else steps.pop() if len(steps) == 1 else None


@dataclass(frozen=True)
class Phase:
    """The results start, start + step, ...: `count` of them."""

    start: int
    count: int
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class Axis:
    """One spatial axis: every result lies in exactly one phase."""

    stride: int
    step: int
    phases: tuple[Phase, ...]

    def reads(self) -> tuple[int, int]:
        """The first and the last index read, which may lie outside of the input."""
        found = [
            (tap.offset, (phase.count - 1) * self.stride + tap.offset)
            for phase in self.phases
            if phase.count
            for tap in phase.taps
        ]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else (0, 0)


def _gathered(pairs: Iterable[tuple[int, int]]) -> tuple[Tap, ...]:
    """(offset, source) pairs as taps in the order of their offsets."""
    found: dict[int, list[int]] = {}
    for offset, source in pairs:
        found.setdefault(offset, []).append(source)
    return tuple(Tap(offset, tuple(sources)) for offset, sources in sorted(found.items()))


def _count(size: int, start: int, step: int) -> int:
    return max(0, -(-(size - start) // step))


def forward(out: int, window: int, stride: int, begin: int, dilation: int, factor: int = 1) -> Axis:
    """A convolution, on an input enlarged by `factor`:

    out[o] = Σ_t x[(o·stride + dilation·t - begin) // factor] · w[t].
    """
    step = factor // math.gcd(factor, stride)
    phases = [
        Phase(
            start,
            _count(out, start, step),
            _gathered(((start * stride + dilation * t - begin) // factor, t) for t in range(window)),
        )
        for start in range(min(step, out))
    ]
    return Axis(step * stride // factor, step, tuple(phases))


def backward(size: int, window: int, stride: int, begin: int, dilation: int, factor: int = 1) -> Axis:
    """The adjoint of `forward` in x: size results, which read the gradients o with o·stride + dilation·t - begin in
    [factor·i, factor·(i+1)).
    """
    step = stride // math.gcd(stride, factor)
    phases: list[Phase] = []
    for start in range(min(step, size)):
        pairs = [
            (place // stride, t)
            for t in range(window)
            for place in (start * factor + a + begin - dilation * t for a in range(factor))
            if place % stride == 0
        ]
        phases.append(Phase(start, _count(size, start, step), _gathered(pairs)))
    return Axis(step * factor // stride, step, tuple(phases))


@dataclass(frozen=True)
class PairAxis:
    """One spatial axis of a kernel's gradient: G[tap] = Σ_q moving[q·stride + tap.offset] · still[q], q < count."""

    stride: int
    count: int
    taps: tuple[Tap, ...]

    def reads(self) -> tuple[int, int]:
        """The first and the last index of the moving side."""
        offsets = [tap.offset for tap in self.taps]
        return min(offsets), (self.count - 1) * self.stride + max(offsets)


def kernel_gradient(out: int, window: int, stride: int, begin: int, dilation: int) -> PairAxis:
    """The image moves under the gradient: dw[t] = Σ_o x[o·stride + dilation·t - begin] · g[o]."""
    return PairAxis(stride, out, tuple(Tap(dilation * t - begin, (t,)) for t in range(window)))


def folded_kernel_gradient(size: int, window: int, begin: int, dilation: int, factor: int) -> PairAxis:
    """Behind nearest upsampling the gradient moves over the small image: dw[t] = Σ_a G[a + begin - dilation·t]."""
    pairs = ((a + begin - dilation * t, t) for t in range(window) for a in range(factor))
    return PairAxis(factor, size, _gathered(pairs))


def product(taps: Sequence[Sequence[Tap]], window: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Taps of several axes together: offsets, and the kernel's taps counted row-major."""
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for combination in itertools.product(*taps):
        sources: list[int] = []
        for places in itertools.product(*(tap.sources for tap in combination)):
            flat = 0
            for place, size in zip(places, window, strict=True):
                flat = flat * size + place
            sources.append(flat)
        found.append((tuple(tap.offset for tap in combination), tuple(sources)))
    return found


def between(factor: int, phase: int) -> list[tuple[int, float]]:
    """The cells, relative to q, that result q·factor + phase is made of, with their weights."""
    place = (phase + 0.5) / factor - 0.5
    below = math.floor(place)
    return [(at, w) for at, w in ((below, 1 - (place - below)), (below + 1, place - below)) if w]


def shares(factor: int) -> list[tuple[int, float, int]]:
    """The results, relative to q·factor, that cell q has a share of; the share; and on which side of q's centre they
    lie (-1 or 1) if next to it: where no other cell lies on that side, they are q alone. 0 for all others.
    """
    found: list[tuple[int, float, int]] = []
    for at in range(-factor, 2 * factor):
        place = (at + 0.5) / factor - 0.5
        if abs(place) < 1:
            own = 0 <= at < factor and place != 0
            found.append((at, 1 - abs(place), int(math.copysign(own, place))))
    return found
