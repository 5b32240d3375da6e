"""Operators that ONNX Runtime adds when it makes networks faster: our shapes against what it computes."""

from __future__ import annotations

import numpy as np
import pytest

from .operator_oracle import ones, operation

B, L, P, H, D = 2, 5, 3, 4, 8
W = H * D


def integers(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.ones(shape, dtype)


SCALE, ZERO = np.float32(0.5), np.uint8(0)
X = ones(B, L, W)
CACHE = ones(B, H, P, D)
CASES = {
    # operator: fed, stored, number of outputs, attributes, MACs
    "FusedConv": ([ones(1, 3, 8, 8)], [ones(4, 3, 3, 3), ones(4)], 1, {"activation": "Relu"}, 36 * 27 * 4),
    "FusedGemm": ([ones(2, 6)], [ones(6, 5), ones(5)], 1, {"activation": "Relu"}, 60),
    "FusedMatMul": ([ones(2, 3, 6)], [ones(5, 6)], 1, {"transB": 1}, 2 * 3 * 5 * 6),
    "MatMulNBits": (
        [ones(2, 3, 64)],
        [integers(48, 2, 16), ones(96)],
        1,
        {"K": 64, "N": 48, "bits": 4, "block_size": 32},
        6 * 48 * 64,
    ),
    "DynamicQuantizeMatMul": ([ones(2, 6)], [integers(6, 5), SCALE, ZERO, ones(5)], 1, {}, 60),
    "MatMulIntegerToFloat": ([integers(2, 6)], [integers(6, 5), SCALE, SCALE, ZERO, ZERO, ones(5)], 1, {}, 60),
    "QGemm": (
        [integers(2, 6)],
        [SCALE, ZERO, integers(5, 6), SCALE, ZERO, integers(5, dtype="int32"), SCALE, ZERO],
        1,
        {"transB": 1},
        60,
    ),
    "QLinearAdd": ([integers(2, 3, 4)], [SCALE, ZERO, integers(3, 1), SCALE, ZERO, SCALE, ZERO], 1, {}, 0),
    "QLinearSigmoid": ([integers(2, 3)], [SCALE, ZERO, SCALE, ZERO], 1, {}, 0),
    "QLinearGlobalAveragePool": ([integers(2, 3, 4, 4)], [SCALE, ZERO, SCALE, ZERO], 1, {"channels_last": 0}, 0),
    "Gelu": ([X], [], 1, {}, 0),
    "FastGelu": ([X], [ones(W)], 1, {}, 0),
    "QuickGelu": ([X], [], 1, {}, 0),
    "BiasGelu": ([X], [ones(W)], 1, {}, 0),
    "SkipLayerNormalization": ([X, X], [ones(W), ones(W), ones(W)], 4, {}, 0),
    "SkipSimplifiedLayerNormalization": ([X, X], [ones(W)], 1, {}, 0),
    "MultiHeadAttention": (
        [X, X, X],
        [ones(3 * W), None, None, CACHE, CACHE],
        3,
        {"num_heads": H},
        2 * B * L * (P + L) * W,
    ),
    "Attention": (
        [X],
        [ones(W, 3 * W), ones(3 * W)],
        2,
        {"num_heads": H},
        B * L * W * 3 * W + 2 * B * L * L * W,
    ),
    "EmbedLayerNormalization": (
        [integers(B, L, dtype="int32"), integers(B, L, dtype="int32")],
        [ones(100, W), ones(32, W), ones(2, W), ones(W), ones(W)],
        2,
        {},
        0,
    ),
    "RotaryEmbedding": ([X], [integers(1, dtype="int64"), ones(9, D // 2), ones(9, D // 2)], 1, {}, 0),
}


@pytest.mark.parametrize("op", CASES)
def test_shapes_and_products(op):
    fed, stored, outputs, attributes, macs = CASES[op]
    made = operation(op, fed, stored, outputs, domain="com.microsoft", **attributes)
    read, results = made.read(), made.run()
    # A statistic that is not computed on a CPU comes back empty.
    shapes = [(a.shape, b.shape) for a, b in zip(read.outputs, results, strict=True) if b.size]
    assert [ours for ours, _ in shapes] == [theirs for _, theirs in shapes]
    assert [str(b.dtype) for b in results] == [a.dtype for a in read.outputs]
    assert read.macs == macs


def test_grouped_queries():
    """Two heads of keys for four of queries, all in one tensor; keys come before."""
    packed, past = ones(1, L, W + 2 * 2 * D), ones(1, 2, P, D)
    stored = [np.array([P + L - 1], "int32"), np.array(P + L, "int32")]
    fed = [packed, None, None, past, past]
    told = {"num_heads": H, "kv_num_heads": 2}
    made = operation("GroupQueryAttention", fed, stored, 3, domain="com.microsoft", **told)
    read, results = made.read(), made.run()
    assert [kind.shape for kind in read.outputs] == [y.shape for y in results]
    assert read.macs == 2 * L * (P + L) * W
