"""Overlap of transposed convolutions: by hand, and against what ones make of ones."""

from fractions import Fraction

import numpy as np
import pytest

from layerscope import sources
from layerscope.analyses.checkerboard import Pattern, checkerboard, even, together
from layerscope.analyses.overlap_fixes import fixes, repaired
from layerscope.core import propagate
from layerscope.layers import Add, Concatenate, Conv2D, Conv2DTranspose, Input
from layerscope.models import Model


def of(text):
    return checkerboard(sources.read(text))


def test_odena_kernel_3_stride_2_overlaps_4_to_1_in_an_image():
    (row,) = of("7x7x8 | convt 4 3 stride 2 same").layers
    assert row.alone is not None
    assert (row.alone.shape, row.alone.counts) == ((1, 2, 2, 1), (4, 2, 2, 1))
    assert row.alone.ratio == 4
    assert row.alone.variance == Fraction(19, 81)  # (16 + 4 + 4 + 1) / 4 over (9 / 4)², less 1
    assert row.alone == row.so_far


@pytest.mark.parametrize(
    ("kernel", "stride", "counts"),
    [
        (1, 1, (1,)), (2, 2, (1,)), (4, 2, (1,)), (6, 3, (1,)), (3, 2, (2, 1)), (5, 2, (3, 2)), (5, 3, (2, 2, 1)),
        (4, 3, (2, 1, 1)), (2, 3, (1, 1, 0)), (1, 2, (1, 0)), (7, 4, (2, 2, 2, 1)),
    ],
)  # fmt: skip
def test_along_an_axis_each_position_has_the_taps_of_its_phase(kernel, stride, counts):
    """Tap t lands on the phase t mod s: so many of 0 … k - 1."""
    (row,) = of(f"7x8 | conv1d_transpose 4 {kernel} stride {stride}").layers
    assert row.alone is not None
    assert row.alone.along(1) == counts
    assert row.alone.ratio == (Fraction(max(counts), min(counts)) if min(counts) else None)


def test_two_transposed_convolutions_in_a_chain():
    """2 1 2 1 stamped again: even positions take both neighbours, 2 + 1, odd ones their own, 2 and 1 in turn."""
    first, second = of("7x8 | conv1d_transpose 4 3 stride 2 | conv1d_transpose 4 3 stride 2").layers
    assert first.so_far is not None
    assert second.alone is not None
    assert second.so_far is not None
    assert (first.so_far.counts, second.alone.counts) == ((2, 1), (2, 1))
    assert sorted(second.so_far.counts) == [1, 2, 3, 3]
    assert second.so_far.counts == (3, 2, 3, 1)
    (*_, last) = of("7x7x8 | convt 4 3 stride 2 | convt 4 3 stride 2").layers
    assert last.so_far is not None
    assert last.so_far.ratio == 9


def test_a_convolution_behind_evens_out_what_its_kernel_divides():
    board = of("7x8 | conv1d_transpose 4 3 stride 2 | conv1d 4 3 same | conv1d 4 2 same")
    _, three, two = board.layers
    assert three.so_far is not None
    assert two.so_far is not None
    assert sorted(three.so_far.counts) == [4, 5]  # 2 + 1 + 2 and 1 + 2 + 1
    assert two.so_far.even
    assert [row.name for row in board.uneven] == ["conv1d_transpose"]


def test_bed_of_nails_and_a_convolution_are_a_transposed_one():
    nails, conv = of("7x7x8 | nails 2 | conv 1 3 same").layers
    assert nails.alone is not None
    assert (nails.alone.counts, nails.alone.ratio) == ((1, 0, 0, 0), None)
    assert conv.so_far is not None
    assert conv.so_far.ratio == 4


def test_dilation_leaves_phases_out():
    (row,) = of("7x8 | conv1d_transpose 4 3 stride 2 dilation 2").layers
    assert row.alone is not None
    assert row.alone.counts == (1, 0)


def test_dense_layers_start_anew_and_upsampling_is_even():
    board = of("28x28x1 | convt 1 3 stride 2 | flatten | dense 49 | reshape 7x7x1 | upsample 2 | conv 1 3 same")
    assert [row.name for row in board.layers] == ["conv2d_transpose", "flatten", "up_sampling2d", "conv2d"]
    assert all(row.so_far is not None and row.so_far.even for row in board.layers[1:])


def test_branches_count_alike():
    x = Input((8, 8, 1))
    uneven, plain = Conv2DTranspose(1, 3, strides=2, padding="same")(x), Conv2DTranspose(3, 2, strides=2)(x)
    added = checkerboard(Model(x, Add()([uneven, Conv2D(1, 1)(plain)])).graph)["add"]
    # mean 9/4 of 4 2 2 1 brought to 1 and added to ones: 16/9 + 1, 8/9 + 1, 8/9 + 1, 4/9 + 1
    assert added.so_far is not None
    assert added.so_far.counts == (25, 17, 17, 13)
    joined = checkerboard(Model(x, Concatenate()([uneven, plain])).graph)["concatenate"]
    assert joined.so_far == added.so_far
    assert together([even(2), even(2)]) == even(2)


def test_too_long_a_period_is_not_followed_and_said():
    text = " | ".join(["4x4x1", *["convt 1 3 stride 7"] * 4])
    last = of(text).layers[-1]
    assert (last.alone is not None, last.so_far) == (True, None)


CHAINS = [
    "16x16x1 | convt 1 3 stride 2 | convt 1 5 stride 3 same | conv 1 3 same",
    "16x16x1 | convt 1 3x4 stride 2x3 same | conv 1 2 same | upsample 2 | conv 1 3",
    "20x20x1 | nails 2 | conv 1 3 same | convt 1 3 stride 2 same | avgpool 3 stride 1",
    "20x20x1 | convt 1 5 stride 2 same | upsample 2 bilinear | conv 1 3 stride 2 | zeropad 1",
    "20x20x1 | convt 1 3 stride 2 dilation 3 same output_padding=1 | convt 1 3 stride 2",
]


@pytest.mark.parametrize("text", CHAINS)
def test_against_ones_in_ones_out(text):
    """All weights 1 (their scale cancels), inputs 1: away from the edges the network's output is the pattern."""
    model = Model.from_graph(sources.read(text))
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 0.0 if variable.role == "bias" else 1.0))
    pattern = checkerboard(model.graph).layers[-1].so_far
    assert pattern is not None
    (y,) = np.asarray(model(np.ones((1, *propagate.types(model.graph)[0][0].shape[1:]))), np.float64)[..., 0]
    wanted = np.tile(np.reshape(pattern.counts, pattern.shape[1:3]), (200, 200))[: y.shape[0], : y.shape[1]]
    inner = tuple(slice(n // 3, 2 * n // 3) for n in y.shape)
    assert not pattern.even
    assert pattern.least > 0
    scale = y[inner] / wanted[inner]
    np.testing.assert_allclose(scale, scale.flat[0], rtol=1e-5)


def test_pattern_is_brought_to_its_shortest_period_and_smallest_numbers():
    pattern = Pattern.of((4, 2), (2, 2, 4, 4, 2, 2, 4, 4))
    assert (pattern.shape, pattern.counts) == ((2, 1), (1, 2))
    assert pattern.variation == pytest.approx(1 / 3)


FIXED = [
    ("7x7x8 | convt 4 3 stride 2 same", ["kernel", "resize", "subpixel"]),
    ("7x7x8 | convt 4 3 stride 2", ["kernel", "resize", "subpixel"]),
    ("7x6x8 | convt 4 5x3 stride 3x2 | conv 3 3", ["kernel", "resize", "subpixel"]),
    ("7x7x8 | convt 4 3 stride 2 same output_padding=0", ["kernel", "resize", "subpixel"]),
    ("7x7x8 | convt 4 2 stride 3 same", ["kernel", "resize", "subpixel"]),
    ("7x7x8 | convt 4 3 stride 2 dilation 2", ["resize"]),
    ("7x7x8 | nails 2 | conv 1 3 same", ["resize"]),
    ("7x8 | conv1d_transpose 4 3 stride 2 same", ["kernel"]),
    ("heightxwidthx3 | convt 8 3 stride 2 same", ["kernel", "resize", "subpixel"]),
    ("7x7x8 | convt 4 4 stride 2 same", []),
]


@pytest.mark.parametrize(("text", "ways"), FIXED)
def test_every_fix_keeps_the_shapes_and_is_even(text, ways):
    graph = sources.read(text)
    found = fixes(graph)
    assert [fix.way for fix in found] == ways
    for fix in found:
        assert propagate.output_types(fix.graph) == propagate.output_types(graph)
        assert fix.behind is not None
        assert fix.behind.even
        rows = checkerboard(fix.graph).layers
        assert not checkerboard(fix.graph).uneven
        assert rows[-1].so_far == fix.ends


def test_fixes_compute():
    graph = sources.read("7x7x8 | convt 4 3 stride 2 relu | convt 1 5 stride 3 sigmoid")
    put = {"kernel": "Conv2DTranspose", "resize": "UpSampling2D", "subpixel": "PixelShuffle2D"}
    for way, kind in put.items():
        changed = repaired(graph, way)
        assert not checkerboard(changed).uneven
        assert [node.layer.kind for node in changed.nodes if node.layer.kind in put.values()] == [kind, kind]
        assert Model.from_graph(changed)(np.ones((2, 7, 7, 8))).shape == (2, 47, 47, 1)


def test_a_fix_says_what_it_costs():
    """7 · 7 · 8 · 4 MACs a tap: 16 taps of the kernel; 14 · 14 positions of the convolution; 4 taps of 16 channels."""
    kernel, resize, subpixel = fixes(sources.read("7x7x8 | convt 4 3 stride 2 same"))
    assert (kernel.words, kernel.parameters, kernel.macs) == ("kernel 4×4 for 3×3", 516, 25088)
    assert (resize.words, resize.parameters, resize.macs) == ("upsampling ×2, conv 3×3", 292, 56448)
    assert (subpixel.words, subpixel.macs) == ("conv 2×2, pixel shuffle ×2, ICNR", 25088)
    assert subpixel.parameters == 4 * 8 * 16 + 16
