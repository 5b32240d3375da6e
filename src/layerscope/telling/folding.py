"""Rows of a table put together: nested models by depth, and blocks that repeat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from layerscope.core.contract import Layer, settings, snake_case
from layerscope.core.dataclasses import dataclass
from layerscope.core.graph import Graph, Node
from layerscope.telling.lines import Line, Lines

LEAST = 3
"""Rows that a fold has to save."""
PERIODS = 64
"""Lengths of blocks that are looked for, most frequent ones first."""
UNTOLD = re.compile(r"initializer|regularizer|constraint|seed$|^rate$")
"""Settings that change nothing of what a trace says: how weights begin and are held, how much is dropped."""
STARTS = 100
"""Places that are compared where a block may begin."""
SEPARATORS = "/._-"


def by_depth(lines: Lines, depth: int | None) -> list[Line]:
    """All layers in order; what lies deeper than `depth` in nested models becomes one row for each of these."""
    nodes = lines.graph.nodes
    if depth is None:
        return [lines.single(number) for number in range(len(nodes))]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, node in enumerate(nodes):
        path = (*node.scope, node.name)
        use = re.search(r"#\d+$", node.name)
        key = (*path[:depth], "", use[0] if use else "") if len(path) > depth else path
        groups.setdefault(key, []).append(number)
    return [_group(lines, key, members, depth) for key, members in groups.items()]


def _group(lines: Lines, key: tuple[str, ...], members: list[int], depth: int) -> Line:
    if key[-2:-1] != ("",):
        return lines.single(members[0])
    name = "/".join(key[:depth]) + key[-1]
    kind = f"{len(members):,} layers" if len(members) > 1 else lines.steps[members[0]].kind
    return lines.line(members, name, kind)


@dataclass(frozen=True)
class Run:
    """Rows from `start` on that repeat `times` times with a period of `period` rows."""

    start: int
    period: int
    times: int

    @property
    def saved(self) -> int:
        """Rows that folding it saves."""
        return (self.times - 1) * self.period - 1

    @property
    def end(self) -> int:
        return self.start + self.period * self.times


def repeats_folded(lines: Lines, rows: Sequence[Line]) -> list[Line]:
    """Of blocks that follow each other and are the same, the first in full and one row for all others."""
    made: list[Line] = []
    done = 0
    for run in sorted(_runs(lines, rows), key=lambda run: run.start):
        first = run.start + run.period
        made += rows[done:first]
        made.append(_folded(lines, rows[first : run.end], run))
        done = run.end
    return [*made, *rows[done:]]


def _folded(lines: Lines, rows: Sequence[Line], run: Run) -> Line:
    members = [number for row in rows for number in row.members]
    times = run.times - 1
    each = len(members) // times
    what = "layer" if each == 1 else f"{each:,} layers"
    names = _between([rows[at : at + run.period] for at in range(0, len(rows), run.period)])
    again = f"the same {what}" if times == 1 else f"{times:,} times the same {what}"
    return lines.line(members, names, what if times == 1 else f"{times:,} × {what}", f"{names}: {again}")


def _between(blocks: Sequence[Sequence[Line]]) -> str:
    """ "block2 … block12": what the names of the first and the last block begin with, or a name of each."""
    stems = [_stem(block) for block in blocks]
    if all(stems) and len(set(stems)) == len(stems):
        first, last = stems[0], stems[-1]
    else:
        first, last = blocks[0][0].name, blocks[-1][-1].name
    return first if first == last else f"{first} … {last}"


def _stem(rows: Sequence[Line]) -> str:
    """What all names that somebody gave begin with, up to a separator."""
    given = [row.name for row in rows if not _automatic(row.kind, row.name)]
    names = given or [row.name for row in rows]
    low, high = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    stem = low[:same]
    whole = all(len(name) == len(stem) or name[len(stem)] in SEPARATORS for name in names)
    if not whole:
        stem = stem[: 1 + max(map(stem.rfind, SEPARATORS))]
    return stem.rstrip(SEPARATORS)


@lru_cache(4096)
def _automatic(kind: str, name: str) -> bool:
    """Whether a layer that was given no name would have this one: conv2d, conv2d_1, ..."""
    stem, (lead, _, number) = snake_case(kind), name.rpartition("_")
    return name == stem or (lead == stem and number.isdecimal())


def _runs(lines: Lines, rows: Sequence[Line]) -> list[Run]:
    """Runs that do not overlap; those that save most first."""
    marks, links = _marks(lines.graph, rows), _links(lines.graph, rows)
    crossing = _crossing(links)
    found = [run for period in _periods(marks) for run in _periodic(marks, links, period)]
    taken: list[Run] = []
    for start, end, period in sorted(found, key=lambda run: (-_saved(*run), run[2])):
        for low, high in _free(start, end, taken):
            run = _aligned(rows, crossing, low, high, period)
            if run is not None and run.saved + 1 >= LEAST:
                taken.append(run)
    return taken


def _periodic(
    marks: Sequence[int], links: Sequence[list[tuple[int, int]]], period: int
) -> Iterator[tuple[int, int, int]]:
    """Stretches of rows (start, end, period) in which each row is as the one a period later, twice at least."""
    last = len(marks) - period

    def same(place: int) -> bool:
        one = place + period
        return marks[place] == marks[one] and _alike(links[place], links[one], period)

    place = 0
    while place < last:  # of places a period apart each stretch has one, so no others are looked at
        if not same(place):
            place += period
            continue
        start = end = place
        while start > 0 and same(start - 1):
            start -= 1
        while end < last and same(end):
            end += 1
        if end - start >= period:
            yield start, end + period, period
        place += (end - place) // period * period + period


def _saved(start: int, end: int, period: int) -> int:
    return ((end - start) // period - 1) * period


def _free(start: int, end: int, taken: Sequence[Run]) -> list[tuple[int, int]]:
    """What of start … end no run has taken."""
    parts = [(start, end)]
    for run in taken:
        parts = [
            piece
            for low, high in parts
            for piece in ((low, min(high, run.start)), (max(low, run.end), high))
            if piece[0] < piece[1]
        ]
    return list(dict.fromkeys(parts))


def _aligned(rows: Sequence[Line], crossing: Sequence[int], low: int, high: int, period: int) -> Run | None:
    """Where within a periodic stretch the blocks begin: where names and the fewest tensors say so."""
    if high - low < 2 * period:
        return None

    def fitness(start: int) -> tuple[int, int, int, int]:
        blocks = [rows[at : at + period] for at in range(start, high - period + 1, period)]
        stems = [_stem(block) for block in blocks[:3]]
        named = min(map(len, stems)) if len(set(stems)) == len(stems) else 0
        return named, -crossing[start], len(blocks), -start

    starts = range(low, min(low + period, high - 2 * period + 1))
    if len(starts) > STARTS:  # a long block: look where the fewest tensors cross
        fewest = min(crossing[start] for start in starts)
        starts = [start for start in starts if crossing[start] == fewest][:STARTS]
    start = max(starts, key=fitness)
    return Run(start, period, (high - start) // period)


def _periods(marks: Sequence[int]) -> list[int]:
    """Distances between equal rows that occur most often."""
    places: dict[int, list[int]] = {}
    for place, mark in enumerate(marks):
        places.setdefault(mark, []).append(place)
    found: Counter[int] = Counter()
    for where in places.values():
        for steps in range(1, 9):
            found.update(b - a for a, b in zip(where, where[steps:], strict=False))
    return [period for period, _ in found.most_common(PERIODS)]


def _marks(graph: Graph, rows: Sequence[Line]) -> list[int]:
    """A number for each row, equal where all that a trace says of the layers themselves is."""
    known: dict[object, int] = {}
    layers: dict[int, object] = {}
    told: dict[int, tuple[str, str]] = {}
    found: list[int] = []
    for row in rows:
        parts: list[object] = [row.shared > 0, row.inputs, row.outputs]
        first = row.members[0]
        for number in row.members:
            node = graph.nodes[number]
            inner = [source - first for source, _ in node.inputs if source >= first]
            mark = graph.likeness[number]
            if mark not in told:
                told[mark] = _told(node.layer)
            if id(node.layer) not in layers:
                layers[id(node.layer)] = told[mark], _weights(graph, node)
            parts += [layers[id(node.layer)], *inner]
        found.append(known.setdefault(tuple(parts), len(known)))
    return found


def _told(layer: Layer) -> tuple[str, str]:
    told = {key: value for key, value in settings(layer).items() if not UNTOLD.search(key)}
    return layer.kind, repr(told)


def _weights(graph: Graph, node: Node) -> object:
    rows = [(role, graph.parameters[id]) for role, id in node.weights.items()]
    return tuple([(role, row.shape, row.trainable) for role, row in rows])


def _links(graph: Graph, rows: Sequence[Line]) -> list[list[tuple[int, int]]]:
    """For each row the rows that feed it, and which of their outputs, by place."""
    place = {number: at for at, row in enumerate(rows) for number in row.members}
    return [
        [
            (place[source], output)
            for number in row.members
            for source, output in graph.nodes[number].inputs
            if place[source] != at
        ]
        for at, row in enumerate(rows)
    ]


def _alike(one: list[tuple[int, int]], other: list[tuple[int, int]], period: int) -> bool:
    """Whether two rows that stand `period` apart are fed alike: from as far away, or from the same place."""
    return len(one) == len(other) and all(
        a[1] == b[1] and (b[0] - a[0] in (0, period)) for a, b in zip(one, other, strict=True)
    )


def _crossing(links: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    """For each place, how many tensors from before it are read at it or later."""
    last: dict[tuple[int, int], int] = {}
    for place, sources in enumerate(links):
        for edge in sources:
            last[edge] = max(last.get(edge, 0), place)
    change = [0] * (len(links) + 1)
    for (source, _), end in last.items():
        change[min(source, end) + 1] += 1
        change[min(end + 1, len(links))] -= 1
    return list(accumulate(change))
