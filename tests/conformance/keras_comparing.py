"""What the tests of models from and to Keras share."""

from __future__ import annotations

import math

import numpy as np

import layerscope as ls
from layerscope import layers
from layerscope.core import propagate

CLOSE = 1e-5


def listed(outputs):
    return [np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def fed(arrays):
    return arrays if len(arrays) > 1 else arrays[0]


def distance(ours, theirs) -> float:
    """The largest difference, for numbers above 1 as a share of them."""
    assert [a.shape for a in ours] == [a.shape for a in theirs]
    return max(float((np.abs(a - b) / np.maximum(1, np.abs(b))).max()) for a, b in zip(ours, theirs, strict=True))


def same_weights(one: ls.Model, other: ls.Model) -> bool:
    mine, yours = one.get_weights(), other.get_weights()
    return [w.shape for w in mine] == [w.shape for w in yours] and all(map(np.array_equal, mine, yours))


def unpooling(size, told=None) -> ls.Model:
    """Pooled, convolved and unpooled to the size from which it came."""
    image = ls.Input((*size, 1))
    x, switches = layers.MaxPooling2D(2, padding="same", return_switches=True)(image)
    x = layers.Conv2D(1, 3, padding="same", bias_initializer="ones")(x)
    return ls.Model(image, layers.MaxUnpooling2D(2, padding="same", output_size=told)([x, switches]))


def size(weights) -> int:
    return sum(math.prod(one.shape) for one in weights)


def shapes_of(graph) -> dict[str, list[tuple[int | None, ...]]]:
    """The shapes of each node's outputs as Keras writes them, None where a size is open."""
    types = propagate.types(graph)
    return {
        node.label: [tuple(n if isinstance(n, int) else None for n in type.shape) for type in made]
        for node, made in zip(graph.nodes, types, strict=True)
    }


def keras_shapes(model, scope=()) -> dict[str, list[tuple[int | None, ...]]]:
    """The same of a functional model with everything in it."""
    found = {}
    for operation in model.operations:
        inner = getattr(operation, "_functional", None) or operation
        if hasattr(inner, "operations"):
            found |= keras_shapes(inner, (*scope, operation.name))
        elif not (scope and type(operation).__name__ == "InputLayer"):
            outputs = operation._inbound_nodes[-1].outputs
            found["/".join((*scope, operation.name))] = [tuple(one.shape) for one in outputs]
    return found
