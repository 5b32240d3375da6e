"""What names mean while the nodes of a graph, a branch or a function are read, and the checks of their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SourceError
from layerscope.sources._onnx.site import Operand
from layerscope.sources._onnx.structures import Function, GraphInfo, Node, TypeInfo

MOST_NODES = 300_000
DEEPEST = 32


@dataclass(frozen=True)
class Listed:
    """A sequence whose parts are known one by one, or an optional value that is absent (no parts)."""

    parts: tuple[Operand, ...]
    absent: bool = False


Entry = Operand | Listed | None
"""What a name stands for; None for an operand of a function that its caller leaves out."""


@dataclass
class Frame:
    """The names that nodes of one graph, branch or function see."""

    values: dict[str, Entry] = field(default_factory=dict[str, Entry])
    parent: Frame | None = None
    scope: tuple[str, ...] = ()
    prefix: str = ""
    """What stands before the names of its weights, to make them unique in the file."""
    opsets: dict[str, int] = field(default_factory=dict[str, int])
    stated: dict[str, TypeInfo] = field(default_factory=dict[str, TypeInfo])
    attributes: dict[str, Any] | None = None
    """The attributes of the call, in a function."""
    starts: frozenset[str] = frozenset()
    """Names of states that recurrent operators start from, which are no weights."""

    def has(self, name: str) -> bool:
        return name in self.values or (self.parent is not None and self.parent.has(name))

    def get(self, name: str) -> Entry:
        """What a name stands for; "" for nothing."""
        if name == "":
            return None
        if name in self.values:
            return self.values[name]
        if self.parent is None:
            raise SourceError(f"nothing is called {name!r}")
        return self.parent.get(name)


def graphs(node: Node) -> Iterator[GraphInfo]:
    """The graphs among a node's attributes: branches and bodies."""
    for value in node.attributes.values():
        if isinstance(value, GraphInfo):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, GraphInfo))


def reads(node: Node) -> Iterator[str]:
    """All names that a node reads, those in its branches and bodies too."""
    yield from (name for name in node.inputs if name)
    for graph in graphs(node):
        for inner in graph.nodes:
            yield from reads(inner)
        yield from (name for name, _ in graph.outputs)


def title(node: Node) -> str:
    """A node as messages call it."""
    made = ", ".join(repr(name) for name in node.outputs if name)
    named = f"node {node.name!r}" if node.name else f"the node that makes {made}"
    return f"{named} ({node.op})"


def check(nodes: Sequence[Node], frame: Frame, outputs: Sequence[str]) -> None:
    """Every name has one maker, which stands before its readers; SourceError otherwise."""
    makers: dict[str, Node] = {}
    for node in nodes:
        for name in node.outputs:
            if name and (name in makers or name in frame.values):
                raise SourceError(f"{title(node)} makes {name!r}, which something before it made already")
            makers[name] = node
    made = set[str]()
    for node in nodes:
        for name in node.inputs:
            if not name or name in made or frame.has(name):
                continue
            if name in makers:
                raise SourceError(
                    f"{title(node)} reads {name!r}, which {title(makers[name])} makes only behind it: "
                    "the nodes form a cycle, or are out of order"
                )
            raise SourceError(f"{title(node)} reads {name!r}, which nothing makes")
        made.update(node.outputs)
    for name in outputs:
        if name not in made and not frame.has(name):
            raise SourceError(f"the output {name!r} is made by no node")


def needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes on which the outputs depend, in order."""
    wanted, kept = set(outputs), list[Node]()
    for node in reversed(nodes):
        if not wanted.isdisjoint(name for name in node.outputs if name):
            wanted.update(reads(node))
            kept.append(node)
    return kept[::-1]


def bounded(graph: GraphInfo, functions: Mapping[tuple[str, str, str], Function]) -> None:
    """SourceError where the nodes, with those of functions in place of each call, are more than can be read."""
    counts: dict[tuple[str, str, str], int] = {}

    def count(nodes: Sequence[Node], calling: tuple[tuple[str, str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op, node.overload)
            total += 1 + sum(count(inner.nodes, calling) for inner in graphs(node))
            if key not in functions:
                continue
            if key in calling:
                raise SourceError(f"the function {node.op!r} calls itself")
            if len(calling) >= DEEPEST:
                raise SourceError(f"functions call each other more than {DEEPEST} deep")
            if key not in counts:
                counts[key] = count(functions[key].nodes, (*calling, key))
            total += counts[key]
        return total

    if (total := count(graph.nodes, ())) > MOST_NODES:
        raise SourceError(
            f"{total} nodes, with those of functions in place of each call; at most {MOST_NODES} are read"
        )
