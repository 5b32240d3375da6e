"""A scene on paper that fits a page: where it would be too high, all of it is made smaller, as far as letters
allow.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import replace
from layerscope.core.errors import SettingError
from layerscope.lab.painting.layout import paint
from layerscope.lab.scene import Scene
from layerscope.report.drawing import Area, Box, Dot, Drawing, Group, Mark, Stroke
from layerscope.report.papers import MOST, PAGE, USUAL

SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
"""Of the usual size; smaller letters could not be read."""
WIDER = 1.2
"""From one width that is tried for the message to the next."""


def on_a_page(scene: Scene, width: float, theme: str, lang: str, bare: bool) -> Drawing:
    """The scene `width` millimetres wide, and no higher than a page is (more on paper wider than one).

    Errors: SettingError where it cannot be so low; it names a width at which it can.
    """
    found = _fitting(scene, width, theme, lang, bare)
    if found is not None:
        return found
    high = paint(scene, width, theme, lang, bare).height
    wider = width * WIDER
    while wider <= MOST and _fitting(scene, wider, theme, lang, bare) is None:
        wider *= WIDER
    told = f"--width-mm {wider:.0f}, or " if wider <= MOST else ""
    raise SettingError(
        f"the figure would be {width:g} × {high:.0f} mm, but a page is {tallest(width):.0f} mm high, and with "
        f"smaller letters it could not be read: choose {told}a state with fewer or smaller grids; .html and .txt "
        "have no pages"
    )


def tallest(width: float) -> float:
    """The height of paper on which a figure of that width stands."""
    return PAGE * max(1.0, width / USUAL)


def _fitting(scene: Scene, width: float, theme: str, lang: str, bare: bool) -> Drawing | None:
    for share in SHARES:
        drawing = paint(scene, width / share, theme, lang, bare)
        if drawing.height * share <= tallest(width):
            return drawing if share == 1.0 else scaled(drawing, share)
    return None


def scaled(drawing: Drawing, share: float) -> Drawing:
    """The same drawing, smaller: all lengths times `share`."""
    marks = [_scaled(mark, share) for mark in drawing.marks]
    return replace(drawing, width=drawing.width * share, height=drawing.height * share, marks=marks)


def _scaled(mark: Mark | Group, share: float) -> Mark | Group:
    if isinstance(mark, Group):
        return replace(mark, marks=[_scaled(part, share) for part in mark.marks])
    if isinstance(mark, Area):
        return replace(mark, points=_points(mark.points, share))
    if isinstance(mark, Stroke):
        return replace(mark, points=_points(mark.points, share), width=mark.width * share)
    names = {Box: "left top width height thick", Dot: "left top radius width"}.get(type(mark), "left top size")
    return replace(mark, **{name: getattr(mark, name) * share for name in names.split()})


def _points(points: Sequence[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    return [(left * share, top * share) for left, top in points]
