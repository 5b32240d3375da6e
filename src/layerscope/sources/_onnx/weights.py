"""Stored tensors that nodes only move, cast or dequantise before anything reads them, and those that are no weights.

An exporter that folds nothing leaves a Transpose between a weight and the product that reads it. What such a node
makes is the same weight in another form: the node vanishes, and its reader has the stored tensor as its parameter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from layerscope.core.errors import LayerscopeError
from layerscope.operators._operator import Operator
from layerscope.sources._onnx import rules
from layerscope.sources._onnx.frames import graphs, reads
from layerscope.sources._onnx.site import FLOATING, Operand, Site, Source
from layerscope.sources._onnx.structures import Node

STORED = (*FLOATING, "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0", "int4",
          "uint4", "int2", "uint2", "float4_e2m1", "float6_e2m3", "float6_e3m2")  # fmt: skip
"""Types of elements of which a stored tensor with axes is a weight, whoever reads it."""
MALFORMED = (TypeError, KeyError, IndexError, AttributeError, ValueError, ArithmeticError)
MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Cast", "CastLike",
         "DequantizeLinear")  # fmt: skip
"""Operators that only give a weight another form: no element is computed from others."""
SPREADS = (*MOVES, "Identity", "Expand", "Tile", "Gather")
"""What a state to start from passes on its way to the recurrent operator."""
STARTS = {"RNN": (5,), "GRU": (5,), "LSTM": (5, 6)}
"""Numbers of the operands that are states to start from."""


def moved(site: Site, held: Mapping[int, Operand], operands: Sequence[Operand | None]) -> list[Operand] | None:
    """The outputs of a node that only moves stored tensors, as weights in another form; None for any other node.

    `held` are the stored tensors by their ids, `operands` the node's own ones, before the site marked weights.
    """
    if site.domain not in ("", "com.microsoft") or site.op not in MOVES:
        return None
    if any(x is not None and x.tensor is not None for x in site.operands):
        return None
    count = len(operands) if site.op == "Concat" else 1
    marked = list(site.operands)
    for number, (own, x) in enumerate(zip(operands[:count], site.operands, strict=False)):
        if own is not None and x is not None and id(own) in held and own.type.rank > 0 and _counts(own):
            marked[number] = Operand(x.name, x.type, weight=True, sources=x.sources)
    if not any(x is not None and x.weight for x in marked[:count]):
        return None
    inside = Site(**{**vars(site), "operands": tuple(marked)})
    rule = rules.find(inside)
    try:
        layer = rule(inside) if rule is not None else None
        types = () if layer is None else layer.out()
    except (LayerscopeError, *MALFORMED):
        return None  # the rule refuses it with its own message
    weight = any(x is not None and x.weight for x in site.operands[:count])
    if not isinstance(layer, Operator) or any(
        not all(isinstance(size, int) and size >= 0 for size in kind.shape) or (weight and kind.dtype not in STORED)
        for kind in types
    ):
        return None
    sources = _sources(layer, marked)
    return [Operand(sources[0].id, kind, weight=weight, sources=sources) for kind in types]


def _counts(operand: Operand) -> bool:
    """Whether it is a weight, or whole numbers that some reader may take for a quantised one."""
    return operand.weight or operand.type.dtype not in STORED


def _sources(layer: Operator, operands: Sequence[Operand | None]) -> tuple[Source, ...]:
    """The stored tensors that the layer reads, the first without a role of its own."""
    found: dict[str, Source] = {}
    taken: set[str] = set()
    for slot, x in zip(layer.slots, operands, strict=False):
        if not isinstance(slot, str) or x is None or slot not in layer.parameters:
            continue
        for role, source in x.named(slot).items():
            if source.id in found:
                continue  # parts of one tensor that were put together again
            short = "" if not found else role.partition(".")[2] or role
            label = next(name for name in itertools.chain((short,), _numbered(short)) if name not in taken)
            taken.add(label)
            found[source.id] = Source(label, source.id, layer.parameters[role])
    return tuple(found.values())


def _numbered(role: str) -> Iterator[str]:
    return (f"{role}_{number}" for number in itertools.count(2))


def starts(nodes: Sequence[Node], outputs: Sequence[str]) -> frozenset[str]:
    """Names of what only recurrent operators read, as a state to start from, maybe spread to the batch before."""
    good, bad = set[str](), set(outputs)
    for node in reversed(nodes):
        for graph in graphs(node):
            bad.update(name for inner in graph.nodes for name in reads(inner))
            bad.update(name for name, _ in graph.outputs)
        spread = (
            node.domain == "" and node.op in SPREADS and all(n in good and n not in bad for n in node.outputs if n)
        )
        places = STARTS.get(node.op, ()) if node.domain == "" else ()
        for number, name in enumerate(node.inputs):
            (good if number in places or (spread and (number == 0 or node.op == "Concat")) else bad).add(name)
    return frozenset(good - bad)
