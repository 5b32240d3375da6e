"""What a report says, with its units and without its looks. Formats turn it into text, JSON, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from layerscope.analyses.journey import Extent, Journey, Step, batch_is_open
from layerscope.core import sizes
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType


@dataclass(frozen=True)
class Column:
    """One column; `rank` says how soon it gives way when there is no room (0: never)."""

    key: str
    title: str
    right: bool = False
    rank: int = 0


@dataclass(frozen=True)
class Document:
    """A table with a title, totals, notes and definitions; `data` holds the same facts as plain data."""

    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, str]]
    totals: Sequence[tuple[str, str]]
    notes: Sequence[str]
    definitions: Sequence[str]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


def count(size: Size | None) -> str:
    """A number with thousands separators; an open size as its expression."""
    if size is None:
        return "unknown"
    return f"{size:,}" if isinstance(size, int) else str(size)


def shape(type: TensorType) -> str:
    """28 × 28 × 1, without an open batch."""
    parts = list(type.shape)
    if parts and parts[0] == sizes.named(BATCH):
        parts = parts[1:]
    return " × ".join(map(str, parts)) if parts else "1 number"


def extent(part: Extent | None) -> str:
    """5, 46–54, ≤ 120 or "all"."""
    if part is None:
        return "all"
    if not part.exact:
        return f"≤ {part.max}"
    return str(part.min) if part.min == part.max else f"{part.min}–{part.max}"


def receptive_field(fields: Mapping[int, tuple[Extent | None, ...]], inputs: Sequence[str]) -> str:
    """Of each input that the layer depends on; one input's name is left out."""
    words: list[str] = []
    for source, parts in fields.items():
        if all(part is None for part in parts):
            text = "everything"
        else:
            text = " × ".join(map(extent, parts))
        words.append(text if len(inputs) == 1 else f"{inputs[source]}: {text}")
    return ", ".join(words) or "nothing"


def ratio(value: Fraction | None) -> str:
    """ "condense ÷4", "enrich ×16" or "=" for as many numbers as before."""
    if value is None:
        return ""
    if value == 1:
        return "="
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
        totals=(("parameters", count(total) + frozen), ("MACs", at_least + count(found.cost.macs))),
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
        "parameters": count(step.parameters) + (" (shared)" if step.shared else "") if step.weights else "",
        "macs": count(step.macs) if step.macs != 0 else "",
        "field": receptive_field(step.fields, inputs),
        "ratio": ratio(step.ratio),
    }


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
        "layers": [_facts(step, found.inputs) for step in found.steps],
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


def _facts(step: Step, inputs: Sequence[str]) -> dict[str, Any]:
    shapes = [[_plain(size) for size in type.shape] for type in step.outputs]
    fields = {inputs[source]: _field(parts) for source, parts in step.fields.items()}
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


def _field(parts: Sequence[Extent | None]) -> str | list[Any]:
    if all(part is None for part in parts):
        return "everything"
    return [
        "everything" if part is None else {"min": part.min, "max": part.max, "exact": part.exact} for part in parts
    ]
