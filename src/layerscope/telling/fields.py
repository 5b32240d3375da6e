"""How receptive and projective fields are said: as a document, as data, as plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from layerscope.analyses import positions
from layerscope.analyses.journey import Extent
from layerscope.analyses.positions import ProjectiveField, ReceptiveField, Seen
from layerscope.core.indices import Indices
from layerscope.core.types import show
from layerscope.report.document import Column, Document, TableRow
from layerscope.telling import words
from layerscope.telling.words import number, plain

EXTENT = ("min", "max", "exact", "start", "jump", "phases", "holes")
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
        Column("phases", "phases", right=True, rank=3),
        Column("holes", "holes", rank=4),
    ]
    if found.position is not None:
        columns.append(Column("box", f"at {show(found.position)}", right=True))
    rows = [TableRow(row) for seen in found.inputs for row in _seen_rows(seen)]
    return Document(
        title=f"{found.layer} of {network}",
        subtitle=f"{positions.times(found.sizes)} positions",
        columns=columns,
        rows=rows,
        totals=[(seen.input, positions.field_words(seen.extents)) for seen in found.inputs] or [("inputs", "none")],
        notes=[],
        definitions=[
            "Receptive field: input positions that one position depends on, per axis, on an unbounded input.",
            "Start: the first of them for position 0; below 0 it lies in the padding. Jump: input positions from one "
            "position to the next. Phases: positions until the pattern repeats. "
            "Holes: some positions between the first and the last do not matter.",
        ]
        + ([] if found.position is None else ["At a position: first … last index (how many), within the input."]),
        data=lambda: _seen_facts(found),
        records=lambda: _seen_records(found),
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
                "start": "nothing" if extent.start is None else words.start(extent.start),
                "jump": words.jump(words.number(extent.jump)),
                "phases": str(extent.phases),
                "holes": "yes" if extent.holes else "no",
            }
        box = "nothing" if seen.indices is None else _span(seen.indices[n])
        rows.append(
            {"input": seen.input, "axis": names[n], "size": str(size), "field": positions.words(extent), "box": box}
            | told
        )
    return rows


def _seen_records(found: ReceptiveField) -> list[dict[str, Any]]:
    """One an axis, with plain numbers; nothing where everything is seen, and of the box where nothing is."""
    records: list[dict[str, Any]] = []
    for seen in found.inputs:
        names = _axis_names(len(seen.sizes))
        for n, (size, extent) in enumerate(zip(seen.sizes, seen.extents, strict=True)):
            facts = extent_facts(extent)
            record: dict[str, Any] = {"input": seen.input, "axis": names[n], "size": plain(size)}
            record |= dict.fromkeys(EXTENT) if isinstance(facts, str) else facts
            if found.position is not None:
                record |= _box_record(seen.indices, n)
            records.append(record)
    return records


def _box_record(found: Sequence[Indices] | None, axis: int) -> dict[str, int | None]:
    if found is None:
        return {"first": None, "last": None, "count": 0}
    low, high = found[axis].hull
    return {"first": low, "last": high, "count": found[axis].count}


def _span(found: Indices) -> str:
    return positions.box_words([found])


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


def extent_facts(part: Extent | None) -> str | dict[str, Any]:
    """A receptive field along one axis as plain data."""
    if part is None:
        return "everything"
    return {
        "min": part.min,
        "max": part.max,
        "exact": part.exact,
        "start": part.start,
        "jump": number(part.jump),
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
        subtitle=f"{positions.times(found.sizes)} positions",
        columns=[
            Column("layer", "layer"),
            Column("axis", "axis"),
            Column("size", "size", right=True),
            Column("box", f"reached from {show(found.position)}", right=True),
        ],
        rows=list(map(TableRow, rows)),
        totals=[
            (reached.layer, "nothing" if reached.indices is None else positions.box_words(reached.indices))
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
        records=lambda: [
            {"layer": reached.layer, "axis": name, "size": plain(size), **_box_record(reached.indices, n)}
            for reached in found.layers
            for n, (name, size) in enumerate(zip(_axis_names(len(reached.sizes)), reached.sizes, strict=True))
        ],
    )
