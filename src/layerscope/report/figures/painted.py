"""A drawing as a PNG or PDF file, by matplotlib, whose font (DejaVu Sans) is everywhere the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from layerscope.report.drawing import NONE, Area, Box, Dot, Drawing, Group, Mark, Stroke, Words, colour, head

DOTS = 300
INCH = 25.4
POINT = 72 / INCH
THIN = 0.18
"""Millimetres: the width of outlines."""
LATIN = "DejaVu Sans"
STYLE: dict[str, Any] = {"pdf.fonttype": 42}
NAMES: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What would tell apart two files of the same figure."""
HANGUL = (
    "NotoSansKR", "NotoSansCJK", "NanumGothic", "malgun", "AppleSDGothicNeo", "Pretendard", "UnDotum", "Baekmuk",
)  # fmt: skip
"""How files of fonts with Hangul are called, the likelier first."""


def painted(drawing: Drawing, path: str | os.PathLike[str], format: str, dpi: int = DOTS) -> None:
    """Write a drawing in millimetres as "png" (with so many dots an inch) or "pdf" (its fonts embedded).

    Letters that no font has are written as U+FFFD; `readable` tells of Korean ones before.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    library: Any = matplotlib
    fonts = families(drawing)
    with library.rc_context(STYLE | {"font.family": fonts}):
        size = (drawing.width / INCH, drawing.height / INCH)
        figure: Any = Figure(figsize=size, dpi=dpi, facecolor=colour(drawing.paper))
        FigureCanvasAgg(figure)
        place = figure.add_axes((0, 0, 1, 1))
        place.set_axis_off()
        place.set_xlim(0, drawing.width)
        place.set_ylim(drawing.height, 0)
        for order, (together, run) in enumerate(groupby(_marks(drawing), key=_plain)):
            if together:
                _boxes(place, [mark for mark in run if isinstance(mark, Box)], order)
                continue
            for mark in run:
                _paint(place, mark, order, fonts)
        figure.savefig(path, format=format, dpi=dpi, metadata=NAMES[format] | _told(drawing, format))


def _told(drawing: Drawing, format: str) -> dict[str, str]:
    """What a file says of itself, where it was made from something."""
    if not drawing.source:
        return {}
    return {"Title": drawing.title, "Subject" if format == "pdf" else "Comment": drawing.source}


def _marks(drawing: Drawing) -> Iterator[Mark]:
    for mark in drawing.marks:
        yield from mark.marks if isinstance(mark, Group) else [mark]


def _plain(mark: Mark) -> bool:
    """A rectangle that can be drawn together with others."""
    return isinstance(mark, Box) and not mark.dashed and not mark.hollow


def _paint(place: Any, mark: Mark, order: int, fonts: Sequence[str]) -> None:
    """One mark over those before it."""
    from matplotlib.patches import Circle, Polygon

    if isinstance(mark, Words):
        _write(place, mark, order, fonts)
    elif isinstance(mark, Stroke):
        _stroke(place, mark, order)
        if mark.arrow:
            _paint(place, head(mark), order, fonts)
    elif isinstance(mark, Area):
        place.add_patch(Polygon(list(mark.points), facecolor=colour(mark.role), linewidth=0, zorder=order))
    elif isinstance(mark, Dot):
        ring = Circle((mark.left, mark.top), mark.radius, fill=False, edgecolor=colour(mark.role), zorder=order)
        ring.set_linewidth(mark.width * POINT)
        place.add_patch(ring)
    else:
        _box(place, mark, order)


def _boxes(place: Any, marks: Sequence[Box], order: int) -> None:
    """Rectangles at once, which is many times faster; crisp ones without soft edges."""
    from matplotlib.collections import PolyCollection

    for crisp, run in groupby(marks, key=lambda mark: mark.crisp):
        some = list(run)
        corners = [
            [(x, y), (x + mark.width, y), (x + mark.width, y + mark.height), (x, y + mark.height)]
            for mark in some
            for x, y in [(mark.left, mark.top)]
        ]
        look: Any = {
            "facecolors": [colour(mark.role) for mark in some],
            "edgecolors": [colour(mark.edge) for mark in some],
            "linewidths": [mark.thick * POINT for mark in some],
        }
        place.add_collection(PolyCollection(corners, antialiaseds=not crisp, joinstyle="miter", zorder=order, **look))


def _box(place: Any, mark: Box, order: int) -> None:
    """A hollow or a dashed one."""
    from matplotlib.patches import Rectangle

    edged = mark.edge != NONE
    inset = THIN / 2 if mark.hollow else 0
    made: Any = Rectangle(
        (mark.left + inset, mark.top + inset), mark.width - 2 * inset, mark.height - 2 * inset,
        facecolor=colour("paper" if mark.hollow else mark.role), joinstyle="miter", zorder=order,
        edgecolor=colour(mark.role if mark.hollow else mark.edge), linewidth=(mark.thick if edged else THIN) * POINT,
    )  # fmt: skip
    if mark.dashed and edged:
        made.set_linestyle((0, (2.5, 1.5)))
    place.add_patch(made)


def _stroke(place: Any, mark: Stroke, order: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    code = Line.CURVE4 if mark.bent else Line.LINETO
    path = Line(list(mark.points), [Line.MOVETO, *[code] * (len(mark.points) - 1)])
    look: dict[str, Any] = {"fill": False, "edgecolor": colour(mark.role), "linewidth": mark.width * POINT}
    if mark.dashed:
        look["linestyle"] = (0, (3, 3))
    place.add_patch(PathPatch(path, zorder=order, capstyle="butt", **look))


def families(drawing: Drawing) -> list[str]:
    """The fonts to look for a letter in, one after the other."""
    korean = _korean() if any(_hangul(mark.text) for mark in _marks(drawing) if isinstance(mark, Words)) else None
    return [LATIN, korean] if korean else [LATIN]


def readable(drawing: Drawing) -> bool:
    """Whether this machine has a font for all of the drawing's Korean."""
    return len(families(drawing)) > 1 or not any(
        _hangul(mark.text) for mark in _marks(drawing) if isinstance(mark, Words)
    )


def _hangul(words: str) -> bool:
    return any("\uac00" <= letter <= "\ud7a3" or "\u3131" <= letter <= "\u318e" for letter in words)


def _korean() -> str | None:
    """The name of a font with Hangul, made known to matplotlib."""
    from matplotlib import font_manager

    library: Any = font_manager
    names: Sequence[str] = sorted(library.findSystemFonts())
    found = [name for key in HANGUL for name in names if key.lower() in Path(name).name.lower()]
    plain = [name for name in found if "regular" in name.lower() or "-" not in Path(name).stem] or found
    if not plain:
        return None
    for name in {plain[0], plain[0].replace("Regular", "Bold")}:
        if Path(name).is_file():
            library.fontManager.addfont(name)
    return library.FontProperties(fname=plain[0]).get_name()


@cache
def _letters(family: str, weight: str) -> frozenset[int]:
    """What the font has."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    fonts: Any = font_manager
    found = fonts.findfont(fonts.FontProperties(family=family, weight=weight))
    charmap: Mapping[int, Any] = FT2Font(found).get_charmap()
    return frozenset(charmap)


def _spelled(text: str, weight: str, fonts: Sequence[str]) -> str:
    """The text with a mark in the place of letters that the fonts lack, and of those that would end a line."""
    known = [_letters(family, weight) for family in fonts]
    return "".join(
        letter if letter.isprintable() and any(ord(letter) in some for some in known) else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def _write(place: Any, mark: Words, order: int, fonts: Sequence[str]) -> None:
    weight = "bold" if mark.bold else "normal"
    place.text(
        mark.left, mark.top, _spelled(mark.text, weight, fonts), fontsize=mark.size * POINT, color=colour(mark.role),
        va="baseline",
        ha={"start": "left", "middle": "center", "end": "right"}[mark.anchor], parse_math=False, zorder=order,
        weight=weight, rotation=90 if mark.turned else 0,
        rotation_mode="anchor",
    )  # fmt: skip
