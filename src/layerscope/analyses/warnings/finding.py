"""What a warning is, and what it may know besides the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from layerscope.analyses import receptive_field
from layerscope.analyses.receptive_field import Fields
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, example
from layerscope.operators._operator import Operator

NAMES = {1: ("positions",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}
"""What stands along the axes of a tensor with channels, by how many others there are."""


@dataclass(frozen=True)
class Finding:
    """One warning: its identifier, the layer (None: the whole network), what is so, and what to do about it."""

    id: str
    layer: str | None
    message: str
    advice: str
    numbers: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Training:
    """How a network is to be trained, as far as it is known.

    `examples`: how many there are. `losses`: name and whether it takes logits, by output. `optimizer`: its name in
    lower case.
    """

    examples: int | None = None
    losses: tuple[tuple[str, bool], ...] = ()
    optimizer: str | None = None
    settings: Mapping[str, float] = field(default_factory=dict[str, float])


class Network:
    """A graph that fits, with what several rules ask of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = propagate.types(graph)
        self.fed = propagate.fed_types(graph, self.types)

    @cached_property
    def readers(self) -> dict[tuple[int, int], list[int]]:
        """The nodes that read each tensor."""
        found: dict[tuple[int, int], list[int]] = {}
        for number, node in enumerate(self.graph.nodes):
            for edge in node.inputs:
                found.setdefault(edge, []).append(number)
        return found

    @cached_property
    def fields(self) -> Sequence[tuple[Fields, ...]]:
        """Receptive fields of all outputs of all nodes."""
        return receptive_field.fields(self.graph, self.types)

    @cached_property
    def single(self) -> list[tuple[TensorType, ...]]:
        """The types of one example."""
        return [tuple(example(type) for type in row) for row in self.types]

    @cached_property
    def layout(self) -> str:
        """Where the channels of images stand: "last", "first", or "" where operators have any order of axes."""
        if any(isinstance(layer, Operator) for layer in self.layers):
            return ""
        first = any(getattr(layer, "data_format", None) == "channels_first" for layer in self.layers)
        return "first" if first else "last"

    def positions(self, type: TensorType, entry: Layer | None = None) -> list[tuple[int, str]]:
        """The axes of a tensor (of an input's layer `entry`) that are positions, and what stands along them."""
        channel = {"last": type.rank - 1, "first": 1}.get(self.layout, 0)
        if entry is not None:
            channel = getattr(entry, "channel_axis", -1) % type.rank if self.layout != "first" else 1
        axes = [axis for axis in range(1, type.rank) if axis != channel]
        if channel and len(axes) in NAMES:
            return list(zip(axes, NAMES[len(axes)], strict=True))
        return [(axis, f"positions along axis {axis}") for axis in axes]

    def parameters(self, number: int) -> int:
        """How many numbers the weights of a node have."""
        return sum(self.graph.parameters[id].size for id in set(self.graph.nodes[number].weights.values()))

    @property
    def trainable(self) -> int:
        """How many numbers are trained."""
        return sum(row.size for row in self.graph.parameters.values() if row.trainable)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the nodes."""
        return [node.layer for node in self.graph.nodes]
