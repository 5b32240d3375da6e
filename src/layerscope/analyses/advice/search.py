"""The search for the smallest changes with which a network fits."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from layerscope.analyses.advice import drafts
from layerscope.analyses.advice.drafts import Draft, Misfit, Spent, Walker
from layerscope.analyses.advice.edits import Edit, proposals
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Graph
from layerscope.core.types import Shape, TensorType

MOST_EDITS = 3
MOST_FIXES = 3
WORK = 60_000
"""Layers that a search asks for their sizes, at most: about half a second."""
ANOTHER = 1.5
"""What a second and a third change add to the size of all."""
MUCH_LARGER = 2.2
"""So many times the smallest fix, and one more, is what the others may cost."""


@dataclass(frozen=True)
class Visit:
    """A layer on the way to the misfit: its name, kind, and the types that it gives."""

    name: str
    kind: str
    outputs: tuple[TensorType, ...]
    flattened: TensorType | None = None
    """What a Flatten was given."""


@dataclass(frozen=True)
class Fix:
    """Changes with which the network fits; `graph` is the network with them, `outputs` what it gives."""

    edits: tuple[Edit, ...]
    cost: float
    graph: Graph
    outputs: tuple[TensorType, ...]


@dataclass(frozen=True)
class Advice:
    """Where a network does not fit, and what would make it fit, the smallest first.

    `misfit` is None where it fits. `layer` is the one that does not (None: the output against the target).
    `journey` has the layers that lead there (where it fits, the inputs and outputs).
    `tried` is how many layers the search asked.
    """

    name: str
    misfit: Misfit | None
    layer: str | None
    kind: str | None
    journey: tuple[Visit, ...]
    fixes: tuple[Fix, ...]
    target: Shape | None
    tried: int


@dataclass(order=True)
class _State:
    cost: float
    order: int
    draft: Draft = field(compare=False)
    edits: tuple[Edit, ...] = field(compare=False)


def advise(graph: Graph, target: Shape | None = None, most: int = MOST_FIXES, work: int = WORK) -> Advice:
    """Where a network does not fit, and up to `most` ways to mend it, each of at most three changes.

    `target` is the shape that its first output must have, without the batch. A graph may be a sketch
    (`core.sketch`): its sizes need not fit, its nodes need no weights. Every fix was built anew, with weights.
    Ways that change the same settings of the same layers are told once, by the smallest change.
    """
    walker = Walker(work + len(graph.nodes))
    start = walker.draft(graph, target)
    if start.misfit is None:
        return Advice(graph.name, None, None, None, tuple(_ends(start)), (), target, 0)
    node = None if start.misfit.at_target else graph.nodes[start.misfit.node]
    return Advice(
        name=graph.name,
        misfit=start.misfit,
        layer=node.label if node else None,
        kind=node.layer.kind if node else None,
        journey=tuple(_journey(start, start.misfit)),
        fixes=tuple(itertools.islice(_different(_found(start, walker)), most)),
        target=target,
        tried=work + len(graph.nodes) - walker.left,
    )


def _ends(draft: Draft) -> Iterator[Visit]:
    """The inputs and outputs of a network that fits."""
    for number in dict.fromkeys((*draft.graph.inputs, *(node for node, _ in draft.graph.outputs))):
        node = draft.graph.nodes[number]
        yield Visit(node.label, node.layer.kind, draft.types[number])


def _journey(draft: Draft, misfit: Misfit) -> Iterator[Visit]:
    for number in sorted(drafts.ancestors(draft.graph, misfit.node)):
        if number < len(draft.types):
            node = draft.graph.nodes[number]
            fed = [draft.types[source][output] for source, output in node.inputs]
            flattened = fed[0] if node.layer.kind == "Flatten" and fed else None
            yield Visit(node.label, node.layer.kind, draft.types[number], flattened)


def _different(fixes: Iterator[Fix]) -> Iterator[Fix]:
    """The fixes that touch other settings, or other layers, than smaller ones do."""
    seen: list[frozenset[object]] = []
    for fix in fixes:
        keys = frozenset(edit.key for edit in fix.edits)
        if not any(earlier <= keys for earlier in seen):
            seen.append(keys)
            yield fix


def _found(start: Draft, walker: Walker) -> Iterator[Fix]:
    """All fixes of as few changes as the smallest, the smallest first."""
    counter = itertools.count()
    heap = [_State(0.0, next(counter), start, ())]
    seen: set[frozenset[object]] = set()
    limit, deepest = float("inf"), MOST_EDITS
    while heap and heap[0].cost <= limit:
        state = heapq.heappop(heap)
        misfit = state.draft.misfit
        if misfit is None:
            fix = _fix(state)
            if fix is not None:
                limit = min(limit, MUCH_LARGER * fix.cost + 1)
                deepest = min(deepest, len(fix.edits))
                yield fix
        elif len(state.edits) < deepest:
            try:
                for after in _after(state, misfit, walker, counter):
                    key = frozenset(
                        (edit.key, str(edit.after), str(edit.before), edit.made.kind) for edit in after.edits
                    )
                    if key not in seen:
                        seen.add(key)
                        heapq.heappush(heap, after)
            except Spent:
                deepest = 0


def _fix(state: _State) -> Fix | None:
    """A fix once it is built as a network of its own; None where it cannot be."""
    try:
        graph = drafts.built(state.draft.graph)
    except LayerscopeError:
        return None
    return Fix(state.edits, state.cost, graph, state.draft.output)


def _after(state: _State, misfit: Misfit, walker: Walker, counter: Iterator[int]) -> Iterator[_State]:
    """The states that one more change leads to, where it helps."""
    touched = {(edit.layer, edit.setting) for edit in state.edits if edit.action == "set"}
    for edit, graph, first in proposals(state.draft, misfit):
        if edit.action == "set" and (edit.layer, edit.setting) in touched:
            continue
        draft = walker.again(state.draft, graph, first)
        if _helps(state.draft, misfit, draft):
            cost = state.cost + edit.cost + (ANOTHER if state.edits else 0.0)
            yield _State(cost, next(counter), draft, (*state.edits, edit))


def _helps(before: Draft, misfit: Misfit, after: Draft) -> bool:
    """Whether everything fits, or the data come farther, or as far with less that does not fit."""
    if after.misfit is None:
        return True
    left = len(before.graph.nodes) - misfit.node
    now = len(after.graph.nodes) - after.misfit.node
    if now != left:
        return now < left
    return _distance(after, after.misfit) < _distance(before, misfit)


def _distance(draft: Draft, misfit: Misfit) -> tuple[int, ...]:
    """How far from fitting: axes too many or too few, axes that differ, by how much in all."""
    if misfit.at_target:
        return _apart(misfit.fed[0].shape[1:], draft.target or ())
    layer = draft.graph.nodes[misfit.node].layer
    if len(misfit.fed) > 1:
        skipped = getattr(layer, "axis", None) if layer.kind == "Concatenate" else None
        first, *rest = (_without(type.shape, skipped) for type in misfit.fed)
        found = [_apart(first, other) for other in rest]
        return tuple(map(sum, zip(*found, strict=True)))
    rank = getattr(layer, "rank", None)
    return (abs(misfit.fed[0].rank - rank - 2),) if isinstance(rank, int) and misfit.fed else (0,)


def _without(shape: Shape, axis: int | None) -> Shape:
    if axis is None or not -len(shape) <= axis < len(shape):
        return shape
    place = axis % len(shape)
    return shape[:place] + shape[place + 1 :]


def _apart(one: Shape, other: Shape) -> tuple[int, int, int]:
    if len(one) != len(other):
        return abs(len(one) - len(other)), 0, 0
    more = [abs(a - b) for a, b in zip(one, other, strict=True) if isinstance(a, int) and isinstance(b, int)]
    return 0, sum(map(bool, more)), sum(more)
