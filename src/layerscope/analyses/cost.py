"""Parameters and multiply-accumulates of every layer, and their totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.core import propagate, sizes
from layerscope.core.graph import Graph
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, TensorType


@dataclass(frozen=True)
class LayerCost:
    """Of one node: elements of its weights, whether they were counted before, and MACs (None: unknown)."""

    parameters: int | None
    shared: bool
    macs: Size | None


@dataclass(frozen=True)
class Cost:
    """Per node, and totals. A weight used several times is counted once, its MACs at each use.

    With an open batch size, MACs are per example. `at_least` says that a layer with unknown MACs or
    parameters is left out of the totals, `parameters_at_least` that this goes for the parameters.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    trainable: int
    macs: Size
    at_least: bool
    parameters_at_least: bool = False


def per_example(size: Size) -> Size:
    """A size with an open batch taken as one example."""
    return sizes.bind(size, {BATCH: 1})


def cost(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> Cost:
    """The cost of a graph whose nodes have these output types.

    Units: parameters are numbers of elements; 1 MAC is one multiply and add (2 FLOPs).
    Source: docs/definitions.md; a transposed convolution counts input positions.
    """
    fed = propagate.fed_types(graph, types)
    seen: set[str] = set()
    rows: list[LayerCost] = []
    total: Size = 0
    for number, node in enumerate(graph.nodes):
        ids = set(node.weights.values())
        macs = node.layer.macs(*fed[number]) if node.inputs else 0
        macs = None if macs is None else per_example(macs)
        size = sum(graph.parameters[i].size for i in ids) if node.layer.weights_known else None
        rows.append(LayerCost(size, bool(ids) and ids <= seen, macs))
        seen |= ids
        total = total + (macs or 0)
    table = graph.parameters.values()
    return Cost(
        layers=tuple(rows),
        parameters=sum(row.size for row in table),
        trainable=sum(row.size for row in table if row.trainable),
        macs=total,
        at_least=any(row.macs is None or row.parameters is None for row in rows),
        parameters_at_least=any(row.parameters is None for row in rows),
    )
