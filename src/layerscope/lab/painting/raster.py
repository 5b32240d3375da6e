"""A drawing as PNG or PDF, through matplotlib's Agg and PDF canvases, without any window."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from layerscope.core.errors import OutputError
from layerscope.lab.painting.drawing import Drawing, Line, Polygon, Rect, Shape, Words
from layerscope.lab.painting.svg import head

POINTS = 72 / 25.4
"""In a millimetre."""
HANGUL = (
    "NotoSansKR", "NotoSansCJK", "NanumGothic", "malgun", "AppleSDGothicNeo", "Pretendard", "UnDotum", "Baekmuk",
)  # fmt: skip
"""How files of fonts with Hangul are called, the likelier first."""
SIDES = {"start": "left", "middle": "center", "end": "right"}
METADATA = {"pdf": {"CreationDate": None, "Producer": None, "Creator": None}, "png": {"Software": None}}
"""What would make two files of one drawing differ from day to day."""


def write(drawing: Drawing, path: str | os.PathLike[str], format: str, dpi: int = 300) -> None:
    """Write the drawing as `png`, with so many dots per inch, or as `pdf`.

    Errors: OutputError where its text is Korean and no font on this machine has Hangul.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    library: Any = matplotlib
    style = {"font.family": families(drawing), "pdf.fonttype": 42, "svg.hashsalt": "layerscope"}
    with library.rc_context(style):
        figure: Any = Figure(figsize=(drawing.width / 25.4, drawing.height / 25.4), dpi=dpi, facecolor=drawing.paper)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        axes.axis("off")
        for order, (together, run) in enumerate(groupby(drawing.shapes, key=_plain)):
            if together:
                _put_all(axes, [shape for shape in run if isinstance(shape, Rect)], order)
            else:
                for shape in run:
                    _put(axes, shape, order)
        about = {"Title": drawing.title} | (
            {"Subject": drawing.link} if format == "pdf" else {"Comment": drawing.link}
        )
        figure.savefig(path, format=format, dpi=dpi, metadata=METADATA[format] | about)


def families(drawing: Drawing) -> list[str]:
    """The fonts to look for a letter in, one after the other."""
    if not any(_hangul(shape.text) for shape in drawing.shapes if isinstance(shape, Words)):
        return ["DejaVu Sans"]
    return ["DejaVu Sans", _korean()]


def _hangul(words: str) -> bool:
    return any("\uac00" <= letter <= "\ud7a3" or "\u3131" <= letter <= "\u318e" for letter in words)


def _korean() -> str:
    """The name of a font with Hangul, made known to matplotlib."""
    from matplotlib import font_manager

    library: Any = font_manager
    names: Sequence[str] = sorted(library.findSystemFonts())
    found = [name for key in HANGUL for name in names if key.lower() in Path(name).name.lower()]
    plain = [name for name in found if "regular" in name.lower() or "-" not in Path(name).stem] or found
    if not plain:
        raise OutputError(
            "no font on this machine has Korean letters; install one (on Debian and Ubuntu: apt install "
            "fonts-noto-cjk), write an .svg, whose letters the viewer draws, or ask for lang=en"
        )
    for name in {plain[0], plain[0].replace("Regular", "Bold")}:
        if Path(name).is_file():
            library.fontManager.addfont(name)
    return library.FontProperties(fname=plain[0]).get_name()


def _plain(shape: Shape) -> bool:
    """A rectangle that can be drawn together with others."""
    return isinstance(shape, Rect) and not shape.dashed


def _put_all(axes: Any, shapes: Sequence[Rect], order: int) -> None:
    """Rectangles at once, which is many times faster; crisp ones without soft edges."""
    from matplotlib.collections import PolyCollection

    for crisp, run in groupby(shapes, key=lambda shape: shape.crisp):
        some = list(run)
        corners = [
            [(s.x, s.y), (s.x + s.width, s.y), (s.x + s.width, s.y + s.height), (s.x, s.y + s.height)] for s in some
        ]
        look: Any = {
            "facecolors": [shape.fill for shape in some],
            "edgecolors": [shape.stroke for shape in some],
            "linewidths": [shape.thick * POINTS for shape in some],
        }
        axes.add_collection(PolyCollection(corners, antialiaseds=not crisp, joinstyle="miter", zorder=order, **look))


def _put(axes: Any, shape: Shape, order: int) -> None:
    from matplotlib import lines, patches

    match shape:
        case Rect():
            dashes = (0, (2.5, 1.5)) if shape.dashed else "-"
            axes.add_patch(
                patches.Rectangle(
                    (shape.x, shape.y), shape.width, shape.height, facecolor=shape.fill, edgecolor=shape.stroke,
                    linewidth=shape.thick * POINTS, linestyle=dashes, zorder=order, joinstyle="miter",
                )
            )  # fmt: skip
        case Line():
            ends = (shape.x1, shape.x2), (shape.y1, shape.y2)
            look = {"color": shape.stroke, "linewidth": shape.thick * POINTS, "solid_capstyle": "butt"}
            axes.add_line(lines.Line2D(*ends, zorder=order, **look))
            if shape.arrow:
                _put(axes, head(shape), order)
        case Polygon():
            axes.add_patch(patches.Polygon(list(shape.points), facecolor=shape.fill, linewidth=0, zorder=order))
        case Words():
            axes.text(
                shape.x, shape.y, shape.text, fontsize=shape.size * POINTS, color=shape.fill, zorder=order,
                ha=SIDES[shape.anchor], va="baseline", parse_math=False, weight="bold" if shape.bold else "normal",
            )  # fmt: skip
