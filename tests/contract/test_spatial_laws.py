"""Laws of layers of one, two and three spatial axes among each other, through `define` alone."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope import Sequential
from layerscope import layers as ls
from layerscope.core.contract import settings
from layerscope.core.types import TensorType

from .cases import define, fixed, inputs_for, weights_for
from .settings import RANDOM, Drawn
from .test_laws import LAW, distinct, only

PER_AXIS = ("kernel_size", "strides", "dilation_rate", "pool_size", "size", "output_padding")
FLAT = (
    *("Conv1D", "Conv1DTranspose", "DepthwiseConv1D", "SeparableConv1D", "MaxPooling1D", "AveragePooling1D"),
    *("UpSampling1D", "ZeroPadding1D", "Cropping1D"),
)
UPRIGHT = (
    *("Conv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D", "UpSampling2D", "ZeroPadding2D"),
    "Cropping2D",
)


def with_an_axis(layer, where: int):
    """The layer of one axis more, which along a new axis of size 1 does nothing."""
    told = {}
    for name, value in settings(layer).items():
        if name in PER_AXIS and value is not None:
            unit = 0 if name == "output_padding" else 1
            value = (*value[:where], unit, *value[where:])
        elif name in ("padding", "cropping") and isinstance(value, tuple):
            value = (*value[:where], (0, 0), *value[where:])
        told[name] = value
    cls = getattr(ls, type(layer).__name__.replace(f"{layer.rank}D", f"{layer.rank + 1}D"))
    known = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in told.items() if name in known})


@pytest.mark.parametrize("kind", [*FLAT, *UPRIGHT])
@LAW
@given(data=st.data())
def test_an_axis_of_size_one_changes_nothing(kind, data):
    """A sequence is an image of one column, an image a volume of one slice."""
    case = RANDOM[kind](Drawn(data))
    layer, (x,), weights = case.layer, inputs_for(case), weights_for(case)
    if getattr(layer, "padding", "") == "causal":  # which is there for sequences only
        return
    if getattr(layer, "interpolation", "nearest") != "nearest" or getattr(layer, "return_switches", False):
        return
    where = layer.rank if layer.rank == 1 else 0
    wide = with_an_axis(layer, where)
    heavy = {name: np.expand_dims(w, where) if w.ndim > 1 else w for name, w in weights.items()}
    got = define(wide, [fixed(np.expand_dims(x, 1 + where))], {name: fixed(w) for name, w in heavy.items()})[0]
    np.testing.assert_allclose(np.squeeze(got, 1 + where), only(layer, x, **weights), rtol=1e-12, atol=1e-12)


@LAW
@given(data=st.data())
def test_causal_padding_is_zeros_before_the_begin(data):
    case = RANDOM["Conv1D"](Drawn(data))
    layer, (x,), weights = replace(case.layer, padding="causal"), inputs_for(case), weights_for(case)
    before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
    padded = only(ls.ZeroPadding1D((before, 0)), x)
    valid = only(replace(layer, padding="valid"), padded, **weights)
    np.testing.assert_allclose(only(layer, x, **weights), valid, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("place", range(9))
def test_nothing_after_a_place_changes_what_is_before_it(place):
    layer, x = ls.Conv1D(2, 3, padding="causal", dilation_rate=2, use_bias=False), distinct((1, 9, 2))
    kernel, changed = distinct((3, 2, 2), 1), distinct((1, 9, 2)).copy()
    changed[:, place:] = -7
    one, other = only(layer, x, kernel=kernel), only(layer, changed, kernel=kernel)
    assert np.array_equal(one[:, :place], other[:, :place])
    assert not np.isclose(one[:, place], other[:, place]).any()


@pytest.mark.parametrize("kind", ["DepthwiseConv1D", "DepthwiseConv2D"])
@LAW
@given(data=st.data())
def test_depthwise_convolution_is_a_convolution_in_groups_of_one_channel(kind, data):
    case = RANDOM[kind](Drawn(data))
    layer, (x,), weights = case.layer, inputs_for(case), weights_for(case)
    count, each = x.shape[-1], layer.depth_multiplier
    shared = {name: getattr(layer, name) for name in ("strides", "padding", "dilation_rate", "use_bias")}
    grouped = getattr(ls, f"Conv{layer.rank}D")(count * each, layer.kernel_size, groups=count, **shared)
    kernel = weights["kernel"].reshape(*layer.kernel_size, 1, count * each)
    wanted = only(grouped, x, **weights | {"kernel": kernel})
    np.testing.assert_allclose(only(layer, x, **weights), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["DepthwiseConv1D", "DepthwiseConv2D"])
def test_channels_of_a_depthwise_convolution_do_not_mix(kind):
    layer = getattr(ls, kind)(1, depth_multiplier=2, use_bias=False)
    x = distinct((1, *(3,) * layer.rank, 2))
    kernel = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(*(1,) * layer.rank, 2, 2)
    wanted = np.stack([x[..., 0], 10 * x[..., 0], 100 * x[..., 1], 1000 * x[..., 1]], axis=-1)
    assert np.array_equal(only(layer, x, kernel=kernel), wanted)


@pytest.mark.parametrize("kind", ["SeparableConv1D", "SeparableConv2D"])
@LAW
@given(data=st.data())
def test_separable_convolution_is_two_convolutions(kind, data):
    case = RANDOM[kind](Drawn(data))
    layer, (x,), weights = case.layer, inputs_for(case), weights_for(case)
    names = ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")
    shared = {name: getattr(layer, name) for name in names}
    deep = getattr(ls, f"DepthwiseConv{layer.rank}D")(**shared, use_bias=False)
    mixing = getattr(ls, f"Conv{layer.rank}D")(layer.filters, 1, use_bias=layer.use_bias)
    bias = {"bias": weights["bias"]} if layer.use_bias else {}
    wanted = only(
        mixing, only(deep, x, kernel=weights["depthwise_kernel"]), kernel=weights["pointwise_kernel"], **bias
    )
    np.testing.assert_allclose(only(layer, x, **weights), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 3])
def test_nearest_upsampling_repeats(rank):
    x = distinct((2, *(3, 2, 4)[:rank], 2))
    factors = (3, 1, 2)[:rank]
    wanted = x
    for axis, factor in enumerate(factors, 1):
        wanted = np.repeat(wanted, factor, axis)
    assert np.array_equal(only(getattr(ls, f"UpSampling{rank}D")(factors), x), wanted)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_and_cropping_are_pad_and_slices(rank):
    ends = ((0, 2), (3, 1), (1, 0))[:rank]
    x = distinct((2, *(5, 6, 4)[:rank], 2))
    padded = np.pad(x, ((0, 0), *ends, (0, 0)))
    assert np.array_equal(only(getattr(ls, f"ZeroPadding{rank}D")(ends), x), padded)
    cut = tuple(slice(a, n - b) for (a, b), n in zip(ends, x.shape[1:-1], strict=True))
    assert np.array_equal(only(getattr(ls, f"Cropping{rank}D")(ends), x), x[(slice(None), *cut)])


def test_weights_have_the_names_shapes_and_spreads_of_keras():
    """Fans of a depthwise kernel (*k, C, m) are those of Keras: C times its area, and m times its area."""
    x = TensorType((2, 20, 20, 6))
    deep = ls.DepthwiseConv2D(3, depth_multiplier=2).weight_types(x)
    assert {name: (w.shape, w.initializer) for name, w in deep.items()} == {
        "kernel": ((3, 3, 6, 2), "glorot_uniform"), "bias": ((12,), "zeros"),
    }  # fmt: skip
    told = {"depthwise_initializer": "he_normal", "pointwise_initializer": "ones", "bias_initializer": "zeros"}
    separable = ls.SeparableConv2D(5, 3, depth_multiplier=2, **told).weight_types(x)
    assert {name: (w.shape, w.initializer) for name, w in separable.items()} == {
        "depthwise_kernel": ((3, 3, 6, 2), "he_normal"), "pointwise_kernel": ((1, 1, 12, 5), "ones"),
        "bias": ((5,), "zeros"),
    }  # fmt: skip


def test_models_begin_with_the_weights_that_the_initializers_give():
    make = partial(ls.SeparableConv1D, 5, 3, pointwise_initializer="ones", bias_initializer="ones")
    net = Sequential([ls.InputLayer((9, 4)), make(depthwise_initializer="he_uniform"), ls.DepthwiseConv1D(3)])
    first, mixing, bias, deep, last = net.get_weights()
    assert (mixing == 1).all()
    assert (bias == 1).all()
    assert (last == 0).all()
    for kernel, bound in ((first, np.sqrt(6 / (3 * 4))), (deep, np.sqrt(6 / (3 * 5 + 3)))):
        assert 0.5 * bound < np.abs(kernel).max() <= bound
