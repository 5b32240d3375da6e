"""Metrics of images, each the mean over images: as `tf.image.psnr` and `tf.image.ssim`; Keras has none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import check_number
from layerscope.losses._images import Similar
from layerscope.metrics._base import Mean


@dataclass
class PSNR(Mean):
    """Peak signal-to-noise ratio in decibels, 10·log10(max_val² / mean of (t - p)²) of each image; mean over images.

    `max_val`: how far black and white are apart. Equal images have an infinite ratio.
    """

    max_val: float = 1.0
    key = "psnr"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.name, self.max_val, "max_val", above=True)

    def fits(self, output: TensorType) -> None:
        """ShapeError for an output of one number."""
        if output.rank < 2:
            raise ShapeError(f"{self.name} compares images, but the output is {output}")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The ratio of each image."""
        error = program.map("square", program.map("sub", output, target))
        mean = program.reduce("mean", error, range(1, error.type.rank))
        decibels = program.map("scale", program.map("log", mean), factor=-10 / math.log(10))
        return program.map("shift", decibels, offset=20 * math.log10(self.max_val))


@dataclass
class SSIM(Similar, Mean):
    """Structural similarity of each image (`losses.SSIM` is 1 minus that), 1 for equal ones; mean over images.

    Errors: ShapeError where the output is no image as large as the window.
    """

    key = "ssim"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.window().check(self.name)

    def fits(self, output: TensorType) -> None:
        """ShapeError unless the output is an image as large as the window."""
        self.window().fits(output, self.name)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """The similarity of each image."""
        return self.window().similarity(program, target, output)
