"""Losses of images: structural similarity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType, show
from layerscope.losses._base import Loss, check_number, minus_from


@dataclass(frozen=True)
class Window:
    """The settings of structural similarity: `max_val` is the distance of black and white."""

    max_val: float
    filter_size: int
    filter_sigma: float
    k1: float
    k2: float

    def check(self, name: str) -> None:
        """SettingError for a window that there is not."""
        check_number(name, self.max_val, "max_val", above=True)
        check_number(name, self.filter_sigma, "filter_sigma", above=True)
        check_number(name, self.k1, "k1")
        check_number(name, self.k2, "k2")
        if isinstance(self.filter_size, bool) or not isinstance(self.filter_size, int) or self.filter_size < 1:
            raise SettingError(f"{name}: filter_size must be a whole number from 1, not {self.filter_size!r}")

    def fits(self, output: TensorType, name: str) -> None:
        """ShapeError unless the output is an image as large as the window."""
        if output.rank != 4:
            raise ShapeError(f"{name} compares images (height × width × channels), but the output is {output}")
        sides = output.shape[1:3]
        if any(isinstance(side, int) and side < self.filter_size for side in sides):
            raise ShapeError(
                f"{name}: the window of {self.filter_size}×{self.filter_size} is larger than the image "
                f"{show(output.shape[1:])}. Give a smaller filter_size."
            )

    def weights(self) -> list[float]:
        """The window along one axis: a Gaussian of sum 1."""
        middle = (self.filter_size - 1) / 2
        powers = [math.exp(-0.5 * ((n - middle) / self.filter_sigma) ** 2) for n in range(self.filter_size)]
        return [one / sum(powers) for one in powers]

    def smooth(self, program: Builder, value: Value) -> Value:
        """The window's mean around each place that has a whole window, for each channel."""
        channels = value.type.shape[-1]
        assert isinstance(channels, int)
        numbers = [one for one in self.weights() for _ in range(channels)]
        for shape in ((self.filter_size, 1), (1, self.filter_size)):
            kernel = program.table(numbers, (*shape, 1, channels))
            value = program.conv(value, kernel, (1, 1), ((0, 0), (0, 0)), (1, 1), channels)
        return value

    def similarity(self, program: Builder, target: Value, output: Value) -> Value:
        """SSIM of each image, mean over places and channels; as `tf.image.ssim` computes it."""

        def add(a: Value, b: Value) -> Value:
            return program.map("add", a, b)

        def mul(a: Value, b: Value) -> Value:
            return program.map("mul", a, b)

        c1, c2 = (self.k1 * self.max_val) ** 2, (self.k2 * self.max_val) ** 2
        means = [self.smooth(program, value) for value in (target, output)]
        both = program.map("double", mul(*means))
        squares = add(*(program.map("square", mean) for mean in means))
        product = program.map("double", self.smooth(program, mul(target, output)))
        powers = self.smooth(program, add(program.map("square", target), program.map("square", output)))
        light = program.map("div", program.map("shift", both, offset=c1), program.map("shift", squares, offset=c1))
        form = program.map(
            "div",
            program.map("shift", program.map("sub", product, both), offset=c2),
            program.map("shift", program.map("sub", powers, squares), offset=c2),
        )
        return program.reduce("mean", mul(light, form), (1, 2, 3))


@dataclass
class Similar:
    """The settings of SSIM, as a loss and as a metric."""

    max_val: float = 1.0
    filter_size: int = 11
    filter_sigma: float = 1.5
    k1: float = 0.01
    k2: float = 0.03

    def window(self) -> Window:
        """The window with these settings."""
        return Window(self.max_val, self.filter_size, self.filter_sigma, self.k1, self.k2)


@dataclass
class SSIM(Similar, Loss):
    """1 - SSIM of each image, its structural similarity (Wang et al. 2004); mean over the batch.

    Over windows of `filter_size`² places with the weights of a Gaussian of `filter_sigma`:
    (2·m·n + c1)·(2·cov + c2) / ((m² + n² + c1)·(v + w + c2)) from means m, n, variances v, w and the covariance,
    c1 = (k1·max_val)² and c2 = (k2·max_val)²; mean over all places that have a whole window, and over channels. As
    `tf.image.ssim`; Keras has no such loss. `max_val`: how far black and white are apart.
    Errors: ShapeError where the output is no image as large as the window.
    """

    key = "ssim"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.window().check(self.name)

    def fits(self, output: TensorType) -> None:
        """ShapeError unless the output is an image as large as the window."""
        self.window().fits(output, self.name)

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Images span no more than `max_val`."""
        least, most = float(targets.min()), float(targets.max())
        if most - least > self.max_val:
            raise DataError(
                f"{self.name} has max_val={self.max_val:g}, but the targets lie between {least:g} and {most:g}. "
                f"Give max_val={most - least:g}, or divide the images."
            )

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 - SSIM of each image."""
        return minus_from(program, 1.0, self.window().similarity(program, target, output))
