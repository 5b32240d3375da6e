"""How a check is said: the way to what does not fit and what would, or the warnings, as a document and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.analyses.advice import Advice, Fix, Visit, edit_words, factored, fix_words
from layerscope.analyses.warnings import Finding
from layerscope.core.types import show
from layerscope.report.document import Column, Document, TableRow
from layerscope.telling.words import plain

COLUMNS = (
    Column("layer", "layer", least=12),
    Column("kind", "kind", rank=1),
    Column("output", "output"),
    Column("numbers", "numbers"),
)
MOST_ROWS = 32
PAGE = "Each warning has a section in docs/check.md; --silence LS101 leaves one out."


def describe(advice: Advice, warnings: Sequence[Finding], whole: bool) -> Document:
    """A check as a document."""
    if advice.misfit is None:
        return _fitting(advice, warnings)
    return _broken(advice, warnings, whole)


def _broken(advice: Advice, warnings: Sequence[Finding], whole: bool) -> Document:
    assert advice.misfit is not None
    where = f"{advice.layer} ({advice.kind}): " if advice.layer else ""
    totals = [("does not fit", where + advice.misfit.cause)]
    totals += [(f"change {number}", _offer(fix)) for number, fix in enumerate(advice.fixes, 1)]
    if not advice.fixes:
        totals.append(("changes", "none of up to three small changes that were tried makes it fit"))
    known = "the whole network" if whole else "the network up to this layer, as far as it was made,"
    return Document(
        title=advice.name,
        subtitle="does not fit",
        columns=COLUMNS,
        rows=_rows(advice.journey),
        totals=totals,
        notes=[],
        heading="Layers",
        definitions=[
            "Numbers: of one example; of one axis, also the images (channels·side·side) that they could be.",
            f"Each change, with all that stands beside its number, was tried: {known} fits with it and gives the "
            "output behind the arrow. The smallest is the first.",
        ],
        data=lambda: facts(advice, warnings, whole),
        records=lambda: [_fix_record(number, fix) for number, fix in enumerate(advice.fixes, 1)],
    )


def _rows(journey: Sequence[Visit]) -> list[TableRow]:
    """All layers; of a long way the first and the last ones."""
    if len(journey) <= MOST_ROWS:
        return [_row(visit) for visit in journey]
    left = len(journey) - MOST_ROWS + 1
    return [_row(journey[0]), TableRow({}, f"... {left} layers ..."), *map(_row, journey[left + 1 :])]


def _row(visit: Visit) -> TableRow:
    shape = " × ".join(map(str, visit.outputs[0].shape[1:])) or "1 number"
    numbers = factored(visit.outputs[0], visit.flattened)
    return TableRow({"layer": visit.name, "kind": visit.kind, "output": shape, "numbers": numbers})


def _offer(fix: Fix) -> str:
    return f"{fix_words(fix)} → {', '.join(show(type.shape[1:]) for type in fix.outputs)}"


def _fitting(advice: Advice, warnings: Sequence[Finding]) -> Document:
    totals = [(f"{one.id} {one.layer or 'network'}", _sentences(one)) for one in warnings]
    count = len(warnings)
    return Document(
        title=advice.name,
        subtitle="fits" + (f", {count} warning{'s' * (count > 1)}" if count else ", no warnings"),
        columns=COLUMNS,
        rows=[_row(visit) for visit in advice.journey],
        totals=totals,
        notes=[],
        heading="Layers",
        definitions=[PAGE] if count else [],
        data=lambda: facts(advice, warnings, True),
        records=lambda: [_warning_facts(one) for one in warnings],
    )


def _sentences(one: Finding) -> str:
    return f"{one.message}. {one.advice[:1].upper()}{one.advice[1:]}."


def facts(advice: Advice, warnings: Sequence[Finding], whole: bool) -> dict[str, Any]:
    """A check as plain data."""
    told: dict[str, Any] = {"network": advice.name, "fits": advice.misfit is None, "whole": whole}
    if advice.target is not None:
        told["target"] = list(map(plain, advice.target))
    if advice.misfit is None:
        return told | {"warnings": [_warning_facts(one) for one in warnings]}
    return told | {
        "layer": advice.layer,
        "kind": advice.kind,
        "cause": advice.misfit.cause,
        "journey": [
            {
                "layer": visit.name,
                "kind": visit.kind,
                "output": list(map(plain, visit.outputs[0].shape[1:])),
                "numbers": factored(visit.outputs[0], visit.flattened),
            }
            for visit in advice.journey
        ],
        "changes": [_fix_facts(fix) for fix in advice.fixes],
    }


def _fix_facts(fix: Fix) -> dict[str, Any]:
    return {
        "edits": [
            {
                "action": edit.action,
                "layer": edit.layer,
                "setting": edit.setting,
                "before": edit.before if edit.action == "set" else None,
                "after": edit.after,
                "becomes": edit.becomes,
                "words": edit_words(edit),
            }
            for edit in fix.edits
        ],
        "outputs": [list(map(plain, type.shape[1:])) for type in fix.outputs],
    }


def _fix_record(number: int, fix: Fix) -> dict[str, Any]:
    outputs = ", ".join(show(type.shape[1:]) for type in fix.outputs)
    return {"change": number, "edits": len(fix.edits), "what": fix_words(fix), "output": outputs}


def _warning_facts(one: Finding) -> Mapping[str, Any]:
    return {"id": one.id, "layer": one.layer, "message": one.message, "advice": one.advice}
