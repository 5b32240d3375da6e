"""A drawing as a PNG or PDF file, by matplotlib, whose font (DejaVu Sans) is everywhere the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from layerscope.report.drawing import PAPER, Area, Box, Dot, Drawing, Group, Mark, Stroke, Words

DOTS = 300
INCH = 25.4
POINT = 72 / INCH
THIN = 0.18
"""Millimetres: the width of outlines."""
STYLE: dict[str, Any] = {"font.family": "DejaVu Sans", "pdf.fonttype": 42}
NAMES: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What would tell apart two files of the same figure."""


def painted(drawing: Drawing, path: str | os.PathLike[str], format: str) -> None:
    """Write a drawing in millimetres as "png" (300 dots an inch) or "pdf" (its fonts embedded)."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    library: Any = matplotlib
    with library.rc_context(STYLE):
        figure: Any = Figure(figsize=(drawing.width / INCH, drawing.height / INCH), dpi=DOTS, facecolor="white")
        FigureCanvasAgg(figure)
        place = figure.add_axes((0, 0, 1, 1))
        place.set_axis_off()
        place.set_xlim(0, drawing.width)
        place.set_ylim(drawing.height, 0)
        order = 0
        for mark in drawing.marks:
            for part in mark.marks if isinstance(mark, Group) else [mark]:
                order += 1
                _paint(place, part, order)
        figure.savefig(path, format=format, metadata=NAMES[format])


def _paint(place: Any, mark: Mark, order: int) -> None:
    """One mark over those before it."""
    from matplotlib.patches import Circle, Polygon, Rectangle

    if isinstance(mark, Words):
        _write(place, mark, order)
    elif isinstance(mark, Stroke):
        _stroke(place, mark, order)
    elif isinstance(mark, Area):
        place.add_patch(Polygon(mark.points, facecolor=PAPER[mark.role], edgecolor="none", zorder=order))
    elif isinstance(mark, Dot):
        ring = Circle((mark.left, mark.top), mark.radius, fill=False, edgecolor=PAPER[mark.role], zorder=order)
        ring.set_linewidth(mark.width * POINT)
        place.add_patch(ring)
    else:
        _box(place, mark, order, Rectangle)


def _box(place: Any, mark: Box, order: int, rectangle: Any) -> None:
    inset = THIN / 2 if mark.hollow else 0
    made = rectangle(
        (mark.left + inset, mark.top + inset), mark.width - 2 * inset, mark.height - 2 * inset,
        facecolor=PAPER["paper" if mark.hollow else mark.role],
        edgecolor=PAPER[mark.role] if mark.hollow else "none", linewidth=THIN * POINT, zorder=order,
    )  # fmt: skip
    place.add_patch(made)


def _stroke(place: Any, mark: Stroke, order: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    code = Path.CURVE4 if mark.bent else Path.LINETO
    path = Path(list(mark.points), [Path.MOVETO, *[code] * (len(mark.points) - 1)])
    look: dict[str, Any] = {"fill": False, "edgecolor": PAPER[mark.role], "linewidth": mark.width * POINT}
    if mark.dashed:
        look["linestyle"] = (0, (3, 3))
    place.add_patch(PathPatch(path, zorder=order, capstyle="butt", **look))


@cache
def _letters(weight: str) -> frozenset[int]:
    """What the font has."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    fonts: Any = font_manager
    found = fonts.findfont(fonts.FontProperties(family="DejaVu Sans", weight=weight))
    charmap: Mapping[int, Any] = FT2Font(found).get_charmap()
    return frozenset(charmap)


def _spelled(text: str, weight: str) -> str:
    """The text with a mark in the place of letters that the font lacks, and of those that would end a line."""
    known = _letters(weight)
    return "".join(
        letter if letter.isprintable() and ord(letter) in known else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _write(place: Any, mark: Words, order: int) -> None:
    weight = "bold" if mark.bold else "normal"
    place.text(
        mark.left, mark.top, _spelled(mark.text, weight), fontsize=mark.size * POINT, color=PAPER[mark.role],
        va="baseline",
        ha={"start": "left", "middle": "center", "end": "right"}[mark.anchor], parse_math=False, zorder=order,
        weight=weight, rotation=90 if mark.turned else 0,
        rotation_mode="anchor",
    )  # fmt: skip
