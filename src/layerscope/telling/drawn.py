"""A journey as what is drawn of it: stops with sizes and amounts, planes, and what rows see of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, prod

from layerscope.analyses import receptive_field
from layerscope.analyses.journey import Journey
from layerscope.analyses.receptive_field import InputAxis, channel_axis, spatial_axes
from layerscope.core.dataclasses import replace
from layerscope.core.graph import Graph, Node
from layerscope.core.types import TensorType
from layerscope.report import scenes
from layerscope.report.scenes import Field, Plane, Stop
from layerscope.telling import words
from layerscope.telling.amounts import Amount, ordinal
from layerscope.telling.lines import Line


def planes(graph: Graph, found: Journey) -> list[tuple[int, Plane]]:
    """The inputs that have one or two axes of positions, with their numbers."""
    known: list[tuple[int, Plane]] = []
    for number, source in enumerate(graph.inputs):
        type = found.steps[source].outputs[0]
        sizes = [type.shape[axis] for axis in _across(graph.nodes[source], type)]
        if 1 <= len(sizes) <= 2 and all(isinstance(size, int) for size in sizes):
            height, width = ([1, *sizes] if len(sizes) == 1 else sizes)[:2]
            known.append((number, Plane(found.inputs[number], ordinal(height), ordinal(width))))
    return known


def stops(graph: Graph, lines: Sequence[Line]) -> list[Stop]:
    """The rows as stops of a journey, with the places of those that feed them."""
    place = {number: at for at, line in enumerate(lines) for number in line.members}
    return [_stop(graph, line, at, place) for at, line in enumerate(lines)]


def _stop(graph: Graph, line: Line, at: int, place: Mapping[int, int]) -> Stop:
    side, depth = _extent(graph, line)
    edges = [source for number in line.members for source, _ in graph.nodes[number].inputs]
    reads = tuple(sorted({place[source] for source in edges if source in place and place[source] != at}))
    quiet = len(line.members) == 1 and len(reads) == 1 and line.macs.exact == 0
    return Stop(
        name=f"… {line.kind}" if line.sentence else line.name,
        kind=line.kind,
        shape=words.shapes(line.outputs),
        side=side,
        depth=depth,
        parameters=_known(line.parameters),
        macs=_known(line.macs),
        change=None if line.ratio is None else float(words.real(line.ratio)),
        reads=reads,
        layers=len(line.members),
        quiet=quiet and tuple(line.inputs) == tuple(line.outputs),
    )


def _known(amount: Amount) -> int | None:
    return None if amount.size is None else ordinal(amount.size)


def _extent(graph: Graph, line: Line) -> tuple[float, float]:
    """Positions along an axis (the geometric mean of several), and numbers at each; open sizes as if 1,000."""
    if not line.outputs:
        return 1.0, 1.0
    type = line.outputs[0]
    axes = _axes(graph, type)
    inner = [ordinal(size) for size in type.shape[1:]]
    across = [ordinal(type.shape[axis]) for axis in axes]
    if type.rank <= 2 or not across:
        return 1.0, float(prod(inner))
    return float(prod(across)) ** (1 / len(across)), prod(inner) / max(1, prod(across))


def _axes(graph: Graph, type: TensorType) -> tuple[int, ...]:
    """The axes with positions of a layer's output: laid out as the inputs are, if they agree."""
    ways = {channel_axis(graph.nodes[number]) for number in graph.inputs}
    way = ways.pop() if len(ways) == 1 else -1
    return spatial_axes(type, way if -type.rank <= way < type.rank else -1)


def _across(node: Node, type: TensorType) -> tuple[int, ...]:
    return () if type.rank <= 2 else spatial_axes(type, channel_axis(node))


class Sights:
    """What the middle position of each layer sees of the planes, on an unbounded input."""

    def __init__(self, graph: Graph, found: Journey) -> None:
        self.types = [step.outputs for step in found.steps]
        self.planes = planes(graph, found)
        self.fields = receptive_field.fields(graph, self.types) if self.planes else []
        self.axes = [_across(graph.nodes[graph.inputs[source]], self.types[graph.inputs[source]][0])
                     for source, _ in self.planes]  # fmt: skip

    def of(self, line: Line) -> tuple[Field, ...]:
        """One field for each plane of which the row's last layer sees something."""
        if line.sums_only or not line.members or not self.planes:
            return ()
        made: list[Field] = []
        for at, (source, plane) in enumerate(self.planes):
            sizes = [plane.height, plane.width][-len(self.axes[at]) :]
            spans = [
                self._span(line.end, (source, axis), size) for axis, size in zip(self.axes[at], sizes, strict=True)
            ]
            if None not in spans:
                (top, bottom), (left, right) = [(0, 0), *(span for span in spans if span)][-2:]
                made.append(Field(at, top, left, bottom, right))
        return tuple(made)

    def _span(self, number: int, axis: InputAxis, size: int) -> tuple[int, int] | None:
        """First and last position of one axis; None where nothing is seen, or a size is open."""
        field = self.fields[number][0].get(axis)
        if field is None:
            return None
        if field.everything:
            return 0, size - 1
        length = self.types[number][0].shape[field.axis]
        if not isinstance(length, int) or length == 0:
            return None
        if field.bound:
            place = floor(field.bound.ratio * (length // 2))
            return place + field.bound.low, place + field.bound.high
        seen = field.at(length // 2)
        return seen.hull if seen else None


def scene(graph: Graph, found: Journey, lines: Sequence[Line], rows: Sequence[Line], about: str) -> scenes.Journey:
    """The journey as it is drawn, one stop for each line; `rows` are those of the table, in whatever order."""
    shown = [plane for _, plane in planes(graph, found)]
    places = {row.members: at for at, row in enumerate(rows)}
    known = [
        replace(stop, row=places.get(line.members, -1)) for stop, line in zip(stops(graph, lines), lines, strict=True)
    ]
    return scenes.Journey(found.name, about, known, shown)
