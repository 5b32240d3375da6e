"""Operators of ONNX, each file with a table RULES: name of the operator -> rule.

A name of another domain than ONNX's own has it in front: "com.microsoft:Gelu". Files here may also have ROLES (what
an operator's operands are called, as its definition has them) and QUANTISED (which operands, by number, are weights
though their elements are whole numbers).
"""

from __future__ import annotations

import functools
from importlib import import_module

from layerscope.core.files import modules
from layerscope.sources._onnx.site import Rule, Site

ROLES: dict[str, tuple[str, ...]] = {
    op: tuple(names.split())
    for names, ops in {
        "X W B": "Conv ConvTranspose",
        "X scale B input_mean input_var": "BatchNormalization",
        "X scale B": "InstanceNormalization LayerNormalization GroupNormalization RMSNormalization",
        "X W R B sequence_lens initial_h initial_c P": "LSTM RNN GRU",
        "A B C": "Gemm MatMul",
        "X slope": "PRelu",
        "data indices updates": "Gather GatherElements GatherND ScatterND ScatterElements",
        "x x_scale x_zero_point": "DequantizeLinear QuantizeLinear",
        "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B": "QLinearConv",
        "a a_scale a_zero_point b b_scale b_zero_point y_scale y_zero_point": "QLinearMatMul",
        "x w x_zero_point w_zero_point": "ConvInteger",
        "X W offset B mask": "DeformConv",
        "A B scales zero_points": "MatMulNBits",
    }.items()
    for op in ops.split()
}
QUANTISED: dict[str, tuple[int, ...]] = {
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "DequantizeLinear": (0,),
    "MatMulNBits": (1, 3),
    "GatherBlockQuantized": (0,),
}


@functools.cache
def table() -> dict[str, Rule]:
    """All rules by operator, from the files of this folder."""
    found: dict[str, Rule] = {}
    for name in modules(__file__):
        module = import_module(f"{__name__}.{name}")
        found |= module.RULES
        ROLES.update(getattr(module, "ROLES", {}))
        QUANTISED.update(getattr(module, "QUANTISED", {}))
    return found


def find(site: Site) -> Rule | None:
    """The rule for a node; None where nobody described its operator."""
    return table().get(f"{site.domain}:{site.op}" if site.domain else site.op)
