"""Memory of a network: weights, results, the most that is alive at once, and what a backward pass keeps.

Nothing is measured: bytes follow from the types of the tensors, the order of the nodes, and what the layers
say of themselves (`saved`, `shares`). An allocator rounds up and a runtime may fuse, so a process takes more
or less; docs/definitions.md says what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from layerscope.core import propagate, sizes
from layerscope.core.costs import NOTHING_SAVED
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.propagate import Asked
from layerscope.core.sizes import Size
from layerscope.core.types import BITS, TensorType, per_example

FLOATS = tuple(name for name in BITS if name.startswith(("float", "bfloat")))
LARGE = 1 << 20
"""What open sizes are taken for where the place of the peak depends on them."""


@dataclass(frozen=True)
class LayerMemory:
    """Of one node, in bytes: its own outputs (a view has none), all that is alive while it runs, and what the
    backward pass keeps because of it that no earlier layer keeps (None: unknown). `workspace`, a part of `live`, are
    tensors of its own while it runs; None where they are unknown, and `live` is without them.
    """

    output: Size
    live: Size
    saved: Size | None
    workspace: Size | None = 0


@dataclass(frozen=True)
class Memory:
    """Totals in bytes; per example while the batch size is open, weights apart.

    weights: all parameters, each once. inputs: the network's inputs. outputs: the results of all layers, views
    not counted (they lie in their source's memory). peak: the most that is alive at once at inference, with
    `peak_node`, the number of the node at which that is. saved: what a training step keeps until the backward
    pass. `saved_at_least`: a layer that did not say what it keeps is left out; `at_least`: a layer computes in
    memory of which nothing is known. `peak_assumed`: sizes are open, and the peak is that of large ones.
    """

    layers: tuple[LayerMemory, ...]
    weights: int
    inputs: Size
    outputs: Size
    peak: Size
    peak_node: int
    saved: Size
    at_least: bool = False
    saved_at_least: bool = False
    peak_assumed: bool = False


def memory(graph: Graph, types: Sequence[tuple[TensorType, ...]], dtype: str | None = None) -> Memory:
    """The memory of a graph whose nodes have these output types; with `dtype`, as if all floats were that.

    Units: bytes. Peak: nodes run in their order; a tensor is freed after its last use, inputs are there from
    the start, the network's outputs stay, views keep their source alive, no node computes in place, and while it
    runs there is what it says of its own (`workspace`).
    Errors: UnknownNameError for a dtype that is none of the floats.
    Source: docs/definitions.md.
    """
    if dtype is not None and dtype not in FLOATS:
        raise UnknownNameError("dtype", dtype, FLOATS)
    types = types if dtype is None else propagate.changed(types, lambda type: _as(type, dtype))
    asked = propagate.asked(graph, types)
    storage = _storages(graph, types, asked)
    bytes = {edge: _bytes(types, edge) for edge in set(storage.values())}
    own = _workspaces(graph, asked)
    live = [size + (inside or 0) for size, inside in zip(_live(graph, storage, bytes), own, strict=True)]
    saved = _saved(graph, types, asked, dtype)
    inputs = set(graph.inputs)
    outputs = [_total(bytes[edge] for edge in _own(storage, n, len(row))) for n, row in enumerate(types)]
    node, assumed = _highest(live)
    rows = (LayerMemory(*row) for row in zip(outputs, live, saved, own, strict=True))
    return Memory(
        layers=tuple(rows),
        weights=sum(_weight_bytes(row.size, row.dtype, dtype) for row in graph.parameters.values()),
        inputs=_total(outputs[n] for n in graph.inputs),
        outputs=_total(size for n, size in enumerate(outputs) if n not in inputs),
        peak=live[node],
        peak_node=node,
        saved=_total(size for size in saved if size is not None),
        at_least=None in own or not all(one.layer.weights_known for one in graph.nodes),
        saved_at_least=any(size is None for size in saved),
        peak_assumed=assumed,
    )


def _as(type: TensorType, dtype: str | None) -> TensorType:
    return type if dtype is None or type.dtype not in FLOATS else replace(type, dtype=dtype)


def _weight_bytes(size: int, own: str, dtype: str | None) -> int:
    return -(-size * BITS.get(dtype if dtype is not None and own in FLOATS else own, 32) // 8)


def _total(sizes: Iterable[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


def _bytes(types: Sequence[tuple[TensorType, ...]], edge: Edge) -> Size:
    return per_example(types[edge[0]][edge[1]].bytes)


def _storages(
    graph: Graph, types: Sequence[tuple[TensorType, ...]], asked: Sequence[Asked], training: bool = False
) -> dict[Edge, Edge]:
    """For each tensor the one in whose memory it lies: itself, or for a view its source's.

    What is a view at inference only, such as dropout, keeps something of its own in training.
    """
    found: dict[Edge, Edge] = {}
    for number, (node, one) in enumerate(zip(graph.nodes, asked, strict=True)):
        shared = one.shares if node.inputs else None
        if shared is not None and training and one.saved != NOTHING_SAVED:
            shared = None
        for output in range(len(types[number])):
            found[number, output] = (number, output)
        if shared is not None:
            for output in range(len(types[number]) if node.layer.shares_all else 1):
                found[number, output] = found[node.inputs[shared]]
    return found


def _own(storage: Mapping[Edge, Edge], number: int, count: int) -> list[Edge]:
    return [(number, output) for output in range(count) if storage[number, output] == (number, output)]


def _live(graph: Graph, storage: Mapping[Edge, Edge], bytes: Mapping[Edge, Size]) -> list[Size]:
    """What is alive while each node runs."""
    last: dict[Edge, int] = {}
    for edge, root in storage.items():
        last[root] = max(last.get(root, 0), edge[0])
    for number, node in enumerate(graph.nodes):
        for edge in node.inputs:
            last[storage[edge]] = max(last[storage[edge]], number)
    last |= dict.fromkeys((storage[edge] for edge in graph.outputs), len(graph.nodes))
    start = {root: 0 if root[0] in graph.inputs else root[0] for root in last}
    born, freed = _by_node(start), _by_node(last)
    found: list[Size] = []
    alive: Size = 0
    for number in range(len(graph.nodes)):
        alive = alive + _total(bytes[root] for root in born.get(number, ()))
        found.append(alive)
        alive = alive - _total(bytes[root] for root in freed.get(number, ()))
    return found


def _workspaces(graph: Graph, asked: Sequence[Asked]) -> list[Size | None]:
    """What each node makes for itself while it runs."""
    found: list[Size | None] = []
    for node, one in zip(graph.nodes, asked, strict=True):
        size = 0 if not node.inputs and not node.layer.standalone else one.workspace
        found.append(size if size is None else per_example(size))
    return found


def _by_node(times: Mapping[Edge, int]) -> dict[int, list[Edge]]:
    found: dict[int, list[Edge]] = {}
    for root, number in times.items():
        found.setdefault(number, []).append(root)
    return found


def _highest(live: Sequence[Size]) -> tuple[int, bool]:
    """The first of the largest, and whether sizes had to be assumed large to find it."""
    names = {name for size in live if not isinstance(size, int) for name in sizes.names(size)}
    large = dict.fromkeys(names, LARGE)
    bound = [sizes.number(sizes.bind(size, large)) for size in live]
    node = bound.index(max(bound))
    return node, bool(names) and any(sizes.lower_bound(live[node] - size) < 0 for size in set(live))


def _saved(
    graph: Graph, types: Sequence[tuple[TensorType, ...]], asked: Sequence[Asked], dtype: str | None
) -> list[Size | None]:
    """For each node the bytes that it is the first to keep for the backward pass; None: it does not say.

    A node keeps nothing where no trainable weight stands at it or before it: no gradient passes it.
    """
    storage = _storages(graph, types, asked, training=True)
    kept: set[Edge] = set()
    found: list[Size | None] = []
    trained: list[bool] = []
    for number, node in enumerate(graph.nodes):
        trained.append(_trains(graph, node) or any(trained[source] for source, _ in node.inputs))
        saved = asked[number].saved if trained[number] else None
        if saved is None:
            found.append(None if trained[number] else 0)
            continue
        edges = [node.inputs[n] for n in saved.inputs] + [(number, n) for n in saved.outputs]
        fresh = {storage[edge] for edge in edges} - kept
        kept |= fresh
        extra = (per_example(_as(type, dtype).bytes) for type in saved.extra)
        found.append(_total(_bytes(types, root) for root in sorted(fresh)) + _total(extra))
    return found


def _trains(graph: Graph, node: Node) -> bool:
    unknown = not node.layer.weights_known
    return unknown or any(graph.parameters[id].trainable for id in node.weights.values())
