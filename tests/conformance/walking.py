"""What Keras's own JSON of a network says of positions, worked out along one axis by plain arithmetic.

Receptive fields as first position, length and jump, from the input on; positions that are read as rows of booleans,
from the output back. Nothing of Layerscope is used, so that what it says can be held against this.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

WHOLE = ("GlobalAveragePooling2D", "Flatten")
WINDOWS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D")
CONVOLUTIONS = WINDOWS[:3]
FRAMES = ("ZeroPadding2D", "Cropping2D")


class Layer(NamedTuple):
    """A layer of the file: its class, its settings, and the names of the layers that it reads."""

    kind: str
    config: dict[str, Any]
    inputs: list[str]


class Field(NamedTuple):
    """Of a tensor with so many positions: position o sees `size` input positions from start + o·jump on."""

    positions: int
    start: int
    size: int
    jump: int


def layers(data: dict[str, Any]) -> dict[str, Layer]:
    """All layers of a functional network in order, those of a Sequential within it as scope/name."""
    found: dict[str, Layer] = {}
    ends: dict[str, str] = {}
    for row in data["config"]["layers"]:
        reads = [ends.get(name, name) for name in _histories(row["inbound_nodes"])]
        if row["class_name"] != "Sequential":
            found[row["name"]] = Layer(row["class_name"], row["config"], reads)
            continue
        for inner in row["config"]["layers"]:
            if inner["class_name"] == "InputLayer":
                continue
            name = f"{row['name']}/{inner['config']['name']}"
            found[name] = Layer(inner["class_name"], inner["config"], reads)
            reads = [name]
        ends[row["name"]] = reads[0]
    return found


def _histories(part: Any) -> list[str]:
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__":
            return [part["config"]["keras_history"][0]]
        part = list(part.values())
    return [name for one in part for name in _histories(one)] if isinstance(part, list) else []


def window(layer: Layer, axis: int, positions: int) -> tuple[int, int, int, int, int]:
    """Kernel, stride, dilation, padding at the begin, and positions of the output."""
    config = layer.config
    kernel = (config.get("kernel_size") or config.get("pool_size"))[axis]
    stride, dilation = config["strides"][axis], config.get("dilation_rate", (1, 1))[axis]
    span = (kernel - 1) * dilation + 1
    if config["padding"] == "valid":
        return kernel, stride, dilation, 0, (positions - span) // stride + 1
    made = math.ceil(positions / stride)
    return kernel, stride, dilation, max((made - 1) * stride + span - positions, 0) // 2, made


def frame(layer: Layer, axis: int) -> tuple[int, int]:
    """Positions that a frame adds at the begin and at the end; taken away where negative."""
    before, after = (layer.config.get("padding") or layer.config.get("cropping"))[axis]
    return (before, after) if layer.kind == "ZeroPadding2D" else (-before, -after)


def _entry(layer: Layer, axis: int) -> Field | None:
    shape = layer.config["batch_shape"]
    return Field(shape[1 + axis], 0, 1, 1) if len(shape) == 4 and shape[1 + axis] is not None else None


def fields(network: dict[str, Layer], axis: int) -> dict[str, Field | None]:
    """The receptive field of each layer's output along an axis; None where it is everything, or a size is open."""
    found: dict[str, Field | None] = {}
    for name, layer in network.items():
        fed = [found[one] for one in layer.inputs]
        if layer.kind == "InputLayer":
            found[name] = _entry(layer, axis)
        elif layer.kind in WHOLE or None in fed:
            found[name] = None
        elif layer.kind in WINDOWS:
            (before,) = fed
            kernel, stride, dilation, pad, made = window(layer, axis, before.positions)
            size = before.size + (kernel - 1) * dilation * before.jump
            found[name] = Field(made, before.start - pad * before.jump, size, before.jump * stride)
        elif layer.kind in FRAMES:
            (before,) = fed
            begin, end = frame(layer, axis)
            found[name] = before._replace(
                positions=before.positions + begin + end, start=before.start - begin * before.jump
            )
        else:
            start = min(one.start for one in fed)
            end = max(one.start + one.size for one in fed)
            assert len({(one.positions, one.jump) for one in fed}) == 1, name
            found[name] = fed[0]._replace(start=start, size=end - start)
    return found


def wide(network: dict[str, Layer]) -> list[tuple[str, list[int], list[int]]]:
    """Convolutions of more than one tap whose input has a larger field than the image: name, fields, image."""
    both = [fields(network, axis) for axis in (0, 1)]
    image = [one.positions if one else 0 for one in (next(iter(found.values())) for found in both)]
    found: list[tuple[str, list[int], list[int]]] = []
    for name, layer in network.items():
        if layer.kind in CONVOLUTIONS and set(layer.config["kernel_size"]) != {1}:
            seen = [one[layer.inputs[0]] for one in both]
            if None not in seen and all(one.size > n for one, n in zip(seen, image, strict=True)):
                found.append((name, [one.size for one in seen], image))
    return found


def read(network: dict[str, Layer], axis: int) -> dict[str, np.ndarray]:
    """For each output that has positions: which of them anything reaches the output of the network."""
    sizes = {name: one.positions for name, one in positions(network, axis).items() if one is not None}
    masks = {name: np.zeros(size, bool) for name, size in sizes.items()}
    for name, layer in reversed(network.items()):
        for source in layer.inputs:
            if source not in masks:
                continue
            if layer.kind in WHOLE or name not in masks:
                masks[source][:] = True  # what comes of it has no positions: all of it counts
            elif layer.kind in WINDOWS:
                kernel, stride, dilation, pad, _ = window(layer, axis, sizes[source])
                taps = np.add.outer(np.flatnonzero(masks[name]) * stride - pad, dilation * np.arange(kernel))
                masks[source][taps[(taps >= 0) & (taps < sizes[source])]] = True
            elif layer.kind in FRAMES:
                begin, _ = frame(layer, axis)
                places = np.flatnonzero(masks[name]) - begin
                masks[source][places[(places >= 0) & (places < sizes[source])]] = True
            elif sizes[source] == sizes[name]:
                masks[source] |= masks[name]
            else:  # one position that is put to all, as the weight of a channel
                masks[source] |= masks[name].any()
    return masks


def positions(network: dict[str, Layer], axis: int) -> dict[str, Field | None]:
    """How many positions each output has; None for vectors and open sizes."""
    found: dict[str, Field | None] = {}
    for name, layer in network.items():
        fed = [found[one] for one in layer.inputs]
        known = [one for one in fed if one is not None]
        if layer.kind == "InputLayer":
            found[name] = _entry(layer, axis)
        elif layer.kind == "Reshape":
            target = layer.config["target_shape"]
            found[name] = Field(target[axis], 0, 1, 1) if len(target) == 3 else None
        elif layer.kind == "GlobalAveragePooling2D":
            found[name] = Field(1, 0, 1, 1) if layer.config.get("keepdims") else None
        elif layer.kind == "Flatten" or not known:
            found[name] = None
        elif layer.kind in WINDOWS:
            found[name] = known[0]._replace(positions=window(layer, axis, known[0].positions)[4])
        elif layer.kind in FRAMES:
            found[name] = known[0]._replace(positions=known[0].positions + sum(frame(layer, axis)))
        else:
            found[name] = max(known, key=lambda one: one.positions)
    return found


def unread(network: dict[str, Layer], both: list[dict[str, np.ndarray]]) -> dict[str, list[int]]:
    """Layers that lose rows or columns: all that their readers make is read, yet not all of their own output.

    `both` is what is read of rows and of columns. The number of rows and columns that are lost, for each layer. Zeros
    put around an image, and crops, lose none.
    """
    readers: dict[str, list[str]] = defaultdict(list)
    for name, layer in network.items():
        for source in layer.inputs:
            readers[source].append(name)
    found: dict[str, list[int]] = {}
    for name, layer in network.items():
        lost = [int((~masks[name]).sum()) if name in masks else 0 for masks in both]
        whole = all(
            network[one].kind != "Cropping2D" and all(masks[one].all() for masks in both if one in masks)
            for one in readers[name]
        )
        if any(lost) and whole and layer.kind not in FRAMES:
            found[name] = lost
    return found
