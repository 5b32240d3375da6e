"""A network as data: nodes in topological order, and a table of parameters.

`Symbolic` tensors are how a user builds one: `Input(...)` makes the first, calling a layer
on it makes the next and checks that the sizes fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import prod

from layerscope.core import sketch
from layerscope.core.contract import Kinds, Layer, snake_case
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import GraphError, ShapeError, SizeError
from layerscope.core.types import TensorType, WeightType, show

Edge = tuple[int, int]
"""(index of a node, number of its output)."""


@dataclass(frozen=True)
class Parameter:
    """One row of the parameter table."""

    id: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    trainable: bool = True

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Node:
    """One use of a layer: where its inputs come from, and the ids of its weights by role."""

    name: str
    layer: Layer
    inputs: tuple[Edge, ...]
    weights: dict[str, str]
    scope: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name with its scope path, as reports print it."""
        return "/".join((*self.scope, self.name))


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; inputs are the indices of the input nodes, outputs are edges."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[Edge, ...]
    parameters: dict[str, Parameter] = field(default_factory=dict[str, Parameter])
    name: str = "model"

    @cached_property
    def likeness(self) -> tuple[int, ...]:
        """For each node a number, the same for all whose layers answer alike."""
        kinds = Kinds()
        return tuple([kinds.of(node.layer) for node in self.nodes])

    @cached_property
    def switches(self) -> frozenset[Edge]:
        """The tensors that a layer takes as switches, which stay integers; all others are floating where computed."""
        return frozenset(
            node.inputs[number] for node in self.nodes for number in node.layer.integer_inputs if node.inputs
        )

    def index(self, name: str) -> int:
        """The index of the node with this name or label; GraphError when there is none."""
        for number, node in enumerate(self.nodes):
            if name in (node.name, node.label):
                return number
        raise GraphError(f"no layer is called {name!r}; there are: {', '.join(n.label for n in self.nodes)}")


_clock = itertools.count()


@dataclass(frozen=True, eq=False)
class Call:
    """A layer put to symbolic tensors; `when` orders calls by creation."""

    layer: Layer
    inputs: tuple[Symbolic, ...]
    types: tuple[TensorType, ...]
    scope: tuple[str, ...] = ()
    name: str | None = None
    weights: dict[str, str] | None = None
    owner: object | None = None
    """The model whose layers these are, where one is part of another: its name stands first in the scope."""
    when: int = field(default_factory=lambda: next(_clock))


@dataclass(frozen=True, eq=False)
class Symbolic:
    """A tensor without values: output number `number` of a call."""

    call: Call
    number: int = 0

    @property
    def type(self) -> TensorType:
        return self.call.types[self.number]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """As in Keras: None where the size is open."""
        return tuple(size if isinstance(size, int) else None for size in self.type.shape)

    @property
    def dtype(self) -> str:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"<Symbolic {self.type} {self.dtype}, output of {self.call.layer.kind}>"

    def __bool__(self) -> bool:
        raise GraphError("a symbolic tensor has no value; give the layer an array, or build a Model and predict")

    def __array__(self, *_: object, **__: object) -> object:
        raise GraphError("a symbolic tensor has no values; use layers on it (Reshape, Flatten, Add, ...)")


def connect(layer: Layer, inputs: Sequence[Symbolic]) -> Symbolic | tuple[Symbolic, ...]:
    """Put `layer` to symbolic tensors; ShapeError, naming the layer, where the sizes do not fit."""
    source = tuple(inputs)
    title = f"{layer.name} ({layer.kind})" if layer.name else layer.kind
    return tensors(Call(layer, source, types_of(layer, source, title)))


def types_of(layer: Layer, source: Sequence[Symbolic], title: str) -> tuple[TensorType, ...]:
    """The types of a layer's outputs; ShapeError, with this title and what leads there, where the sizes do not fit.

    While networks are sketched, open sizes instead.
    """
    given = [value.type for value in source]
    try:
        return layer.out(*given)
    except (ShapeError, SizeError) as error:
        if sketch.on():
            return sketch.guessed(layer, given)
        if isinstance(error, ShapeError):
            raise error.at(title).of(lambda: _leading(layer, tuple(source)), whole=False) from None
        raise


def _leading(layer: Layer, source: tuple[Symbolic, ...]) -> Graph:
    """The network that leads to a layer that its inputs do not fit, and that layer."""
    with sketch.sketching():
        made = tensors(Call(layer, source, sketch.guessed(layer, [value.type for value in source])))
        ends = made if isinstance(made, tuple) else (made,)
        start = [call for call in _reached(ends, set()) if not call.inputs and not call.layer.standalone]
        return trace_calls([Symbolic(call) for call in start], ends)


def tensors(call: Call) -> Symbolic | tuple[Symbolic, ...]:
    """The outputs of a call: one tensor, or a tuple of several."""
    outputs = tuple(Symbolic(call, number) for number in range(len(call.types)))
    return outputs[0] if len(outputs) == 1 else outputs


def _reached(outputs: Iterable[Symbolic], stop: set[int]) -> list[Call]:
    seen: dict[int, Call] = {}
    stack = [value.call for value in outputs]
    while stack:
        call = stack.pop()
        if id(call) not in seen:
            seen[id(call)] = call
            if id(call) not in stop:
                stack += [value.call for value in call.inputs]
    return sorted(seen.values(), key=lambda call: call.when)


def trace_calls(inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], name: str = "model") -> Graph:
    """The graph between symbolic inputs and outputs, with unique names for its nodes."""
    start = {id(value.call) for value in inputs}
    if len(start) != len(inputs):
        raise GraphError("the same Input is given twice")
    calls = _reached(outputs, start)
    loose = [c for c in calls if not c.inputs and id(c) not in start and not c.layer.standalone]
    if loose:
        names = ", ".join(_title(c) for c in loose)
        raise GraphError(f"the outputs also depend on {names}, which is not among the inputs")
    found = {id(c) for c in calls}
    unused = [_title(v.call) for v in inputs if id(v.call) not in found]
    if unused:
        raise GraphError(f"no output depends on the input {', '.join(unused)}: it is not connected")
    place = {id(call): number for number, call in enumerate(calls)}
    parameters: dict[str, Parameter] = {}
    return Graph(
        tuple(_nodes(calls, start, place, parameters)),
        tuple(place[id(v.call)] for v in inputs),
        tuple((place[id(v.call)], v.number) for v in outputs),
        parameters,
        name,
    )


def _title(call: Call) -> str:
    return repr(call.name or call.layer.name or call.layer.kind)


def _nodes(
    calls: Sequence[Call], start: set[int], place: dict[int, int], parameters: dict[str, Parameter]
) -> Iterator[Node]:
    """Nodes with unique names and weight ids; a layer used twice keeps the ids of its first use."""
    first: dict[int, Node] = {}
    chosen = {"/".join((*c.scope, c.name or c.layer.name or "")) for c in calls}
    taken: set[str] = set()
    scopes, counts = _scopes(calls), dict[str, int]()
    kinds, known = Kinds(), dict[tuple[int, ...], dict[str, WeightType]]()
    for call in calls:
        leaf = id(call) in start
        inputs = () if leaf else tuple((place[id(v.call)], v.number) for v in call.inputs)
        scope = call.scope if call.owner is None else (scopes[id(call.owner)], *call.scope[1:])
        earlier = first.get(id(call.layer))
        name = _unique(call, scope, earlier, taken, chosen, counts)
        label = "/".join((*scope, name))
        types: dict[str, WeightType] = {}
        if not leaf and not sketch.on():
            fed = [v.type for v in call.inputs]
            key = (kinds.of(call.layer), *map(id, fed))
            if key not in known:
                known[key] = call.layer.weight_types(*fed)
            types = known[key]
        ids = call.weights or (earlier.weights if earlier else {role: f"{label}/{role}" for role in types})
        for role, weight in types.items():
            row = Parameter(ids[role], weight.shape, weight.dtype, weight.trainable and call.layer.trainable)
            if parameters.setdefault(row.id, row).shape != row.shape:
                raise ShapeError(
                    f"its weight {role!r} has the shape {show(parameters[row.id].shape)} from its first use, "
                    f"and would need {show(row.shape)} here",
                ).at(f"{name} ({call.layer.kind})")
        node = Node(name, call.layer, inputs, ids, scope)
        first.setdefault(id(call.layer), node)
        taken.add(label)
        yield node


def _unique(
    call: Call,
    scope: tuple[str, ...],
    earlier: Node | None,
    taken: set[str],
    chosen: set[str],
    counts: dict[str, int],
) -> str:
    """The name of a call's node, unlike those that are taken in its scope or chosen by somebody."""
    name = call.name or call.layer.name or ""
    label = "/".join((*scope, name))
    if name and label not in taken:
        return name
    if earlier is not None:
        stem, pattern, number = name or earlier.name, "{}#{}", 2
    elif name:
        raise GraphError(f"two layers are called {label!r}; names within a network are unique")
    else:
        stem, pattern, number = snake_case(call.layer.kind), "{}_{}", 1
    found, key = stem, "/".join((*scope, pattern.format(stem, "")))
    number = counts.get(key, number)
    while (label := "/".join((*scope, found))) in taken or label in chosen:
        found, number = pattern.format(stem, number), number + 1
    counts[key] = number
    return found


def _scopes(calls: Sequence[Call]) -> dict[int, str]:
    """The first part of the scope for each model that is part of this one: its name, numbered where two share it."""
    names: dict[int, str] = {}
    for call in calls:
        if call.owner is not None and id(call.owner) not in names:
            stem = name = call.scope[0]
            number = 1
            while name in names.values():
                name, number = f"{stem}_{number}", number + 1
            names[id(call.owner)] = name
    return names
