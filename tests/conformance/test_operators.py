"""Operators of ONNX on random settings: shapes and multiply-accumulates as ONNX Runtime computes them.

Products are counted by the all-ones probe: with weights and inputs of 1, padded beforehand, each output is the number
of its products.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from .operator_oracle import ones, operation

SEEDS = range(60)


def geometry(draw: random.Random, rank: int) -> dict:
    """Kernel, strides, dilations of a window, and an input on which it fits."""
    kernel = [draw.randint(1, 4) for _ in range(rank)]
    dilations = [draw.choice((1, 1, 2, 3)) for _ in range(rank)]
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    return {
        "kernel": kernel,
        "strides": [draw.randint(1, 3) for _ in range(rank)],
        "dilations": dilations,
        "n": [e + draw.randint(0, 6) for e in extent],
        "extent": extent,
    }


def padded(draw: random.Random, g: dict, most: int = 3) -> tuple[dict, list[int]]:
    """Attributes that say how it is padded, and how many cells that is along each axis."""
    rank, auto = len(g["kernel"]), draw.choice(("NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
    if auto == "NOTSET":
        pads = [draw.randint(0, min(most, k - 1)) for k in g["kernel"] * 2]
        return {"pads": pads}, [b + e for b, e in zip(pads[:rank], pads[rank:], strict=True)]
    if auto == "VALID":
        return {"auto_pad": auto}, [0] * rank
    total = [
        max((math.ceil(n / s) - 1) * s + e - n, 0) for n, s, e in zip(g["n"], g["strides"], g["extent"], strict=True)
    ]
    return {"auto_pad": auto}, total


@pytest.mark.parametrize("seed", SEEDS)
def test_convolution(seed):
    draw = random.Random(seed)
    rank, group = draw.choice((1, 2, 2, 3)), draw.choice((1, 1, 2, 3))
    channels, filters = group * draw.randint(1, 2), group * draw.randint(1, 3)
    g = geometry(draw, rank)
    attributes, total = padded(draw, g)
    if "auto_pad" in attributes and attributes["auto_pad"].startswith("SAME"):
        g["dilations"], g["extent"] = [1] * rank, g["kernel"]  # ONNX Runtime pads for a kernel without dilation
        total = [
            max((math.ceil(n / s) - 1) * s + k - n, 0)
            for n, s, k in zip(g["n"], g["strides"], g["kernel"], strict=True)
        ]
    told = {"strides": g["strides"], "dilations": g["dilations"], "group": group}
    w, b = ones(filters, channels // group, *g["kernel"]), ones(filters)
    made = operation("Conv", [ones(2, channels, *g["n"])], [w, b], **told, **attributes)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    assert read.layer.operations(*read.inputs).bias == y.size
    wide = ones(2, channels, *(n + p for n, p in zip(g["n"], total, strict=True)))
    (products,) = operation("Conv", [wide], [w], **told).run()
    assert products.shape == y.shape
    assert read.macs == products.sum(dtype=np.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_transposed_convolution(seed):
    draw = random.Random(seed)
    rank, group = draw.choice((1, 2, 2, 3)), draw.choice((1, 1, 2))
    channels, filters = group * draw.randint(1, 2), draw.randint(1, 3)
    g = geometry(draw, rank)
    n = [draw.randint(1, 5) for _ in range(rank)]
    told = {"strides": g["strides"], "dilations": g["dilations"], "group": group}
    w = ones(channels, filters, *g["kernel"])
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
    if "pads" in attributes:
        n = [a + 2 for a in n]
    made = operation("ConvTranspose", [ones(2, channels, *n)], [w], **told, **attributes)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    (stamped,) = operation("ConvTranspose", [ones(2, channels, *n)], [w], **told).run()
    assert read.macs == stamped.sum(dtype=np.float64)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling(op, seed):
    draw = random.Random(seed)
    g = geometry(draw, draw.choice((1, 2, 3)))
    if op != "MaxPool":
        g["dilations"], g["extent"] = [1] * len(g["kernel"]), g["kernel"]
    attributes, _ = padded(draw, g)
    if attributes.get("auto_pad", "").startswith("SAME"):
        g["dilations"] = [1] * len(g["kernel"])  # ONNX Runtime pads for a kernel without dilation
    ceil = draw.randint(0, 1) if "pads" in attributes else 0
    told = {"kernel_shape": g["kernel"], "strides": g["strides"], "ceil_mode": ceil}
    if op == "MaxPool":
        told["dilations"] = g["dilations"]
    x = np.random.default_rng(seed).random((2, 3, *g["n"])).astype("float32")
    made = operation(op, [x], outputs=2 if op == "MaxPool" else 1, opset=22, **told, **attributes)
    read, results = made.read(), made.run()
    assert [kind.shape for kind in read.outputs] == [y.shape for y in results]
    assert [kind.dtype for kind in read.outputs] == [str(y.dtype) for y in results]
    assert read.layer.operations(*read.inputs).pooling == results[0].size * math.prod(g["kernel"])


def stacked(draw: random.Random) -> tuple[list[int], list[int]]:
    """Two shapes that broadcast."""
    whole = [draw.randint(1, 4) for _ in range(draw.randint(0, 3))]
    return tuple([draw.choice((n, n, 1)) for n in whole[draw.randint(0, len(whole)) :]] for _ in range(2))


@pytest.mark.parametrize("seed", SEEDS)
def test_matmul(seed):
    draw = random.Random(seed)
    m, k, n = (draw.randint(1, 5) for _ in range(3))
    left, right = stacked(draw)
    a = ones(k) if draw.random() < 0.2 else ones(*left, m, k)
    b = ones(k) if draw.random() < 0.2 else ones(*right, k, n)
    made = operation("MatMul", [a], [b]) if draw.random() < 0.5 else operation("MatMul", [a, b])
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    assert read.macs == y.sum(dtype=np.float64)


@pytest.mark.parametrize("seed", range(24))
def test_gemm(seed):
    draw = random.Random(seed)
    m, k, n = (draw.randint(1, 6) for _ in range(3))
    left, right = draw.randint(0, 1), draw.randint(0, 1)
    a, b = ones(*((k, m) if left else (m, k))), ones(*((n, k) if right else (k, n)))
    c = draw.choice((None, ones(n), ones(m, n), ones(1), ones(m, 1)))
    made = operation("Gemm", [a], [b, c], transA=left, transB=right)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    assert read.macs == y.sum(dtype=np.float64) - (y.size if c is not None else 0)
    assert read.layer.operations(*read.inputs).bias == (y.size if c is not None else 0)


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->ik",
        "ij,jk",
        "bhid,bhjd->bhij",
        "bhij,bhjd->bihd",
        "...ij,...jk->...ik",
        "...ij,jk->...ik",
        "bij,bkj->ibk",
        "i,i->",
        "bi,oi->bo",
        "bchw,cdhw->bd",
        "ij,ij->i",
        "i,j->ij",
        "ij,ij->ij",
        "ii->i",
        "ijk->ik",
        "ij->ji",
        "b...,b...->b...",
    ],
)
def test_einsum(equation):
    size = dict(zip("ijkbhdcow", (2, 3, 4, 5, 2, 6, 3, 7, 2), strict=True))
    terms = equation.split("->")[0].split(",")
    shapes = [
        [n for part in term.replace("...", ".") for n in ([4, 2] if part == "." else [size[part]])] for term in terms
    ]
    made = operation("Einsum", [ones(*shape) for shape in shapes], equation=equation)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    assert y.tolist() == np.einsum(equation, *(ones(*shape) for shape in shapes)).tolist()
    summed = y.size and y.flat[0] > 1
    assert read.macs == (y.sum() if summed and len(terms) == 2 else 0)
    work = read.layer.operations(*read.inputs)
    assert work.pooling == (y.sum() if summed and len(terms) == 1 else 0)
    assert work.pointwise == (y.size if not summed and len(terms) == 2 else 0)


BINARY = ["Add", "Sub", "Mul", "Div", "Pow", "Greater", "LessOrEqual", "Max", "Min", "Sum", "Mean", "PRelu"]


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("seed", range(8))
def test_broadcasting(op, seed):
    draw = random.Random(seed)
    one, other = stacked(draw)
    if op == "PRelu":
        one = list(np.broadcast_shapes(tuple(one), tuple(other)))
    made = operation(op, [ones(*one), ones(*other)])
    read, (y,) = made.read(), made.run()
    assert (read.outputs[0].shape, read.outputs[0].dtype) == (y.shape, str(y.dtype))
    assert read.layer.operations(*read.inputs).pointwise == y.size * (2 if op == "Mean" else 1)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp", "ReduceProd"])
@pytest.mark.parametrize("seed", range(8))
def test_reduction(op, seed):
    draw = random.Random(seed)
    shape = [draw.randint(1, 4) for _ in range(draw.randint(1, 4))]
    axes = draw.sample(range(-len(shape), 0), draw.randint(0, len(shape)))
    operand = [np.array(axes, "int64")] if axes or draw.random() < 0.5 else []
    noop = draw.randint(0, 1)
    made = operation(op, [ones(*shape)], operand, keepdims=draw.randint(0, 1), noop_with_empty_axes=noop)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    assert read.layer.operations(*read.inputs).pooling == (0 if noop and not axes else math.prod(shape))


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent(op, gates, direction, layout):
    many, features, hidden, steps, batch = 1 + (direction == "bidirectional"), 3, 4, 5, 2
    x = ones(batch, steps, features) if layout else ones(steps, batch, features)
    stored = [
        ones(many, gates * hidden, features),
        ones(many, gates * hidden, hidden),
        ones(many, 2 * gates * hidden),
    ]
    told = {"hidden_size": hidden, "direction": direction, "layout": layout}
    made = operation(op, [x], stored, outputs=3 if op == "LSTM" else 2, **told)
    read = made.read()
    if layout:  # which ONNX Runtime has not
        y = (batch, steps, many, hidden)
        assert [kind.shape for kind in read.outputs] == [y, *((batch, many, hidden),) * (2 if op == "LSTM" else 1)]
    else:
        assert [kind.shape for kind in read.outputs] == [y.shape for y in made.run()]
    # of each step, example and direction: the products of both matrices, as one MatMul each has them
    (one,) = operation("MatMul", [ones(1, features)], [stored[0][0].T]).run()
    (two,) = operation("MatMul", [ones(1, hidden)], [stored[1][0].T]).run()
    assert read.macs == steps * batch * many * (one.sum() + two.sum())


def attended(batch, heads, kv_heads, queries, keys, size, value_size):
    return (
        ones(batch, heads, queries, size),
        ones(batch, kv_heads, keys, size),
        ones(batch, kv_heads, keys, value_size),
    )


@pytest.mark.parametrize("seed", range(12))
def test_attention_counts_both_products(seed):
    """Against the two MatMuls of which it is made, of ones."""
    draw = random.Random(seed)
    kv_heads = draw.randint(1, 2)
    heads = kv_heads * draw.randint(1, 3)
    sizes = [draw.randint(1, 5) for _ in range(5)]
    q, k, v = attended(sizes[0], heads, kv_heads, *sizes[1:])
    made = operation("Attention", [q, k, v], opset=23)
    read, (y,) = made.read(), made.run()
    assert read.outputs[0].shape == y.shape
    k, v = (np.repeat(a, heads // kv_heads, axis=1) for a in (k, v))
    (scores,) = operation("MatMul", [q, np.ascontiguousarray(k.transpose(0, 1, 3, 2))]).run()
    (mixed,) = operation("MatMul", [np.ones_like(scores), v]).run()
    assert read.macs == scores.sum() + mixed.sum()
