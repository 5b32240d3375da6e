"""The journey of the data, and its document: every layer's shapes, weights, cost, receptive field and ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from layerscope.analyses import receptive_field
from layerscope.analyses.cost import Cost, cost
from layerscope.analyses.memory import LayerMemory, Memory, memory
from layerscope.analyses.receptive_field import Fields
from layerscope.core import propagate, sizes
from layerscope.core.costs import Operations
from layerscope.core.graph import Graph, Node
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType, per_example
from layerscope.report.document import Column, Document, count, shape


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


@dataclass(frozen=True)
class Step:
    """One layer of the journey. `fields` has, for each network input it depends on, one entry per
    axis: an Extent, or None for everything. `operations` is None where they are unknown."""

    name: str
    kind: str
    outputs: tuple[TensorType, ...]
    weights: dict[str, tuple[int, ...]]
    parameters: int | None
    shared: bool
    macs: Size | None
    fields: dict[int, tuple[Extent | None, ...]]
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

    Units: as in `cost`, `memory` and `receptive_field`; ratio is output elements over input elements.
    With `dtype`, memory is as if all floats were that.
    Errors: ShapeError where a batch size does not fit; UnknownNameError for a dtype that is no float.
    """
    assumptions: list[str] = []
    with sizes.collecting(assumptions):
        types = propagate.types(graph, batch)
        costs = cost(graph, types)
        kept = memory(graph, types, dtype)
        fields = receptive_field.fields(graph, types)
    fed = propagate.fed_types(graph, types)
    steps = tuple(
        Step(
            name=node.label,
            kind=node.layer.kind,
            outputs=types[number],
            weights={role: graph.parameters[id].shape for role, id in node.weights.items()},
            parameters=row.parameters,
            shared=row.shared,
            macs=row.macs,
            fields=_extents(fields[number][0]),
            ratio=_ratio(fed[number], types[number]),
            notes=tuple(_notes(node, fed[number])),
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


def _extents(fields: Fields) -> dict[int, tuple[Extent | None, ...]]:
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


def _ratio(fed: Sequence[TensorType], made: Sequence[TensorType]) -> Fraction | None:
    fed = [type for type in fed if type.plane is None]  # switches say where, not what
    if not fed:
        return None
    total: Size = sum((per_example(t.elements) for t in fed[1:]), per_example(fed[0].elements))
    out = per_example(made[0].elements)
    return Fraction(out, total) if isinstance(out, int) and isinstance(total, int) and total else None


def _notes(node: Node, fed: Sequence[TensorType]) -> list[str]:
    if node.layer.kind == "Dense" and fed[0].rank > 2:
        inner = fed[0].shape[1:]
        flat = sizes.product(inner)
        listed = ", ".join(map(str, inner))
        return [
            f"acts on the last axis of ({listed}), at each position by itself; "
            f"Flatten before it would give it all {flat} numbers"
        ]
    return []


def batch_is_open(types: Sequence[TensorType]) -> bool:
    """Whether a type still has the open batch size."""
    return any(BATCH in sizes.names(size) for type in types for size in type.shape)


def _extent_words(part: Extent | None) -> str:
    """5, 46–54, ≤ 120 or "all"."""
    if part is None:
        return "all"
    if not part.exact:
        return f"≤ {part.max}"
    return str(part.min) if part.min == part.max else f"{part.min}–{part.max}"


def _field_words(fields: Mapping[int, tuple[Extent | None, ...]], inputs: Sequence[str]) -> str:
    """Of each input that the layer depends on; one input's name is left out."""
    words: list[str] = []
    for source, parts in fields.items():
        if all(part is None for part in parts):
            text = "everything"
        else:
            text = " × ".join(map(_extent_words, parts))
        words.append(text if len(inputs) == 1 else f"{inputs[source]}: {text}")
    return ", ".join(words) or "nothing"


def _ratio_words(value: Fraction | None) -> str:
    """ "condense ÷4", "enrich ×16" or "=" for as many numbers as before."""
    if value is None:
        return ""
    if value == 1:
        return "="
    if value == 0:
        return "nothing left"
    return f"condense ÷{_short(1 / value)}" if value < 1 else f"enrich ×{_short(value)}"


def _short(value: Fraction) -> str:
    return f"{value.numerator:,}" if value.denominator == 1 else f"{float(value):.4g}"


def describe(found: Journey) -> Document:
    """The journey as a document."""
    open_batch = any(batch_is_open(step.outputs) for step in found.steps)
    subtitle = (
        "per example (the batch size is open)" if open_batch else f"for a batch of {found.batch or 'fixed size'}"
    )
    at_least = "at least " if found.cost.at_least else ""
    lower = "at least " if found.cost.parameters_at_least else ""
    trainable, total = found.cost.trainable, found.cost.parameters
    frozen = "" if trainable == total else f" ({count(trainable)} trainable)"
    notes = [f"{step.name} {note}." for step in found.steps for note in step.notes]
    notes += [f"assumed: {statement}" for statement in found.assumptions]
    return Document(
        title=found.name,
        subtitle=subtitle,
        columns=(
            Column("name", "layer"),
            Column("kind", "kind", rank=4),
            Column("output", "output"),
            Column("weights", "weights", rank=3),
            Column("parameters", "parameters", right=True),
            Column("macs", "MACs", right=True),
            Column("field", "receptive field", right=True, rank=1),
            Column("ratio", "data", rank=2),
        ),
        rows=[_row(step, found.inputs) for step in found.steps],
        totals=(("parameters", lower + count(total) + frozen), ("MACs", at_least + count(found.cost.macs))),
        notes=notes,
        definitions=_definitions(found),
        data=facts(found),
    )


def _row(step: Step, inputs: Sequence[str]) -> dict[str, str]:
    weights = ", ".join(f"{role} {'×'.join(map(str, dims))}" for role, dims in step.weights.items())
    return {
        "name": step.name,
        "kind": step.kind,
        "output": " + ".join("switches" if type.plane else shape(type) for type in step.outputs),
        "weights": weights,
        "parameters": _parameters_words(step),
        "macs": count(step.macs) if step.macs != 0 else "",
        "field": _field_words(step.fields, inputs),
        "ratio": _ratio_words(step.ratio),
    }


def _parameters_words(step: Step) -> str:
    if step.parameters is None:
        return "unknown"
    return count(step.parameters) + (" (shared)" if step.shared else "") if step.weights else ""


def _definitions(found: Journey) -> list[str]:
    lines = [
        "MAC: one multiply and add in a product with weights; products with padding count.",
        "Receptive field: input positions that one output position depends on, per axis, on an unbounded input"
        + (
            "; a range where it varies with the position."
            if any(e and e.min != e.max for step in found.steps for row in step.fields.values() for e in row)
            else "."
        ),
        "Data: numbers out ÷ numbers in; below 1 a layer condenses the data, above 1 it enriches it.",
    ]
    if found.cost.at_least:
        lines.append("Unknown is not zero: totals leave unknown layers out and say so.")
    return lines


def facts(found: Journey) -> dict[str, Any]:
    """The journey as plain data: the object that `--format json` prints."""
    return {
        "name": found.name,
        "batch": found.batch,
        "layers": [_step_facts(step, found.inputs) for step in found.steps],
        "totals": {
            "parameters": found.cost.parameters,
            "trainable_parameters": found.cost.trainable,
            "macs": _plain(found.cost.macs),
            "at_least": found.cost.at_least,
        },
        "assumptions": list(found.assumptions),
    }


def _plain(size: Size | None) -> int | str | None:
    return size if size is None or isinstance(size, int) else str(size)


def _step_facts(step: Step, inputs: Sequence[str]) -> dict[str, Any]:
    shapes = [[_plain(size) for size in type.shape] for type in step.outputs]
    fields = {inputs[source]: _field_facts(parts) for source, parts in step.fields.items()}
    row: dict[str, Any] = {
        "name": step.name,
        "kind": step.kind,
        "output_shape": shapes[0],
        "weights": {role: list(dims) for role, dims in step.weights.items()},
        "parameters": step.parameters,
        "shared": step.shared,
        "macs": _plain(step.macs),
        "receptive_field": next(iter(fields.values()), None),
        "ratio": None if step.ratio is None else float(step.ratio),
        "notes": list(step.notes),
    }
    if len(shapes) > 1:
        row["output_shapes"] = shapes
    if len(fields) > 1:
        row["receptive_fields"] = fields
    return row


def _field_facts(parts: Sequence[Extent | None]) -> str | list[Any]:
    if all(part is None for part in parts):
        return "everything"
    return [
        "everything" if part is None else {"min": part.min, "max": part.max, "exact": part.exact} for part in parts
    ]
