"""Models whose inputs leave sizes open compute and train as those of the same layers with fixed sizes."""

import numpy as np
import pytest

from layerscope import Input, Model, load_model
from layerscope.core.errors import DataError, ShapeError
from layerscope.layers import (
    Add,
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    MaxPooling2D,
    PixelShuffle2D,
    UpSampling2D,
)

from .helpers import equal, numbers, refuses


def network(image):
    layers = (
        Conv2D(3, 3, strides=2, padding="same", activation="relu"),
        MaxPooling2D(3, strides=2, padding="same"),
        Conv2DTranspose(2, 3, strides=2, padding="same", activation="relu"),
        AveragePooling2D(2, strides=1, padding="same"),
        UpSampling2D((2, 1)),
        Conv2D(4, 1),
        PixelShuffle2D((1, 2)),
        Conv2D(1, 3, padding="same", activation="sigmoid"),
    )
    tensor = image
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def pair(*size):
    """The same network on an open and on a fixed size, with the same weights."""
    models = []
    for shape in ((None, None, 1), (*size, 1)):
        image = Input(shape)
        models.append(Model(image, network(image)))
    models[1].set_weights(models[0].get_weights())
    return models


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (5, 6), (1, 3)])
def test_pads_are_those_of_the_real_size(size):
    open_, fixed = pair(*size)
    x = numbers(3, *size, 1)
    found = open_.predict(x)
    assert found.shape[1:] == fixed.output_shape[1:]
    np.testing.assert_allclose(found, fixed.predict(x), rtol=1e-6)


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_training_is_that_of_the_real_size(size):
    models, x = pair(*size), numbers(6, *size, 1)
    told = []
    for model in models:
        model.compile("adam", "binary_crossentropy", metrics=["mae"], precision="float64")
        y = numbers(6, *model.predict(x).shape[1:], seed=1)
        model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
        told.append([*model.evaluate(x, y), *np.concatenate([w.ravel() for w in model.get_weights()])])
    np.testing.assert_allclose(*told, rtol=1e-9)


def test_one_model_takes_many_sizes_in_turn():
    open_, _ = pair(8, 8)
    first = open_.predict(numbers(1, 8, 8, 1))
    for side in range(2, 30):
        assert open_.predict(numbers(1, side, 8, 1)).shape == (1, 4 * -(-side // 4), 8, 1)
    assert np.array_equal(open_.predict(numbers(1, 8, 8, 1)), first)


def test_validation_may_have_another_size():
    open_, _ = pair(8, 8)
    open_.compile("sgd", "mse")
    x, other = numbers(4, 8, 8, 1), numbers(3, 12, 4, 1)
    history = open_.fit(x, x, validation_data=(other, other), verbose=0, shuffle=False)
    assert history.history["val_loss"][0] == open_.evaluate(other, other)


def test_weights_are_shared_among_all_sizes_and_saved(tmp_path):
    open_, _ = pair(8, 8)
    open_.compile("sgd", "mse")
    x, other = numbers(4, 8, 8, 1), numbers(2, 12, 4, 1)
    before = open_.predict(other)
    open_.fit(x, x, verbose=0)
    after = open_.predict(other)
    assert not np.array_equal(before, after)
    open_.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert again.input_shape == (None, None, None, 1)
    assert equal([again.predict(other)], [after])


def test_two_open_inputs_of_different_sizes():
    a, b = Input((None, 3), name="a"), Input((None, 3), name="b")
    model = Model([a, b], Add()([a, b]))
    x = numbers(2, 5, 3)
    assert np.array_equal(model.predict([x, x]), 2 * x)
    with refuses(ShapeError, "add (Add): cannot add (batch, 5, 3) and (batch, 4, 3): axis 1 has 5 against 4"):
        model.predict([x, x[:, :4]])


def test_targets_are_compared_with_the_real_size():
    open_, _ = pair(8, 8)
    open_.compile("sgd", "mse")
    with refuses(
        ShapeError,
        "the targets are (7, 8, 1) per example, but mean_squared_error needs (8, 8, 1) for the output (8, 8, 1).",
    ):
        open_.fit(numbers(2, 8, 8, 1), numbers(2, 7, 8, 1))
    with refuses(DataError, "x holds no examples: its shape is (0, 8, 8, 1)"):
        open_.predict(numbers(0, 8, 8, 1))
    with refuses(
        ShapeError,
        "x has the shape (8, 8) per example, but the model's input input_layer is (height, width, 1). "
        "Add the channel axis: x[..., None].",
    ):
        open_.predict(numbers(2, 8, 8))


def test_too_small_a_size_names_the_layer():
    image = Input((None, None, 1))
    model = Model(image, Conv2D(1, 5, name="conv")(image))
    with refuses(
        ShapeError,
        "conv (Conv2D): the kernel covers 5 cells along its width, but the input has only 4. "
        "Use a smaller kernel or padding='same'.",
    ):
        model.predict(numbers(1, 6, 4, 1))


def test_a_batch_size_in_the_input_is_no_obstacle():
    image = Input((8, 8, 1), batch_size=4)
    model = Model(image, network(image))
    x = numbers(10, 8, 8, 1)
    model.compile("sgd", "mse")
    assert model.predict(x).shape == (10, 8, 8, 1)
    assert model.fit(x, x, batch_size=3, verbose=0).history["loss"]
