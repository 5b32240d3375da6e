"""What layers' settings say of training: regularizers, constraints, and layers that are frozen."""

from __future__ import annotations

from typing import Any

from layerscope import constraints, regularizers
from layerscope.constraints import Constraint
from layerscope.core.contract import Layer
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Graph
from layerscope.engine.plan import Rules
from layerscope.regularizers import Regularizer


def _setting(layer: Layer, role: str, end: str) -> Any:
    """The setting for a weight: depthwise kernels are called in settings by what they do."""
    stems = (role, role.removesuffix("_kernel"), "depthwise" if role == "kernel" else role)
    return next((found for stem in stems if (found := getattr(layer, f"{stem}_{end}", None)) is not None), None)


def regularizer(layer: Layer, role: str) -> Regularizer | None:
    """The regularizer of a weight, or for the role "activity" of what the layer puts out."""
    return regularizers.get(_setting(layer, role, "regularizer"))


def constraint(layer: Layer, role: str) -> Constraint | None:
    """The constraint of a weight."""
    return constraints.get(_setting(layer, role, "constraint"))


def check(graph: Graph) -> None:
    """UnknownNameError or SettingError, naming the layer, where a regularizer or constraint is none."""
    for node in graph.nodes:
        try:
            for key, value in vars(node.layer).items():
                if value is not None and key.endswith("_regularizer"):
                    regularizers.get(value)
                elif value is not None and key.endswith("_constraint"):
                    constraints.get(value)
        except LayerscopeError as error:
            raise _named(error, f"{node.label} ({node.layer.kind})") from None


def _named(error: LayerscopeError, title: str) -> Any:
    error.args = (f"{title}: {error}", *error.args[1:])
    return error


def of(graph: Graph) -> Rules:
    """The rules by which engines train a graph; only weights that are trained have penalties and bounds."""
    penalties: dict[str, Any] = {}
    activity: dict[int, Any] = {}
    bounds: dict[str, Any] = {}
    for number, node in enumerate(graph.nodes):
        found = regularizer(node.layer, "activity")
        if found is not None:
            activity[number] = found
        for role, id in node.weights.items():
            if graph.parameters[id].trainable:
                penalties |= _one(id, regularizer(node.layer, role))
                bounds |= _one(id, constraint(node.layer, role))
    still = frozenset(number for number, node in enumerate(graph.nodes) if node.layer.still)
    return Rules(still, penalties, activity, bounds)


def _one(id: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {id: value}
