"""A drawing as SVG; the same drawing gives the same bytes."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from layerscope.lab.painting.drawing import Drawing, Line, Polygon, Rect, Shape, Words

FONTS = "'Noto Sans','DejaVu Sans','Noto Sans KR','Noto Sans CJK KR','Apple SD Gothic Neo','Malgun Gothic',sans-serif"
HEAD = 1.5
"""Millimetres of an arrow's head."""


def render(drawing: Drawing, lang: str = "en") -> str:
    """The drawing as text, its size in millimetres; title and description are there for screen readers."""
    width, height = _number(drawing.width), _number(drawing.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title about" xml:lang="{lang}" '
        f'font-family="{FONTS}">',
        f'<title id="title">{escape(drawing.title)}</title>',
        f'<desc id="about">{escape(drawing.about)}</desc>',
        f"<metadata>{escape(drawing.link)}</metadata>",
        f'<rect width="{width}" height="{height}" fill="{drawing.paper}"/>',
        *(_shape(shape) for shape in drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def head(line: Line) -> Polygon:
    """The head of an arrow, whose tip is the line's end."""
    dx, dy = line.x2 - line.x1, line.y2 - line.y1
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy, size = dx / length, dy / length, min(HEAD, 0.6 * length)
    x, y = line.x2 - ux * size, line.y2 - uy * size
    return Polygon(
        [(line.x2, line.y2), (x - uy * size * 0.4, y + ux * size * 0.4), (x + uy * size * 0.4, y - ux * size * 0.4)],
        line.stroke,
    )


def _shape(shape: Shape) -> str:
    match shape:
        case Rect():
            sharp = [("shape-rendering", "crispEdges")] if shape.crisp else []
            stroke = _stroke(shape.stroke, shape.thick, shape.dashed)
            return _tag("rect", *_box(shape), ("fill", shape.fill), *stroke, *sharp)
        case Line():
            ends = [(name, _number(getattr(shape, name))) for name in ("x1", "y1", "x2", "y2")]
            return _tag("line", *ends, *_stroke(shape.stroke, shape.thick)) + (
                "\n" + _shape(head(shape)) if shape.arrow else ""
            )
        case Polygon():
            points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
            return _tag("polygon", ("points", points), ("fill", shape.fill))
        case Words():
            more = [("text-anchor", shape.anchor)] if shape.anchor != "start" else []
            more += [("font-weight", "bold")] if shape.bold else []
            place = [("x", _number(shape.x)), ("y", _number(shape.y)), ("font-size", _number(shape.size))]
            return _tag("text", *place, ("fill", shape.fill), *more, inner=escape(shape.text))


def _box(shape: Rect) -> list[tuple[str, str]]:
    return [(name, _number(getattr(shape, name))) for name in ("x", "y", "width", "height")]


def _stroke(colour: str, thick: float, dashed: bool = False) -> list[tuple[str, str]]:
    if colour == "none":
        return []
    dashes = [("stroke-dasharray", f"{_number(2.5 * thick)} {_number(1.5 * thick)}")] if dashed else []
    return [("stroke", colour), ("stroke-width", _number(thick)), *dashes]


def _tag(name: str, *given: tuple[str, str], inner: str = "") -> str:
    said = " ".join([name, *(f"{key}={quoteattr(value)}" for key, value in given)])
    return f"<{said}>{inner}</{name}>" if inner else f"<{said}/>"


def _number(value: float) -> str:
    """At most a thousandth of a millimetre."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
