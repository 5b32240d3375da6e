"""What one layer sees of the inputs, everywhere and from one position; and what one position of an input reaches.

Positions are counted from 0, along all axes but the batch and the channels. Everything here is clipped to the
actual network; `Seen.extents` is not (docs/definitions.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index

from layerscope.analyses import receptive_field
from layerscope.analyses.journey import Extent, Journey
from layerscope.analyses.receptive_field import channel_axis, spatial_axes
from layerscope.core import boxes
from layerscope.core.boxes import Box
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError, UnknownNameError
from layerscope.core.graph import Graph
from layerscope.core.indices import Indices
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType, show

Position = tuple[int, ...]
LISTED = "layerscope trace lists the layers (--full: all of them)."


class Placed:
    """What has `indices` along each axis with positions, or None."""

    indices: tuple[Indices, ...] | None

    @property
    def box(self) -> tuple[tuple[int, int], ...] | None:
        """First and last index along each axis; None where there are none."""
        return None if self.indices is None else tuple(found.hull for found in self.indices)

    @property
    def slices(self) -> tuple[slice, ...] | None:
        """The box as slices, for arrays of one example."""
        return None if self.box is None else tuple(slice(low, high + 1) for low, high in self.box)


@dataclass(frozen=True)
class Seen(Placed):
    """What a layer sees of one input: `sizes` are the input's along the axes that have positions, `extents` the
    receptive field along each, on an unbounded input (None: everything). `indices`, of one position of the layer,
    are those on which it depends; None when no position was asked for, or nothing is seen.
    """

    input: str
    sizes: tuple[Size, ...]
    extents: tuple[Extent | None, ...]
    indices: tuple[Indices, ...] | None = None


@dataclass(frozen=True)
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
        lines = [f"{self.layer}, {times(self.sizes)} positions" if self.sizes else self.layer]
        for seen in self.inputs:
            lines.append(f"  of {seen.input}, {times(seen.sizes)}, it sees {field_words(seen.extents)}")
            if self.position is not None:
                there = "nothing" if seen.indices is None else box_words(seen.indices)
                lines.append(f"    at {show(self.position)} {there}")
        return "\n".join(lines if self.inputs else [*lines, "  it depends on no input"])


@dataclass(frozen=True)
class Reached(Placed):
    """The positions of one layer that depend on a position of an input; None where none does."""

    layer: str
    sizes: tuple[Size, ...]
    indices: tuple[Indices, ...] | None


@dataclass(frozen=True)
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
        raise UnknownNameError("layer", name, [reached.layer for reached in self.layers], LISTED)

    def __repr__(self) -> str:
        lines = [f"{self.input}, {times(self.sizes)}, at {show(self.position)}"]
        for reached in self.layers:
            there = "nothing" if reached.indices is None else box_words(reached.indices)
            lines.append(f"  reaches of {reached.layer}, {times(reached.sizes)}, {there}")
        return "\n".join(lines)


def times(parts: Iterable[object]) -> str:
    """28 × 28."""
    return " × ".join(map(str, parts)) or "everything"


def field_words(parts: Sequence[Extent | None]) -> str:
    """30–34 × 5, or "everything"."""
    return times(map(words, parts)) if any(parts) else "everything"


def words(part: Extent | None) -> str:
    """5, 30–34, ≤ 120 or "everything"."""
    if part is None:
        return "everything"
    if not part.exact:
        return f"≤ {part.max}"
    return str(part.max) if part.min == part.max else f"{part.min}–{part.max}"


def box_words(found: Sequence[Indices]) -> str:
    """0 … 27 × 3 … 5 (28 × 3)."""
    spans = " × ".join(f"{part.hull[0]} … {part.hull[1]}" for part in found)
    return f"{spans} ({times([part.extent for part in found])})"


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
    raise UnknownNameError("layer", name, [node.label for node in graph.nodes], LISTED)


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
            f"{name} has {times(sizes)} positions, so one of them has {len(axes)} "
            f"{'number' if len(axes) == 1 else 'numbers'}, not {len(given)}: {show(given)}"
        )
    for axis, size, part in zip(axes, sizes, given, strict=True):
        if not isinstance(size, int) or not 0 <= part < size:
            raise ShapeError(f"{show(given)} is outside of {name}: {times(sizes)} positions, counted from 0")
        box[axis] = Indices(((part, part),))
    return tuple(box)
