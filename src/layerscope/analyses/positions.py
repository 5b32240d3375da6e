"""What one layer sees of the inputs, everywhere and from one position; and what one position of an input reaches.

Positions are counted from 0, along all axes but the batch and the channels. Everything here is clipped to the
actual network; `Seen.extents` is not (docs/definitions.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any

from layerscope.analyses import receptive_field
from layerscope.analyses.journey import Extent, Journey
from layerscope.analyses.receptive_field import channel_axis, spatial_axes
from layerscope.core import boxes
from layerscope.core.boxes import Box
from layerscope.core.errors import ShapeError, UnknownNameError
from layerscope.core.graph import Graph
from layerscope.core.indices import Indices
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType, show
from layerscope.report.document import Column, Document, TableRow

Position = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """What a layer sees of one input: `sizes` are the input's along the axes that have positions, `extents` the
    receptive field along each, on an unbounded input (None: everything). `indices`, of one position of the layer,
    are those on which it depends; None when no position was asked for, or nothing is seen.
    """

    input: str
    sizes: tuple[Size, ...]
    extents: tuple[Extent | None, ...]
    indices: tuple[Indices, ...] | None = None

    @property
    def box(self) -> tuple[tuple[int, int], ...] | None:
        """First and last index along each axis; None when nothing is seen, or no position was asked for."""
        return None if self.indices is None else tuple(found.hull for found in self.indices)

    @property
    def slices(self) -> tuple[slice, ...] | None:
        """The box as slices, for arrays of one example."""
        return None if self.box is None else tuple(slice(low, high + 1) for low, high in self.box)


@dataclass(frozen=True, repr=False)
class ReceptiveField:
    """What a layer sees of each input that it depends on; at `position`, if one was asked for."""

    layer: str
    sizes: tuple[Size, ...]
    position: Position | None
    inputs: tuple[Seen, ...]

    def __getitem__(self, name: str) -> Seen:
        """What it sees of the input of this name; UnknownNameError when it depends on no such input."""
        for seen in self.inputs:
            if seen.input == name:
                return seen
        raise UnknownNameError(f"input of {self.layer}", name, [seen.input for seen in self.inputs])

    def __repr__(self) -> str:
        lines = [f"{self.layer}, {_times(self.sizes)} positions" if self.sizes else self.layer]
        for seen in self.inputs:
            lines.append(f"  of {seen.input}, {_times(seen.sizes)}, it sees {_field_words(seen.extents)}")
            if self.position is not None:
                there = "nothing" if seen.indices is None else _box_words(seen.indices)
                lines.append(f"    at {show(self.position)} {there}")
        return "\n".join(lines if self.inputs else [*lines, "  it depends on no input"])


@dataclass(frozen=True)
class Reached:
    """The positions of one layer that depend on a position of an input; None where none does."""

    layer: str
    sizes: tuple[Size, ...]
    indices: tuple[Indices, ...] | None

    @property
    def box(self) -> tuple[tuple[int, int], ...] | None:
        """First and last position along each axis; None when none is reached."""
        return None if self.indices is None else tuple(found.hull for found in self.indices)

    @property
    def slices(self) -> tuple[slice, ...] | None:
        """The box as slices."""
        return None if self.box is None else tuple(slice(low, high + 1) for low, high in self.box)


@dataclass(frozen=True, repr=False)
class ProjectiveField:
    """Which positions of layers depend on one position of an input."""

    input: str
    sizes: tuple[Size, ...]
    position: Position
    layers: tuple[Reached, ...]

    def __getitem__(self, name: str) -> Reached:
        """What of the layer of this name is reached; UnknownNameError when it was not asked for."""
        for reached in self.layers:
            if reached.layer == name:
                return reached
        raise UnknownNameError("layer", name, [reached.layer for reached in self.layers])

    def __repr__(self) -> str:
        lines = [f"{self.input}, {_times(self.sizes)}, at {show(self.position)}"]
        for reached in self.layers:
            there = "nothing" if reached.indices is None else _box_words(reached.indices)
            lines.append(f"  reaches of {reached.layer}, {_times(reached.sizes)}, {there}")
        return "\n".join(lines)


def _times(parts: Iterable[object]) -> str:
    return " × ".join(map(str, parts)) or "everything"


def _field_words(parts: Sequence[Extent | None]) -> str:
    return _times(map(_words, parts)) if any(parts) else "everything"


def _words(part: Extent | None) -> str:
    if part is None:
        return "everything"
    if not part.exact:
        return f"≤ {part.max}"
    return str(part.max) if part.min == part.max else f"{part.min}–{part.max}"


def _box_words(found: Sequence[Indices]) -> str:
    spans = " × ".join(f"{part.hull[0]}…{part.hull[1]}" for part in found)
    return f"{spans} ({_times([part.extent for part in found])})"


def of_layer(
    graph: Graph, found: Journey, layer: str | None = None, position: Sequence[int] | None = None
) -> ReceptiveField:
    """The receptive field of a layer's first output (of the network's, where no layer is named).

    `position` has one index for each axis but the batch and the channels, or one for every axis.
    Errors: UnknownNameError for a layer that is not there; ShapeError for a position outside, and for open sizes.
    """
    node, output = graph.outputs[0] if layer is None else (_number(graph, layer), 0)
    step = found.steps[node]
    types = _bound(found)
    type = types[node][output]
    axes = _axes(graph, type)
    place = None if position is None else _place(step.name, type, axes, position)
    asked = {} if place is None else receptive_field.dependency(graph, types, {(node, output): place})
    inputs: list[Seen] = []
    for number, extents in step.fields.items():
        source = graph.inputs[number]
        across = spatial_axes(types[source][0], channel_axis(graph.nodes[source]))
        box = asked.get(number)
        seen = None if box is None else tuple(box[axis] for axis in across)
        inputs.append(Seen(found.inputs[number], _sizes(types[source][0], across), extents, seen))
    told = None if position is None else tuple(index(part) for part in position)
    return ReceptiveField(step.name, _sizes(type, axes), told, tuple(inputs))


def of_input(
    graph: Graph, found: Journey, position: Sequence[int], layer: str | None = None, input: str | None = None
) -> ProjectiveField:
    """The positions of a layer (of the network's outputs, where none is named) that depend on one of an input.

    `input` names the input, where there are several. Errors: as `of_layer`.
    """
    number = _input(found, input)
    source = graph.inputs[number]
    types = _bound(found)
    type = types[source][0]
    axes = spatial_axes(type, channel_axis(graph.nodes[source]))
    box = _place(found.inputs[number], type, axes, position)
    reached = receptive_field.projection(graph, types, {number: box})
    edges = graph.outputs if layer is None else ((_number(graph, layer), 0),)
    layers: list[Reached] = []
    for node, output in dict.fromkeys(edges):
        across = _axes(graph, types[node][output])
        there = reached[node][output]
        seen = None if there is None else tuple(there[axis] for axis in across)
        layers.append(Reached(found.steps[node].name, _sizes(types[node][output], across), seen))
    told = tuple(index(part) for part in position)
    return ProjectiveField(found.inputs[number], _sizes(type, axes), told, tuple(layers))


def _number(graph: Graph, name: str) -> int:
    for number, node in enumerate(graph.nodes):
        if name in (node.label, node.name):
            return number
    raise UnknownNameError("layer", name, [node.label for node in graph.nodes])


def _input(found: Journey, name: str | None) -> int:
    if name is None and len(found.inputs) == 1:
        return 0
    if name is None:
        raise ShapeError(f"there are {len(found.inputs)} inputs, {', '.join(found.inputs)}: say which one")
    if name not in found.inputs:
        raise UnknownNameError("input", name, found.inputs)
    return found.inputs.index(name)


def _bound(found: Journey) -> list[tuple[TensorType, ...]]:
    return [tuple(type.bind({BATCH: 1}) for type in step.outputs) for step in found.steps]


def _axes(graph: Graph, type: TensorType) -> tuple[int, ...]:
    """The axes with positions of a result: laid out as the inputs are, if they agree."""
    ways = {channel_axis(graph.nodes[number]) for number in graph.inputs}
    way = ways.pop() if len(ways) == 1 else -1
    return spatial_axes(type, way if -type.rank <= way < type.rank else -1)


def _sizes(type: TensorType, axes: Sequence[int]) -> tuple[Size, ...]:
    return tuple(type.shape[axis] for axis in axes)


def _place(name: str, type: TensorType, axes: Sequence[int], position: Sequence[int]) -> Box:
    """The position with all its channels, of the first example."""
    sizes = _sizes(type, axes)
    given = tuple(index(part) for part in position)
    box = list(boxes.whole(type))
    if len(given) == type.rank > len(axes) + 1:
        axes, sizes = range(type.rank), type.shape
    elif type.rank:
        box[0] = Indices(((0, 0),))
    if len(given) != len(axes):
        raise ShapeError(
            f"{name} has {_times(sizes)} positions, so one of them has {len(axes)} "
            f"{'number' if len(axes) == 1 else 'numbers'}, not {len(given)}: {show(given)}"
        )
    for axis, size, part in zip(axes, sizes, given, strict=True):
        if not isinstance(size, int) or not 0 <= part < size:
            raise ShapeError(f"{show(given)} is outside of {name}: {_times(sizes)} positions, counted from 0")
        box[axis] = Indices(((part, part),))
    return tuple(box)


NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def describe_seen(found: ReceptiveField, network: str) -> Document:
    """A receptive field as a document."""
    columns = [
        Column("input", "input"),
        Column("axis", "axis"),
        Column("size", "size", right=True),
        Column("field", "receptive field", right=True),
        Column("start", "start", right=True, rank=2),
        Column("jump", "jump", right=True, rank=1),
        Column("phases", "repeats after", right=True, rank=3),
        Column("holes", "holes", rank=4),
    ]
    if found.position is not None:
        columns.append(Column("box", f"at {show(found.position)}", right=True))
    rows = [TableRow(row) for seen in found.inputs for row in _seen_rows(seen)]
    return Document(
        title=f"{found.layer} of {network}",
        subtitle=f"{_times(found.sizes)} positions",
        columns=columns,
        rows=rows,
        totals=[(seen.input, _field_words(seen.extents)) for seen in found.inputs] or [("inputs", "none")],
        notes=[],
        definitions=[
            "Receptive field: input positions that one position depends on, per axis, on an unbounded input.",
            "Start: the first of them for position 0; below 0 it lies in the padding. Jump: input positions from one "
            "position to the next. Holes: some positions between the first and the last do not matter.",
        ]
        + ([] if found.position is None else ["At a position: first … last index (how many), within the input."]),
        data=lambda: _seen_facts(found),
    )


def _axis_names(count: int) -> tuple[str, ...]:
    return NAMES.get(count) or tuple(f"axis {n}" for n in range(1, count + 1))


def _seen_rows(seen: Seen) -> list[dict[str, str]]:
    names = _axis_names(len(seen.sizes))
    rows: list[dict[str, str]] = []
    for n, (size, extent) in enumerate(zip(seen.sizes, seen.extents, strict=True)):
        told = {"start": "", "jump": "", "phases": "", "holes": ""}
        if extent is not None:
            told = {
                "start": "nothing" if extent.start is None else str(extent.start),
                "jump": str(extent.jump),
                "phases": str(extent.phases),
                "holes": "yes" if extent.holes else "no",
            }
        box = "nothing" if seen.indices is None else _span(seen.indices[n])
        rows.append(
            {"input": seen.input, "axis": names[n], "size": str(size), "field": _words(extent), "box": box} | told
        )
    return rows


def _span(found: Indices) -> str:
    return f"{found.hull[0]} … {found.hull[1]} ({found.extent})"


def _seen_facts(found: ReceptiveField) -> dict[str, Any]:
    return {
        "layer": found.layer,
        "sizes": list(map(plain, found.sizes)),
        "position": None if found.position is None else list(found.position),
        "inputs": {
            seen.input: {
                "sizes": list(map(plain, seen.sizes)),
                "receptive_field": [extent_facts(extent) for extent in seen.extents],
                **({} if found.position is None else _box_facts(seen.indices)),
            }
            for seen in found.inputs
        },
    }


def plain(size: Size) -> int | str:
    """A size as JSON has it in reports."""
    return size if isinstance(size, int) else str(size)


def extent_facts(part: Extent | None) -> str | dict[str, Any]:
    """A receptive field along one axis as plain data."""
    if part is None:
        return "everything"
    return {
        "min": part.min,
        "max": part.max,
        "exact": part.exact,
        "start": part.start,
        "jump": float(part.jump),
        "phases": part.phases,
        "holes": part.holes,
    }


def _box_facts(found: Sequence[Indices] | None) -> dict[str, Any]:
    if found is None:
        return {"box": None, "read": 0}
    return {"box": [list(part.hull) for part in found], "read": prod(part.count for part in found)}


def describe_reached(found: ProjectiveField, network: str) -> Document:
    """A projective field as a document."""
    rows = [
        {
            "layer": reached.layer,
            "axis": name,
            "size": str(size),
            "box": "nothing" if reached.indices is None else _span(reached.indices[n]),
        }
        for reached in found.layers
        for n, (name, size) in enumerate(zip(_axis_names(len(reached.sizes)), reached.sizes, strict=True))
    ]
    return Document(
        title=f"{found.input} of {network}",
        subtitle=f"{_times(found.sizes)} positions",
        columns=[
            Column("layer", "layer"),
            Column("axis", "axis"),
            Column("size", "size", right=True),
            Column("box", f"reached from {show(found.position)}", right=True),
        ],
        rows=list(map(TableRow, rows)),
        totals=[
            (reached.layer, "nothing" if reached.indices is None else _box_words(reached.indices))
            for reached in found.layers
        ],
        notes=[],
        definitions=[
            "Reached: positions of the layer that depend on this position of the input, first … last (how many)."
        ],
        data=lambda: {
            "input": found.input,
            "sizes": list(map(plain, found.sizes)),
            "position": list(found.position),
            "layers": {
                reached.layer: {"sizes": list(map(plain, reached.sizes)), **_box_facts(reached.indices)}
                for reached in found.layers
            },
        },
    )
