"""Parameters, multiply-accumulates and other operations of every layer, and their totals."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import propagate
from layerscope.core.costs import NONE, Operations
from layerscope.core.dataclasses import dataclass
from layerscope.core.graph import Graph, Node
from layerscope.core.propagate import Asked
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, per_example


@dataclass(frozen=True)
class LayerCost:
    """Of one node: elements of its weights, whether they were counted before, MACs, and operations of other kinds.

    `trainable` and `non_trainable` are the parts of `parameters`. None stands for unknown.
    """

    parameters: int | None
    shared: bool
    macs: Size | None
    operations: Operations | None = None
    trainable: int | None = None
    non_trainable: int | None = None


@dataclass(frozen=True)
class Cost:
    """Per node, and totals. A weight used several times is counted once, its MACs and operations at each use.

    With an open batch size, MACs and operations are per example. `at_least` says that a layer with unknown
    MACs or parameters is left out of the totals, `parameters_at_least` that this goes for the parameters,
    `operations_at_least` that it goes for the operations. The parameters are the trainable and the others.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    trainable: int
    macs: Size
    at_least: bool
    parameters_at_least: bool = False
    operations: Operations = NONE
    operations_at_least: bool = False

    @property
    def non_trainable(self) -> int:
        """Elements of the weights that training does not change by gradients, such as moving means."""
        return self.parameters - self.trainable


def cost(graph: Graph, types: Sequence[tuple[TensorType, ...]]) -> Cost:
    """The cost of a graph whose nodes have these output types.

    Units: parameters are numbers of elements; 1 MAC is one multiply and add (2 FLOPs); operations as in
    `core.costs.Operations`.
    Source: docs/definitions.md; a transposed convolution counts input positions.
    """
    seen: set[str] = set()
    rows: list[LayerCost] = []
    macs: Size = 0
    operations = NONE
    counted: dict[Asked, tuple[Size | None, Operations | None]] = {}
    for node, one in zip(graph.nodes, propagate.asked(graph, types), strict=True):
        if one not in counted:
            counted[one] = _counted(node, one)
        row = _row(graph, node, *counted[one], seen)
        rows.append(row)
        seen |= set(node.weights.values())
        macs = macs + (row.macs or 0)
        operations = operations + (row.operations or NONE)
    table = graph.parameters.values()
    return Cost(
        layers=tuple(rows),
        parameters=sum(row.size for row in table),
        trainable=sum(row.size for row in table if row.trainable),
        macs=macs,
        at_least=any(row.macs is None or row.parameters is None for row in rows),
        parameters_at_least=any(row.parameters is None for row in rows),
        operations=operations,
        operations_at_least=any(row.operations is None for row in rows),
    )


def _counted(node: Node, one: Asked) -> tuple[Size | None, Operations | None]:
    """MACs and operations of a node and all that are alike, per example."""
    macs = one.macs if node.inputs or node.layer.standalone else 0
    operations = one.operations
    return (
        None if macs is None else per_example(macs),
        None if operations is None else operations.map(per_example),
    )


def _row(graph: Graph, node: Node, macs: Size | None, operations: Operations | None, seen: set[str]) -> LayerCost:
    ids = set(node.weights.values())
    known = node.layer.weights_known
    size = trainable = 0
    for id in ids:
        row = graph.parameters[id]
        size += row.size
        trainable += row.size if row.trainable else 0
    return LayerCost(
        parameters=size if known else None,
        shared=bool(ids) and ids <= seen,
        macs=macs,
        operations=operations,
        trainable=trainable if known else None,
        non_trainable=size - trainable if known else None,
    )
