"""A journey for paper: a row for each stop, the data's way as a river whose width is that of the images."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass
from layerscope.report.drawing import Area, Box, Drawing, Mark, Stroke, Words, extent, shortened, wrapped
from layerscope.report.layouts import stops
from layerscope.report.scenes import Journey, Stop

TITLE, TEXT, SMALL = 2.9, 2.25, 1.95
"""Sizes of letters in millimetres: 8.2, 6.4 and 5.5 points."""
PITCH, GAP, EDGE = 3.5, 1.4, 0.4
COLUMNS_FROM, ROWS_FROM = 150.0, 36
"""From this width and so many rows on there are two columns."""
MERGED_FROM = 40
"""From so many rows on quiet layers stand with the one that they follow."""
LEAST_RIVER, MOST_RIVER = 12.0, 46.0
ARCS = 4.0
"""Room beside the river for what skips layers."""
BLACK = 0.36
"""How far the middle of small letters lies above their baseline, in their size."""


@dataclass(frozen=True)
class _Columns:
    """Left edges and widths within one column of the figure."""

    name: tuple[float, float]
    shape: tuple[float, float]
    river: tuple[float, float]
    parameters: tuple[float, float]
    macs: tuple[float, float]


def down(journey: Journey, width: float) -> Drawing:
    """The journey as a figure of `width` millimetres."""
    few = stops.merged(journey.stops) if len(journey.stops) > MERGED_FROM else list(journey.stops)
    together = len(few) < len(journey.stops)
    count = 2 if width >= COLUMNS_FROM and len(few) > ROWS_FROM else 1
    each = (width - 2 * EDGE - (count - 1) * 4 * GAP) / count
    rows = -(-len(few) // count)
    marks: list[Mark] = []
    top = EDGE + TITLE
    marks.append(Words(EDGE, top, shortened(journey.title, TITLE, width - 2 * EDGE, True), TITLE, bold=True))
    for line in wrapped(journey.about, TEXT, width - 2 * EDGE):
        top += TEXT + 0.9
        marks.append(Words(EDGE, top, line, TEXT, "soft"))
    top += 2.2
    columns = _fitted(few, each)
    for number in range(count):
        low, high = number * rows, min(len(few), (number + 1) * rows)
        left = EDGE + number * (each + 4 * GAP)
        marks += _column(few, low, high, left, top, columns, each)
    top += PITCH * (rows + 1) + 1.2
    for line in wrapped(_legend(few, together), SMALL, width - 2 * EDGE):
        top += SMALL + 0.5
        marks.append(Words(EDGE, top, line, SMALL, "soft"))
    words = f"{journey.about}. {len(journey.stops)} rows: " + "; ".join(
        f"{stops.named(stop)} {stop.shape}" for stop in journey.stops
    )
    return Drawing(width, round(top + 1.0, 2), "mm", journey.title, words, marks)


def _legend(few: Sequence[Stop], together: bool) -> str:
    parts = [stops.SHAPE]
    parts.append("Blue: more numbers out than in; red: fewer; grey: as many. Hollow: no parameters.")
    parts.append("Bars: share of the largest row.")
    if together:
        parts.append("+n: with n layers behind it that multiply nothing and keep the shape.")
    return " ".join(parts)


def _fitted(few: Sequence[Stop], room: float) -> _Columns:
    """Widths as the content needs them; names give way to the river."""

    def wide(texts: list[str], head: str) -> float:
        return max([extent(text, TEXT) for text in texts] + [extent(head, SMALL)])

    shape = min(wide([stop.shape for stop in few], "output"), 0.3 * room)
    parameters = wide([stops.brief(stop.parameters) for stop in few], "parameters") + 0.6
    macs = wide([stops.brief(stop.macs) for stop in few], "MACs") + 3
    arcs = ARCS if _skipping(few) else 0
    left = room - shape - parameters - macs - 4 * GAP - arcs
    name = min(wide([stops.named(stop) for stop in few], "layer"), max(0.3 * room, left - MOST_RIVER))
    name = max(8.0, min(name, left - LEAST_RIVER))
    river = min(MOST_RIVER, max(4.0, left - name))
    spare = max(0.0, left - name - river) / 2  # wide paper: longer bars
    places, at = list[tuple[float, float]](), 0.0
    for size in (name, shape, river + arcs, parameters + spare, macs + spare):
        places.append((at, size))
        at += size + GAP
    return _Columns(*places)


def _skipping(few: Sequence[Stop]) -> bool:
    return any(source < at - 1 for at, stop in enumerate(few) for source in stop.reads)


def _column(
    few: Sequence[Stop], low: int, high: int, left: float, top: float, columns: _Columns, each: float
) -> list[Mark]:
    marks = _heads(left, top + SMALL, columns)
    marks.append(Stroke([(left, top + SMALL + 1.0), (left + each, top + SMALL + 1.0)], "rule", 0.2))
    first = top + PITCH + 0.6
    marks += _river(few, low, high, left + columns.river[0], first, columns.river[1])
    heaviest = stops.most([stop.parameters for stop in few]), stops.most([stop.macs for stop in few])
    for at in range(low, high):
        stop, middle = few[at], first + (at - low + 0.5) * PITCH
        line = middle + BLACK * TEXT
        name = shortened(stops.named(stop), TEXT, columns.name[1])
        marks.append(Words(left + columns.name[0], line, name, TEXT))
        shape = shortened(stop.shape, TEXT, columns.shape[1])
        marks.append(Words(left + columns.shape[0], line, shape, TEXT, "soft"))
        for (start, size), number, largest in (
            (columns.parameters, stop.parameters, heaviest[0]),
            (columns.macs, stop.macs, heaviest[1]),
        ):
            bar = stops.share(number, largest) * size
            if bar:
                marks.append(Box(left + start, middle - 0.36 * PITCH, max(bar, 0.15), 0.72 * PITCH, "bar"))
            marks.append(Words(left + start + size - 0.3, line, stops.brief(number), TEXT, anchor="end"))
    return marks


def _heads(left: float, line: float, columns: _Columns) -> list[Mark]:
    return [
        Words(left + columns.name[0], line, "layer", SMALL, "soft"),
        Words(left + columns.shape[0], line, "output", SMALL, "soft"),
        Words(left + sum(columns.parameters) - 0.3, line, "parameters", SMALL, "soft", "end"),
        Words(left + sum(columns.macs) - 0.3, line, "MACs", SMALL, "soft", "end"),
    ]


def _river(few: Sequence[Stop], low: int, high: int, left: float, top: float, room: float) -> list[Mark]:
    arcs = ARCS if _skipping(few) else 0
    wide = stops.Scale([stop.side for stop in few], 0.5, room - arcs)
    tall = stops.Scale([stop.depth for stop in few], 0.5, PITCH - 0.7)
    centre = left + (room - arcs) / 2
    flows, boxes, skips = list[Mark](), list[Mark](), list[Mark]()
    for at in range(low, high):
        stop, middle = few[at], top + (at - low + 0.5) * PITCH
        across, height = wide(stop.side), tall(stop.depth)
        box = Box(centre - across / 2, middle - height / 2, across, height, stops.role(stop), stops.hollow(stop))
        boxes.append(box)
        for source in stop.reads:
            if source < low:
                continue
            before, above = wide(few[source].side), top + (source - low + 0.5) * PITCH
            if source == at - 1:
                end = above + tall(few[source].depth) / 2
                flows.append(
                    Area(
                        [
                            (centre - before / 2, end),
                            (centre + before / 2, end),
                            (centre + across / 2, middle - height / 2),
                            (centre - across / 2, middle - height / 2),
                        ],
                        "flow",
                    )
                )
            else:
                start, stop_at = centre + before / 2, centre + across / 2
                pull = max(start, stop_at) + min(ARCS, 1.2 + 0.35 * (at - source)) * 1.3
                skips.append(
                    Stroke([(start, above), (pull, above), (pull, middle), (stop_at, middle)], "soft", 0.2, True)
                )
    return [*flows, *skips, *boxes]
