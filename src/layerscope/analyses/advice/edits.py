"""Small changes of a network that may mend one misfit, each with its size: what the search tries.

Sizes (`cost`) order proposals: a setting that has two values before a number, a number before a layer more or less,
all of them before another input; near the misfit before far from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

from layerscope.analyses.advice import drafts, settings
from layerscope.analyses.advice.drafts import Draft, Misfit
from layerscope.core.contract import Layer, describe_settings
from layerscope.core.dataclasses import dataclass, field, replace
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Graph
from layerscope.core.types import Shape, TensorType
from layerscope.layers import layer_class

NEAREST = 48
"""Layers before a misfit that are changed, at most."""
AWAY = 0.004
"""Added to the size for each layer between a change and the misfit."""
BLANK = 1.5
REMOVABLE = ("Flatten", "Reshape", "Permute", "RepeatVector")
RESIZING = ("Pooling", "Cropping", "ZeroPadding", "UpSampling")


@dataclass(frozen=True)
class Edit:
    """One change: of a setting (`setting`, `before`, `after`), or a layer put in or taken out.

    `layer` is the name of the layer that is changed or taken out, or before which one is put (None: the output);
    `made` is the layer as it is then, or the one that is put in or taken out.
    """

    action: str
    layer: str | None
    made: Layer = field(compare=False)
    cost: float
    setting: str | None = None
    before: Any = None
    after: Any = None

    @property
    def becomes(self) -> str:
        """The layer as it is then, as a Python call."""
        return describe_settings(self.made)

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """Edits of one key are kinds of the same."""
        return self.action, self.layer, self.setting if self.action == "set" else None


Proposal = tuple[Edit, Graph, int]
"""A change, the graph with it, and the first node that it changes."""


def proposals(draft: Draft, misfit: Misfit) -> Iterator[Proposal]:
    """All changes that may mend a misfit, in no order."""
    numbers = drafts.ancestors(draft.graph, misfit.node)
    wishes = settings.wishes(draft, misfit)
    done: set[int] = set()
    for rank, number in enumerate(numbers[:NEAREST]):
        layer = draft.graph.nodes[number].layer
        if number not in draft.graph.inputs and id(layer) not in done:
            done.add(id(layer))
            yield from _changed(draft, number, wishes, AWAY * rank)
            yield from _taken_out(draft, number, AWAY * rank)
            yield from _flattened(draft, number, AWAY * rank)
    for number in draft.graph.inputs:
        if number in numbers:
            yield from _entered(draft, number, AWAY * len(numbers))
    yield from _put_in(draft, misfit)


def _changed(draft: Draft, number: int, wishes: settings.Wishes, away: float) -> Iterator[Proposal]:
    """A layer with another value of one setting."""
    node = draft.graph.nodes[number]
    fed = tuple(draft.types[source][output] for source, output in node.inputs)
    for name, value, cost in settings.variants(node.layer, fed, wishes, at_misfit=number == len(draft.types)):
        layer = _made(node.layer, name, value)
        if layer is None:
            continue
        before, after = getattr(node.layer, name), getattr(layer, name)
        if before == after:
            continue
        edit = Edit("set", node.label, layer, cost + away, name, before, after)
        yield edit, drafts.replaced(draft.graph, number, layer), drafts.first_use(draft.graph, number)


def _made(layer: Layer, name: str, value: Any) -> Layer | None:
    told: dict[str, Any] = {name: value}
    if name == "pool_size" and getattr(layer, "strides", None) == getattr(layer, "pool_size", None):
        told["strides"] = value
    try:
        return replace(layer, **told)
    except LayerscopeError:
        return None


def _taken_out(draft: Draft, number: int, away: float) -> Iterator[Proposal]:
    """The network without a layer that only reshapes or resizes."""
    node = draft.graph.nodes[number]
    kind = node.layer.kind
    movable = kind in REMOVABLE or any(word in kind for word in RESIZING)
    if not movable or len(node.inputs) != 1 or getattr(node.layer, "return_switches", False):
        return
    if number == len(draft.types) and number in [output for output, _ in draft.graph.outputs]:
        return  # without it nothing is left of what does not fit
    cost = 2.6 if kind in REMOVABLE else 3.0
    edit = Edit("remove", node.label, node.layer, cost + away)
    yield edit, drafts.removed(draft.graph, number), number


def _flattened(draft: Draft, number: int, away: float) -> Iterator[Proposal]:
    """A Dense that is given all numbers at once, not those of each position by themselves."""
    node = draft.graph.nodes[number]
    if node.layer.kind != "Dense" or number >= len(draft.types) or len(node.inputs) != 1:
        return
    ((source, output),) = node.inputs
    axes = draft.types[source][output].rank - 2
    choices = [("Flatten", 1.6)] if axes > 0 else []
    choices += [(f"GlobalAveragePooling{axes}D", 2.2)] if axes in (1, 2, 3) else []
    for kind, cost in choices:
        layer = layer_class(kind)()
        edit = Edit("insert", node.label, layer, cost + away)
        yield edit, drafts.inserted(draft.graph, number, node.inputs, layer, 0), number


def _entered(draft: Draft, number: int, away: float) -> Iterator[Proposal]:
    """Another input: a channel axis more, or sizes that halve more often."""
    node = draft.graph.nodes[number]
    shape: Any = getattr(node.layer, "shape", None)
    if not isinstance(shape, tuple):
        return
    for value, cost in settings.entries(cast(tuple[Any, ...], shape)):
        layer = _made(node.layer, "shape", value)
        if layer is not None:
            edit = Edit("set", node.label, layer, cost + away, "shape", shape, value)
            yield edit, drafts.replaced(draft.graph, number, layer), number


def _put_in(draft: Draft, misfit: Misfit) -> Iterator[Proposal]:
    """A layer put into each input of the layer that does not fit, or before the output."""
    graph = draft.graph
    before = misfit.node
    if misfit.at_target:
        edges = graph.outputs[:1]
        name = None
        wanted: list[Shape | None] = [draft.target]
    else:
        edges = graph.nodes[before].inputs
        name = graph.nodes[before].label
        wanted = [_partner(misfit.fed, slot) for slot in range(len(edges))]
    for slot, (edge, shape) in enumerate(zip(edges, wanted, strict=True)):
        layer = None if misfit.at_target else graph.nodes[before].layer
        for new, cost in fillers(misfit.fed[slot], shape, layer):
            behind = graph.nodes[edge[0]].label if len(edges) > 1 else None
            edit = Edit("insert", name, new, cost, before=behind)
            yield edit, drafts.inserted(graph, before, (edge,), new, slot), before


def _partner(fed: tuple[TensorType, ...], slot: int) -> Shape | None:
    """The shape that an input of a merge would have to have: that of another one."""
    others = [type.shape[1:] for n, type in enumerate(fed) if n != slot and type.shape[1:] != fed[slot].shape[1:]]
    return others[0] if others else None


def fillers(type: TensorType, wanted: Shape | None, layer: Layer | None) -> Iterator[tuple[Layer, float]]:
    """Layers that may make a tensor fit: `wanted` is the shape that it should have, where that is known.

    `layer` is what it goes into (None: it is the output).
    """
    shape = type.shape[1:]
    if not all(isinstance(size, int) for size in shape):
        return
    sizes = [size for size in shape if isinstance(size, int)]
    goal = [size for size in wanted or () if isinstance(size, int)]
    for kind, told, cost in _fillers(sizes, goal, getattr(layer, "rank", None)):
        made = _layer(kind, told)
        if made is not None:
            # zeros around an output fit, but are never what is wanted where anything else does
            yield made, cost + (BLANK if layer is None and kind.startswith("ZeroPadding") else 0.0)


def _layer(kind: str, told: dict[str, Any]) -> Layer | None:
    try:
        return layer_class(kind)(**told)
    except LayerscopeError:
        return None


def _fillers(sizes: list[int], goal: list[int], rank: int | None) -> Iterator[tuple[str, dict[str, Any], float]]:
    axes = len(sizes) - 1
    count = settings.product(sizes)
    if axes > 0:
        yield "Flatten", {}, 2.0
    if goal and settings.product(goal) == count and goal != sizes:
        yield "Reshape", {"target_shape": tuple(goal)}, 2.2
    if rank is not None and len(sizes) != rank + 1:
        for shape in settings.spatial_shapes(sizes, rank):
            yield "Reshape", {"target_shape": shape}, 2.4
    if axes in (1, 2, 3) and len(goal) == len(sizes):
        yield from _fitted(sizes, goal, axes)
    if axes in (1, 2, 3) and (not goal or len(goal) == 1):
        yield f"GlobalAveragePooling{axes}D", {}, 3.2


def _fitted(sizes: list[int], goal: list[int], axes: int) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Cropping, padding, resizing and projecting to a shape of as many axes."""
    more = [b - a for a, b in zip(sizes[:-1], goal[:-1], strict=True)]
    halves = tuple((abs(n) // 2, abs(n) - abs(n) // 2) for n in more)
    value: Any = halves[0] if axes == 1 else halves
    if any(more) and all(n <= 0 for n in more):
        yield f"Cropping{axes}D", {"cropping": value}, 2.4
    if any(more) and all(n >= 0 for n in more):
        yield f"ZeroPadding{axes}D", {"padding": value}, 2.5
    ratios = {Fraction(b, a) for a, b in zip(sizes[:-1], goal[:-1], strict=True)}
    if len(ratios) == 1 and (ratio := ratios.pop()) > 1 and ratio.denominator == 1:
        yield f"UpSampling{axes}D", {"size": int(ratio)}, 2.6
    if sizes[-1] != goal[-1]:
        yield f"Conv{axes}D", {"filters": goal[-1], "kernel_size": 1}, 2.8
        if all(b and a % b == 0 for a, b in zip(sizes[:-1], goal[:-1], strict=True)) and any(more):
            steps = tuple(a // b for a, b in zip(sizes[:-1], goal[:-1], strict=True))
            yield f"Conv{axes}D", {"filters": goal[-1], "kernel_size": 1, "strides": steps}, 2.9
