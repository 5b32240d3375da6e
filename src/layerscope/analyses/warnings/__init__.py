"""Warnings about networks that fit: each true by calculation, with an identifier by which it can be silenced."""

from __future__ import annotations

from collections.abc import Collection

from layerscope.analyses.warnings import objectives, reach, weights
from layerscope.analyses.warnings.finding import Finding, Network, Training
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import Graph

RULES = {
    "LS101": weights.beyond_data,
    "LS102": weights.large_dense,
    "LS103": reach.beyond_input,
    "LS104": reach.unread,
    "LS105": reach.uneven,
    "LS106": objectives.learning_rate,
    "LS107": objectives.wrong_loss,
    "LS108": objectives.no_probabilities,
    "LS109": objectives.one_class,
    "LS110": objectives.twice,
}
"""By identifier; their docstrings say exactly when they speak, docs/check.md why."""

__all__ = ["RULES", "Finding", "Training", "silent", "warn"]


def warn(graph: Graph, training: Training | None = None, silence: Collection[str] = ()) -> list[Finding]:
    """All warnings about a network that fits, by their identifiers.

    `silence` has identifiers of which nothing is told. Errors: UnknownNameError for one that is not known;
    ShapeError where the network does not fit.
    """
    left_out, network = silent(silence), Network(graph)
    rules = [rule for id, rule in RULES.items() if id not in left_out]
    return [finding for rule in rules for finding in rule(network, training or Training())]


def silent(identifiers: Collection[str]) -> set[str]:
    """Identifiers in capitals; UnknownNameError for one that is not known."""
    for id in identifiers:
        if id.upper() not in RULES:
            raise UnknownNameError("warning", id, RULES)
    return {id.upper() for id in identifiers}
