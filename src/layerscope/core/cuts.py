"""Smallest cuts in a directed graph without cycles whose vertices have capacities.

Source: Ford & Fulkerson, "Maximal flow through a network" (1956); the cut behind an immediate dominator is looked
for between the two only, for every path passes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

Vertex = tuple[int, int]
Cut = tuple[int, Vertex | None]
"""What passes at most, and the single vertex that limits it (None where several together do)."""
START: Vertex = (-1, 0)
END: Vertex = (-2, 0)


def smallest(
    limits: Mapping[Vertex, int],
    sources: Mapping[Vertex, Sequence[Vertex]],
    starts: Iterable[Vertex],
    ends: Iterable[Vertex],
) -> tuple[dict[Vertex, Cut], Cut]:
    """The smallest cut between all starts and each vertex (itself included), and that before all ends together.

    `limits` is in topological order; `sources` are the vertices that each reads. A vertex that nothing reaches has 0.
    """
    search = _Search(dict(limits), sources)
    begin = set(starts)
    found: dict[Vertex, Cut] = {}
    for vertex in limits:
        found[vertex] = search.add(vertex, [START] if vertex in begin else sources.get(vertex, ()))
    search.limits[END] = sum(limits.values()) + 1
    return found, search.add(END, list(ends))


class _Search:
    def __init__(self, limits: dict[Vertex, int], sources: Mapping[Vertex, Sequence[Vertex]]) -> None:
        self.limits = limits
        self.most = sum(limits.values()) + 1
        self.cuts: dict[Vertex, Cut] = {START: (self.most, None)}
        self.dominator: dict[Vertex, Vertex] = {}
        self.depth: dict[Vertex, int] = {START: 0}
        self.reads: dict[Vertex, list[Vertex]] = {}

    def add(self, vertex: Vertex, sources: Sequence[Vertex]) -> Cut:
        """The smallest cut before the next vertex."""
        reads = [one for one in dict.fromkeys(sources) if one in self.depth]
        if not reads:
            return (0, None)
        self.reads[vertex] = reads
        meet = reads[0]
        for other in reads[1:]:
            meet = self._meet(meet, other)
        self.dominator[vertex], self.depth[vertex] = meet, self.depth[meet] + 1
        own: Cut = (self.limits[vertex], vertex if vertex != END else None)
        between = self._between(meet, vertex) if len(reads) > 1 or reads[0] != meet else own
        best = min((self.cuts[meet], own, between), key=lambda cut: cut[0])
        self.cuts[vertex] = best
        return best

    def _meet(self, one: Vertex, other: Vertex) -> Vertex:
        while one != other:
            if self.depth[one] >= self.depth[other]:
                one = self.dominator[one]
            else:
                other = self.dominator[other]
        return one

    def _between(self, start: Vertex, end: Vertex) -> Cut:
        """The cut among the vertices behind `start` and before `end`."""
        inside: set[Vertex] = set()
        stack = [end]
        while stack:
            vertex = stack.pop()
            if vertex not in inside and vertex != start:
                inside.add(vertex)
                stack += self.reads[vertex]
        enough = min(self.limits[end], self.cuts[start][0])
        room: dict[tuple[Vertex, int], dict[tuple[Vertex, int], int]] = {}

        def join(a: tuple[Vertex, int], b: tuple[Vertex, int], size: int) -> None:
            room.setdefault(a, {})[b] = size
            room.setdefault(b, {}).setdefault(a, 0)

        for vertex in inside:
            join((vertex, 0), (vertex, 1), self.limits[vertex])
            for source in self.reads[vertex]:
                join((source, 1), (vertex, 0), self.most)
        flow = 0
        while flow < enough and (more := _augment(room, (start, 1), (end, 1))):
            flow += more
        return (flow, None)


def _augment(
    room: dict[tuple[Vertex, int], dict[tuple[Vertex, int], int]], start: tuple[Vertex, int], end: tuple[Vertex, int]
) -> int:
    """Send more along a shortest path that has room; how much, 0 where there is none."""
    before = {start: start}
    queue = deque([start])
    while queue and end not in before:
        here = queue.popleft()
        for there, size in room[here].items():
            if size > 0 and there not in before:
                before[there] = here
                queue.append(there)
    if end not in before:
        return 0
    path = [end]
    while path[-1] != start:
        path.append(before[path[-1]])
    steps = list(zip(path[1:], path[:-1], strict=True))
    least = min(room[a][b] for a, b in steps)
    for a, b in steps:
        room[a][b] -= least
        room[b][a] += least
    return least
