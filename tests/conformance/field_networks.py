"""Random small networks with branches in 1-D, 2-D and 3-D: ours, and as float64 functions of PyTorch.

All weights are 1, activations the identity, and inputs positive, so an output changes exactly where it
depends on what was changed. Padding, cropping and the arithmetic of `same` are written out here anew.
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import torch
from torch.nn import functional

from layerscope import layers as ls
from layerscope.core.errors import ShapeError
from layerscope.core.graph import trace_calls

LARGEST = {1: 40, 2: 18, 3: 9}
SIZES = {1: (9, 20), 2: (5, 10), 3: (3, 5)}
CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
BACK = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MEAN = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}


def framed(x, pads):
    """Zeros around the positions; negative pads cut off."""
    return functional.pad(x, [n for pair in reversed(pads) for n in pair])


def same_pads(x, kernel, strides, dilation):
    pads = []
    for n, k, s, d in zip(x.shape[2:], kernel, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def ones(x, kernel, made=1):
    return torch.ones(made, x.shape[1], *kernel, dtype=torch.float64)


def convolved(rank, kernel, strides, dilation, padding, made=1):
    def run(x):
        pads = [(0, 0)] * rank
        if padding == "same":
            pads = same_pads(x, kernel, strides, dilation)
        if padding == "causal":
            pads = [((kernel[0] - 1) * dilation[0], 0)]
        return CONV[rank](framed(x, pads), ones(x, kernel, made), stride=strides, dilation=dilation)

    return run


def averaged(rank, kernel, strides, padding):
    """A sum in the place of the mean of a window: it reads the same."""
    return lambda x: convolved(rank, kernel, strides, (1,) * rank, padding, x.shape[1])(x)


def spread(rank, kernel, strides, padding):
    def run(x):
        whole = BACK[rank](x, ones(x, kernel).transpose(0, 1), stride=strides)
        pads = []
        for n, k, s, made in zip(x.shape[2:], kernel, strides, whole.shape[2:], strict=True):
            wanted = n * s if padding == "same" else (n - 1) * s + max(k, s)
            begin = max(made - wanted, 0) // 2 if padding == "same" else 0
            pads.append((-begin, wanted - made + begin))
        return framed(whole, pads)

    return run


def nailed(size):
    def run(x):
        made = torch.zeros(*x.shape[:2], *(n * s for n, s in zip(x.shape[2:], size, strict=True)), dtype=x.dtype)
        made[(..., *(slice(None, None, s) for s in size))] = x
        return made

    return run


class Growing:
    """A network while it grows; `ours` is the symbolic tensor, `program` what PyTorch does."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.rank = (1, 2, 3)[seed % 3]
        self.shape = tuple(self.rng.randint(*SIZES[self.rank]) for _ in range(self.rank))
        self.start = ls.Input((*self.shape, 1))
        self.tensors = [(self.start, lambda x: x)]
        for _ in range(self.rng.randint(2, 7)):
            self.grow()
        self.graph = trace_calls([self.start], [self.tensors[-1][0]])
        self.program = self.tensors[-1][1]

    def numbers(self, low, high):
        return tuple(self.rng.randint(low, high) for _ in range(self.rank))

    def layer(self, kind, *arguments, **settings):
        return getattr(ls, f"{kind}{self.rank}D")(*arguments, **settings)

    def choices(self):
        rank, padding = self.rank, self.rng.choice(["valid", "same"])
        kernel, strides, dilation, size = (
            self.numbers(1, 4),
            self.numbers(1, 3),
            self.numbers(1, 3),
            self.numbers(1, 3),
        )
        plain, pads = (1,) * rank, tuple((self.rng.randint(0, 2), self.rng.randint(0, 2)) for _ in range(rank))
        cuts = tuple((self.rng.randint(0, 1), self.rng.randint(0, 1)) for _ in range(rank))
        yield self.layer("Conv", 1, kernel, padding=padding), convolved(rank, kernel, plain, plain, padding)
        yield (
            self.layer("Conv", 1, kernel, padding=padding, dilation_rate=dilation),
            convolved(rank, kernel, plain, dilation, padding),
        )
        yield (
            self.layer("Conv", 1, kernel, padding=padding, strides=strides),
            convolved(rank, kernel, strides, plain, padding),
        )
        yield self.layer("AveragePooling", kernel, strides, padding), averaged(rank, kernel, strides, padding)
        yield (
            getattr(ls, f"Conv{rank}DTranspose")(1, kernel, strides=strides, padding=padding),
            spread(rank, kernel, strides, padding),
        )
        yield self.layer("UpSampling", size[0] if rank == 1 else size), lambda x: _repeat(x, size)
        yield self.layer("ZeroPadding", pads[0] if rank == 1 else pads), lambda x: framed(x, pads)
        yield (
            self.layer("Cropping", cuts[0] if rank == 1 else cuts),
            lambda x: framed(x, [(-a, -b) for a, b in cuts]),
        )
        yield self.layer("AdaptiveAveragePooling", size[0] if rank == 1 else size), lambda x: MEAN[rank](x, size)
        if rank == 1:
            causal = ls.Conv1D(1, kernel, padding="causal", dilation_rate=dilation)
            yield causal, convolved(rank, kernel, plain, dilation, "causal")
        if rank == 2:
            yield ls.BedOfNails2D(size), nailed(size)
            yield (
                ls.UpSampling2D(size, interpolation="bilinear"),
                lambda x: functional.interpolate(x, scale_factor=tuple(map(float, size)), mode="bilinear"),
            )

    def grow(self):
        tensor, before = self.tensors[-1]
        layer, function = self.rng.choice(list(self.choices()))
        try:
            grown = layer(tensor)
        except ShapeError:
            return
        if not 1 <= max(grown.shape[1:-1]) <= LARGEST[self.rank]:
            return
        program = chained(before, function)
        self.tensors.append((grown, program))
        if self.rng.random() < 0.4:
            self.join(grown, program)

    def join(self, grown, program):
        """With an earlier tensor of the same sizes (or itself through another convolution), in one of four ways."""
        fitting = [one for one in self.tensors[:-1] if one[0].shape == grown.shape]
        kernel, plain = self.numbers(1, 3), (1,) * self.rank
        other, others = grown, program
        if fitting and self.rng.random() < 0.6:
            other, others = self.rng.choice(fitting)
        else:
            made = grown.shape[-1]
            other = self.layer("Conv", made, kernel, padding="same")(grown)
            others = chained(program, convolved(self.rank, kernel, plain, plain, "same", made))
        way = self.rng.randrange(4)
        axis = self.rng.randint(1, self.rank)
        if way == 0:
            joined, function = ls.Add()([grown, other]), torch.add
        elif way == 1:
            joined, function = ls.Multiply()([grown, other]), shifted_product
        elif way == 2:
            joined, function = ls.Concatenate()([grown, other]), lambda a, b: torch.cat([a, b], 1)
        else:
            joined, function = ls.Concatenate(axis)([grown, other]), lambda a, b: torch.cat([a, b], 1 + axis)
        if max(joined.shape[1:-1]) <= LARGEST[self.rank]:
            self.tensors.append((joined, lambda x: function(program(x), others(x))))

    def pokes(self):
        """depends[input position ..., output position ...] of the network as it is."""
        count = int(np.prod(self.shape))
        base = torch.ones(1, 1, *self.shape, dtype=torch.float64)
        bumped = base + torch.eye(count, dtype=torch.float64).reshape(count, 1, *self.shape)
        with torch.no_grad():
            before, after = self.program(base).sum(1), self.program(bumped).sum(1)
        assert tuple(before.shape[1:]) == tuple(self.tensors[-1][0].shape[1:-1])
        return ((after - before) > 1e-9 * before.abs()).reshape(*self.shape, *before.shape[1:]).numpy()

    def places(self, sizes, most=40):
        """All positions, or a sample of them with the corners."""
        every = list(itertools.product(*map(range, sizes)))
        if len(every) <= most:
            return every
        corners = list(itertools.product(*((0, n - 1) for n in sizes)))
        return corners + self.rng.sample(every, most - len(corners))


def shifted_product(a, b):
    """Zeros of padding would hide what the other factor depends on."""
    return (a + 1) * (b + 1)


def chained(first, second):
    return lambda x: second(first(x))


def _repeat(x, size):
    for axis, factor in enumerate(size, 2):
        x = x.repeat_interleave(factor, axis)
    return x
