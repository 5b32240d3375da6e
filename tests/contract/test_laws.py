"""Algebraic laws: what layers owe each other, through `define` alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.types import TensorType

from .cases import define, fixed, inputs_for, same_pads, weights_for
from .settings import RANDOM, Drawn, pooling

LAW = settings(max_examples=60, deadline=None, derandomize=True)


def only(layer, *arrays, **weights) -> np.ndarray:
    return define(layer, [fixed(a) for a in arrays], weights)[0]


def distinct(shape, seed=0, low=1.0) -> np.ndarray:
    """Positive numbers, all different."""
    rng = np.random.default_rng(seed)
    return low + rng.permutation(int(np.prod(shape))).reshape(shape).astype(float)


# --- pooling ---


def of_all_ranks(*forms):
    """A test for layers of one, two and three spatial axes."""
    return pytest.mark.parametrize("kind", [form.format(rank) for form in forms for rank in (1, 2, 3)])


def bare(rank: int, name: str, *settings, **more):
    """The layer of a family with this number of axes, and no bias."""
    more |= {} if "Pool" in name else {"use_bias": False}
    return getattr(ls, name.format(rank))(*settings, **more)


@of_all_ranks("MaxPooling{}D", "AveragePooling{}D")
@LAW
@given(data=st.data())
def test_pooling_commutes_with_adding_a_constant(kind, data):
    """Padding that counted (zeros in a mean or a maximum) would break it at the edges."""
    case = RANDOM[kind](Drawn(data))
    (x,) = inputs_for(case)
    for constant in (2.5, -100.0, 1e3):
        np.testing.assert_allclose(only(case.layer, x + constant), only(case.layer, x) + constant, rtol=1e-9)


@of_all_ranks("MaxPooling{}D")
@LAW
@given(data=st.data())
def test_max_pooling_commutes_with_growing_functions_and_bounds_the_mean(kind, data):
    case = pooling(Drawn(data), getattr(ls, kind))
    (x,), layer = inputs_for(case), case.layer
    largest = only(layer, x)
    np.testing.assert_allclose(only(layer, x**3), largest**3, rtol=1e-12)
    mean = getattr(ls, f"AveragePooling{layer.rank}D")(layer.pool_size, layer.strides, layer.padding)
    assert (only(mean, x) <= largest + 1e-12).all()


@pytest.mark.parametrize("sizes", [(5,), (5, 7), (2, 5, 3)], ids=str)
@pytest.mark.parametrize("name", ["Max", "Average"])
def test_global_pools_are_pools_over_everything(name, sizes):
    x, rank = distinct((2, *sizes, 3)), len(sizes)
    whole = only(bare(rank, f"Global{name}Pooling{{}}D", keepdims=True), x)
    np.testing.assert_allclose(whole, only(bare(rank, f"{name}Pooling{{}}D", sizes), x), rtol=1e-12)
    plain = only(bare(rank, f"Global{name}Pooling{{}}D"), x)
    assert np.array_equal(plain, whole.reshape(2, 3))


@LAW
@given(data=st.data())
def test_of_equal_values_the_first_wins(data):
    """Over an image of few values, checked with a scan written here."""
    case = pooling(Drawn(data), ls.MaxPooling2D, return_switches=True)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 2, case.inputs[0].shape).astype(float)
    values, switches = define(case.layer, [x], {})
    width, rows = x.shape[2], first_winners(case.layer, x)
    for (n, i, j, c), (value, row, column) in rows.items():
        assert values[n, i, j, c] == value
        assert switches[n, i, j, c] == row * width + column


def first_winners(layer, x):
    found = {}
    for n, c in np.ndindex(x.shape[0], x.shape[3]):
        axes = []
        for size, k, s in zip(x.shape[1:3], layer.pool_size, layer.strides, strict=True):
            begin = same_pads(size, k, s)[0] if layer.padding == "same" else 0
            count = -(-size // s) if layer.padding == "same" else (size - k) // s + 1
            axes.append([range(max(o * s - begin, 0), min(o * s - begin + k, size)) for o in range(count)])
        for i, rows in enumerate(axes[0]):
            for j, columns in enumerate(axes[1]):
                best = None
                for a in rows:
                    for b in columns:
                        if best is None or x[n, a, b, c] > best[0]:
                            best = (x[n, a, b, c], a, b)
                found[n, i, j, c] = best
    return found


# --- unpooling ---


@LAW
@given(data=st.data())
def test_unpooling_keeps_the_winners(data):
    """At each switch stands the maximum, everywhere else zero; pooling that again gives the same maxima."""
    pool = pooling(Drawn(data), ls.MaxPooling2D, return_switches=True)
    x = distinct(pool.inputs[0].shape)
    values, switches = define(pool.layer, [x], {})
    size = x.shape[1:3]
    unpool = ls.MaxUnpooling2D(pool.layer.pool_size, pool.layer.strides, pool.layer.padding, output_size=size)
    back = only(unpool, values, switches)
    assert back.shape == x.shape
    winners = np.zeros((x.shape[0], size[0] * size[1], x.shape[3]), bool)
    for n, i, j, c in np.ndindex(*switches.shape):
        winners[n, switches[n, i, j, c], c] = True
    assert np.array_equal(back, np.where(winners.reshape(x.shape), x, 0))
    again, places = define(pool.layer, [back], {})
    assert np.array_equal(again, values), "every window still holds its winner, and nothing larger"
    assert np.array_equal(places, switches)


@pytest.mark.parametrize("shape", [(2, 7, 5, 3), (1, 8, 8, 1)])
def test_pool_and_unpool_without_overlap_is_a_projection(shape):
    """Doing it twice is doing it once."""
    pool = ls.MaxPooling2D(2, padding="same", return_switches=True)
    unpool = ls.MaxUnpooling2D(2, padding="same", output_size=shape[1:3])
    once = only(unpool, *define(pool, [distinct(shape)], {}))
    twice = only(unpool, *define(pool, [once], {}))
    assert np.array_equal(once, twice)
    assert np.count_nonzero(once) == np.prod([shape[0], -(-shape[1] // 2), -(-shape[2] // 2), shape[3]])


def test_of_colliding_values_the_last_stays():
    values, switches = np.array([[[[1.0], [2.0]], [[3.0], [4.0]]]]), np.array([[[[5], [5]], [[5], [0]]]], np.int32)
    out = only(ls.MaxUnpooling2D(2, output_size=(2, 3)), values, switches)
    assert out.ravel().tolist() == [4, 0, 0, 0, 0, 3]


# --- transposed convolution ---


def plane_of(case: Example) -> tuple[int, ...]:
    return case.outputs[0].shape[1:-1]


def naive_conv(x, kernel, strides, dilation, groups, begins, out):
    """Cross-correlation by loops: kernel (*k, C / groups, F), the image starting at -begin."""
    made = np.zeros((x.shape[0], *out, kernel.shape[-1]))
    each_in, each_out = kernel.shape[-2], kernel.shape[-1] // groups
    for place in np.ndindex(*out):
        for tap in np.ndindex(*kernel.shape[:-2]):
            source = [o * s + t * d - b for o, s, t, d, b in zip(place, strides, tap, dilation, begins, strict=True)]
            if not all(0 <= a < n for a, n in zip(source, x.shape[1:-1], strict=True)):
                continue
            for g in range(groups):
                ins, outs = slice(g * each_in, (g + 1) * each_in), slice(g * each_out, (g + 1) * each_out)
                made[(slice(None), *place, outs)] += (
                    x[(slice(None), *source, ins)] @ kernel[(*tap, slice(None), outs)]
                )
    return made


def begins_of(layer, sizes, plane) -> list[int]:
    """The crop before each axis, as TensorFlow: half of what is too much, rounded down; none for valid."""
    found = []
    for n, m, k, s, d in zip(sizes, plane, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True):
        whole = (n - 1) * s + d * (k - 1) + 1
        found.append(max(whole - m, 0) // 2 if layer.padding == "same" else 0)
    return found


@of_all_ranks("Conv{}DTranspose")
@LAW
@given(data=st.data())
def test_transposed_convolution_is_the_adjoint_of_convolution(kind, data):
    """<conv x, y> = <x, convT y> with the same kernel; the convolution is written here."""
    case = RANDOM[kind](Drawn(data))
    layer = replace(case.layer, use_bias=False)
    (y,), kernel = inputs_for(case), weights_for(case)["kernel"]
    back = only(layer, y, kernel=kernel)
    x = np.random.default_rng(8).normal(size=back.shape)
    begins = begins_of(layer, y.shape[1:-1], plane_of(case))
    there = naive_conv(x, kernel, layer.strides, layer.dilation_rate, layer.groups, begins, y.shape[1:-1])
    scale = float(np.abs(there * y).sum()) + 1e-9
    np.testing.assert_allclose((there * y).sum(), (x * back).sum(), rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 2)], ids=str)
def test_our_two_layers_are_adjoint(kernel, strides, padding):
    """The same law through both layers, wherever the convolution leads back to the same size."""
    sizes = (3, 4)
    down = ls.Conv2D(4, kernel, strides=strides, padding=padding, use_bias=False)
    up = ls.Conv2DTranspose(3, kernel, strides=strides, padding=padding, use_bias=False)
    y = TensorType((2, *sizes, 4))
    (x,) = up.out(y)
    assert down.out(x)[0].shape == y.shape
    rng = np.random.default_rng(9)
    weights = rng.normal(size=(*kernel, 3, 4))
    a, b = rng.normal(size=x.shape), rng.normal(size=y.shape)
    there, back = only(down, a, kernel=weights), only(up, b, kernel=weights)
    np.testing.assert_allclose((there * b).sum(), (a * back).sum(), rtol=1e-10)


@LAW
@given(data=st.data())
def test_transposed_convolution_is_zero_insertion_and_a_flipped_kernel(data):
    """Nails of the stride, padding d·(k - 1) - p, convolution with the kernel turned round."""
    case = RANDOM["Conv2DTranspose"](Drawn(data))
    layer = replace(case.layer, use_bias=False)
    (y,), kernel = inputs_for(case), weights_for(case)["kernel"]
    nails = only(ls.BedOfNails2D(layer.strides), y)
    nails = nails[:, : nails.shape[1] - layer.strides[0] + 1, : nails.shape[2] - layer.strides[1] + 1]
    begins = begins_of(layer, y.shape[1:3], plane_of(case))
    pads = [d * (k - 1) - p for d, k, p in zip(layer.dilation_rate, layer.kernel_size, begins, strict=True)]
    groups, each_out, each_in = layer.groups, kernel.shape[2], kernel.shape[3] // layer.groups
    # (kh, kw, out / groups, in) → (kh, kw, in / groups, out), each group by itself
    split = kernel[::-1, ::-1].reshape(*kernel.shape[:2], each_out, groups, each_in)
    turned = split.transpose(0, 1, 4, 3, 2).reshape(*kernel.shape[:2], each_in, groups * each_out)
    made = naive_conv(nails, turned, (1, 1), layer.dilation_rate, groups, pads, plane_of(case))
    np.testing.assert_allclose(only(layer, y, kernel=kernel), made, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("strides", [1, 2, (3, 2), (1, 4)], ids=str)
@pytest.mark.parametrize("added", ["all", "none given"])
def test_a_bed_of_nails_is_a_transposed_convolution(strides, added):
    """Depthwise, with a 1×1 kernel of one: with output_padding s - 1, and as 'valid' gives it anyway."""
    nails = ls.BedOfNails2D(strides)
    padding = tuple(s - 1 for s in nails.size) if added == "all" else None
    layer = ls.Conv2DTranspose(3, 1, strides=strides, output_padding=padding, use_bias=False, groups=3)
    x = distinct((2, 3, 4, 3))
    assert np.array_equal(only(nails, x), only(layer, x, kernel=np.ones((1, 1, 1, 3))))


@pytest.mark.parametrize("factor", [1, 2, (3, 2), (1, 4)], ids=str)
def test_nearest_upsampling_is_a_transposed_convolution_of_ones(factor):
    nearest = ls.UpSampling2D(factor)
    layer = ls.Conv2DTranspose(3, nearest.size, strides=factor, use_bias=False, groups=3)
    x = distinct((2, 3, 4, 3))
    assert np.array_equal(only(nearest, x), only(layer, x, kernel=np.ones((*nearest.size, 1, 3))))


@pytest.mark.parametrize("size", [1, 2, (3, 2), (1, 4)], ids=str)
def test_a_pixel_shuffle_is_a_transposed_convolution_that_picks(size):
    """Channel t of each block stands at place t of its window."""
    shuffle = ls.PixelShuffle2D(size)
    (r, s), block = shuffle.size, shuffle.block
    layer = ls.Conv2DTranspose(3, (r, s), strides=(r, s), use_bias=False, groups=3)
    kernel = np.tile(np.eye(block).reshape(r, s, 1, block), 3)
    x = distinct((2, 3, 4, 3 * block))
    assert np.array_equal(only(shuffle, x), only(layer, x, kernel=kernel))


def test_a_pixel_shuffle_of_copies_is_nearest_upsampling():
    x = distinct((2, 3, 4, 2))
    shuffled = only(ls.PixelShuffle2D((2, 3)), np.repeat(x, 6, axis=-1))
    assert np.array_equal(shuffled, only(ls.UpSampling2D((2, 3)), x))


# --- the rest ---


@pytest.mark.parametrize("factor", [1, 2, 3, (2, 4)], ids=str)
def test_bilinear_upsampling_keeps_constants_and_interpolates_ramps(factor):
    layer = ls.UpSampling2D(factor, interpolation="bilinear")
    np.testing.assert_allclose(only(layer, np.full((1, 4, 5, 2), 3.0)), 3.0, rtol=1e-13)
    f, g = layer.size
    ramp = np.arange(6.0).reshape(1, 1, 6, 1).repeat(4, axis=1)
    out = only(layer, ramp)[0, :, :, 0]
    centres = np.clip((np.arange(6 * g) + 0.5) / g - 0.5, 0, 5)
    np.testing.assert_allclose(out, np.broadcast_to(centres, (4 * f, 6 * g)), rtol=1e-12, atol=1e-12)


@of_all_ranks("ZeroPadding{}D")
@LAW
@given(data=st.data())
def test_cropping_undoes_padding(kind, data):
    case = RANDOM[kind](Drawn(data))
    (x,) = inputs_for(case)
    padded, crop = only(case.layer, x), getattr(ls, f"Cropping{case.layer.rank}D")
    assert np.array_equal(only(crop(case.layer.padding), padded), x)
    assert np.isclose(np.abs(padded).sum(), np.abs(x).sum(), rtol=1e-12)


def test_a_dense_layer_is_a_one_by_one_convolution():
    x, kernel, bias = distinct((2, 3, 4, 5)), distinct((5, 6), 1), distinct((6,), 2)
    dense = only(ls.Dense(6), x, kernel=kernel, bias=bias)
    conv = only(ls.Conv2D(6, 1), x, kernel=kernel[None, None], bias=bias)
    np.testing.assert_allclose(dense, conv, rtol=1e-12)


def test_a_dense_layer_after_flatten_is_a_convolution_over_everything():
    x, kernel = distinct((2, 3, 4, 5)), distinct((60, 6), 1)
    dense = only(ls.Dense(6, use_bias=False), only(ls.Flatten(), x), kernel=kernel)
    conv = only(ls.Conv2D(6, (3, 4), use_bias=False), x, kernel=kernel.reshape(3, 4, 5, 6))
    np.testing.assert_allclose(dense, conv[:, 0, 0], rtol=1e-12)


def test_grouped_convolution_is_convolutions_side_by_side():
    x, kernel = distinct((1, 5, 5, 6)), distinct((3, 3, 2, 9), 1)
    whole = only(ls.Conv2D(9, 3, groups=3, use_bias=False), x, kernel=kernel)
    parts = [
        only(ls.Conv2D(3, 3, use_bias=False), x[..., 2 * g : 2 * g + 2], kernel=kernel[..., 3 * g : 3 * g + 3])
        for g in range(3)
    ]
    np.testing.assert_allclose(whole, np.concatenate(parts, axis=-1), rtol=1e-12)
