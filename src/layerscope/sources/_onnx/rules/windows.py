"""Convolutions and pools."""

from __future__ import annotations

from typing import Any

from layerscope.core.contract import Layer
from layerscope.operators.convolution import CausalConvolution, Convolution, TransposedConvolution
from layerscope.operators.pooling import GlobalPooling, MaxUnpooling, Pooling, RegionPooling
from layerscope.sources._onnx.asking import needed, number, parts, used, whole_numbers, word
from layerscope.sources._onnx.site import Refused, Rule, Site

QUANTISED_ROLES = "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B"


def _geometry(site: Site) -> dict[str, Any]:
    return {
        "strides": whole_numbers(site, "strides"),
        "pads": whole_numbers(site, "pads"),
        "dilations": whole_numbers(site, "dilations"),
        "auto_pad": word(site, "auto_pad", "NOTSET") or "NOTSET",
    }


def _convolving(site: Site) -> dict[str, Any]:
    return {**_geometry(site), "group": number(site, "group", 1)}


def convolution(site: Site) -> Layer:
    """Conv; FusedConv has an activation, and a tensor that is added."""
    after = ("activation" in site.attributes) + (site.operand(3) is not None)
    return Convolution(site.op, **_convolving(site), **parts(site, "X W B Z"), after=after)


def of_integers(site: Site) -> Layer:
    """ConvInteger: sums of 32 bits."""
    roles = "x w x_zero_point w_zero_point"
    return Convolution(site.op, **_convolving(site), **parts(site, roles), bias=None, dtype="int32")


def quantised(site: Site) -> Layer:
    """QLinearConv: the result is quantised again."""
    dtype = needed(site, 7, "y_zero_point").type.dtype
    told = {**_convolving(site), **parts(site, QUANTISED_ROLES)}
    return Convolution(site.op, **told, weight=3, bias=8, dtype=dtype, after=1)


def deformable(site: Site) -> Layer:
    """DeformConv: offsets and weights of cells are operands."""
    return Convolution(site.op, **_convolving(site), **parts(site, "X W offset B mask"), bias=3, deformed=True)


def transposed(site: Site) -> Layer:
    """ConvTranspose."""
    added, shape = whole_numbers(site, "output_padding"), whole_numbers(site, "output_shape")
    return TransposedConvolution(
        site.op, **_convolving(site), **parts(site, "X W B"), output_padding=added, output_shape=shape
    )


def causal(site: Site) -> Layer:
    """CausalConvWithState."""
    after = int(word(site, "activation", "none") != "none")
    return CausalConvolution(site.op, **parts(site, "input weight bias"), after=after)


def pooling(site: Site) -> Layer:
    """MaxPool, AveragePool, LpPool."""
    kernel = whole_numbers(site, "kernel_shape")
    if not kernel:
        raise Refused("kernel_shape is left out")
    return Pooling(
        site.op,
        kernel,
        **_geometry(site),
        **parts(site),
        ceil_mode=bool(number(site, "ceil_mode", 0)),
        count_include_pad=bool(number(site, "count_include_pad", 0)),
        storage_order=number(site, "storage_order", 0),
        indices=used(site) > 1,
    )


def over_all(site: Site) -> Layer:
    """GlobalMaxPool, GlobalAveragePool, GlobalLpPool."""
    return GlobalPooling(site.op, -1 if number(site, "channels_last", 0) else 1, **parts(site))


def unpooling(site: Site) -> Layer:
    """MaxUnpool."""
    shape = site.integers(2) or ()
    if site.operand(2) is not None and not shape:
        x = needed(site, 0, "the input").type
        shape = (*x.shape[:2], *(site.fresh(f"unpooled_{axis}") for axis in range(2, x.rank)))
    return MaxUnpooling(
        site.op,
        whole_numbers(site, "kernel_shape"),
        whole_numbers(site, "strides"),
        whole_numbers(site, "pads"),
        shape,
        **parts(site, drop=(2,)),
    )


def aligned_regions(site: Site) -> Layer:
    """RoiAlign: a fixed number of points in each cell, unless the size of the region decides."""
    size = (number(site, "output_height", 1), number(site, "output_width", 1))
    return RegionPooling(site.op, size, max(number(site, "sampling_ratio", 0), 0) ** 2, **parts(site))


def regions(site: Site) -> Layer:
    """MaxRoiPool."""
    return RegionPooling(site.op, whole_numbers(site, "pooled_shape"), **parts(site))


RULES: dict[str, Rule] = {
    "Conv": convolution,
    "com.microsoft:FusedConv": convolution,
    "ConvInteger": of_integers,
    "QLinearConv": quantised,
    "com.microsoft:QLinearConv": quantised,
    "DeformConv": deformable,
    "ConvTranspose": transposed,
    "CausalConvWithState": causal,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pooling),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"), over_all),
    "com.microsoft:QLinearGlobalAveragePool": over_all,
    "MaxUnpool": unpooling,
    "RoiAlign": aligned_regions,
    "MaxRoiPool": regions,
}
