"""The all-ones probe: with inputs, weights and padding all 1, the sum of the outputs is the number of products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope import layers as ls
from layerscope.core.types import TensorType

from .cases import all_examples, define, same_pads, title
from .settings import RANDOM, Drawn

SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
FORWARD = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D")
BACK = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
PRODUCTS = ("Dense", "Dot", *FORWARD, *BACK, *SEPARABLE)


def probe(layer, *types: TensorType) -> int:
    """What the layer's definition adds up, before any crop, with padding cells that are 1."""
    if isinstance(layer, ls.Dot):
        return round(float(define(replace(layer, normalize=False), [np.ones(t.shape) for t in types], {})[0].sum()))
    plain = {"activation": None, "use_bias": False}
    shape = types[0].shape
    if layer.kind in SEPARABLE:
        return sum(probe(part, TensorType(given)) for part, given in parts(layer, shape))
    if layer.kind in FORWARD:
        if layer.padding != "valid":
            shape = enlarged(layer, shape)
        layer = replace(layer, padding="valid", **plain)
    elif layer.kind in BACK:
        layer = replace(layer, padding="valid", output_padding=None, **plain)
    else:
        layer = replace(layer, **plain)
    weights = {k: np.ones(t.shape) for k, t in layer.weight_types(TensorType(shape)).items()}
    total = float(define(layer, [np.ones(shape)], weights)[0].sum())
    assert total == round(total)
    return round(total)


def parts(layer, shape):
    """What a separable convolution is put together of, each with the shape of its input."""
    names = ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")
    deep = getattr(ls, f"DepthwiseConv{layer.rank}D")(**{name: getattr(layer, name) for name in names})
    yield deep, shape
    yield getattr(ls, f"Conv{layer.rank}D")(layer.filters, 1), deep.out(TensorType(shape))[0].shape


def enlarged(layer, shape):
    batch, *sizes, channels = shape
    grown = []
    for n, k, s, d in zip(sizes, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True):
        more = d * (k - 1) if layer.padding == "causal" else sum(same_pads(n, d * (k - 1) + 1, s))
        grown.append(n + more)
    return (batch, *grown, channels)


@pytest.mark.parametrize("case", all_examples(), ids=title)
def test_macs_of_the_examples(case):
    layer, macs = case.layer, case.layer.macs(*case.inputs)
    if type(layer).__name__ in PRODUCTS and layer.executable:
        assert macs == probe(layer, *case.inputs) > 0
    elif layer.executable:
        assert macs == 0
    elif isinstance(layer, ls.Opaque):
        assert macs is None, "nobody knows the products of a layer that nobody described"
    else:
        assert macs is not None, "products of described layers are known; tests/conformance counts them"


@pytest.mark.parametrize("kind", PRODUCTS)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_macs_of_random_settings(kind, data):
    case = RANDOM[kind](Drawn(data))
    assert case.layer.macs(*case.inputs) == probe(case.layer, *case.inputs)


def test_macs_of_a_transposed_convolution_by_hand():
    """Every input cell meets every kernel weight once, cropped or not: not the output's cells."""
    layer, x = ls.Conv2DTranspose(16, 3, strides=2, padding="same"), TensorType((1, 14, 14, 8))
    assert layer.macs(x) == 14 * 14 * 8 * 16 * 9


def test_macs_of_the_documents_first_convolution_by_hand():
    assert ls.Conv2D(16, 3, padding="same").macs(TensorType((1, 28, 28, 1))) == 28 * 28 * 16 * 9
