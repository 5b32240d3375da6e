"""Layers called on arrays: what they compute, in which type, by how many pieces, and with whose weights."""

import numpy as np
import pytest

from layerscope import Input, Model, Sequential, utils
from layerscope.core.errors import DataError, LayerscopeError, ShapeError, TrainingError
from layerscope.core.types import TensorType
from layerscope.layers import (
    Activation,
    Add,
    Concatenate,
    Conv2D,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    MaxUnpooling2D,
    Opaque,
    Reshape,
    UpSampling2D,
)
from layerscope.models import eager

from .helpers import equal, numbers, refuses


def test_dense_on_arrays():
    layer, x = Dense(2), numbers(4, 3)
    found = layer(x)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(found, x @ kernel + bias, rtol=1e-6)
    assert np.array_equal(layer(x), found), "the weights of the first call stay"


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "int32", "uint8", "bool"])
def test_numbers_become_float32(dtype):
    x = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    for layer in (Dense(2), Activation("relu"), Flatten(), Reshape((3, 1))):
        found = layer(x)
        assert found.dtype == np.float32
        assert np.array_equal(found, layer(x.astype("float32")))


def test_nested_lists_are_one_array():
    layer = Dense(2)
    for rows in ([[1, 2, 3]], [[1, 2, 3], [4, 5, 6]], [[[1, 2, 3]], [[4, 5, 6]]]):
        assert np.array_equal(layer(rows), layer(np.array(rows, "float32")))
    assert np.array_equal(Add()([[[1, 2]], [[3, 4]]]), [[4, 6]])


@pytest.mark.parametrize("pieces", [1, 2, 5, 17])
def test_slices_of_a_large_batch_make_what_one_piece_makes(pieces, monkeypatch):
    utils.set_random_seed(0)
    x = numbers(17, 6, 6, 2)
    layers = (Conv2D(3, 3, padding="same"), Dense(4), MaxPooling2D(2, return_switches=True), GlobalAveragePooling2D())
    wanted = [layer(x) for layer in layers]
    seen = []
    run = eager.run
    monkeypatch.setattr(eager, "run", lambda *given: seen.append(given[2].batch) or run(*given))
    for layer, whole in zip(layers, wanted, strict=True):
        types = layer.out(TensorType((1, 6, 6, 2)))
        each = 4 * (72 + sum(int(np.prod(type.shape)) for type in types))
        monkeypatch.setattr(eager, "SLICE_BYTES", each * -(-17 // pieces))
        seen.clear()
        found = layer(x)
        assert (len(seen), sum(seen)) == (pieces if pieces != 5 else 5, 17)
        pairs = zip(found, whole, strict=True) if isinstance(whole, tuple) else [(found, whole)]
        for one, other in pairs:
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_one_layer_serves_arrays_of_many_sizes():
    conv, pool, flat = Conv2D(2, 3, strides=2, padding="same"), MaxPooling2D(2, padding="same"), Flatten()
    for size in ((4, 4), (5, 7), (4, 9), (1, 1)):
        x = numbers(3, *size, 2)
        fresh = Conv2D(2, 3, strides=2, padding="same")
        wanted = fresh(x)
        conv(x)
        fresh.set_weights(conv.get_weights())
        assert wanted.shape == (3, -(-size[0] // 2), -(-size[1] // 2), 2)
        assert equal([conv(x)], [fresh(x)])
        assert pool(x).shape == wanted.shape
        assert np.array_equal(flat(x), x.reshape(3, -1))


def test_results_do_not_change_with_their_inputs():
    x = numbers(2, 4, 4, 1)
    for layer in (Flatten(), Reshape((16,)), Dropout(0.5), Activation("linear"), Cropping2D(0), UpSampling2D(1)):
        found = layer(x)
        before = found.copy()
        x += 1
        assert np.array_equal(found, before), layer


def test_a_layer_shares_its_weights_with_the_models_that_use_it():
    layer, data = Dense(2), numbers(5, 3)
    first = layer(data)
    model = Model(x := Input((3,)), layer(x))
    assert np.array_equal(model.predict(data), first)
    model.compile("sgd", "mse")
    model.fit(data, np.ones((5, 2)), verbose=0)
    assert not np.array_equal(layer(data), first)
    assert np.array_equal(layer(data), model.predict(data))
    later = Dense(2)
    other = Model(x := Input((3,)), later(x))
    assert np.array_equal(later(data), other.predict(data))


def test_a_layer_of_a_float64_model_is_called_in_float32():
    layer = Dense(2)
    model = Model(x := Input((3,)), layer(x))
    model.compile("sgd", "mse", precision="float64")
    found = layer(numbers(4, 3))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.predict(numbers(4, 3)), rtol=1e-6)


def test_dropout_acts_in_training_only():
    x = np.ones((50, 40), "float32")
    layer = Dropout(0.25)
    assert np.array_equal(layer(x), x)
    dropped = layer(x, training=True)
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.75)}
    assert 0.2 < (dropped == 0).mean() < 0.3
    assert not np.array_equal(layer(x, training=True), dropped)
    utils.set_random_seed(5)
    once = layer(x, training=True)
    utils.set_random_seed(5)
    assert np.array_equal(layer(x, training=True), once)


def test_a_model_called_in_training():
    model = Sequential([Input((40,)), Dropout(0.5), Activation("relu")])
    x = np.ones((50, 40), "float32")
    assert np.array_equal(model(x), x)
    assert set(np.unique(model(x, training=True))) == {0, 2}


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_unpooling_puts_maxima_back(size, dtype):
    x = numbers(2, *size, 3, seed=2) + 1
    pooled, switches = MaxPooling2D(2, padding="same", return_switches=True)(x)
    assert switches.dtype == np.int32
    found = MaxUnpooling2D(2, padding="same", output_size=size)([pooled, switches.astype(dtype)])
    assert found.shape == x.shape
    kept = found != 0
    assert np.array_equal(found[kept], x[kept])
    assert kept.sum() == pooled.size
    again = MaxPooling2D(2, padding="same")(found)
    assert np.array_equal(again, pooled)


def test_unpooling_in_slices(monkeypatch):
    x = numbers(9, 4, 4, 2)
    pooled, switches = MaxPooling2D(2, return_switches=True)(x)
    whole = MaxUnpooling2D(2)(pooled, switches)
    monkeypatch.setattr(eager, "SLICE_BYTES", 1)
    assert np.array_equal(MaxUnpooling2D(2)([pooled, switches]), whole)


def test_a_batch_of_one_and_a_list_of_one_tensor():
    layer, x = Dense(2), numbers(1, 3)
    assert np.array_equal(layer([x]), layer(x))
    assert equal([Concatenate()([x, x])], [np.concatenate([x, x], axis=1)])


def used_on_one_channel():
    layer = Conv2D(2, 3, name="conv")
    layer(numbers(1, 5, 5, 1))
    return layer(numbers(1, 5, 5, 3))


MISTAKES = {
    "another number of channels": (
        used_on_one_channel,
        ShapeError,
        "conv (Conv2D): its kernel has the shape (3, 3, 1, 2) from its first use, but this input needs (3, 3, 3, 2)",
    ),
    "too few axes": (
        lambda: Conv2D(2, 3)(numbers(5, 5, 1)),
        ShapeError,
        "Conv2D: needs an input of 4 axes (batch, height, width, channels), but got 3: (batch, 5, 1). "
        "Is the channel axis missing? Grey images need a last axis of size 1.",
    ),
    "no batch": (
        lambda: Dense(2)(np.float32(3)),
        ShapeError,
        "Dense: needs arrays whose first axis, the batch, has one size above 0, but got ()",
    ),
    "nothing": (
        lambda: Dense(2)(),
        ShapeError,
        "Dense: needs arrays whose first axis, the batch, has one size above 0, but got nothing",
    ),
    "empty batch": (
        lambda: Dense(2)(np.ones((0, 3))),
        ShapeError,
        "Dense: needs arrays whose first axis, the batch, has one size above 0, but got (0, 3)",
    ),
    "two batches": (
        lambda: Add()([numbers(2, 3), numbers(3, 3)]),
        ShapeError,
        "Add: needs arrays whose first axis, the batch, has one size above 0, but got (2, 3), (3, 3)",
    ),
    "text": (lambda: Flatten()(np.array([["a"]])), DataError, "Flatten: needs numbers, but got an array of <U1"),
    "objects": (
        lambda: Flatten(name="f")(np.array([[None]])),
        DataError,
        "f (Flatten): needs numbers, but got an array of object",
    ),
    "switch outside": (
        lambda: MaxUnpooling2D(2)([numbers(1, 1, 1, 1), np.full((1, 1, 1, 1), 4)]),
        DataError,
        "max unpooling: a switch points outside the plane of 2×2",
    ),
    "values without switches": (
        lambda: MaxUnpooling2D(2)(numbers(1, 2, 2, 1)),
        ShapeError,
        "MaxUnpooling2D: takes two inputs, [values, switches], but got 1. "
        "The switches are the second output of MaxPooling2D(..., return_switches=True).",
    ),
    "described only": (
        lambda: Opaque("Mystery", [TensorType((1, 2))], name="box")(numbers(1, 2)),
        TrainingError,
        "box (Mystery) is described only: it can be traced, but not computed or trained",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_arrays_that_do_not_fit(name):
    cause, kind, message = MISTAKES[name]
    with refuses(kind, message):
        cause()


def test_ragged_lists():
    with pytest.raises(LayerscopeError, match=r"^Dense: not an array of numbers: setting an array element"):
        Dense(2)([[[1, 2], [1]]])


def test_a_layer_that_failed_to_build_has_no_weights():
    layer = Dense(2)
    with pytest.raises(ShapeError):
        layer(numbers(3))
    assert layer.weights == []
