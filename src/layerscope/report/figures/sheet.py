"""The paper that figures are drawn on: places in inches from the top left, colours, fonts, and the file."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

INK, SOFT, LINE = "#222222", "#666666", "#cccccc"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, which differ for colour-blind eyes too."""
PIXELS, INKED, ERROR, AMOUNT, SIGNED = "gray", "gray_r", "magma_r", "cividis", "RdBu"
"""Colour maps: images as they are; images of ink on paper; errors; amounts from 0; values around 0 (blue above)."""
DOTS = 160
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "svg.hashsalt": "layerscope",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": DOTS,
}
NAMES = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What would make two files of the same figure differ."""


class Sheet:
    """A white sheet of `width` × `height` inches. Use it inside `drawn`, which writes it."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure: Any = Figure(figsize=(width, height), dpi=DOTS, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        """A plot whose frame lies there."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, words: str, size: float = 8, colour: str = INK, **more: Any) -> None:
        """Words whose upper left corner (or other `ha`, `va`) lies there; none is read as a formula."""
        settings = {"ha": "left", "va": "top", "parse_math": False} | more
        self.figure.text(left / self.width, 1 - top / self.height, words, fontsize=size, color=colour, **settings)

    def picture(self, left: float, top: float, width: float, height: float, pixels: Array) -> Any:
        """An RGB(A) image that fills the place, framed in the colour of lines; its axes count pixels."""
        place = self.axes(left, top, width, height)
        place.imshow(pixels, aspect="auto", interpolation="auto")
        place.set_xticks([])
        place.set_yticks([])
        for side in place.spines.values():
            side.set_visible(True)
            side.set_color(LINE)
        return place

    def box(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        face: str,
        edge: str = "none",
        dashed: bool = False,
    ) -> None:
        """A rectangle, behind all words."""
        from matplotlib.patches import Rectangle

        made = Rectangle(
            (left, self.height - top - height), width, height, facecolor=face, edgecolor=edge, linewidth=0.9,
            linestyle=(0, (2.5, 1.5)) if dashed else "-", transform=self.figure.dpi_scale_trans, zorder=0,
        )  # fmt: skip
        self.figure.add_artist(made)

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, width: float = 0.8, dashed: bool = False
    ) -> None:
        """A line through points (left, top), behind all words."""
        from matplotlib.lines import Line2D

        left, top = ([point[axis] for point in points] for axis in (0, 1))
        made = Line2D(
            left, [self.height - place for place in top], color=colour, linewidth=width, solid_capstyle="butt",
            linestyle=(0, (2.5, 1.5)) if dashed else "-", transform=self.figure.dpi_scale_trans, zorder=0,
        )  # fmt: skip
        self.figure.add_artist(made)

    def scale(
        self, left: float, top: float, width: float, height: float, colours: str, low: float, high: float
    ) -> None:
        """An upright bar that says which colour means which number."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        place = self.axes(left, top, width, height)
        bar = self.figure.colorbar(ScalarMappable(Normalize(low, high), colours), cax=place)
        bar.outline.set_edgecolor(LINE)
        bar.set_ticks([low, (low + high) / 2, high] if low < 0 < high else [low, high])
        bar.ax.set_yticklabels([figure(tick) for tick in bar.get_ticks()], fontsize=6.5)
        bar.ax.tick_params(length=2, pad=2)


@contextmanager
def drawn(path: str | os.PathLike[str], width: float, height: float) -> Generator[Sheet]:
    """A sheet to draw on, that is written to `path` when the block ends well."""
    import matplotlib

    library: Any = matplotlib
    with library.rc_context(STYLE):
        sheet = Sheet(width, height)
        yield sheet
        suffix = Path(path).suffix[1:].lower() or "png"
        sheet.figure.savefig(path, format=suffix, metadata=NAMES.get(suffix))


def figure(value: float) -> str:
    """A number as it stands in a picture: three significant digits."""
    return f"{value:.3g}".replace("-", "−")


def coloured(values: Array, colours: str, low: float, high: float) -> Array:
    """Numbers as RGB in 0 … 1, by a colour map that runs from `low` to `high`."""
    import matplotlib

    span = high - low or 1.0
    return np.asarray(matplotlib.colormaps[colours](np.clip((values - low) / span, 0, 1)))[..., :3]


def shown(images: Array, ink: bool) -> Array:
    """Images (n, height, width, C) in 0 … 1 as RGB, clipped.

    One channel is grey, three are red, green and blue; of any other number the mean is shown as grey.
    `ink` turns grey round, so that 1 is ink on white paper.
    """
    clipped = np.clip(np.asarray(images, np.float64), 0, 1)
    if clipped.shape[-1] == 3:
        return clipped
    return coloured(clipped.mean(axis=-1), INKED if ink else PIXELS, 0, 1)


def side_by_side(tiles: Sequence[Array], gap: int, columns: int | None = None) -> Array:
    """RGB tiles of one size in rows of `columns`, white gaps of so many pixels between them."""
    height, width = tiles[0].shape[:2]
    across = min(len(tiles), columns or len(tiles))
    down = -(-len(tiles) // across)
    whole = np.ones((down * (height + gap) - gap, across * (width + gap) - gap, 3))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        top, left = row * (height + gap), column * (width + gap)
        whole[top : top + height, left : left + width] = tile
    return whole


def shortened(words: str, most: int) -> str:
    """Words of at most so many letters: of longer ones the end, which tells files apart."""
    return words if len(words) <= most else "…" + words[-(most - 1) :]


def wrapped(words: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Words in one or two lines of at most `width` inches, measured; what does not fit in ends with "…"."""
    rest, lines = words, list[str]()
    while rest and len(lines) < 2:
        parts = rest.split(" ")
        whole = [" ".join(parts[:count]) for count in range(len(parts), 0, -1)]
        found = None if lines else next((line for line in whole if _width(line, size, weight) <= width), None)
        if found is None and _width(rest, size, weight) <= width:
            found = rest
        if found is None:
            cuts = (rest[:count].rstrip() + "…" for count in range(len(rest) - 1, -1, -1))
            return [*lines, next(line for line in cuts if line == "…" or _width(line, size, weight) <= width)]
        lines.append(found)
        rest = rest[len(found) :].lstrip(" ")
    return lines or [""]


def lines(words: str, width: float, size: float) -> list[str]:
    """Words in as many lines of at most `width` inches as it takes, broken at spaces, or within a word too wide."""
    found: list[str] = [""]
    for word in words.split(" "):
        longer = f"{found[-1]} {word}".lstrip(" ")
        if _measured(longer, size) <= width:
            found[-1] = longer
            continue
        if found[-1]:
            found.append("")
        while _measured(word, size) > width:
            count = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or _measured(word[:n], size) <= width)
            found[-1], word = word[:count], word[count:]
            found.append("")
        found[-1] = word
    return found


def fits(words: str, width: float, size: float) -> bool:
    """Whether words in one line are at most so many inches wide."""
    return _measured(words, size) <= width


def cut(words: str, width: float, size: float, weight: str = "normal") -> str:
    """Words in one line of at most `width` inches; what does not fit in ends with "…"."""
    if _measured(words, size, weight) <= width:
        return words
    shorter = (words[:count].rstrip() + "…" for count in range(len(words) - 1, -1, -1))
    return next(line for line in shorter if line == "…" or _measured(line, size, weight) <= width)


def _measured(words: str, size: float, weight: str = "normal") -> float:
    """Inches, by the font's own widths."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=STYLE["font.family"], weight=weight, size=size)
    wide, _, _ = text_to_path.get_text_width_height_descent(words, font, ismath=False)
    return float(wide) / 72


def _width(words: str, size: float, weight: str) -> float:
    """Inches."""
    import matplotlib

    library: Any = matplotlib
    with library.rc_context(STYLE):
        made = Sheet(1, 1).figure.text(0, 0, words, fontsize=size, weight=weight, parse_math=False)
        return made.get_window_extent().width / DOTS


def plain_ticks(axis: Any) -> None:
    """Marks of a logarithmic axis at 1, 2, 5, 10, …, written without powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float, place: int) -> str:
    return f"{value:g}"
