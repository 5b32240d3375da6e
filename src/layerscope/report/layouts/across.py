"""A journey for a page: stops from left to right, with the shares of parameters and MACs below."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.report.drawing import Area, Box, Drawing, Group, Mark, Stroke, Words, extent, shortened
from layerscope.report.layouts import stops
from layerscope.report.scenes import Journey, Stop

TEXT, SMALL = 11.0, 10.0
LEFT, RIGHT = 78.0, 8.0
"""Room for what strips are called, and behind the last stop."""
ROOM, LEAST, MOST = 1100.0, 11.0, 84.0
"""The width that stops share, and the width of one."""
TALL, ARCS, BAR, NAMES = 104.0, 30.0, 30.0, 118.0
"""Heights of the river, of what skips layers above it, of a strip of bars, and of the names below."""
NAMED_FROM = 13.0
"""The width of a stop from which there is room for its name."""


def across(journey: Journey) -> Drawing:
    """The journey as a figure in pixels; stops are groups whose key is their row's place."""
    known = journey.stops
    step = min(MOST, max(LEAST, ROOM / max(1, len(known))))
    arcs = ARCS if any(source < at - 1 for at, stop in enumerate(known) for source in stop.reads) else 4.0
    middle = arcs + TALL / 2
    place = _Place(known, step, middle)
    bars = middle + TALL / 2 + 24
    named = step >= NAMED_FROM
    height = bars + 2 * (BAR + 6) + (NAMES if named else 4)
    width = LEFT + step * len(known) + RIGHT
    marks: list[Mark | Group] = [*_strips(bars, width), *place.flows(), *place.skips(arcs)]
    for at, stop in enumerate(known):
        inner = [
            Box(LEFT + at * step, 0, step, height, "hit"),
            *place.boxes(at),
            *_bars(known, at, step, bars),
        ]
        if named:
            text = shortened(stop.name, TEXT, NAMES - 8)
            line = LEFT + (at + 0.5) * step + 0.36 * TEXT
            inner.append(Words(line, height - NAMES + 4, text, TEXT, "soft", "end", turned=True))
        title = f"{stops.named(stop)}: {stop.kind}, {stop.shape}" if stop.layers == 1 else stops.named(stop)
        marks.append(Group(stop.row, title, inner))
    marks += _labels(known, step, middle + TALL / 2 + 15)
    return Drawing(round(width, 1), round(height, 1), "px", journey.title, journey.about, marks)


class _Place:
    """Where the boxes of the river are."""

    def __init__(self, known: Sequence[Stop], step: float, middle: float) -> None:
        self.known, self.step, self.middle = known, step, middle
        self.tall = stops.Scale([stop.side for stop in known], 4.0, TALL)
        self.wide = stops.Scale([stop.depth for stop in known], 2.0, 0.78 * step)

    def box(self, at: int) -> Box:
        """The box of a stop: as tall as its images, as wide as it has channels."""
        stop = self.known[at]
        width, height = self.wide(stop.depth), self.tall(stop.side)
        left = LEFT + (at + 0.5) * self.step - width / 2
        return Box(left, self.middle - height / 2, width, height, stops.role(stop), stops.hollow(stop))

    def boxes(self, at: int) -> list[Mark]:
        """Its box; of several layers with another one behind it."""
        box = self.box(at)
        if self.known[at].layers == 1:
            return [box]
        return [Box(box.left + 2.5, box.top - 2.5, box.width, box.height, box.role, hollow=True), box]

    def flows(self) -> list[Mark]:
        """Areas from each box to the next where this one reads it."""
        made: list[Mark] = []
        for at, stop in enumerate(self.known):
            if at and at - 1 in stop.reads:
                one, two = self.box(at - 1), self.box(at)
                start, end = one.left + one.width, two.left
                made.append(
                    Area(
                        [
                            (start, one.top), (end, two.top), (end, two.top + two.height),
                            (start, one.top + one.height),
                        ],
                        "flow",
                    )
                )  # fmt: skip
        return made

    def skips(self, room: float) -> list[Mark]:
        """Curves above the river from a box to a later one that reads it too."""
        made: list[Mark] = []
        for at, stop in enumerate(self.known):
            for source in stop.reads:
                if source < at - 1:
                    one, two = self.box(source), self.box(at)
                    start, end = one.left + one.width / 2, two.left + two.width / 2
                    rise = min(one.top, two.top) - min(room + 8, 12 + 4 * (at - source))
                    made.append(
                        Stroke([(start, one.top), (start, rise), (end, rise), (end, two.top)], "soft", 1.0, True)
                    )
        return made


def _labels(known: Sequence[Stop], step: float, line: float) -> list[Mark]:
    """The shape below each box; where there is no room for it, the side of each stretch of the same side."""

    def label(at: float, text: str) -> Mark:
        return Words(LEFT + (at + 0.5) * step, line, text, SMALL, "soft", "middle")

    if any(extent(stop.shape, SMALL) <= step - 3 for stop in known if stop.side > 1):
        return [label(at, shortened(stop.shape, SMALL, step - 3)) for at, stop in enumerate(known)]
    made: list[Mark] = []
    first = 0
    for at in range(1, len(known) + 1):
        if at == len(known) or round(known[at].side) != round(known[first].side):
            text = f"{known[first].side:.0f}"
            if known[first].side > 1 and extent(text, SMALL) <= (at - first) * step - 3:
                made.append(label((first + at - 1) / 2, text))
            first = at
    return made


def _strips(top: float, width: float) -> list[Mark]:
    marks: list[Mark] = []
    for number, name in enumerate(("parameters", "MACs")):
        base = top + BAR + number * (BAR + 6)
        marks.append(Stroke([(LEFT, base), (width - RIGHT, base)], "rule", 1.0))
        marks.append(Words(LEFT - 8, base, name, TEXT, "soft", "end", said=True))
    return marks


def _bars(known: Sequence[Stop], at: int, step: float, top: float) -> list[Mark]:
    """The bars of one stop, as tall as its share of the largest."""
    marks: list[Mark] = []
    width = max(3.0, min(0.62 * step, 26.0))
    left = LEFT + (at + 0.5) * step - width / 2
    for number, amounts in enumerate(([one.parameters for one in known], [one.macs for one in known])):
        base = top + BAR + number * (BAR + 6)
        part = stops.share(amounts[at], stops.most(amounts))
        if part:
            height = max(1.0, part * BAR)
            marks.append(Box(left, base - height, width, height, "amount"))
    return marks
