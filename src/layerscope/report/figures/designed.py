"""Encoders to order, one below the other: their tensors, and beside them what they cost and how far they see."""

from __future__ import annotations

import os

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet, tensors
from layerscope.report.figures.sheet import INK, LINE, SOFT, Sheet
from layerscope.report.figures.tensors import BAD, BAR, Scale, Tensor

LEFT, CHAIN, COLUMN, TALL, STEP = 0.45, 3.5, 1.2, 0.55, 0.32
"""Inches: where tensors start, all of a network, a bar's column, the longest tensor, from one tensor to the next."""
BARS = 0.95
CODE = INK


@dataclass(frozen=True)
class Amount:
    """A column: its name, what is asked of it in words, each network's number, and the limit (None: none)."""

    name: str
    asked: str
    values: tuple[int, ...]
    limit: int | None = None

    @property
    def drawn(self) -> int | None:
        """The limit, unless it is so far off that the bars beside it would be short."""
        return self.limit if self.limit is not None and self.limit <= 1.5 * max(self.values) else None


@dataclass(frozen=True)
class Proposed:
    """A network: its tensors in order, which of them is the code, and its line of text."""

    tensors: tuple[Tensor, ...]
    code: int
    text: str


@dataclass(frozen=True)
class Designs:
    """What is drawn."""

    title: str
    about: str
    networks: tuple[Proposed, ...]
    amounts: tuple[Amount, ...]
    foot: str


def designed(path: str | os.PathLike[str], asked: Designs) -> None:
    """Write the picture: a row for each network; each column of bars has one scale."""
    width = LEFT + CHAIN + 0.25 + COLUMN * len(asked.amounts)
    wide = width - 0.4
    texts = [_broken(one.text) for one in asked.networks]
    heights = [TALL + 0.14 + 0.105 * len(lines) + 0.14 for lines in texts]
    about, foot = sheet.lines(asked.about, wide, 8), sheet.lines(asked.foot, wide, 7)
    top = 0.42 + 0.14 * len(about) + 0.42
    total = top + sum(heights) + 0.12 * len(foot) + 0.2
    scale = Scale.of((tensor for one in asked.networks for tensor in one.tensors), TALL)
    with sheet.drawn(path, width, total) as page:
        page.text(0.2, 0.12, sheet.cut(asked.title, wide, 10, "bold"), 10, weight="bold")
        for number, line in enumerate(about):
            page.text(0.2, 0.35 + 0.14 * number, line, 8, SOFT)
        for number, amount in enumerate(asked.amounts):
            left = LEFT + CHAIN + 0.25 + COLUMN * number
            page.text(left, top - 0.36, amount.name, 8, weight="bold")
            page.text(left, top - 0.21, amount.asked, 6.5, SOFT)
        for number, (one, lines, height) in enumerate(zip(asked.networks, texts, heights, strict=True)):
            _network(page, number, one, lines, top, scale)
            for place, amount in enumerate(asked.amounts):
                _bar(page, amount, number, LEFT + CHAIN + 0.25 + COLUMN * place, top + TALL / 2)
            top += height
        for number, line in enumerate(foot):
            page.text(0.2, total - 0.1 - 0.12 * (len(foot) - number), line, 7, SOFT)


def _broken(text: str) -> list[str]:
    """A line of text in lines that end between layers."""
    kept = text.replace(" ", "\u00a0").replace("\u00a0|\u00a0", "\u00a0| ")
    return [line.replace("\u00a0", " ") for line in sheet.lines(kept, CHAIN, 6)]


def _network(page: Sheet, number: int, one: Proposed, lines: list[str], top: float, scale: Scale) -> None:
    step = min(STEP, CHAIN / len(one.tensors))
    middle = top + TALL / 2
    page.text(0.2, middle, f"{number + 1}", 9, weight="bold", va="center")
    page.line([(LEFT + step / 2, middle), (LEFT + step * (len(one.tensors) - 0.5), middle)], LINE, 1.0)
    for place, tensor in enumerate(one.tensors):
        colour = CODE if place == one.code else BAR
        tensors.upright(page, LEFT + step * (place + 0.5), middle, tensor, scale, 0.7 * step, colour)
    for line, words in enumerate(lines):
        page.text(LEFT, top + TALL + 0.08 + 0.105 * line, words, 6, SOFT)


def _bar(page: Sheet, amount: Amount, number: int, left: float, middle: float) -> None:
    value, limit = amount.values[number], amount.drawn
    end = max(*amount.values, limit or 1)
    page.box(left, middle - 0.05, max(BARS * value / end, 0.01), 0.1, BAR)
    if limit is not None:
        at = left + BARS * limit / end
        page.line([(at, middle - 0.14), (at, middle + 0.14)], BAD, 1.2)
    page.text(left, middle + 0.08, f"{value:,}", 7, INK)
