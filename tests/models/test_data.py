"""Arrays that do not fit, each refused with what to do about it."""

import warnings

import numpy as np
import pytest

from layerscope import Input, Model, Sequential
from layerscope.core.errors import DataError, LayerscopeError, ShapeError
from layerscope.layers import Add, Conv2D, Dense, Flatten

from .helpers import dense_model, equal, image_model, numbers, refuses

X, Y = numbers(6, 3), numbers(6, 2, seed=1)


def spoiled(value, *examples, shape=(6, 3)):
    array = numbers(*shape)
    for example in examples:
        array[example].flat[-1] = value
    return array


def two():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    model = Model([a, b], Add()([a, b]), name="two")
    model.compile("sgd", "mse")
    return model


def unflattened(loss):
    model = Sequential([Input((28, 28, 1)), Conv2D(4, 3), Dense(10, "softmax")])
    model.compile("sgd", loss)
    return model


NAN = "Remove such examples, or replace the values (numpy.nan_to_num), before training."
DENSE = (
    "dense (Dense) acts on the last axis only, so it keeps the other axes of its input (26, 26, 4). "
    "Put Flatten before it: it then takes all 2704 numbers."
)
IMAGES = numbers(3, 28, 28, 1)

REFUSED = {
    "another width": (
        lambda: dense_model().fit(numbers(6, 4), Y),
        ShapeError,
        "x has the shape (4,) per example, but the model's input x is (3,).",
    ),
    "no channel axis": (
        lambda: image_model().predict(numbers(5, 8, 8)),
        ShapeError,
        "x has the shape (8, 8) per example, but the model's input image is (8, 8, 1). "
        "Add the channel axis: x[..., None].",
    ),
    "no batch": (
        lambda: image_model().predict(numbers(8, 8, 1)),
        ShapeError,
        "x has the shape (8, 1) per example, but the model's input image is (8, 8, 1). "
        "It looks like one example without a batch; use x[None].",
    ),
    "flat images": (
        lambda: image_model().predict(numbers(5, 64)),
        ShapeError,
        "x has the shape (64,) per example, but the model's input image is (8, 8, 1). "
        "The numbers are as many: x.reshape(-1, 8, 8, 1) fits.",
    ),
    "a number": (lambda: dense_model().predict(3.0), DataError, "x holds no examples: its shape is ()"),
    "no examples": (
        lambda: dense_model().predict(np.ones((0, 3))), DataError, "x holds no examples: its shape is (0, 3)"
    ),
    "empty list": (lambda: dense_model().fit([], []), DataError, "x holds no examples: its shape is (0,)"),
    "no targets": (
        lambda: dense_model().fit(X),
        DataError,
        "y is missing: give the targets (for an autoencoder, x itself)",
    ),
    "empty targets": (
        lambda: dense_model().fit(X, Y[:0]), DataError, "y holds no examples: its shape is (0, 2)"
    ),
    "lengths": (lambda: dense_model().fit(X, Y[:5]), DataError, "x has 6 examples, but y has 5"),
    "objects": (
        lambda: dense_model().fit(np.array([[1, 2, None]]), [[1, 2]]),
        DataError,
        "x must hold numbers, but is an array of object",
    ),
    "text": (lambda: dense_model().fit(X, np.array([["a", "b"]] * 6)), DataError, "y must hold numbers, but is an array of <U1"),
    "complex": (lambda: dense_model().predict(X + 1j), DataError, "x must hold numbers, but is an array of complex64"),
    "NaN": (lambda: dense_model().fit(spoiled(np.nan, 4, 2), Y), DataError, f"x contains NaN: first in example 2. {NAN}"),
    "infinity": (
        lambda: dense_model().fit(spoiled(np.inf, 5), Y), DataError, f"x contains infinity: first in example 5. {NAN}"
    ),
    "NaN in targets": (
        lambda: dense_model().fit(X, spoiled(np.nan, 1, shape=(6, 2))),
        DataError,
        f"y contains NaN: first in example 1. {NAN}",
    ),
    "NaN in labels": (
        lambda: image_model().fit(numbers(3, 8, 8, 1), [0, np.nan, 1]),
        DataError,
        f"y contains NaN: first in example 1. {NAN}",
    ),
    "NaN in one of two": (
        lambda: two().fit([X, spoiled(-np.inf, 3)], X), DataError, f"x[1] contains infinity: first in example 3. {NAN}"
    ),
    "NaN in evaluate": (
        lambda: dense_model().evaluate(spoiled(np.nan, 0), Y), DataError, f"x contains NaN: first in example 0. {NAN}"
    ),
    "NaN far behind": (
        lambda: dense_model().fit(spoiled(np.nan, 9000, shape=(9999, 3)), numbers(9999, 2)),
        DataError,
        f"x contains NaN: first in example 9000. {NAN}",
    ),
    "NaN in validation": (
        lambda: dense_model().fit(X, Y, validation_data=(X, spoiled(np.nan, 2, shape=(6, 2)))),
        DataError,
        f"the validation data's y contains NaN: first in example 2. {NAN}",
    ),
    "shape of validation": (
        lambda: dense_model().fit(X, Y, validation_data=(numbers(6, 4), Y)),
        ShapeError,
        "the validation data's x has the shape (4,) per example, but the model's input x is (3,).",
    ),
    "lengths of validation": (
        lambda: dense_model().fit(X, Y, validation_data=(X, Y[:4])),
        DataError,
        "the validation data's x has 6 examples, but the validation data's y has 4",
    ),
    "one of two arrays": (
        lambda: two().predict(X), DataError, "x: 2 arrays are needed (a, b), but one was given"
    ),
    "three of two arrays": (
        lambda: two().predict([X, X, X]), DataError, "x: 2 arrays are needed (a, b), but 3 were given"
    ),
    "another name": (
        lambda: two().predict({"a": X, "c": X}), DataError, "x: nothing is given for b; given are a, c"
    ),
    "shape of the second": (
        lambda: two().predict([X, Y]),
        ShapeError,
        "x['b'] has the shape (2,) per example, but the model's input b is (3,).",
    ),
    "lengths of two": (
        lambda: two().predict([X, X[:4]]),
        DataError,
        "x: the inputs have different numbers of examples: [6, 4]",
    ),
    "two targets for one output": (
        lambda: dense_model().fit(X, [Y, Y]), ShapeError,
        "the targets are (6, 2) per example, but mean_squared_error needs (2,) for the output (2,).",
    ),
    "shape of targets": (
        lambda: dense_model().fit(X, numbers(6, 3)),
        ShapeError,
        "the targets are (3,) per example, but mean_squared_error needs (2,) for the output (2,).",
    ),
    "one-hot for labels": (
        lambda: image_model().fit(numbers(3, 8, 8, 1), np.eye(3)),
        ShapeError,
        "the targets are (3,) per example, but sparse_categorical_crossentropy needs one number for the output (3,).",
    ),
    "labels for one-hot": (
        lambda: image_model(loss="categorical_crossentropy").fit(numbers(3, 8, 8, 1), [0, 1, 2]),
        ShapeError,
        "the targets are one number per example, but categorical_crossentropy needs (3,) for the output (3,).",
    ),
    "labels without Flatten": (
        lambda: unflattened("sparse_categorical_crossentropy").fit(IMAGES, [0, 1, 2]),
        ShapeError,
        "the targets are one number per example, but sparse_categorical_crossentropy needs (26, 26) "
        f"for the output (26, 26, 10). {DENSE}",
    ),
    "one-hot without Flatten": (
        lambda: unflattened("categorical_crossentropy").fit(IMAGES, np.eye(10)[:3]),
        ShapeError,
        "the targets are (10,) per example, but categorical_crossentropy needs (26, 26, 10) "
        f"for the output (26, 26, 10). {DENSE}",
    ),
    "pixels of 0 to 255": (
        lambda: dense_model(activation="sigmoid", loss="binary_crossentropy").fit(X, np.array([[0, 255]] * 6, "uint8")),
        DataError,
        "binary_crossentropy takes targets between 0 and 1, but the targets lie between 0 and 255. "
        "Pixels of 0 to 255 want dividing by 255.",
    ),
    "negative targets": (
        lambda: dense_model(activation="sigmoid", loss="binary_crossentropy").fit(X, Y - 0.5 - Y.min()),
        DataError,
        f"binary_crossentropy takes targets between 0 and 1, but the targets lie between -0.5 and "
        f"{float((Y - 0.5 - Y.min()).max()):g}.",
    ),
    "label too large": (
        lambda: image_model().fit(numbers(3, 8, 8, 1), [1, 2, 3]),
        DataError,
        "sparse_categorical_crossentropy: the output has 3 classes, so labels run from 0 to 2, "
        "but the targets run from 1 to 3",
    ),
    "label below zero": (
        lambda: image_model().fit(numbers(3, 8, 8, 1), np.array([[-1], [0], [1]])),
        DataError,
        "sparse_categorical_crossentropy: the output has 3 classes, so labels run from 0 to 2, "
        "but the targets run from -1 to 1",
    ),
    "fractional label": (
        lambda: image_model().fit(numbers(3, 8, 8, 1), [0, 0.5, 1]),
        DataError,
        "sparse_categorical_crossentropy takes whole-number labels, but the targets have fractions",
    ),
    "classes on one unit": (
        lambda: dense_model(1, loss="sparse_categorical_crossentropy"),
        ShapeError,
        "sparse_categorical_crossentropy compares classes along the last axis, but the output (batch, 1) has only "
        "one. Use binary_crossentropy with a sigmoid, or as many units as classes with a softmax.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_do_not_fit_are_refused_with_advice(name):
    cause, kind, message = REFUSED[name]
    with refuses(kind, message):
        cause()


def test_ragged_lists_are_no_array():
    with pytest.raises(DataError) as caught:
        dense_model().predict([[1, 2, 3], [1, 2]])
    assert str(caught.value).startswith("x: not an array of numbers: setting an array element with a sequence.")


def test_the_advice_on_missing_channels_works():
    model, images = image_model(), numbers(5, 8, 8)
    for fits in (images[..., None], images.reshape(-1, 8, 8, 1), images[0][..., None][None]):
        assert len(model.predict(fits)) == len(fits)


def test_the_advice_on_flatten_works():
    flat = Sequential([Input((28, 28, 1)), Conv2D(4, 3), Flatten(), Dense(10, "softmax")])
    assert flat.layers[-1].get_weights()[0].shape == (2704, 10)
    flat.compile("sgd", "sparse_categorical_crossentropy")
    assert flat.fit(IMAGES, [0, 1, 2], verbose=0).history["loss"]


def test_data_that_are_refused_change_nothing():
    model = dense_model(optimizer="adam")
    before, history = model.get_weights(), model.history
    for x, y in ((spoiled(np.nan, 5), Y), (X, Y[:5]), (X, numbers(6, 3))):
        with pytest.raises(LayerscopeError):
            model.fit(x, y)
    assert equal(model.get_weights(), before)
    assert model.history is history


def test_masked_views_and_odd_layouts_are_taken_as_they_are():
    model = dense_model()
    wanted = model.predict(X)
    for x in (np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, axis=1)[:, ::2], X.astype(">f4"), memoryview(X)):
        np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-6)


def test_the_caller_keeps_its_data():
    x, y = X.copy(), Y.copy()
    model = dense_model()
    model.fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_numpy_is_quiet_about_numbers_that_overflow():
    model = dense_model()
    model.set_weights([np.full((3, 2), 1e30), np.zeros(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(model.predict(np.full((1, 3), 1e30, "float32"))).all()
        assert model.evaluate(np.full((1, 3), 1e30, "float32"), [[0, 0]]) == np.inf
