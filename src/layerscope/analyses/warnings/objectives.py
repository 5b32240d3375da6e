"""Warnings about how a network is trained: its last activation against its loss, its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from layerscope.analyses.warnings.finding import Finding, Network, Training

PASSING = ("Reshape", "Flatten", "Dropout", "Identity", "Permute", "Cropping1D", "Cropping2D", "Cropping3D")
OWN = {"Softmax": "softmax", "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu"}
PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")
UNBOUNDED = ("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "softplus", "tanh", "gelu", "silu", "softsign")
CLASSES = ("categorical_crossentropy", "sparse_categorical_crossentropy")
BINARY = "binary_crossentropy"
ERRORS = ("mean_squared_error", "mean_absolute_error")
SLOW_ADADELTA = 0.01
ADAPTIVE = {"adam": 1.0, "adamw": 1.0, "nadam": 1.0, "adamax": 1.0, "rmsprop": None}
"""Optimizers whose first step has a known size: the learning rate times this; of RMSprop 1/sqrt(1 - rho)."""


def last_activation(network: Network, output: int) -> tuple[str, str] | None:
    """The name of the layer that gives an output, and its activation; None where that is not known."""
    number, _ = network.graph.outputs[output]
    node = network.graph.nodes[number]
    while node.layer.kind in PASSING and node.inputs:
        node = network.graph.nodes[node.inputs[0][0]]
    layer: Any = node.layer
    if layer.kind in OWN:
        return node.label, OWN[layer.kind]
    activation = getattr(layer, "activation", "unknown")
    if activation is None:
        return node.label, "linear"
    known = isinstance(activation, str) and activation in (*PROBABILITIES, *UNBOUNDED)
    return (node.label, activation) if known else None


def wrong_loss(network: Network, training: Training) -> Iterator[Finding]:
    """LS107: a softmax with a loss that is not the cross-entropy of classes, or that loss with a sigmoid."""
    for place, (loss, logits) in enumerate(training.losses):
        found = last_activation(network, place)
        if found is None or logits:
            continue
        layer, activation = found
        if activation == "softmax" and loss in (BINARY, *ERRORS):
            why = (
                "which takes each class for a question of its own, though softmax makes them exclude each other"
                if loss == BINARY
                else "whose gradient through softmax vanishes where the network is surely wrong"
            )
            advice = "use categorical_crossentropy (one-hot targets) or sparse_categorical_crossentropy (labels)"
            yield Finding("LS107", layer, f"ends in softmax, but the loss is {loss}, {why}", advice)
        elif activation in ("sigmoid", "hard_sigmoid") and loss in CLASSES:
            yield Finding(
                "LS107",
                layer,
                f"ends in {activation}, but the loss is {loss}, which takes probabilities of classes that exclude "
                "each other and sum to 1",
                "use softmax; or binary_crossentropy where several classes may be true at once",
            )


def no_probabilities(network: Network, training: Training) -> Iterator[Finding]:
    """LS108: a cross-entropy of outputs that are no probabilities: the sigmoid, or the softmax, is missing."""
    for place, (loss, logits) in enumerate(training.losses):
        found = last_activation(network, place)
        if found is None or logits or loss not in (BINARY, *CLASSES):
            continue
        layer, activation = found
        if activation in UNBOUNDED:
            wanted = "sigmoid" if loss == BINARY else "softmax"
            yield Finding(
                "LS108",
                layer,
                f"ends in {activation}, whose values are no probabilities, but {loss} takes their logarithm: what "
                "lies outside of 0 … 1 is clipped and has no gradient",
                f"end in {wanted}, or give the loss from_logits=True",
            )


def one_class(network: Network, training: Training) -> Iterator[Finding]:
    """LS109: a softmax over one number, which is always 1."""
    for place, (number, output) in enumerate(network.graph.outputs):
        found = last_activation(network, place)
        type = network.types[number][output]
        if found is not None and found[1] == "softmax" and type.rank > 1 and type.shape[-1] == 1:
            yield Finding("LS109", found[0], "is a softmax of one number, which is 1 whatever goes in",
                          "use sigmoid for one yes or no, or give softmax a number for each class")  # fmt: skip


def twice(network: Network, training: Training) -> Iterator[Finding]:
    """LS110: a loss that takes logits is given probabilities."""
    for place, (loss, logits) in enumerate(training.losses):
        found = last_activation(network, place)
        if found is not None and logits and found[1] in PROBABILITIES:
            message = f"ends in {found[1]}, but {loss} has from_logits=True and applies it again"
            yield Finding("LS110", found[0], message, "leave the activation out, or from_logits")


def learning_rate(network: Network, training: Training) -> Iterator[Finding]:
    """LS106: a learning rate that cannot train: no step, steps that vanish, or one that drowns the initial weights.

    The first step of Adam moves each weight by the learning rate, that of RMSprop by the rate over sqrt(1 - rho).
    Initial weights are glorot_uniform's, at most sqrt(6 / (fan in + fan out)). In float32 a step is lost on weights
    more than 2²⁵ times its size. Adadelta's steps are the learning rate times those of its paper.
    """
    rate, name = training.settings.get("learning_rate"), training.optimizer
    if rate is None or name is None:
        return
    if rate == 0:
        yield Finding("LS106", None, "the learning rate is 0: no weight changes", "choose one above 0")
    elif name == "adadelta" and rate <= SLOW_ADADELTA:
        yield Finding("LS106", None, f"Adadelta with a learning rate of {rate:g}: each step is {1 / rate:,.0f} times "
                      "smaller than its paper's, so it learns next to nothing in the usual number of epochs",
                      "use 1.0, the rate of the paper (0.001 is only the default of Keras)")  # fmt: skip
    elif name in ADAPTIVE:
        yield from _adaptive(network, name, rate, training.settings.get("rho", 0.9))


def _adaptive(network: Network, name: str, rate: float, rho: float) -> Iterator[Finding]:
    factor = ADAPTIVE[name]
    step = rate * (factor if factor is not None else 1 / math.sqrt(1 - rho))
    bounds = _bounds(network)
    if bounds and step > max(bounds):
        yield Finding(
            "LS106",
            None,
            f"{name} with a learning rate of {rate:g} moves weights by {step:g} in its first step, but no initial "
            f"weight is above {max(bounds):.2g}: one step drowns them all",
            "try 0.001 to 0.01",
        )
    elif bounds and step < min(bounds) * 2.0**-26:
        yield Finding("LS106", None, f"{name} with a learning rate of {rate:g} moves weights by {step:g}, less than "
                      "float32 can add to most of them: they stay as they are", "try 0.001")  # fmt: skip


def _bounds(network: Network) -> list[float]:
    """The largest initial weight of each kernel, by glorot_uniform."""
    found: list[float] = []
    for id, row in network.graph.parameters.items():
        if id.rpartition("/")[2] == "kernel" and len(row.shape) > 1 and row.trainable:
            area = math.prod(row.shape[:-2])
            found.append(math.sqrt(6 / (area * (row.shape[-2] + row.shape[-1]))))
    return found
