"""What is read of images and how often: single channels row by row, thinner images, sums of planes in registers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.native.comparing import compare, engines, settings
from tests.native.random_cases import CHECKED, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly, report
from layerscope.engine.native.draft import prepared
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.operations import rest
from layerscope.models import Model, Sequential

MORE = [{"seed": 1}, CHECKED, CHECKED | {"strips": 4, "lanes": 16, "seed": 1}, {"sums": 8, "lanes": 4}]
"""Odd seeds predict, even ones evaluate, before they train."""


def case(model, seed=0, threads=2, given=None, **options):
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    random, count = np.random.default_rng(0), 11
    x = [random.integers(0, 99, (count, *model.input_shape[1:])).astype(given)] if given else None
    return drawn(model, random, {"lanes": 8, **options}, seed, threads, 6, count, inputs=x)


def ways(model, **options):
    """How loop nests of the inference program are computed, and of which layers."""
    with settings(**options):
        native, _ = engines(case(model), "float64")
        rows = report.report(native.job, options_for("float64"), 1, "float64").rows
    return {row.layers: row.way for row in rows if row.program == "inference"}


# --- single channels ---

SINGLE = {
    "7×7": ((14, 19, 3), lambda: [layers.DepthwiseConv2D(7, padding="same", activation="relu")]),
    "5×5 by 2": ((17, 16, 4), lambda: [layers.DepthwiseConv2D(5, strides=2, padding="same")]),
    "stride larger than the window": ((17, 16, 2), lambda: [layers.DepthwiseConv2D(2, strides=3)]),
    "dilated": ((15, 18, 3), lambda: [layers.DepthwiseConv2D(3, dilation_rate=(2, 3), padding="same")]),
    "more taps than registers": ((6, 40, 2), lambda: [layers.DepthwiseConv2D((2, 19), padding="same")]),
    "a sequence": ((41, 3), lambda: [layers.DepthwiseConv1D(9, padding="same")]),
    "behind upsampling": ((6, 5, 2), lambda: [layers.UpSampling2D(3), layers.DepthwiseConv2D(5, padding="same")]),
    "a transposed one": ((7, 6, 1), lambda: [layers.Conv2DTranspose(1, 5, strides=2, padding="same")]),
    "a pool behind it": ((12, 14, 3), lambda: [layers.DepthwiseConv2D(3, padding="same"), layers.MaxPooling2D(2)]),
}


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("more", MORE, ids=str)
def test_single_channels(name, more):
    shape, make = SINGLE[name]
    assert compare(case(Sequential([layers.Input(shape), *make()]), **more)) == []


def test_single_channels_go_by_rows():
    """19 results and 7 weights of a row fit into the registers of avx512, 7 into those of avx2."""
    for target, tile, width in (("avx512", "1×19", 57), ("avx2", "1×7", 56)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAYERSCOPE_TARGET", target)
            model = Sequential([layers.Input((8, width, 2)), layers.DepthwiseConv2D(7, padding="same", name="deep")])
            assert ways(model)[("deep",)].startswith(f"tile of {tile} positions × 1 channels")


# --- thinner images ---


def one_by_two():
    return Sequential([layers.Input((16, 12, 16)), layers.Conv2D(5, 1, strides=2)])


def two_readers():
    image = layers.Input((13, 12, 17))
    return Model(
        image, layers.Add()([layers.Conv2D(5, 1, strides=(3, 2))(image), layers.Conv2D(5, 1, strides=(3, 2))(image)])
    )


def dilated():
    return Sequential([layers.Input((19, 20, 16)), layers.Conv2D(3, 3, strides=2, dilation_rate=2, padding="same")])


def framed():
    pads = layers.ZeroPadding2D(((3, 2), (1, 4)))
    return Sequential([layers.Input((14, 12, 16)), pads, layers.Conv2D(5, 1, strides=2)])


def other_taps():
    image = layers.Input((12, 12, 16))
    return Model(image, layers.Add()([layers.Conv2D(5, 1, strides=2)(image), layers.Conv2D(5, 2, strides=2)(image)]))


def other_layers():
    image = layers.Input((12, 12, 16))
    return Model(image, layers.Add()([layers.Conv2D(16, 1, strides=2)(image), layers.AveragePooling2D(2)(image)]))


def few_channels():
    return Sequential([layers.Input((12, 12, 3)), layers.Conv2D(5, 1, strides=2)])


def sequence():
    return Sequential([layers.Input((37, 16)), layers.Conv1D(5, 1, strides=3)])


THIN = {
    one_by_two: (8, 6, 16), two_readers: (5, 6, 17), dilated: (10, 10, 16), framed: (7, 6, 16), sequence: (13, 16),
    other_taps: (12, 12, 16), other_layers: (12, 12, 16), few_channels: (6, 12, 3),
}  # fmt: skip


@pytest.mark.parametrize("make", THIN)
def test_only_what_is_read_comes_into_lanes(make):
    """In prediction and in training; all of it where somebody reads the rest, no columns where they are narrow."""
    native, _ = engines(case(make()), "float64")
    for program in (native.job.inference, native.job.training):
        assert rest(prepared(program).inputs["data", 0]) == THIN[make]


@pytest.mark.parametrize("make", THIN)
@pytest.mark.parametrize(
    "more",
    [*MORE, CHECKED | {"strips": 8, "lanes": 16, "given": "uint8"}, CHECKED | {"threads": 5, "team": 2, "seed": 1}],
    ids=str,
)
def test_thinner_images(make, more):
    assert compare(case(make(), **more)) == []


def test_a_target_that_is_the_image_is_read_whole():
    model = Sequential([
        layers.Input((8, 8, 16)), layers.Conv2D(16, 1, strides=2, activation="tanh"), layers.UpSampling2D(2),
    ])  # fmt: skip
    made = case(model)
    made.targets = made.inputs
    assert compare(made) == []


# --- sums of planes ---


def pooled_globally(*stack, keep=False):
    def make():
        return Sequential(
            [layers.Input((12, 16, 5)), *stack, layers.GlobalAveragePooling2D(keepdims=keep), layers.Dense(3)]
        )

    return make


def volume():
    return Sequential([
        layers.Input((4, 6, 5, 2)), layers.Conv3D(3, 2, strides=2, activation="relu"), layers.GlobalAveragePooling3D(),
    ])  # fmt: skip


def dilated_planes():
    """Interleaved images of 7 rows: but for the sums, their last tiles would begin earlier."""
    wide = layers.Conv2D(8, 3, dilation_rate=4, padding="same")
    return Sequential([layers.Input((28, 28, 8)), wide, layers.GlobalAveragePooling2D()])


def excited():
    image = layers.Input((12, 16, 5))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    scale = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return Model(image, layers.Multiply()([y, scale]))


PLANES = {
    "1×1": pooled_globally(layers.Conv2D(6, 1, activation="relu")),
    "3×3 in whole tiles": pooled_globally(layers.Conv2D(6, 3, padding="same")),
    "by 2": pooled_globally(layers.Conv2D(6, 5, strides=2, padding="same"), keep=True),
    "of one channel": pooled_globally(layers.DepthwiseConv2D(3, padding="same")),
    "transposed": pooled_globally(layers.Conv2DTranspose(4, 3, strides=2, padding="same")),
    "dilated": pooled_globally(layers.Conv2D(4, 3, dilation_rate=2, padding="same")),
    "behind upsampling": pooled_globally(layers.UpSampling2D(2), layers.Conv2D(4, 3, padding="same")),
    "normalised": pooled_globally(layers.Conv2D(4, 1), layers.BatchNormalization(), layers.Activation("relu")),
    "a volume": volume,
    "read by others": excited,
    "interleaved": dilated_planes,
}


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("more", [*MORE, {"gain": 1e9}, CHECKED | {"threads": 5, "team": 2, "seed": 1}], ids=str)
def test_sums_of_planes(name, more):
    assert compare(case(PLANES[name](), **more)) == []


def planes(model):
    """Of each convolution whose results a plane's sum begins with, whether these are stored."""
    native, _ = engines(case(model), "float64")
    recipe = assembly.assembled(native.job.inference, replace(options_for("float64"), dtypes=("float64",)))
    return [bool(stage.stored) for stage in recipe.schedule.stages if stage.planes]


def test_where_sums_of_planes_begin():
    """Nobody else reads the image: it is not stored. Where the last tile begins earlier, they are left for later."""
    assert planes(PLANES["1×1"]()) == [False]
    assert planes(PLANES["3×3 in whole tiles"]()) == [False]
    assert planes(excited()) == [True]
    odd = Sequential([layers.Input((7, 7, 5)), layers.Conv2D(6, 3, padding="same"), layers.GlobalAveragePooling2D()])
    assert planes(odd) == []
    largest = Sequential([layers.Input((8, 8, 5)), layers.Conv2D(6, 1), layers.GlobalMaxPooling2D()])
    assert planes(largest) == []
