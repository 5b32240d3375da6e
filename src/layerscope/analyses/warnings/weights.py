"""Warnings about where the parameters are, and how many."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.analyses.warnings.finding import Finding, Network, Training
from layerscope.core import sizes

LARGE = 10_000
"""Inputs of a Dense that come of a large image."""


def beyond_data(network: Network, training: Training) -> Iterator[Finding]:
    """LS101: more trainable parameters than the examples have numbers to fit.

    With as many free numbers as targets, a network may fit any targets, also wrong ones; what it then says of
    new examples is up to its structure and its training. Examples × numbers that the outputs have for each.
    """
    if training.examples is None:
        return
    outputs = [network.single[node][number].elements for node, number in network.graph.outputs]
    each = sum(size for size in outputs if isinstance(size, int))
    facts = training.examples * each
    if all(isinstance(size, int) for size in outputs) and network.trainable > facts:
        yield Finding(
            "LS101", None,
            f"{network.trainable:,} trainable parameters, but {training.examples:,} examples with {each:,} output "
            f"number{'s' * (each > 1)} each fix only {facts:,}",
            "use fewer parameters, more examples (augmentation), or regularisation; watch the validation loss",
            {"parameters": network.trainable, "examples": training.examples, "outputs": each},
        )  # fmt: skip


def large_dense(network: Network, training: Training) -> Iterator[Finding]:
    """LS102: a Dense behind a large flattened image holds most of the parameters.

    Large: at least 10,000 inputs that were positions and channels. Most: more than half of all.
    """
    total = sum(row.size for row in network.graph.parameters.values())
    for number, node in enumerate(network.graph.nodes):
        if node.layer.kind != "Dense" or not node.inputs:
            continue
        (source, _), given = node.inputs[0], network.fed[number][0]
        inputs, image = given.shape[-1], _image(network, source)
        mine = network.parameters(number)
        if image is not None and isinstance(inputs, int) and inputs >= LARGE and 2 * mine > total:
            yield Finding(
                "LS102", node.label,
                f"holds {mine:,} of the network's {total:,} parameters ({mine / total:.0%}), as it reads an image of "
                f"{image} = {inputs:,} numbers at once",
                "make the image smaller first (pooling, or a convolution with a stride), or replace Flatten by "
                "GlobalAveragePooling2D",
                {"parameters": mine, "total": total, "inputs": inputs},
            )  # fmt: skip


def _image(network: Network, number: int) -> str | None:
    """28 × 28 × 16, where this node flattens positions and channels, maybe before a Dropout."""
    while network.graph.nodes[number].layer.kind in ("Dropout", "Activation", "BatchNormalization"):
        number = network.graph.nodes[number].inputs[0][0]
    node = network.graph.nodes[number]
    if node.layer.kind not in ("Flatten", "Reshape") or not node.inputs or network.types[number][0].rank != 2:
        return None
    shape = network.fed[number][0].shape[1:]
    positions = sizes.product(shape[:-1])
    if len(shape) < 2 or not isinstance(positions, int) or positions <= 1:
        return None
    return " × ".join(map(str, shape))
