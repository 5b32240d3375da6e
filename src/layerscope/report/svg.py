"""A drawing as SVG: on paper with colours of its own, in a page with classes that the page's style colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from layerscope.report.drawing import NONE, Area, Box, Dot, Drawing, Group, Mark, Stroke, Words, colour, head

FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
KOREAN = FONT.replace(
    "sans-serif", "'Noto Sans KR', 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
)

WIDE = 900
"""Pixels from which on a figure may be scaled down to what there is room for."""


def standing(drawing: Drawing) -> str:
    """A file of its own: paper, colours as attributes, text as text in a system's sans-serif font."""
    font, lang = (KOREAN, ' xml:lang="ko"') if drawing.lang == "ko" else (FONT, "")
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(drawing.width)}{drawing.unit}" '
        f'height="{_number(drawing.height)}{drawing.unit}" '
        f'viewBox="0 0 {_number(drawing.width)} {_number(drawing.height)}" role="img"{lang} font-family="{font}">'
    )
    paper = f'<rect width="100%" height="100%" fill="{colour(drawing.paper)}"/>'
    body = _painted(drawing, _Coloured())
    words = f"<title>{_text(drawing.title)}</title>\n<desc>{_text(drawing.words)}</desc>"
    words += f"\n<metadata>{_text(drawing.source)}</metadata>" if drawing.source else ""
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', start, words, paper, *body, "</svg>", ""])


def within(drawing: Drawing, name: str) -> str:
    """A part of a page: classes by role, `data-row` on groups; named by the element whose id is `name`."""
    wide = " wide" if drawing.width > WIDE else ""
    start = (
        f'<svg class="drawing{wide}" width="{_number(drawing.width)}" height="{_number(drawing.height)}" '
        f'viewBox="0 0 {_number(drawing.width)} {_number(drawing.height)}" role="img" aria-labelledby="{name}">'
    )
    return "".join([start, *_painted(drawing, _Classed()), "</svg>"])


class _Coloured:
    """Roles as colours of the paper."""

    unit_stroke = 0.18
    said = ""

    def fill(self, role: str) -> str:
        return f'fill="{colour(role)}"'

    def stroke(self, role: str) -> str:
        return f'fill="none" stroke="{colour(role)}"'

    def outline(self, role: str) -> str:
        return f'fill="{colour("paper")}" stroke="{colour(role)}"'


class _Classed:
    """Roles as classes: f-… is filled, s-… a line, o-… an outline on paper."""

    unit_stroke = 1.0
    said = " data-said"

    def fill(self, role: str) -> str:
        return f'class="f-{role}"'

    def stroke(self, role: str) -> str:
        return f'class="s-{role}"'

    def outline(self, role: str) -> str:
        return f'class="o-{role}"'


def _painted(drawing: Drawing, look: _Coloured | _Classed) -> list[str]:
    lines: list[str] = []
    for mark in drawing.marks:
        if isinstance(mark, Group):
            inner = "".join(_mark(part, look) for part in mark.marks)
            lines.append(f'<g data-row="{mark.key}"><title>{_text(mark.title)}</title>{inner}</g>')
        else:
            lines.append(_mark(mark, look))
    return lines


def _mark(mark: Mark, look: _Coloured | _Classed) -> str:
    if isinstance(mark, Box):
        return _box(mark, look)
    if isinstance(mark, Area):
        return f'<polygon points="{_points(mark.points)}" {look.fill(mark.role)}/>'
    if isinstance(mark, Stroke):
        return _stroke(mark, look)
    if isinstance(mark, Dot):
        return (
            f'<circle cx="{_number(mark.left)}" cy="{_number(mark.top)}" r="{_number(mark.radius)}" '
            f'{look.stroke(mark.role)} stroke-width="{_number(mark.width)}"/>'
        )
    return _words(mark, look)


def _box(mark: Box, look: _Coloured | _Classed) -> str:
    if mark.edge != NONE or mark.crisp:
        return _edged(mark, look)
    painted = look.outline(mark.role) if mark.hollow else look.fill(mark.role)
    inset = look.unit_stroke / 2 if mark.hollow else 0
    line = f' stroke-width="{_number(look.unit_stroke)}"' if mark.hollow else ""
    return (
        f'<rect x="{_number(mark.left + inset)}" y="{_number(mark.top + inset)}" '
        f'width="{_number(max(0, mark.width - 2 * inset))}" height="{_number(max(0, mark.height - 2 * inset))}" '
        f"{painted}{line}{_dashed(mark.dashed, look)}/>"
    )


def _edged(mark: Box, look: _Coloured | _Classed) -> str:
    edge, dashes = "", ""
    if mark.edge != NONE:
        edge = f' stroke="{colour(mark.edge)}" stroke-width="{_number(mark.thick)}"'
        dashes = f' stroke-dasharray="{_number(2.5 * mark.thick)} {_number(1.5 * mark.thick)}"' if mark.dashed else ""
    crisp = ' shape-rendering="crispEdges"' if mark.crisp else ""
    return (
        f'<rect x="{_number(mark.left)}" y="{_number(mark.top)}" width="{_number(mark.width)}" '
        f'height="{_number(mark.height)}" {look.fill(mark.role)}{edge}{dashes}{crisp}/>'
    )


def _stroke(mark: Stroke, look: _Coloured | _Classed) -> str:
    (left, top), *rest = mark.points
    steps = f"C{_points(rest)}" if mark.bent else "".join(f"L{_points([point])}" for point in rest)
    path = f"M{_number(left)} {_number(top)}{steps}"
    width = _number(mark.width)
    line = f'<path d="{path}" {look.stroke(mark.role)} stroke-width="{width}"{_dashed(mark.dashed, look)}/>'
    return line + _mark(head(mark), look) if mark.arrow else line


def _dashed(dashed: bool, look: _Coloured | _Classed) -> str:
    step = _number(3 * look.unit_stroke)
    return f' stroke-dasharray="{step} {step}"' if dashed else ""


def _words(mark: Words, look: _Coloured | _Classed) -> str:
    place = f'x="{_number(mark.left)}" y="{_number(mark.top)}"'
    if mark.turned:
        place += f' transform="rotate(-90 {_number(mark.left)} {_number(mark.top)})"'
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    weight = ' font-weight="bold"' if mark.bold else ""
    size = _number(mark.size)
    said = look.said if mark.said else ""
    return f'<text {place} font-size="{size}"{anchor}{weight} {look.fill(mark.role)}{said}>{_text(mark.text)}</text>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_number(left)} {_number(top)}" for left, top in points)


def _number(value: float) -> str:
    """Two decimals at most, without zeros that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _text(text: str) -> str:
    """Text that XML can hold: characters that it forbids are replaced."""
    allowed = "".join(letter if _allowed(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return escape(allowed, quote=True)


def _allowed(letter: str) -> bool:
    code = ord(letter)
    return code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
