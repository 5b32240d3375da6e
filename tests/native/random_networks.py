"""Random small networks as programs, with data and settings, all from one number.

They are built from the primitives directly, so that pads, strides, groups and switches take every form that the
engine must compute, also those that no layer asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from layerscope.core import sizes
from layerscope.core.types import BATCH, TensorType
from layerscope.engine.plan import Aim, Job, Rules
from layerscope.engine.program import Program
from layerscope.layers import BatchNormalization, _activation

from . import random_layers

POINTWISE = tuple(name for name in _activation.NAMES if name not in ("softmax", "log_softmax", "exponential"))
LARGEST = 420
"""Numbers of an example at any place of a network, about."""


@dataclass
class Weight:
    """A parameter's shape, scale, and whether it is trained."""

    shape: tuple[int, ...]
    scale: float
    trained: bool


@dataclass
class Data:
    """An input: its shape, and for switches the size of the plane into which they point."""

    shape: tuple[int, ...]
    plane: tuple[int, ...] | None = None


class Builder:
    """Puts random operations behind each other. The same seed gives the same program, training or not."""

    def __init__(self, seed: int, training: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.program, self.training = Program(), training
        self.weights: dict[str, Weight] = {}
        self.data: list[Data] = []
        self.pools: list[tuple[object, object, tuple[int, ...]]] = []

    # --- chance ---

    def below(self, end, start=0):
        return int(self.random.integers(start, max(end, start + 1)))

    def chance(self, share):
        return bool(self.random.random() < share)

    def pick(self, choices):
        return choices[self.below(len(choices))]

    # --- parts ---

    def input(self, shape, plane=None):
        number = len(self.data)
        self.data.append(Data(tuple(shape), plane))
        type = TensorType((sizes.named(BATCH), *shape), "int32" if plane else "float32", plane)
        return self.program.input(("data", number), type)

    def weight(self, shape, scale, trained=None):
        id = f"w{len(self.weights)}"
        trained = not self.chance(0.08) if trained is None else trained
        self.weights[id] = Weight(tuple(shape), scale, trained)
        return self.program.input(("weight", id), TensorType(tuple(shape)), self.training and trained)

    def activated(self, x):
        if self.chance(0.8):
            x = self.program.map("add", x, self.weight(x.type.shape[-1:], 0.3))
        return self.activation(x) if self.chance(0.7) else x

    def activation(self, x):
        return _activation.lower(self.program, self.pick(POINTWISE), x)

    # --- operations on images (and sequences): x to x, or None where they do not fit ---

    def geometry(self, plane, strided=True):
        """Window, strides, dilation and pads of a convolution that leaves something of a plane."""
        found = []
        three = self.chance(0.35)  # what most networks have, and several algorithms compute
        for n in plane:
            window, dilation = (3, 1) if three else (self.below(5, 1), self.pick((1, 1, 1, 2)))
            stride = self.pick((1, 1, 2, 3)) if strided and not three else 1
            span = dilation * (window - 1) + 1
            pads = (self.below(window), self.below(window))
            if self.chance(0.4):  # as "same"
                need = max(0, (-(-n // stride) - 1) * stride + span - n)
                pads = (need // 2, need - need // 2)
            if n + sum(pads) < span:
                pads = (pads[0], pads[1] + span - n - sum(pads))
            found.append((window, stride, dilation, pads, (n + sum(pads) - span) // stride + 1))
        return tuple(zip(*found, strict=True))

    def channels(self, positions, groups=1):
        """A number of channels that keeps the image small."""
        most = max(1, min(9, LARGEST // max(1, positions) // groups))
        return groups * self.below(most + 1, 1)

    def conv(self, x, strided=True):
        plane, count = x.type.shape[1:-1], x.type.shape[-1]
        window, strides, dilation, pads, out = self.geometry(plane, strided)
        groups = self.pick([g for g in (1, 1, 1, 2, 3, count) if count % g == 0])
        filters = self.channels(prod(out), groups)
        kernel = self.weight((*window, count // groups, filters), 1.2 / np.sqrt(prod(window) * count / groups))
        return self.activated(self.program.conv(x, kernel, strides, pads, dilation, groups))

    def transposed(self, x):
        plane, count = x.type.shape[1:-1], x.type.shape[-1]
        window, strides, dilation, pads, _ = self.geometry([3] * len(plane))
        spans = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
        out = [
            (n - 1) * s + k - sum(p) + self.below(s)  # what is added is output_padding
            for n, s, k, p in zip(plane, strides, spans, pads, strict=True)
        ]
        if min(out) < 1 or prod(out) > LARGEST:
            return None
        groups = self.pick([g for g in (1, 1, 2, count) if count % g == 0])
        each = self.channels(prod(out)) if groups == 1 else self.below(3, 1)
        kernel = self.weight((*window, each, count), 1.2 / np.sqrt(prod(window) * count / groups))
        return self.activated(self.program.conv_transpose(x, kernel, strides, pads, dilation, groups, out))

    def upsampled(self, x):
        plane = x.type.shape[1:-1]
        factors = (2,) * len(plane) if self.chance(0.4) else tuple(self.below(5, 1) for _ in plane)
        if prod(plane) * prod(factors) > LARGEST:
            return None
        large = self.program.repeat(x, factors)
        if self.chance(0.15):
            return large
        made = self.transposed(large) if self.chance(0.3) else None
        made = made or self.conv(large, strided=self.chance(0.2))
        # A second reader of the large image: it is needed, and folded, at once.
        return self.merged(made, self.conv(large, strided=False)) if self.chance(0.15) else made

    def windows(self, plane, disjoint):
        found = []
        for n in plane:
            window = self.below(min(4, n + 1), 1)
            stride = window if disjoint else self.below(4, 1)
            begin = 0 if disjoint else self.below(window)
            end = self.below(window)
            if disjoint and self.chance(0.6):  # as "same"
                end = -n % window
            if n + begin + end < window:
                begin, end = 0, 0
            found.append((window, stride, (begin, end)))
        return tuple(zip(*found, strict=True))

    def pool_max(self, x, window=None):
        plane = x.type.shape[1:-1]
        given = self.windows(plane, self.chance(0.6))
        if window and min(plane) >= max(window):
            given = window, window, tuple((0, self.pick((0, -n % k))) for n, k in zip(plane, window, strict=True))
        pooled, switches = self.program.pool_max(x, *given)
        self.pools.append((pooled, switches, plane))
        return pooled

    def fused(self, x):
        """Convolution, then the pool that runs in its registers, and a kernel gradient behind it."""
        made = self.conv(x, strided=self.chance(0.2))
        return self.pool_max(made, (2,) * (made.type.rank - 2) if self.chance(0.7) else None)

    def pool_mean(self, x):
        return self.program.pool_mean(x, *self.windows(x.type.shape[1:-1], self.chance(0.5)))

    def unpooled(self, x):
        """Back by switches: a pool's own, or given as data."""
        for pooled, switches, plane in self.pools[::-1]:
            if pooled.type.shape[:-1] == x.type.shape[:-1] and self.chance(0.8):
                if pooled.type.shape != x.type.shape:
                    kernel = self.weight((1,) * (x.type.rank - 2) + (x.type.shape[-1], pooled.type.shape[-1]), 0.5)
                    ones = (1,) * (x.type.rank - 2)
                    x = self.program.conv(x, kernel, ones, ((0, 0),) * len(ones), ones, 1)
                return self.program.unpool(x, switches, plane)
        plane = tuple(n * self.below(3, 1) + self.below(2) for n in x.type.shape[1:-1])
        if prod(plane) * x.type.shape[-1] > 2 * LARGEST:
            return None
        return self.program.unpool(x, self.input(x.type.shape[1:], plane), plane)

    def moved(self, x):
        """Numbers put elsewhere."""
        plane, count = x.type.shape[1:-1], x.type.shape[-1]
        factors = tuple(self.below(4, 1) for _ in plane)
        kind = self.below(5)
        if kind == 0:
            pads = tuple((self.below(4, -(n // 2)), self.below(4, 1 - n // 2 - n % 2)) for n in plane)
            if min(n + sum(p) for n, p in zip(plane, pads, strict=True)) >= 1:
                return self.program.pad(x, pads)
        if prod(plane) * prod(factors) * count <= LARGEST and kind in (1, 2):
            return self.program.nails(x, factors) if kind == 1 else self.program.resize_linear(x, factors)
        if count % prod(factors) == 0 and kind == 3:
            return self.program.pixel_shuffle(x, factors)
        if kind == 4:
            order = (0, *(1 + int(n) for n in self.random.permutation(x.type.rank - 1)))
            return self.program.permute(x, order)
        return None

    # --- operations on anything ---

    def dense(self, x):
        units = self.pick((1, 2, 3, 5, 8, 11, 16, 17))
        if x.type.rank == 2 and self.chance(0.35):
            units = -(-2048 // x.type.shape[-1]) + self.below(3)  # so many weights take another form
        if prod(x.type.shape[1:-1]) * units > LARGEST:
            units = 2
        matrix = self.weight((x.type.shape[-1], units), 1.2 / np.sqrt(x.type.shape[-1]))
        return self.activated(self.program.matmul(x, matrix))

    def branched(self, x):
        one = self.activated(x) if self.chance(0.5) else self.dense(x)
        return self.merged(one, x if self.chance(0.6) else self.activation(x))

    def merged(self, x, y):
        if x.type.shape == y.type.shape and self.chance(0.7):
            return self.program.map(self.pick(("add", "add", "sub", "mul")), x, y)
        fits = [
            axis
            for axis in range(1, x.type.rank)
            if all(a == axis or x.type.shape[a] == y.type.shape[a] for a in range(1, x.type.rank))
        ]
        values = [x, y, x] if self.chance(0.2) else [x, y]
        return self.program.concatenate(values, self.pick(fits)) if fits else x

    def dropped(self, x):
        rate = self.pick((0.2, 0.5))
        if not self.training:
            return x
        keep = self.program.map("at_least", self.program.random(x.type, 3), bound=rate)
        return self.program.map("mul", x, self.program.map("scale", keep, factor=1 / (1 - rate)))

    def reshaped(self, x):
        total = prod(x.type.shape[1:])
        a = self.pick([n for n in range(1, 13) if total % n == 0])
        b = self.pick([n for n in range(1, 13) if total // a % n == 0])
        shape = self.pick(((a, b, total // a // b), (a, total // a), (a, b, total // a // b)))
        return self.program.reshape(x, (x.type.shape[0], *shape))

    def normalised(self, x):
        """By the statistics of the batch."""
        if x.type.rank < 2:
            return None
        gamma, beta = (self.weight(x.type.shape[-1:], 0.5) for _ in range(2))
        moving = {name: self.weight(x.type.shape[-1:], 0.0, False) for name in ("moving_mean", "moving_variance")}
        layer = BatchNormalization(momentum=0.5, epsilon=self.pick((0.05, 0.3)))
        return layer.lower(self.program, x, training=self.training, gamma=gamma, beta=beta, **moving)[0]

    def reduced(self, x):
        axes = sorted({self.below(x.type.rank, 1) for _ in range(2)})
        keep = self.chance(0.5)
        if not keep and x.type.rank - len(axes) < 2:
            return None
        return self.program.reduce(self.pick(("sum", "mean", "max")), x, axes, keep)

    def layered(self, x):
        return random_layers.layered(self, x)

    def softmax(self, x):
        return _activation.lower(self.program, "softmax", x)

    # --- the whole ---

    IMAGE = (
        "conv",
        "conv",
        "conv",
        "transposed",
        "upsampled",
        "upsampled",
        "fused",
        "fused",
        "pool_max",
        "pool_mean",
    )
    IMAGE += ("unpooled", "unpooled", "moved", "moved")
    ANY = ("dense", "normalised", "layered", "layered", "activation", "branched", "dropped", "reshaped", "reduced")
    ANY += ("softmax",)

    def grown(self, depth):
        """The output of up to `depth` operations behind an image, a sequence, or a row of numbers."""
        rank = self.pick((1, 2, 2, 2, 3))
        edge = {1: 40, 2: 14, 3: 9}[rank]
        shape = tuple(self.below(edge, 1 if rank == 1 else 2) for _ in range(rank))
        shape = (*shape[:-1], self.below(6, 1)) if rank > 1 else shape
        x = self.input(shape if rank > 1 else (self.below(40, 1),))
        if rank == 2 and self.chance(0.6):  # an image of two axes is the usual case
            x = self.program.reshape(x, (*x.type.shape, 1))
        for _ in range(self.below(depth + 1, 2)):
            names = self.IMAGE + self.ANY[:7] if x.type.rank > 2 and self.chance(0.85) else self.ANY
            made = getattr(self, self.pick(names))(x)
            if made is not None and prod(made.type.shape[1:]) <= 3 * LARGEST:
                x = made
        return x


CLASSES = (
    "categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence",
    "categorical_generalized_cross_entropy",
)  # fmt: skip
SHARES = (
    "binary_crossentropy", "binary_focal_crossentropy", "dice", "tversky", "poisson", "mean_squared_logarithmic_error", "ssim",
)  # fmt: skip
"""Losses that take probabilities, and numbers of 0 to 1."""


class RandomJob(Job):
    """What an engine needs to know of a random network."""

    def __init__(self, seed: int, depth: int, loss: object, update: object, measured: dict[str, object]) -> None:
        self.seed, self.depth, self.losses, self.update, self.rules = seed, depth, [loss], update, Rules()
        found, (output,) = self._built(training=True)
        self.weights, self.data, self.result = found.weights, found.data, output.type
        target = loss.target_type(output.type)
        self.aims = [Aim(loss, metrics=measured, target=target)]

    def _outputs(self, found):
        return found

    def _built(self, training):
        found = Builder(self.seed, training)
        output = found.grown(self.depth)
        loss = self.losses[0]
        if loss.key in CLASSES:
            output = found.softmax(output)
        elif loss.key in SHARES:
            output = found.program.map("sigmoid", output)
            if found.chance(0.6):
                found.program.note_logits(output, "sigmoid", found.program.instructions[-1].inputs[0])
        return found, [output]

    def _forward(self, training):
        found, outputs = self._built(training)
        return found.program, outputs

    def trainable(self):
        return [id for id, weight in self.weights.items() if weight.trained]
