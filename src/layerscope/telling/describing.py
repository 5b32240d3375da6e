"""A journey as a document: rows, columns, totals, notes and what the words mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from layerscope.analyses.journey import Journey, batch_is_open
from layerscope.core.contract import snake_case
from layerscope.core.dataclasses import replace
from layerscope.core.graph import Graph
from layerscope.core.sizes import names
from layerscope.core.types import BATCH, TensorType
from layerscope.report import scenes
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.telling.amounts import Unit, memory
from layerscope.telling.columns import BY_KEY, USUAL, Context, Fact, chosen, named, orders, sorting
from layerscope.telling.drawn import Sights, scene
from layerscope.telling.facts import facts
from layerscope.telling.folding import by_depth, repeats_folded
from layerscope.telling.lines import OPERATIONS, Line, Lines
from layerscope.telling.view import View

NUMBER = re.compile(r"\d+(, \d+)*")
MOST_NOTES = 8
WORTH = 6
"""The rank of a layer's kind where names do not say it."""
SAID = ("ratio", "holes", "dropped")
"""Columns of words that are the report's own, besides those of numbers."""
MOST_WHOLE, MOST_UNFOLDED = 1200, 3000
"""Layers up to which a document's `whole` has all columns, and those that are folded."""
SEPARATE = 3
"""Layers that a note names; more are counted."""


def describe(graph: Graph, found: Journey, view: View | None = None, *, rows: bool = True) -> Document:
    """The journey as a document, with folded rows, or none; errors as in `View`, `chosen` and `sorting`."""
    view = view or View()
    known = Known(graph, found, view)
    lines = known.lines if rows else []
    return replace(
        _document(graph, found, view, _columns(view), lines),
        scenes=lambda: [known.scene()],
        whole=lambda: known.whole(),
    )


class Known:
    """A journey with its rows as they are wished, each found when it is asked for."""

    def __init__(self, graph: Graph, found: Journey, view: View) -> None:
        self.graph, self.found, self.view = graph, found, view

    @cached_property
    def made(self) -> Lines:
        """What makes rows."""
        return Lines(self.graph, self.found)

    @cached_property
    def lines(self) -> list[Line]:
        """The rows, with one for those that are left out, if any."""
        lines, rest = _lines(self.graph, self.found, self.view, self.made)
        return [*lines, *rest]

    def whole(self) -> Document:
        """The journey with all columns, and below each row that sums up others these, in order; each row with what
        its layer sees of the planes, and the numbers by which rows stand in order. Networks of very many layers have
        the wished columns alone, and what is folded stays so.
        """
        columns, many = _columns(self.view), len(self.found.steps)
        shown = {fact.key for fact in columns}
        if many <= MOST_WHOLE:
            columns = [*columns, *(fact for fact in chosen("all") if fact.key not in shown)]
        sights = Sights(self.graph, self.found)
        known, within = list[Line](), list[int | None]()
        for line in self.lines:
            place = len(known)
            known.append(line)
            within.append(None)
            if len(line.members) > 1 and many <= MOST_UNFOLDED:
                known += [self.made.single(number) for number in line.members]
                within += [place] * len(line.members)
        told = _document(self.graph, self.found, self.view, columns, known)
        rows = [
            replace(row, order=orders(columns, line), within=above, fields=sights.of(line))
            for row, line, above in zip(told.rows, known, within, strict=True)
        ]
        titles = [
            replace(column, rank=0, optional=fact.key not in shown)
            for fact, column in zip(columns, told.columns, strict=True)
        ]
        return replace(told, columns=titles, rows=rows)

    def scene(self) -> scenes.Journey:
        """All rows in their own order, whatever the table's is."""
        lines = self.lines
        if self.view.order is not None:
            usual = View(depth=self.view.depth, full=self.view.full)
            lines, _ = _lines(self.graph, self.found, usual, self.made)
        cost = self.found.cost
        least = ["at least " if some else "" for some in (cost.parameters_at_least, cost.at_least)]
        about = f"{least[0]}{count(cost.parameters)} parameters, {least[1]}{count(cost.macs)} MACs"
        return scene(self.graph, self.found, lines, self.lines, about)


def records(graph: Graph, found: Journey, view: View | None = None) -> list[dict[str, Any]]:
    """Rows of plain data, by the columns' names: numbers as they are, bytes, None for unknown. Nothing is folded but
    nested models by `view.depth`, and what `view.top` leaves out is left out; all columns unless `view` names some.
    """
    view = view or View()
    columns = chosen("all") if view.columns is None else chosen(view.columns)
    lines, _ = _lines(graph, found, View(view.columns, view.depth, view.sort, view.top, full=True))
    context = _context(found)
    return [{fact.key: fact.data(line, context) for fact in columns} for line in lines]


def _context(found: Journey) -> Context:
    return Context(found.inputs, found.cost.parameters, found.cost.macs)


def _columns(view: View) -> list[Fact]:
    columns = chosen(view.columns)
    if view.columns is None:
        keys = list(USUAL)
        if view.depth is not None:
            keys.insert(keys.index("parameters"), "layers")
        if view.order and (key := sorting(view.order).key) not in keys:
            keys.append(key)
        columns = [BY_KEY[key] for key in keys]
    return columns


def _lines(graph: Graph, found: Journey, view: View, made: Lines | None = None) -> tuple[list[Line], list[Line]]:
    """The rows, and a row for those that are left out, if any."""
    made = made or Lines(graph, found)
    rows = by_depth(made, view.depth)
    if view.order is None:
        return (rows if view.full else repeats_folded(made, rows)), []
    amount = sorting(view.order).amount
    assert amount is not None
    rows.sort(key=lambda row: amount(row).order, reverse=True)
    left = rows[view.top :] if view.top is not None else []
    if not left:
        return rows, []
    members = sorted(number for row in left for number in row.members)
    return rows[: view.top], [made.rest(members, len(left))]


def _document(graph: Graph, found: Journey, view: View, columns: Sequence[Fact], lines: Sequence[Line]) -> Document:
    context = _context(found)
    unit = Unit.of(fact.amount(line) for fact in columns if fact.bytes and fact.amount for line in lines)
    kept = named(view.columns)
    if view.order:
        kept.add(sorting(view.order).key)

    def cell(fact: Fact, line: Line) -> str:
        if fact.bytes and fact.amount is not None:
            return unit.words(fact.amount(line))
        told = fact.key == "kind" and line.sentence
        return "" if told else printable(fact.words(line, context))

    def column(fact: Fact) -> Column:
        title = fact.title.format(unit=unit.name)
        rank = WORTH if fact.key == "kind" and not _kinds_in_names(lines) else fact.rank
        shown = 0 if fact.key in kept else rank
        said = fact.right or fact.key in SAID
        return Column(fact.key, title, fact.right, shown, fact.least, _meaning(fact, found), fact.joint, said)

    def row(line: Line) -> TableRow:
        opened = frozenset(fact.key for fact in columns if fact.is_open(line))
        return TableRow({fact.key: cell(fact, line) for fact in columns}, printable(line.sentence), opened)

    return Document(
        title=printable(found.name),
        subtitle=_subtitle(found, view),
        columns=[column(fact) for fact in columns],
        rows=list(map(row, lines)),
        totals=[(name, printable(value)) for name, value in _totals(found)],
        notes=[printable(note) for note in _notes(found)],
        definitions=_definitions(found),
        data=lambda: facts(graph, found),
        records=lambda: records(graph, found, view),
        more="--columns chooses them, --format json has all",
        heading="Layers",
    )


def _kinds_in_names(lines: Sequence[Line]) -> bool:
    """Whether most names say what a layer is, as conv2d_1 does."""
    return 2 * sum(snake_case(line.kind) in line.name.lower() for line in lines) >= len(lines)


def printable(text: str) -> str:
    """The text without characters that would move a terminal's cursor or end a line."""
    return (
        text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    )


def _subtitle(found: Journey, view: View) -> str:
    open_batch = any(batch_is_open(step.outputs) for step in found.steps)
    text = "per example (the batch size is open)" if open_batch else f"for a batch of {found.batch or _stated(found)}"
    if found.dtype is not None:
        text += f", floats as {found.dtype}"
    if view.order:
        text += f", sorted by {sorting(view.order).title.format(unit='bytes')}"
    return text


def _inputs(found: Journey) -> list[TensorType]:
    return [step.outputs[0] for step in found.steps if step.name in found.inputs]


def _stated(found: Journey) -> str:
    """The size of the batch that the network itself says."""
    sizes = {str(type.shape[0]) for type in _inputs(found) if type.rank}
    return f"{sizes.pop()}, as the network states" if len(sizes) == 1 else "fixed size"


def _meaning(fact: Fact, found: Journey) -> str:
    if "{range}" not in fact.meaning:
        return fact.meaning
    varies = any(e and e.min != e.max for step in found.steps for row in step.fields.values() for e in row)
    return fact.meaning.format(range="; a range where it varies with the position" if varies else "")


def _totals(found: Journey) -> list[tuple[str, str]]:
    cost, kept = found.cost, found.memory
    lower = "at least " if cost.parameters_at_least else ""
    frozen = cost.parameters - cost.trainable
    parts = f" ({count(cost.trainable)} trainable, {count(frozen)} not)" if frozen else ""
    totals = [
        ("parameters", lower + count(cost.parameters) + parts),
        ("MACs", ("at least " if cost.at_least else "") + count(cost.macs)),
    ]
    amounts = [(name, getattr(cost.operations, name)) for name in OPERATIONS]
    told = ", ".join(f"{count(size)} {name}" for name, size in amounts if size != 0)
    if cost.operations_at_least:
        told = f"at least {told}" if told else "unknown"
    peak = found.steps[kept.peak_node].name
    least = "at least " if kept.at_least else ""
    saved = memory(kept.saved)
    if kept.saved_at_least:
        saved = f"at least {saved}" if kept.saved else "unknown"
    return [
        *totals,
        ("operations", told or "none"),
        ("memory", f"weights {memory(kept.weights)}, inputs {memory(kept.inputs)}, outputs {memory(kept.outputs)}"),
        ("at inference", f"{least}{memory(kept.peak)} alive at once, in {peak}"),
        ("in training", f"{saved} kept for the backward pass"),
    ]


def _notes(found: Journey) -> list[str]:
    """Notes, each with the layers of which the like is to be said, and what is assumed."""
    layers: dict[str, list[tuple[str, str]]] = {}
    for step in found.steps:
        for note in step.notes:
            layers.setdefault(NUMBER.sub("#", note), []).append((step.name, note))
    notes = [f"{name} {note}.{_likewise(others)}" for (name, note), *others in layers.values()]
    notes += [f"assumed: {statement}" for statement in found.assumptions]
    if len(notes) > MOST_NOTES:
        left = len(notes) - MOST_NOTES + 1
        notes[MOST_NOTES - 1 :] = [f"{left:,} more; --format json has all."]
    return notes


def _likewise(others: Sequence[tuple[str, str]]) -> str:
    names = [name for name, _ in others[:SEPARATE]]
    if len(others) > SEPARATE:
        return f" Likewise {', '.join(names)} and {len(others) - SEPARATE:,} more."
    *first, last = names or [""]
    return f" Likewise {', '.join(first)}{' and ' if first else ''}{last}." if names else ""


def _definitions(found: Journey) -> list[str]:
    lines = ["Memory: of tensors, 1 kB = 1,000 bytes; what is alive or kept comes on top of the weights."]
    free = dict.fromkeys(
        name for type in _inputs(found) for size in type.shape for name in sorted(names(size)) if name != BATCH
    )
    if free:
        lines.append(f"Open sizes: {', '.join(free)}; --set {next(iter(free))}=N puts a number in the place of one.")
    if found.cost.at_least:
        lines.append("Unknown is not zero: totals leave unknown layers out and say so.")
    return lines
