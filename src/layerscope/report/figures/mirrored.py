"""An encoder and the decoder that leads back, face to face: equal shapes at equal height."""

from __future__ import annotations

import os

from layerscope.core.dataclasses import dataclass
from layerscope.report.figures import sheet, tensors
from layerscope.report.figures.sheet import INK, LINE, SOFT, Sheet
from layerscope.report.figures.tensors import ALERT, BAD, BAR, BEHIND, GOOD, Scale, Tensor

NAMES, SIZES, BARS, GAP, LEFT, ROW = 1.5, 0.95, 0.95, 0.7, 0.2, 0.27
"""Inches: names, sizes in words, the longest bar, between the two, the margin, a row."""
WIDTH = 2 * (LEFT + NAMES + SIZES + BARS) + GAP
CENTRES = (LEFT + NAMES + SIZES + BARS / 2, WIDTH - LEFT - NAMES - SIZES - BARS / 2)


@dataclass(frozen=True)
class Side:
    """A layer of the encoder, or of the decoder; `extra`: it only crops or pads. Without a tensor: words alone."""

    name: str
    said: str = ""
    tensor: Tensor | None = None
    extra: bool = False


@dataclass(frozen=True)
class Facing:
    """What stands in a row. `equal`: whether both have one shape; None where they are no twins."""

    encoder: Side | None = None
    decoder: Side | None = None
    equal: bool | None = None


@dataclass(frozen=True)
class Mirrors:
    """What is drawn: rows from the image down, and the code below them."""

    title: str
    about: str
    rows: tuple[Facing, ...]
    code: Side
    foot: str


def mirrored(path: str | os.PathLike[str], asked: Mirrors) -> None:
    """Write the picture: the encoder goes down at the left, the decoder up at the right."""
    wide = WIDTH - 2 * LEFT
    about, foot = sheet.lines(asked.about, wide, 8), sheet.lines(asked.foot, wide, 7)
    top = 0.42 + 0.14 * len(about) + 0.3
    bottom = top + ROW * len(asked.rows)
    total = bottom + 0.62 + 0.12 * len(foot) + 0.2
    sides = [side for row in asked.rows for side in (row.encoder, row.decoder) if side is not None]
    scale = Scale.of((side.tensor for side in (*sides, asked.code)), BARS)
    with sheet.drawn(path, WIDTH, total) as page:
        page.text(LEFT, 0.12, sheet.cut(asked.title, wide, 10, "bold"), 10, weight="bold")
        for number, line in enumerate(about):
            page.text(LEFT, 0.35 + 0.14 * number, line, 8, SOFT)
        page.text(CENTRES[0], top - 0.2, "encoder ↓", 8, weight="bold", ha="center")
        page.text(CENTRES[1], top - 0.2, "decoder ↑", 8, weight="bold", ha="center")
        low = bottom + 0.2
        for centre in CENTRES:
            page.line([(centre, top + ROW / 2), (centre, low), (WIDTH / 2, low)], LINE, 1.0)
        for number, row in enumerate(asked.rows):
            _row(page, row, top + ROW * (number + 0.5), scale)
        _code(page, asked.code, low, scale)
        for number, line in enumerate(foot):
            page.text(LEFT, total - 0.1 - 0.12 * (len(foot) - number), line, 7, SOFT)


def _row(page: Sheet, row: Facing, middle: float, scale: Scale) -> None:
    for side, centre, right in zip((row.encoder, row.decoder), CENTRES, (False, True), strict=True):
        if side is not None:
            _side(page, side, centre, middle, scale, right)
    if row.equal is None or row.encoder is None or row.decoder is None:
        return
    assert row.encoder.tensor is not None
    assert row.decoder.tensor is not None
    begin = CENTRES[0] + scale.length(row.encoder.tensor) / 2 + 0.04
    end = CENTRES[1] - scale.length(row.decoder.tensor) / 2 - 0.04
    colour = GOOD if row.equal else BAD
    page.line([(begin, middle), (WIDTH / 2 - 0.1, middle)], colour, 1.0, dashed=not row.equal)
    page.line([(WIDTH / 2 + 0.1, middle), (end, middle)], colour, 1.0, dashed=not row.equal)
    page.text(WIDTH / 2, middle, "=" if row.equal else "≠", 9, colour, ha="center", va="center", weight="bold")


def _side(page: Sheet, side: Side, centre: float, middle: float, scale: Scale, right: bool) -> None:
    inner = centre + (BARS / 2 + 0.08) * (1 if right else -1)
    names = WIDTH - LEFT - NAMES if right else LEFT
    if side.tensor is None:
        page.text(WIDTH - LEFT if right else LEFT, middle, side.name, 7, SOFT, ha="right" if right else "left",
                  va="center")  # fmt: skip
        return
    if side.extra:
        begin = centre - BARS / 2 - 0.05 if right else LEFT - 0.06
        page.box(begin, middle - ROW / 2 + 0.01, NAMES + SIZES + BARS + 0.11, ROW - 0.02, BEHIND[ALERT])
    tensors.named(page, names, middle, side.name, side.said, NAMES - 0.05, right)
    tensors.bar(page, centre, middle, side.tensor, scale, ALERT if side.extra else BAR)
    words = sheet.cut(side.tensor.words, SIZES - 0.1, 6.5)
    page.text(inner, middle, words, 6.5, INK, ha="left" if right else "right", va="center")


def _code(page: Sheet, code: Side, middle: float, scale: Scale) -> None:
    assert code.tensor is not None
    tensors.bar(page, WIDTH / 2, middle, code.tensor, scale, INK)
    page.text(WIDTH / 2, middle + 0.13, sheet.cut(code.name, 2.0, 7, "bold"), 7, weight="bold", ha="center")
    page.text(WIDTH / 2, middle + 0.25, code.tensor.words, 6.5, INK, ha="center")
    page.text(WIDTH / 2, middle + 0.36, sheet.cut(code.said, 2.0, 6), 6, SOFT, ha="center")
