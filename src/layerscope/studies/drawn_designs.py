"""Encoders to order as a picture: their tensors, and the amounts by which one chooses."""

from __future__ import annotations

from layerscope.analyses.design import Designed
from layerscope.core import propagate
from layerscope.core.graph import Graph
from layerscope.report.document import count
from layerscope.report.figures.designed import Amount, Designs, Proposed
from layerscope.report.figures.tensors import MEANT
from layerscope.studies.tensors_drawn import tensor
from layerscope.telling.designed import autoencoder_parameters, mirrored, texts


def design_picture(found: Designed, up: str | None = None) -> Designs:
    """What is drawn of encoders to order; with `up` each has its decoder, as in `mirror`."""
    wish, proposals, both = found.wish, found.proposals, mirrored(found, up)
    networks = tuple(
        _proposed(proposal.graph if other is None else other.graph, len(proposal.graph.nodes) - 1, text)
        for proposal, other, text in zip(proposals, both, texts(found, up), strict=True)
    )
    reach = wish.reach if wish.reach > 1 else None
    told = "" if reach is None else f"at least {reach}"
    amounts = [
        Amount("parameters", _most(wish.parameters), tuple(one.parameters for one in proposals), wish.parameters),
        Amount("MACs", _most(wish.macs), tuple(one.macs for one in proposals), wish.macs),
        Amount("receptive field", told, tuple(one.reach for one in proposals), reach),
    ]
    whole = [autoencoder_parameters(other) for other in both if other is not None]
    if whole:
        amounts.append(Amount(f"with {up}", "parameters", tuple(whole)))
    image = " × ".join(map(str, wish.shape))
    some = f"the {len(proposals)} smallest" if len(proposals) > 1 else "the smallest"
    limits = " Red: what was asked." if any(amount.drawn is not None for amount in amounts) else ""
    return Designs(
        f"Encoders of {image} to {count(wish.code)} numbers",
        f"{some[0].upper()}{some[1:]} of all {wish.chains:,} chains of 1 to {wish.depth} convolutions, by parameters "
        "and then by MACs.",
        networks, tuple(amounts), f"{MEANT} Black: the code. MACs: of one example.{limits}",
    )  # fmt: skip


def _most(limit: int | None) -> str:
    return "" if limit is None else f"at most {limit:,}"


def _proposed(graph: Graph, code: int, text: str) -> Proposed:
    types = [row[0] for row in propagate.types(graph)]
    return Proposed(tuple(tensor(type) for type in types), code, text)
