"""What operators of ONNX read, against pokes: ONNX Runtime on one input for each position, 1 there and 0 elsewhere.

Weights are positive, so an output is not 0 exactly where it depends on the poked position (a maximum, too).
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from layerscope.core.reach import Everything, Indices

from .operator_oracle import Read, ones, operation
from .test_operators import geometry, padded

SEEDS = range(40)


def impulses(*n: int) -> np.ndarray:
    """One example a position: (positions, 1, *n)."""
    return np.eye(int(np.prod(n)), dtype="float32").reshape(-1, 1, *n)


def poked(y: np.ndarray, n: tuple[int, ...]) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
    """For each output position the input positions on which it depends."""
    found = {}
    for position in np.ndindex(*y.shape[2:]):
        examples = np.flatnonzero(np.abs(y[(slice(None), 0, *position)]) > 1e-6)
        found[position] = {tuple(map(int, np.unravel_index(e, n))) for e in examples}
    return found


def claimed(read: Read, n: tuple[int, ...], out: tuple[int, ...]) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
    """The same from the relations of our layer."""
    relations = read.layer.reach(0, *read.inputs)[0][2:]
    found = {}
    for position in np.ndindex(*out):
        axes = []
        for relation, size in zip(relations, n, strict=True):
            if isinstance(relation, Everything):
                axes.append(range(size))
                continue
            o = position[relation.axis - 2]
            pulled = relation.pull(Indices(((o, o),))).clip(size)
            axes.append([i for low, high in pulled.intervals for i in range(low, high + 1)])
        found[position] = set(itertools.product(*axes))
    return found


def compare(made, n, spare: int = 0) -> None:
    """The truth must lie in what is claimed, with at most `spare` positions that are not read."""
    read, y = made.read(), made.run()[0]
    assert read.outputs[0].shape == y.shape
    truth, ours = poked(y, n), claimed(read, n, y.shape[2:])
    assert {place: truth[place] - ours[place] for place in truth if truth[place] - ours[place]} == {}
    wide = {place: ours[place] - truth[place] for place in truth}
    assert {place: more for place, more in wide.items() if len(more) > spare} == {}


def narrow(g: dict, auto: dict) -> None:
    """ONNX Runtime's SAME pads for a kernel without dilation, and pools only with windows that leave no gaps."""
    if auto.get("auto_pad", "").startswith("SAME"):
        g["dilations"], g["extent"] = [1] * len(g["kernel"]), g["kernel"]
        g["strides"] = [min(s, k) for s, k in zip(g["strides"], g["kernel"], strict=True)]


@pytest.mark.parametrize("seed", SEEDS)
def test_convolution(seed):
    draw = random.Random(seed)
    g = geometry(draw, draw.choice((1, 2)))
    attributes, _ = padded(draw, g)
    narrow(g, attributes)
    told = {"strides": g["strides"], "dilations": g["dilations"], **attributes}
    compare(operation("Conv", [impulses(*g["n"])], [ones(1, 1, *g["kernel"])], **told), g["n"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling(op, seed):
    draw = random.Random(seed)
    g = geometry(draw, draw.choice((1, 2)))
    if op != "MaxPool":
        g["dilations"], g["extent"] = [1] * len(g["kernel"]), g["kernel"]
    attributes, _ = padded(draw, g)
    narrow(g, attributes)
    told = {"kernel_shape": g["kernel"], "strides": g["strides"], **attributes}
    if op == "MaxPool":
        told["dilations"] = g["dilations"]
    if "pads" in attributes:
        told["ceil_mode"] = draw.randint(0, 1)
    compare(operation(op, [impulses(*g["n"])], opset=22, **told), g["n"])


@pytest.mark.parametrize("seed", SEEDS)
def test_transposed_convolution(seed):
    draw = random.Random(seed)
    g = geometry(draw, draw.choice((1, 2)))
    n = [draw.randint(2, 5) for _ in g["kernel"]]
    sides = list(zip(n, g["strides"], g["extent"], strict=True))
    attributes = draw.choice(
        (
            {"pads": [draw.randint(0, (e - 1) // 2) for e in g["extent"] * 2]},
            {"output_padding": [draw.randrange(s) for s in g["strides"]]},
            {"auto_pad": "SAME_UPPER"},
            {"auto_pad": "SAME_LOWER"},
            {"output_shape": [(a - 1) * s + draw.randint(1, e + s - 1) for a, s, e in sides]},
        )
    )
    told = {"strides": g["strides"], "dilations": g["dilations"], **attributes}
    compare(operation("ConvTranspose", [impulses(*n)], [ones(1, 1, *g["kernel"])], **told), n)


def resized(n, opset=19, scales=None, sizes=None, **attributes):
    scales = None if scales is None else np.array([1, 1, *scales], "float32")
    count = int(np.prod(n))
    sizes = None if sizes is None else np.array([count, 1, *sizes], "int64")
    return operation("Resize", [impulses(*n)], [None, scales, sizes], opset=opset, **attributes)


COORDINATES = ["half_pixel", "asymmetric", "pytorch_half_pixel", "align_corners", "half_pixel_symmetric"]
SCALES = [2.0, 3.0, 4.0, 1.5, 0.5, 0.75, 2.5, 0.4]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
def test_nearest_resize(rounding, how, scale):
    told = {"mode": "nearest", "nearest_mode": rounding, "coordinate_transformation_mode": how}
    # Where a position falls off the edge it is moved back, and the relation, which knows no edge, is wider.
    inside = (how, rounding) in (
        ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
        ("asymmetric", "floor"),
    )
    compare(resized((10,), scales=[scale], **told), (10,), spare=0 if inside else 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_smooth_resize(mode, how, scale):
    told = {"mode": mode, "coordinate_transformation_mode": how}
    # Cubic interpolation at a pixel reads that one only; a weight may be 0 elsewhere as well.
    n, scales = ((10,), [scale]) if mode == "linear" else ((3, 10), [1.0, scale])
    compare(resized(n, scales=scales, **told), n, spare=0 if mode == "linear" else 3)


@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("sizes", [(7, 9), (10, 4), (3, 15), (5, 6), (1, 12)])
def test_resize_to_sizes(sizes, how):
    told = {"mode": "linear", "coordinate_transformation_mode": how}
    compare(resized((5, 6), sizes=sizes, **told), (5, 6))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("scale", [0.5, 0.4, 0.75, 2.0])
def test_resize_without_alias(mode, scale):
    told = {"mode": mode, "antialias": 1, "coordinate_transformation_mode": "half_pixel"}
    compare(resized((4, 12), scales=[1.0, scale], **told), (4, 12), spare=0 if mode == "linear" else 3)


def test_a_resize_of_two_reads_as_nearest_upsampling():
    """Exactness of the most used one, as its numbers: PyTorch's export of Upsample(scale_factor=2)."""
    told = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    read = resized((4,), scales=[2.0], **told).read()
    relation = read.layer.reach(0, *read.inputs)[0][2]
    assert [relation.pull(Indices(((o, o),))).intervals for o in range(8)] == [((o // 2, o // 2),) for o in range(8)]
    assert relation.steps == (2, 1)


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_broadcast(op):
    """A stretched axis is read whole, others at the place."""
    read = operation(op, [ones(2, 3, 4, 5), ones(3, 1, 5)]).read()
    one, other = read.layer.reach(0, *read.inputs)
    assert [getattr(relation, "axis", None) for relation in one] == [0, 1, 2, 3]
    assert [getattr(relation, "axis", None) for relation in other] == [1, None, 3]
