"""The journey of the data: every layer's shapes, weights, cost, receptive field and ratio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from layerscope.analyses import receptive_field
from layerscope.analyses.cost import Cost, cost
from layerscope.analyses.memory import LayerMemory, Memory, memory
from layerscope.analyses.receptive_field import Fields
from layerscope.core import propagate, sizes
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import dataclass, field, replace
from layerscope.core.graph import Graph, Node
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType, example


@dataclass(frozen=True)
class Extent:
    """A receptive field along one axis: the range of its size over positions; exact, or a bound.

    start: the first input index that position 0 depends on, below 0 where that lies in padding (None: on
    nothing). jump: input positions per output position. phases: how many positions until the pattern repeats.
    holes: whether some of the hull is not read, as with dilation.
    """

    min: int
    max: int
    exact: bool
    start: int | None = None
    jump: Fraction = Fraction(1)
    phases: int = 1
    holes: bool = False


Extents = dict[int, tuple[Extent | None, ...]]
"""By the number of a network input, one entry for each of its axes; None for everything."""


@dataclass(frozen=True)
class Step:
    """One layer of the journey. `fields` has the network inputs that it depends on. `operations` is None where they
    are unknown.
    """

    name: str
    kind: str
    outputs: tuple[TensorType, ...]
    weights: dict[str, tuple[int, ...]]
    parameters: int | None
    shared: bool
    macs: Size | None
    fields: Extents
    ratio: Fraction | None
    notes: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    operations: Operations | None = None
    memory: LayerMemory | None = None


@dataclass(frozen=True)
class Journey:
    """All steps in order, totals, and what had to be assumed of open sizes. `dtype`: what floats were taken for."""

    name: str
    batch: int | None
    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    cost: Cost
    memory: Memory
    dtype: str | None = None
    assumptions: tuple[str, ...] = field(default=())


def journey(graph: Graph, batch: int | None = None, dtype: str | None = None) -> Journey:
    """Follow the data through a graph without computing anything.

    Units: as in `cost`, `memory` and `receptive_field`; ratio is output elements over input elements,
    those of a tensor that is fed twice once.
    With `dtype`, memory is as if all floats were that.
    Errors: ShapeError where a batch size does not fit; UnknownNameError for a dtype that is no float.
    """
    assumptions: list[str] = []
    with sizes.collecting(assumptions):
        types = propagate.types(graph, batch)
        one = propagate.changed(types, example)
        costs = cost(graph, one)
        kept = memory(graph, one, dtype)
        fields = receptive_field.fields(graph, types)
    fed = propagate.fed_types(graph, one)
    extents, ratios = dict[object, Extents](), dict[object, Fraction | None]()
    steps = tuple(
        Step(
            name=node.label,
            kind=node.layer.kind,
            outputs=types[number],
            weights={role: graph.parameters[id].shape for role, id in node.weights.items()},
            parameters=row.parameters,
            shared=row.shared,
            macs=row.macs,
            fields=_extents(fields[number][0], extents),
            ratio=_ratio(dict(zip(node.inputs, fed[number], strict=True)).values(), one[number][0], ratios),
            notes=_notes(node, fed[number]),
            scope=node.scope,
            operations=row.operations,
            memory=kept.layers[number],
        )
        for number, (node, row) in enumerate(zip(graph.nodes, costs.layers, strict=True))
    )
    names = tuple(graph.nodes[number].label for number in graph.inputs)
    if kept.peak_assumed:
        assumptions.append(f"the peak of memory is at {steps[kept.peak_node].name}, as with large sizes")
    return Journey(graph.name, batch, names, steps, costs, kept, dtype, tuple(assumptions))


def _extents(fields: Fields, known: dict[object, Extents]) -> Extents:
    """What a report says of the fields; `known` has that of fields that were the same objects."""
    key = tuple([(place, id(field)) for place, field in fields.items()])
    if key not in known:
        known[key] = _made_extents(fields)
    return known[key]


def _made_extents(fields: Fields) -> Extents:
    found: dict[int, list[Extent | None]] = {}
    for (source, _), seen in sorted(fields.items()):
        low, high = seen.extents
        extent = None
        if not seen.everything:
            extent = Extent(low, high, seen.bound is None, seen.start, seen.jump, seen.phases, seen.holes)
        found.setdefault(source, []).append(extent)
    for row in found.values():
        if any(e and e.min == 0 and e.exact for e in row):  # a position that sees nothing sees no axis
            row[:] = [e and replace(e, min=0) for e in row]
    return {source: tuple(row) for source, row in found.items()}


def _ratio(fed: Iterable[TensorType], made: TensorType, known: dict[object, Fraction | None]) -> Fraction | None:
    """Elements out over elements in; `known` has that of types that were the same objects."""
    key = (id(made), *map(id, fed))
    if key not in known:
        sources = [type for type in fed if type.plane is None]  # switches say where, not what
        total: Size = sum((t.elements for t in sources[1:]), sources[0].elements) if sources else 0
        out = made.elements
        known[key] = Fraction(out, total) if isinstance(out, int) and isinstance(total, int) and total else None
    return known[key]


def _notes(node: Node, fed: Sequence[TensorType]) -> tuple[str, ...]:
    if node.layer.kind == "Dense" and fed[0].rank > 2:
        inner = fed[0].shape[1:]
        flat = sizes.product(inner)
        listed = ", ".join(map(str, inner))
        return (
            f"acts on the last axis of ({listed}), at each position by itself; "
            f"Flatten before it would give it all {flat} numbers",
        )
    return ()


def batch_is_open(types: Sequence[TensorType]) -> bool:
    """Whether a type still has the open batch size."""
    return any(not isinstance(n, int) and BATCH in sizes.names(n) for type in types for n in type.shape)
