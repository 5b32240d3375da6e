"""A check as a picture: which rows there are, and what stands in each journey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layerscope.analyses.advice import Fix, fix_words
from layerscope.analyses.warnings import Finding
from layerscope.checking import Check
from layerscope.core import propagate
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.report.figures.checked import Cell, Checked, Row
from layerscope.report.figures.tensors import MEANT, UNITS
from layerscope.studies.tensors_drawn import channels_first, tensor, vectors
from layerscope.telling.written import layer_words

MOST = 34
"""Rows; of more layers those are left out at which least happens."""
FEW = 2
"""So many layers in between are drawn all the same."""
Key = tuple[str, str | None]
"""A layer's name; for one that a change puts in, the layer before it, too ("" for none)."""
Look = tuple[bool, bool]
"""Whether channels stand first; whether numbers are drawn as lengths."""


def check_picture(found: Check) -> Checked:
    """What is drawn of a check."""
    return _fitting(found) if found.fits else _broken(found)


# --- networks that fit: the journey, and warnings at their layers ---


def _fitting(found: Check) -> Checked:
    graph = found.graph
    types = [row[0] for row in propagate.types(graph)]
    first, units = channels_first(graph), vectors(types)
    notes: dict[str | None, list[tuple[str, str]]] = {}
    for one in found.warnings:
        notes.setdefault(one.layer, []).append((one.id, _sentences(one)))
    rows = [
        Row(node.label, _said(graph, number), (Cell(tensor(type, first, units)),), tuple(notes.get(node.label, ())))
        for number, (node, type) in enumerate(zip(graph.nodes, types, strict=True))
    ]
    count = len(found.warnings)
    told = f"fits, {count} warning{'s' * (count > 1)}" if count else "fits, no warnings"
    kept = [number for number, row in enumerate(rows) if row.notes]
    about = "Each warning has a section in docs/check.md." if count else "All sizes fit, and there is no warning."
    return Checked(
        f"{graph.name}: {told}", about, (("", ""),), tuple(_folded(rows, kept)), UNITS if units else MEANT,
        tuple(notes.get(None, ())),
    )  # fmt: skip


def _sentences(one: Finding) -> str:
    return f"{one.message}. {one.advice[:1].upper()}{one.advice[1:]}."


# --- networks that do not: the journey to the misfit, and those with each change ---


def _broken(found: Check) -> Checked:
    advice, graph = found.advice, found.graph
    assert advice.misfit is not None
    labels = [node.label for node in graph.nodes]
    base = _until(graph, advice.misfit.node)
    fixed = [_mended(fix, set(labels)) for fix in advice.fixes]
    known = [*base.values(), *(type for one in fixed for type in one.values())]
    look = (channels_first(graph), vectors(known))
    rows, kept = list[Row](), list[int]()
    for key in _order(labels, fixed):
        both = zip(advice.fixes, fixed, strict=True)
        cells = (_as_is(found, base, key, look), *(_changed(fix, types, base, key, look) for fix, types in both))
        if any(cell.tone in ("edited", "misfit", "feeds") for cell in cells):
            kept.append(len(rows))
        rows.append(Row(key[0], "put in" if key[1] is not None else _said(graph, labels.index(key[0])), cells))
    rows = _folded(rows, kept)
    if advice.misfit.at_target and advice.target is not None:
        target = tensor(TensorType((1, *advice.target)), *look)
        rows.append(Row("wanted", "the target", (Cell(target, "wanted"), *[Cell(target, "met")] * len(fixed))))
    where = f"{advice.layer} ({advice.kind}): " if advice.layer else ""
    panels = [("as it is", "")]
    panels += [(f"change {n}", f"{fix_words(fix)} → {_outputs(fix)}") for n, fix in enumerate(advice.fixes, 1)]
    return Checked(
        f"{advice.name}: does not fit", f"{where}{advice.misfit.cause}", tuple(panels), tuple(rows),
        f"{UNITS if look[1] else MEANT} {_tried(found)}",
    )  # fmt: skip


def _tried(found: Check) -> str:
    if not found.advice.fixes:
        return "None of up to three small changes that were tried makes it fit."
    known = "the whole network" if found.whole else "the network as far as it was made"
    return f"Grey: as before; green: other than before. Each change was tried: {known} fits with it."


def _outputs(fix: Fix) -> str:
    return ", ".join(show(type.shape[1:]) for type in fix.outputs)


def _said(graph: Graph, number: int) -> str:
    return "input" if number in graph.inputs else layer_words(graph.nodes[number])


def _until(graph: Graph, end: int) -> dict[Key, TensorType]:
    """What the layers before a misfit give."""
    found: list[tuple[TensorType, ...]] = []
    for number, node in enumerate(graph.nodes[:end]):
        fed = () if number in graph.inputs else tuple(found[source][output] for source, output in node.inputs)
        found.append(node.layer.out(*fed))
    return {(node.label, None): row[0] for node, row in zip(graph.nodes, found, strict=False)}


def _mended(fix: Fix, known: set[str]) -> dict[Key, TensorType]:
    """What the layers of a mended network give; those that are new in it by the layer that they follow."""
    found: dict[Key, TensorType] = {}
    last = ""
    for node, row in zip(fix.graph.nodes, propagate.types(fix.graph), strict=True):
        found[(node.label, None if node.label in known else last)] = row[0]
        last = node.label if node.label in known else last
    return found


def _order(labels: Sequence[str], fixed: Sequence[Mapping[Key, TensorType]]) -> list[Key]:
    """All layers, those that a change puts in at their places."""
    new: dict[str, list[Key]] = {}
    for key in dict.fromkeys(key for one in fixed for key in one if key[1] is not None):
        new.setdefault(key[1] or "", []).append(key)
    order = new.get("", [])
    for label in labels:
        order += [(label, None), *new.get(label, ())]
    return order


def _as_is(found: Check, base: Mapping[Key, TensorType], key: Key, look: Look) -> Cell:
    misfit = found.advice.misfit
    assert misfit is not None
    graph = found.graph
    if not misfit.at_target and key == (graph.nodes[misfit.node].label, None):
        return Cell(None, "misfit", "does not fit")
    if key not in base:
        return Cell()
    reads = [edge[0] for edge in (graph.outputs[:1] if misfit.at_target else graph.nodes[misfit.node].inputs)]
    feeds = key[0] in [graph.nodes[source].label for source in reads]
    return Cell(tensor(base[key], *look), "feeds" if feeds else "")


def _changed(fix: Fix, types: Mapping[Key, TensorType], base: Mapping[Key, TensorType], key: Key, look: Look) -> Cell:
    """What a layer gives in a mended network."""
    edits = [edit for edit in fix.edits if edit.layer == key[0] and edit.action != "insert"]
    if key not in types:
        return Cell(None, "edited" if edits else "", "taken out" if edits else "")
    drawn = tensor(types[key], *look)
    if edits or key[1] is not None:
        return Cell(drawn, "edited")
    return Cell(drawn, "same" if key in base and base[key].shape == types[key].shape else "changed")


# --- long networks ---


def _folded(rows: Sequence[Row], kept: Sequence[int]) -> list[Row]:
    """All rows; of many the first, the last, those to keep with what is beside them, and where sizes change."""
    if len(rows) <= MOST:
        return list(rows)
    ends = [0, 1, len(rows) - 2, len(rows) - 1]
    wanted = [*kept, *ends, *(number + step for number in kept for step in (-1, 1)), *_steps(rows)]
    chosen = sorted(dict.fromkeys(number for number in wanted if 0 <= number < len(rows)))
    if len(chosen) > MOST:
        chosen = sorted(list(dict.fromkeys(number for number in wanted if 0 <= number < len(rows)))[:MOST])
    found: list[Row] = []
    last = -1
    for number in [*chosen, len(rows)]:
        left = number - last - 1
        if left <= FEW:
            found += rows[last + 1 : number]
        else:
            found.append(Row(f"… {left} layers …"))
        found += rows[number : number + 1]
        last = number
    return found


def _steps(rows: Sequence[Row]) -> list[int]:
    """The rows at which the image gets smaller or larger."""
    sides = [row.cells[0].tensor.side if row.cells[0].tensor else None for row in rows]
    return [number for number in range(1, len(rows)) if sides[number] != sides[number - 1]]
