"""From the records of a call to a Graph: what its outputs depend on, with names after the modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.contract import Layer
from layerscope.core.errors import SourceError
from layerscope.core.graph import Edge, Graph, Node, Parameter
from layerscope.core.types import TensorType
from layerscope.operators._operator import Operator
from layerscope.operators.arrange import DepthToSpace, Rearranged, SpaceToDepth
from layerscope.operators.convolution import Convolution, TransposedConvolution
from layerscope.operators.normalisation import BatchNormalization, GroupNormalization, LocalResponseNormalization
from layerscope.operators.pooling import AdaptivePooling, GlobalPooling, MaxUnpooling, Pooling
from layerscope.operators.resize import GridSample, Resize
from layerscope.operators.standing import Constant
from layerscope.sources._followed import Names, input_layer
from layerscope.sources._orientation import oriented
from layerscope.sources._torch.live.site import Site
from layerscope.sources._torch.live.values import Place, Record, Value

if TYPE_CHECKING:
    from layerscope.sources._torch.live.capture import Capture

CHANNELS = (
    Convolution, TransposedConvolution, Pooling, AdaptivePooling, GlobalPooling, MaxUnpooling, BatchNormalization,
    GroupNormalization, LocalResponseNormalization, GridSample, Resize, DepthToSpace, SpaceToDepth,
)  # fmt: skip
"""Operators whose axis 1 is the channels'."""


def start(capture: Capture, kind: TensorType) -> Value:
    """An input of the network."""
    record = Record(input_layer(kind), (), (kind,), {}, Place(), "input", len(capture.records))
    capture.records.append(record)
    return Value(kind, record)


def graph(
    capture: Capture, inputs: Sequence[tuple[str, Value]], outputs: Sequence[Any], name: str, title: str
) -> Graph:
    """The network between these tensors. SourceError where no output depends on an input."""
    starts = [(label, value.record) for label, value in inputs]
    ends = [_end(capture, tensor) for tensor in outputs]
    used = _used(record for record, _ in ends)
    fed = {record.number: label for label, record in starts if record is not None and record.number in used}
    if inputs and not fed:
        what = f"its input{'s' * (len(inputs) > 1)}"
        if capture.aside:
            raise SourceError(
                f"{title}: no output is seen to depend on {what}; what {capture.aside} does to it is not followed"
            )
        raise SourceError(f"{title}: no output depends on {what}")
    records = [record for record in capture.records if record.number in used]
    place = {record.number: number for number, record in enumerate(records)}
    names = _Names(records, fed)
    parameters: dict[str, Parameter] = {}
    nodes = tuple(_node(record, names, place, parameters) for record in records)
    edges = dict.fromkeys((place[record.number], number) for record, number in ends)
    made = Graph(nodes, tuple(place[number] for number in sorted(fed)), tuple(edges), parameters, name)
    return oriented(made, lambda node, _: isinstance(node.layer, CHANNELS) or _shuffles(node.layer))


def _shuffles(layer: Layer) -> bool:
    return isinstance(layer, Rearranged) and layer.type_name == "channel_shuffle"


def _end(capture: Capture, tensor: Any) -> tuple[Record, int]:
    value = capture.value(tensor)
    if value.record is None:
        (value,) = Site(capture, "constant", [tensor]).emit(Constant, "Constant", (value,))
    assert value.record is not None
    return value.record, value.number


def _used(ends: Any) -> set[int]:
    seen: set[int] = set()
    stack = list(ends)
    while stack:
        record = stack.pop()
        if record.number not in seen:
            seen.add(record.number)
            stack += [value.record for value in record.inputs]
    return seen


def _node(record: Record, names: _Names, place: dict[int, int], parameters: dict[str, Parameter]) -> Node:
    scope, name = names.of(record)
    edges: tuple[Edge, ...] = tuple(
        (place[value.record.number], value.number) for value in record.inputs if value.record is not None
    )
    if isinstance(record.layer, Operator):
        for role, id in record.weights.items():
            row = record.layer.parameters[role]
            parameters.setdefault(id, Parameter(id, row.shape, row.dtype, row.trainable))
    return Node(name, record.layer, edges, record.weights, scope)


class _Names(Names):
    """Names of nodes: that of the module where it is one layer, else that of the function in the module's scope."""

    def __init__(self, records: Sequence[Record], fed: dict[int, str]) -> None:
        super().__init__()
        self.fed = fed
        self.count = Counter((id(record.place)) for record in records)

    def of(self, record: Record) -> tuple[tuple[str, ...], str]:
        """Scope and name of a record's node, each once."""
        place = record.place
        if record.number in self.fed:
            return self.free((), self.fed[record.number])
        single = self.count[id(place)] == 1 and not place.inner and place.kind != ""
        if single and place.own and isinstance(record.layer, Operator):
            called = "" if place.kind == record.layer.type_name else place.kind
            object.__setattr__(record.layer, "called", called)
        if single and place.scope:
            return self.free(place.scope[:-1], place.scope[-1].partition("#")[0])
        return self.free(place.scope, record.name.strip("_") or "function")


__all__ = ["graph", "start"]
