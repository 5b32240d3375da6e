"""Layers that vary images while training, and what all layers on images ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from layerscope.core.contract import Layer
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType, show
from layerscope.layers import _checks
from layerscope.layers._spatial import floating, one_input

INTERPOLATIONS = ("nearest", "bilinear")
FILLS = ("constant", "nearest", "wrap", "reflect")


def image(types: Sequence[TensorType], data_format: str | None) -> TensorType:
    """A batch of images (four axes) or one image (three); ShapeError otherwise."""
    x = one_input(types)
    if x.rank not in (3, 4):
        axes = "channels, height, width" if data_format == "channels_first" else "height, width, channels"
        raise ShapeError(f"needs images of the axes (batch, {axes}), or one without the batch, but got {x.rank}: {x}")
    return x


def plane(data_format: str | None) -> tuple[int, int]:
    """The axes of height and width, counted from the end."""
    return (-2, -1) if data_format == "channels_first" else (-3, -2)


@dataclass(frozen=True, eq=False)
class Augmentation(Layer):
    """Base of what varies images by chance while training and passes them through otherwise."""

    executable = False
    law = "(batch, height, width, C) → (batch, height, width, C)"
    factors: ClassVar[dict[str, tuple[float, float]]] = {}
    """Settings that are a number, or two, within these bounds."""
    choices: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Settings that are one of these names."""
    colours: ClassVar[int | None] = None
    """The number of channels that it needs."""

    def __post_init__(self) -> None:
        for name, (low, high) in self.factors.items():
            if getattr(self, name) is not None:
                _checks.factor(self, name, low, high)
        for name, known in self.choices.items():
            _checks.one_of(self, name, known)
        if hasattr(self, "data_format"):
            _checks.data_format(self)

    @property
    def elementwise(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        data_format = getattr(self, "data_format", None)
        x = image(types, data_format)
        given = x.shape[-3 if data_format == "channels_first" else -1]
        if self.colours is not None and isinstance(given, int) and given != self.colours:
            raise ShapeError(f"needs images of {self.colours} channels, but got {given}: {show(x.shape)}")
        return (TensorType(x.shape, floating(x)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        """Nothing: images are varied before all weights, and no gradient goes back to them."""
        return NOTHING_SAVED

    def shares(self, *types: TensorType) -> int | None:
        return 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank),)


def example_types(*sizes: int) -> tuple[TensorType, ...]:
    """The type of an example, as the tuple that examples take."""
    return (TensorType(sizes),)
