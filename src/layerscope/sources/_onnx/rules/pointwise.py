"""Elementwise functions, softmax, dropout, quantisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core.contract import Layer
from layerscope.operators.pointwise import Dropout, DynamicQuantization, Pointwise, Softmax
from layerscope.sources._onnx.asking import dtype, needed, number, parts
from layerscope.sources._onnx.site import Rule, Site

BY_OUTPUT = (
    *("Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Reciprocal", "Elu", "Selu", "LeakyRelu", "Celu", "Tan"),
    "ThresholdedRelu",
)
BY_INPUT = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Erf", "Gelu", "HardSigmoid"),
    *("HardSwish", "Log", "Mish", "Shrink", "Sin", "Sinh", "Softplus", "Softsign", "Swish"),
    *("com.microsoft:Gelu", "com.microsoft:QuickGelu", "com.microsoft:FastGelu", "com.microsoft:BiasGelu"),
)
WITHOUT = (
    *("Neg", "Ceil", "Floor", "Round", "Sign", "Not", "BitwiseNot", "Add", "Sub", "And", "Or", "Xor", "Mod"),
    *("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "StringConcat"),
)
TO_BOOL = (*("IsInf", "IsNaN", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "RegexFullMatch"),)
"""Whose results are true or false."""


def function(keeps: str, **told: Any) -> Callable[[Site], Layer]:
    """The rule of functions of one tensor, whose gradient needs these tensors."""

    def rule(site: Site) -> Layer:
        biased = site.op in ("FastGelu", "BiasGelu") and site.operand(1) is not None
        given = {**told, "work": 2} if biased else told
        return Pointwise(site.op, keeps=keeps, **given, **parts(site, "X B"))

    return rule


def binary(keeps: str, **told: Any) -> Callable[[Site], Layer]:
    """The rule of functions of two or more tensors. Before operator set 7 the second may start at some axis."""

    def rule(site: Site) -> Layer:
        old = site.version < 7 and ("axis" in site.attributes or site.op == "PRelu")
        given = {**told, "aligned": (0,)} if old else told
        names = "X slope" if site.op == "PRelu" else "A B C" if len(site.operands) < 4 else ""
        return Pointwise(site.op, keeps=keeps, **given, **parts(site, names))

    return rule


def mean(site: Site) -> Layer:
    """Mean: additions, and a division."""
    return Pointwise(site.op, len(site.operands), "nothing", **parts(site))


def clip(site: Site) -> Layer:
    """Clip; limits may be operands."""
    return Pointwise(site.op, keeps="inputs", aligned=(0,), **parts(site, "input min max"))


def where(site: Site) -> Layer:
    """Where: the second or the third operand."""
    return Pointwise(site.op, keeps="condition", typed=1, **parts(site, "condition X Y"))


def quantise(site: Site) -> Layer:
    """QuantizeLinear: to the type of the zero point."""
    zero = site.operand(2)
    kind = zero.type.dtype if zero is not None else dtype(site, "output_dtype", "uint8")
    return Pointwise(site.op, keeps="nothing", dtype=kind, aligned=(0,), **parts(site, "x y_scale y_zero_point"))


def dequantise(site: Site) -> Layer:
    """DequantizeLinear: to the type of the scale."""
    kind = dtype(site, "output_dtype", needed(site, 1, "x_scale").type.dtype)
    return Pointwise(site.op, keeps="nothing", dtype=kind, aligned=(0,), **parts(site, "x x_scale x_zero_point"))


def quantise_by_range(site: Site) -> Layer:
    """DynamicQuantizeLinear."""
    return DynamicQuantization(site.op, **parts(site))


def of_quantised(*aligned: int) -> Callable[[Site], Layer]:
    """The rule of com.microsoft's functions of quantised tensors, which have a scale and zero point each."""

    def rule(site: Site) -> Layer:
        return Pointwise(site.op, keeps="nothing", aligned=aligned, **parts(site))

    return rule


def softmax(site: Site) -> Layer:
    """Softmax, LogSoftmax, Hardmax; before operator set 13 over all axes from `axis` on."""
    old = site.version < 13
    return Softmax(site.op, number(site, "axis", 1 if old else -1), old, **parts(site))


def dropout(site: Site) -> Layer:
    """Dropout; its rate is an attribute before operator set 12."""
    rate = site.operand(1)
    found = rate.scalar if rate is not None else site.attributes.get("ratio", 0.5)
    mask = "bool" if site.version >= 10 else needed(site, 0, "data").type.dtype
    return Dropout(site.op, mask, float(0.5 if found is None else found), **parts(site, drop=(1, 2)))


RULES: dict[str, Rule] = {
    **dict.fromkeys(BY_OUTPUT, function("outputs")),
    **dict.fromkeys(BY_INPUT, function("inputs")),
    **dict.fromkeys(WITHOUT, binary("nothing")),
    **dict.fromkeys(TO_BOOL, binary("nothing", dtype="bool")),
    "Mul": binary("partners"),
    **dict.fromkeys(("Div", "Pow", "PRelu"), binary("inputs")),
    "SwiGLU": binary("inputs", work=2),
    "Sum": binary("nothing", work=None),
    **dict.fromkeys(("Max", "Min"), binary("inputs", work=None)),
    "Mean": mean,
    "Clip": clip,
    "Where": where,
    "QuantizeLinear": quantise,
    "com.microsoft:QuantizeLinear": quantise,
    "DequantizeLinear": dequantise,
    "com.microsoft:DequantizeLinear": dequantise,
    "DynamicQuantizeLinear": quantise_by_range,
    **dict.fromkeys(("com.microsoft:QLinearAdd", "com.microsoft:QLinearMul"), of_quantised(0, 3)),
    **dict.fromkeys(("com.microsoft:QLinearSigmoid", "com.microsoft:QLinearLeakyRelu"), of_quantised(0)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), softmax),
    "Dropout": dropout,
}
