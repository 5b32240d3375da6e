"""Networks back into one line of text: what a fix makes of it, so that a link can hold it."""

from __future__ import annotations

from typing import Any

from layerscope.core import contract
from layerscope.core.contract import Layer
from layerscope.core.graph import Graph
from layerscope.core.types import Shape
from layerscope.lab.troubles import written

UNSPELLED = ("return_switches", "kernel_initializer", "bias_initializer")
"""Settings that follow from other layers, or change no size."""

SHOWN = ("pool_size", "size")
"""Settings that are told though they are at their default."""


def layer_words(layer: Layer) -> str:
    """A layer in the words of the text: conv 16 3 same relu; "" where it has none."""
    words = layer.words
    if words is None:
        return ""
    changed = {k: v for k, v in contract.changed_settings(layer).items() if k not in UNSPELLED}
    for name in SHOWN:
        if hasattr(layer, name):
            changed.setdefault(name, getattr(layer, name))
    places = [name for name in words.places if name in changed]
    bare = places == list(words.places[: len(places)])
    told = [words.names[0], *(_value(changed.pop(name)) for name in (places if bare else []))]
    for name, value in changed.items():
        if name in ("padding", "activation", "interpolation") and isinstance(value, str):
            told.append(value)
        elif name == "use_bias" and value is False:
            told.append("nobias")
        else:
            told.append(f"{name}={_value(value)}")
    return " ".join(told)


def _value(value: Any) -> str:
    """A setting; equal numbers as one, but those of a shape."""
    return written(contract.normal(value) if not isinstance(value, tuple) or len(set(value)) == 1 else value)


def shape_words(shape: Shape) -> str:
    """The first stage: 28x28x1."""
    return "x".join(map(str, shape))


def graph_words(graph: Graph) -> str:
    """A chain as one line; "" where a layer has no words."""
    stages = [shape_words(graph.nodes[0].layer.out()[0].shape[1:])]
    for node in graph.nodes[1:]:
        layer: Any = node.layer
        name = f" as {layer.name}" if layer.name else ""
        words = layer_words(layer)
        if layer.kind == "Reshape":
            words = f"reshape {written(layer.target_shape)}"
        if layer.kind == "Activation":
            words = str(layer.activation)
        if not words:
            return ""
        stages.append(words + name)
    return " | ".join(stages)
