"""Tensors as bars: as long as the image that they hold, as thick as its channels are many."""

from __future__ import annotations

import math
from collections.abc import Iterable

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import SERIES, Sheet

LEAST, MOST = 0.035, 0.17
"""Inches: thickness of one channel, and of the most channels of a picture."""
SHORTEST = 0.03
MANY = 64
"""Channels that are drawn as many in any picture."""
BAR, GOOD, BAD, ALERT, PALE = SERIES[0], SERIES[2], SERIES[1], SERIES[4], "#9aa5ad"
"""Colours: a tensor; one that a change made; one that does not fit; a crop, a pad or a warning; one that stays."""
BEHIND = {GOOD: "#e3f3ee", BAD: "#fbe9df", ALERT: "#fdf3dc"}
"""The same colours as a tint behind a row."""
MEANT = "Length of a bar: positions along the longest axis; thickness: channels (logarithmic)."
UNITS = "Length of a bar: how many numbers."


@dataclass(frozen=True)
class Tensor:
    """A tensor of one example: its sizes in words, positions along its longest axis, and channels; None: open."""

    words: str
    side: int | None
    channels: int | None


@dataclass(frozen=True)
class Scale:
    """What the longest bar stands for, how long it is in inches, and the most channels; one scale for a picture."""

    side: int
    channels: int
    inches: float

    @classmethod
    def of(cls, tensors: Iterable[Tensor | None], inches: float) -> Scale:
        """A scale on which all of these fit."""
        known = [tensor for tensor in tensors if tensor is not None]
        sides = (tensor.side for tensor in known if tensor.side is not None)
        channels = (tensor.channels for tensor in known if tensor.channels is not None)
        return cls(max(sides, default=1), max((*channels, MANY)), inches)

    def length(self, tensor: Tensor) -> float:
        """Inches; half of the longest where the size is open."""
        share = 0.5 if tensor.side is None else tensor.side / max(self.side, 1)
        return max(SHORTEST, share * self.inches)

    def thickness(self, tensor: Tensor) -> float:
        """Inches."""
        share = 0.5 if tensor.channels is None else math.log(max(tensor.channels, 1)) / math.log(self.channels)
        return LEAST + share * (MOST - LEAST)


def bar(
    page: Sheet, middle: float, top: float, tensor: Tensor, scale: Scale, colour: str = BAR, hollow: bool = False
) -> None:
    """A tensor, centred at (middle, top), lying; with open sizes, or wanted only (`hollow`), dashed and empty."""
    wide, thick = scale.length(tensor), scale.thickness(tensor)
    empty = hollow or tensor.side is None
    face = "white" if empty else colour
    page.box(middle - wide / 2, top - thick / 2, wide, thick, face, colour if empty else "none", empty)


def upright(
    page: Sheet, middle: float, top: float, tensor: Tensor, scale: Scale, most: float, colour: str = BAR
) -> None:
    """The same, standing, and at most so thick."""
    tall, thick = scale.length(tensor), min(scale.thickness(tensor), most)
    page.box(middle - thick / 2, top - tall / 2, thick, tall, colour)


def named(page: Sheet, left: float, top: float, name: str, said: str, width: float, right: bool = False) -> None:
    """A layer's name, and below it its settings; at the right side of the place with `right`."""
    place, side = (left + width, "right") if right else (left, "left")
    page.text(place, top - (0.005 if said else -0.0), sheet.cut(name, width, 7, "bold"), 7, weight="bold", ha=side,
              va="bottom" if said else "center")  # fmt: skip
    if said:
        page.text(place, top + 0.005, sheet.cut(said, width, 6), 6, sheet.SOFT, ha=side, va="top")
