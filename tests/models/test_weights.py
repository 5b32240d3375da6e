"""summary, count_params, and weights read and set through models and layers."""

import numpy as np
import pytest

from layerscope import Input, Model, Sequential, initializers
from layerscope.core.errors import DataError, GraphError, SettingError
from layerscope.layers import Concatenate, Conv2D, Dense, Flatten, MaxPooling2D

from .helpers import dense_model, equal, image_model, numbers, refuses

# Both printed by Keras 3.15.1 for the same functional models.
SUMMARY = """\
Model: "classifier"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ image (InputLayer)              │ (None, 28, 28, 1)      │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d (Conv2D)                 │ (None, 28, 28, 16)     │           160 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d (MaxPooling2D)    │ (None, 14, 14, 16)     │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 3136)           │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ code (Dense)                    │ (None, 10)             │        31,370 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 31,530 (123.16 KB)
 Trainable params: 31,530 (123.16 KB)
 Non-trainable params: 0 (0.00 B)"""

BRANCHES = """\
Model: "two"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ a (InputLayer)      │ (None, 3)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ b (InputLayer)      │ (None, 3)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ d (Dense)           │ (None, 2)         │          8 │ a[0][0], b[0][0]  │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ cat (Concatenate)   │ (None, 4)         │          0 │ d[0][0], d[1][0]  │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ out (Dense)         │ (None, 1)         │          5 │ cat[0][0]         │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 13 (52.00 B)
 Trainable params: 13 (52.00 B)
 Non-trainable params: 0 (0.00 B)"""


def classifier():
    x = image = Input((28, 28, 1), name="image")
    x = MaxPooling2D(2)(Conv2D(16, 3, activation="relu", padding="same")(x))
    return Model(image, Dense(10, name="code")(Flatten()(x)), name="classifier")


def summary_of(model):
    lines = []
    assert model.summary(print_fn=lines.append) is None
    return "\n".join(lines)


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_the_summary_is_the_one_that_keras_prints(capsys):
    assert summary_of(classifier()) == SUMMARY
    assert capsys.readouterr().out == ""
    classifier().summary()
    assert capsys.readouterr().out.rstrip("\n") == SUMMARY


def test_a_shared_layer_stands_once_in_the_summary():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(2, name="d")
    joined = Concatenate(name="cat")([shared(a), shared(b)])
    assert summary_of(Model([a, b], [joined, Dense(1, name="out")(joined)], name="two")) == BRANCHES


def test_open_sizes_are_none_in_the_summary():
    x = Input((None, None, 3), name="image")
    lines = summary_of(Model(x, Flatten(name="f")(Conv2D(2, 3, name="c")(x)))).splitlines()
    assert [line.split("│")[1:3] for line in lines if "(None" in line] == [
        [" image (InputLayer)              ", " (None, None, None, 3)  "],
        [" c (Conv2D)                      ", " (None, None, None, 2)  "],
        [" f (Flatten)                     ", " (None, None)           "],
    ]


def test_parameters_are_counted():
    model = classifier()
    assert model.count_params() == 160 + 31370
    assert [layer.count_params() for layer in model.layers] == [0, 160, 0, 0, 31370]
    assert [v.shape for v in model.weights] == [(3, 3, 1, 16), (16,), (3136, 10), (10,)]
    assert model.trainable_weights == model.weights


def test_weights_come_out_as_copies_and_go_in_by_value():
    model, x = dense_model(), numbers(4, 3)
    taken = model.get_weights()
    before = model.predict(x)
    taken[0][...] = 0
    assert np.array_equal(model.predict(x), before)
    given = [numbers(3, 2, seed=5), numbers(2, seed=6)]
    model.set_weights(given)
    np.testing.assert_allclose(model.predict(x), x @ given[0] + given[1], rtol=1e-6)
    given[0][...] = 0
    assert model.predict(x).any()
    assert all(array.dtype == np.float32 for array in model.get_weights())


def test_numbers_of_any_kind_set_weights():
    model = dense_model()
    model.set_weights([[[1, 2], [3, 4], [5, 6]], np.array([True, False])])
    assert equal(model.get_weights(), [np.array([[1, 2], [3, 4], [5, 6]], "float32"), np.array([1, 0], "float32")])
    for variable in model.weights:
        model.set_weights([np.asarray(v) for v in model.weights])
        variable.assign(variable.numpy() + 1)
    assert np.array_equal(model.get_weights()[1], [2, 1])


WRONG = {
    "too few": (
        lambda: [numbers(3, 2)],
        "the model 'functional' has 2 weights, but 1 arrays were given",
    ),
    "too many": (
        lambda: [numbers(3, 2), numbers(2), numbers(2)],
        "the model 'functional' has 2 weights, but 3 arrays were given",
    ),
    "one shape": (
        lambda: [numbers(3, 2), numbers(3)],
        "the model 'functional': bias (number 1) has the shape (2,), not (3,)",
    ),
    "both shapes": (
        lambda: [numbers(2, 3), numbers(3)],
        "the model 'functional': kernel (number 0) has the shape (3, 2), not (2, 3); "
        "bias (number 1) has the shape (2,), not (3,)",
    ),
    "text": (
        lambda: [numbers(3, 2), np.array(["a", "b"])],
        "the model 'functional': array number 1 must hold numbers, but is an array of <U1",
    ),
    "objects": (
        lambda: [numbers(3, 2), np.array([None, {}], object)],
        "the model 'functional': array number 1 must hold numbers, but is an array of object",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_weights_that_do_not_fit_change_nothing(name):
    make, message = WRONG[name]
    model = dense_model()
    before = model.get_weights()
    with refuses(DataError, message):
        model.set_weights(make())
    assert equal(model.get_weights(), before)


def test_a_variable_of_another_shape():
    kernel, _ = dense_model().weights
    assert repr(kernel) == "<Variable kernel (3, 2) float32>"
    with refuses(DataError, "kernel has the shape (3, 2), not (2, 3)"):
        kernel.assign(numbers(2, 3))


def test_a_layer_before_and_after_it_is_built():
    layer = Dense(2, name="d")
    assert layer.weights == layer.get_weights() == []
    with refuses(SettingError, "d has no weights yet: their shape depends on its input; call it on one first"):
        layer.count_params()
    with refuses(DataError, "d has 0 weights, but 2 arrays were given"):
        layer.set_weights([numbers(3, 2), numbers(2)])
    model = Model(x := Input((3,)), layer(x))
    assert layer.count_params() == 8
    assert [v.role for v in layer.weights] == ["kernel", "bias"]
    layer.set_weights([numbers(3, 2), numbers(2)])
    assert equal(model.get_weights(), [numbers(3, 2), numbers(2)])
    with refuses(DataError, "d: kernel (number 0) has the shape (3, 2), not (4, 2)"):
        layer.set_weights([numbers(4, 2), numbers(2)])
    assert equal(layer.get_weights(), [numbers(3, 2), numbers(2)])


def test_initializers_draw_the_weights():
    half = initializers.Constant(0.5)
    layer = Dense(3, kernel_initializer=half, bias_initializer="ones")
    Sequential([Input((2,)), layer])
    assert equal(layer.get_weights(), [np.full((2, 3), 0.5, "float32"), np.ones(3, "float32")])
    seeded = [Dense(3, kernel_initializer=initializers.HeNormal(seed=4)) for _ in range(2)]
    for one in seeded:
        Sequential([Input((2,)), one])
    assert equal(seeded[0].get_weights(), seeded[1].get_weights())


def test_the_same_seed_draws_the_same_weights_and_another_others():
    first, again, other = (image_model(seed) for seed in (1, 1, 2))
    assert equal(first.get_weights(), again.get_weights())
    assert not equal(first.get_weights(), other.get_weights())


def test_a_layer_is_found_by_its_name():
    model = classifier()
    assert model.get_layer("code").units == 10
    with refuses(
        GraphError,
        "no layer is called 'cod'; there are: image, conv2d, max_pooling2d, flatten, code",
    ):
        model.get_layer("cod")
