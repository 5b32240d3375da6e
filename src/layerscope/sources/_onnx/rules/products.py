"""Products of matrices."""

from __future__ import annotations

from layerscope.core.contract import Layer
from layerscope.operators.products import Einsum, MatrixProduct, PackedProduct
from layerscope.operators.reductions import Determinant
from layerscope.sources._onnx.asking import needed, number, parts, word
from layerscope.sources._onnx.site import Refused, Rule, Site


def matmul(site: Site) -> Layer:
    """MatMul."""
    return MatrixProduct(site.op, **parts(site, "A B"))


def of_integers(site: Site) -> Layer:
    """MatMulInteger: sums of 32 bits."""
    return MatrixProduct(site.op, **parts(site, "A B a_zero_point b_zero_point"), dtype="int32")


def quantised(site: Site) -> Layer:
    """QLinearMatMul: the result is quantised again."""
    dtype = needed(site, 7, "y_zero_point").type.dtype
    roles = "a a_scale a_zero_point b b_scale b_zero_point y_scale y_zero_point"
    return MatrixProduct(site.op, 0, 3, **parts(site, roles), dtype=dtype, after=1)


def gemm(site: Site) -> Layer:
    """Gemm; FusedGemm has an activation."""
    left, right = bool(number(site, "transA", 0)), bool(number(site, "transB", 0))
    after = int("activation" in site.attributes)
    return MatrixProduct(site.op, 0, 1, 2, left, right, most=2, after=after, **parts(site, "A B C"))


def fused(site: Site) -> Layer:
    """com.microsoft FusedMatMul."""
    if number(site, "transBatchA", 0) or number(site, "transBatchB", 0):
        raise Refused("transBatchA and transBatchB are not described here")
    left, right = bool(number(site, "transA", 0)), bool(number(site, "transB", 0))
    return MatrixProduct(site.op, transpose_left=left, transpose_right=right, **parts(site, "A B"))


def quantised_while_running(site: Site) -> Layer:
    """com.microsoft DynamicQuantizeMatMul: the left factor is quantised first."""
    return MatrixProduct(site.op, bias=4, after=1, **parts(site, "A B b_scale b_zero_point bias"))


def scaled(site: Site) -> Layer:
    """com.microsoft MatMulIntegerToFloat: sums of whole numbers, scaled."""
    dtype, roles = needed(site, 2, "a_scale").type.dtype, "A B a_scale b_scale a_zero_point b_zero_point bias"
    return MatrixProduct(site.op, bias=6, after=1, dtype=dtype, **parts(site, roles))


def quantised_gemm(site: Site) -> Layer:
    """com.microsoft QGemm: without a zero point of the result that is of floating numbers."""
    zero, scale = site.operand(8), needed(site, 1, "a_scale")
    left, right = bool(number(site, "transA", 0)), bool(number(site, "transB", 0))
    dtype = scale.type.dtype if zero is None else zero.type.dtype
    roles = "A a_scale a_zero_point B b_scale b_zero_point C y_scale y_zero_point"
    return MatrixProduct(site.op, 0, 3, 6, left, right, dtype, 2, 1, **parts(site, roles))


def packed(site: Site) -> Layer:
    """com.microsoft MatMulNBits."""
    roles = "A B scales zero_points g_idx bias"
    return PackedProduct(site.op, number(site, "K", 0), number(site, "N", 0), **parts(site, roles))


def einsum(site: Site) -> Layer:
    """Einsum."""
    return Einsum(site.op, word(site, "equation", ""), **parts(site))


def determinant(site: Site) -> Layer:
    """Det."""
    return Determinant(site.op, **parts(site))


RULES: dict[str, Rule] = {
    "MatMul": matmul,
    "MatMulInteger": of_integers,
    "QLinearMatMul": quantised,
    "Gemm": gemm,
    "com.microsoft:FusedGemm": gemm,
    "com.microsoft:FusedMatMul": fused,
    "com.microsoft:MatMulNBits": packed,
    "com.microsoft:DynamicQuantizeMatMul": quantised_while_running,
    "com.microsoft:MatMulIntegerToFloat": scaled,
    "com.microsoft:QGemm": quantised_gemm,
    "Einsum": einsum,
    "Det": determinant,
}
QUANTISED = {"DynamicQuantizeMatMul": (1,), "MatMulIntegerToFloat": (0, 1), "QGemm": (3, 6)}
