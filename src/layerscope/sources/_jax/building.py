"""From records to a Graph, with names after modules and functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.core.contract import snake_case
from layerscope.core.dataclasses import replace
from layerscope.core.errors import SourceError
from layerscope.core.graph import Edge, Graph, Node, Parameter
from layerscope.core.reach import Window
from layerscope.core.types import TensorType
from layerscope.operators._operator import Operator
from layerscope.operators.composite import Composite
from layerscope.operators.general import GeneralConvolution
from layerscope.operators.standing import Constant
from layerscope.sources._followed import Names, input_layer, slotted
from layerscope.sources._jax.folding import Folding
from layerscope.sources._jax.values import Place, Record, Value
from layerscope.sources._orientation import oriented


def start(kind: TensorType, name: str) -> Value:
    """An input of the network."""
    return Record(input_layer(kind), (), name).made((kind,))[0]


def graph(
    records: Sequence[Record], inputs: Sequence[Value], outputs: Sequence[Value], name: str, title: str
) -> Graph:
    """The network between these values. SourceError where no output depends on an input."""
    ends = [_end(value) for value in outputs]
    starts = [value.record for value in inputs if value.record is not None]
    extra = [
        one.record for one, value in zip(ends, outputs, strict=True) if one is not value and one.record is not None
    ]
    folding = Folding([*starts, *records, *extra], ends)
    fed = {id(one) for one in folding.records} & {id(one) for one in starts}
    if inputs and not fed:
        raise SourceError(f"{title}: no output depends on its input{'s' * (len(inputs) > 1)}")
    folding.fold()
    place = {id(record): number for number, record in enumerate(folding.records)}
    names = _Names(folding.records, fed)
    parameters: dict[str, Parameter] = {}
    nodes = tuple(_node(record, names, place, parameters) for record in folding.records)
    edges = dict.fromkeys((place[id(value.record)], value.number) for value in folding.ends)
    made = Graph(nodes, tuple(sorted(place[one] for one in fed)), tuple(edges), parameters, name)
    return oriented(made, _channels)


def _channels(node: Node, fed: Sequence[TensorType]) -> int | None:
    """The axis of the first operand that becomes the channels of a convolution."""
    layer: Any = node.layer
    if isinstance(layer, GeneralConvolution):
        return layer.input_axes[1]
    if not isinstance(layer, Composite) or layer.slots[0] is not None:
        return None
    return next(
        (
            axis
            for number, part in enumerate(layer.parts)
            if isinstance(part, GeneralConvolution)
            for axis in _leading(layer, fed, number, part.input_axes[1])
        ),
        None,
    )


def _leading(layer: Composite, fed: Sequence[TensorType], number: int, channel: int) -> Iterator[int]:
    """The axis of the first operand that is this axis of what part `number` is given."""
    ref = layer.feeds[number][0]
    if ref == (-1, 0):
        yield channel
    elif ref[0] >= 0:
        before = replace(layer, parts=layer.parts[:number], feeds=layer.feeds[:number], ends=(ref,))
        if before.out(*fed)[0].shape == fed[0].shape:
            yield channel
        for axis, way in enumerate(before.reach(0, *fed)[0] or ()):
            if isinstance(way, Window) and way.axis == channel:
                yield axis


def _end(value: Value) -> Value:
    """An output that no operator makes: a weight or a constant."""
    if value.record is not None:
        return value
    return Record(Constant("Constant", slots=(None,)), (value,), "constant").made((value.type,))[0]


def _node(record: Record, names: _Names, place: dict[int, int], parameters: dict[str, Parameter]) -> Node:
    scope, name = names.of(record)
    edges: tuple[Edge, ...] = tuple(
        (place[id(value.record)], value.number) for value in record.inputs if value.record is not None
    )
    layer, ids = record.layer, dict[str, str]()
    if isinstance(layer, Operator):
        layer, ids = _slotted(layer, record)
        for role, id_ in ids.items():
            row = layer.parameters[role]
            parameters.setdefault(id_, Parameter(id_, row.shape, row.dtype, row.trainable))
    return Node(name, layer, edges, ids, scope)


def _slotted(layer: Operator, record: Record) -> tuple[Operator, dict[str, str]]:
    """The operator with its weights and constants in their slots, and the ids of its weights by role."""
    found = slotted(record.inputs)
    times = {"times": record.times} if record.times != 1 else {}
    return replace(layer, **found.settings, **times), found.ids


class _Names(Names):
    """Names of nodes: that of the module where it is one row, else that of the function in the module's scope."""

    def __init__(self, records: Sequence[Record], fed: set[int]) -> None:
        super().__init__()
        self.fed = fed
        self.count = Counter(record.place.scope for record in records if id(record) not in fed)
        self.inner = {record.place.scope[:n] for record in records for n in range(len(record.place.scope))}

    def of(self, record: Record) -> tuple[tuple[str, ...], str]:
        """Scope and name of a record's node, each once."""
        place = self._told(record)
        if id(record) in self.fed:
            return self.free((), record.name)
        single = self.count[record.place.scope] == 1 and record.place.scope not in self.inner
        if place.scope and place.own and place.scope == place.module and single:
            return self.free(place.scope[:-1], place.scope[-1])
        whole = place.own and not place.scope and record.name == place.kind
        return self.free(place.scope, snake_case(record.name) if whole else record.name.strip("_") or "function")

    @staticmethod
    def _told(record: Record) -> Place:
        """Where it stands; a module that is known by its class alone is called as what holds its weights."""
        place, weights = record.place, [value.weight for value in record.inputs if value.weight is not None]
        if not any(part.startswith("?") for part in place.scope):
            return place
        scope = [part.removeprefix("?") for part in place.scope]
        owner = weights[0].id.split(".")[-2:-1] if weights and place.scope == place.module and place.own else []
        if owner and place.scope[-1].startswith("?"):
            scope[-1] = owner[0]
        return replace(
            place, scope=tuple(scope), module=tuple(scope) if place.module == place.scope else place.module
        )
