"""Sequential: built at once or by its first data, changed by add and pop, nested."""

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, utils
from layerscope.core.errors import GraphError, SettingError, ShapeError, UnknownNameError
from layerscope.layers import Conv2D, Dense, Flatten, InputLayer, MaxPooling2D, MaxUnpooling2D, UpSampling2D

from .helpers import equal, numbers, refuses

NOT_BUILT = "this Sequential is not built yet: start it with Input(shape), or call fit or predict on data"


def test_it_is_the_model_that_its_layers_make():
    first, second = Dense(4, "relu"), Dense(2)
    chain = Sequential([Input((3,)), first, second], name="chain")
    x = Input((3,))
    model = Model(x, second(first(x)))
    data = numbers(5, 3)
    assert np.array_equal(chain.predict(data), model.predict(data))
    assert chain.layers == [first, second]
    assert chain.get_layer(index=0) is first
    assert (chain.name, chain.input_shape, chain.output_shape) == ("chain", (None, 3), (None, 2))
    assert repr(chain) == "<Sequential 'chain': 2 layers, 26 parameters>"


def test_an_input_layer_starts_it_too():
    chain = Sequential([InputLayer((3,)), Dense(2)])
    assert chain.predict(numbers(4, 3)).shape == (4, 2)


@pytest.mark.parametrize("started", [True, False], ids=["with Input", "built by data"])
def test_training_before_and_after_building_is_the_same(started):
    utils.set_random_seed(3)
    chain = Sequential([Input((3,))] if started else [])
    chain.add(Dense(4, "relu"))
    chain.add(Dense(1))
    chain.compile("adam", "mse", metrics=["mae"])
    history = chain.fit(numbers(10, 3), numbers(10, 1), epochs=2, verbose=0, shuffle=False)
    utils.set_random_seed(3)
    x = Input((3,))
    model = Model(x, Dense(1)(Dense(4, "relu")(x)))
    model.compile("adam", "mse", metrics=["mae"])
    wanted = model.fit(numbers(10, 3), numbers(10, 1), epochs=2, verbose=0, shuffle=False)
    assert history.history == wanted.history
    assert equal(chain.get_weights(), model.get_weights())


@pytest.mark.parametrize(
    "data",
    [numbers(2, 3), numbers(2, 3).tolist(), [numbers(2, 3)], {"input_layer": numbers(2, 3)}],
    ids=["array", "numbers", "list of one", "dict"],
)
def test_data_of_any_form_build_it(data):
    assert Sequential([Dense(4)]).predict(data).shape == (2, 4)


def test_calling_it_builds_it():
    chain = Sequential([Dense(4)])
    assert chain(numbers(2, 3)).shape == (2, 4)
    assert chain.count_params() == 16
    other = Sequential([Conv2D(2, 3)])
    assert other(Input((8, 8, 1))).shape == (None, 6, 6, 2)


def test_before_it_is_built():
    chain = Sequential([dense := Dense(4)], name="later")
    assert repr(chain) == "<Sequential 'later': not built yet, 1 layers>"
    assert (chain.name, chain.layers) == ("later", [dense])
    for cause in (
        chain.summary,
        chain.count_params,
        chain.get_weights,
        lambda: ls.trace(chain),
        lambda: chain.metrics,
    ):
        with refuses(GraphError, NOT_BUILT):
            cause()
    with refuses(AttributeError, "'Sequential' object has no attribute 'nothing'"):
        chain.nothing  # noqa: B018
    with refuses(GraphError, NOT_BUILT):
        Sequential().predict(numbers(2, 3))


def test_compile_before_building_refuses_at_once():
    with refuses(UnknownNameError, "unknown optimizer 'adm'. Did you mean 'adam' or 'nadam' or 'adamw'?"):
        Sequential([Dense(4)]).compile("adm", "mse")
    with refuses(UnknownNameError, "unknown loss 'msee'. Did you mean 'mse' or 'msle' or 'mae'?"):
        Sequential([Dense(4)]).compile("adam", "msee")


@pytest.mark.parametrize("start", [[Input((3,))], []], ids=["with Input", "built by data"])
def test_add_and_pop_change_what_is_computed(start):
    chain, data = Sequential([*start, first := Dense(4)]), numbers(5, 3)
    whole = chain.predict(data)
    chain.add(second := Dense(2))
    assert chain.predict(data).shape == (5, 2)
    assert chain.pop() is second
    assert np.array_equal(chain.predict(data), whole), "the first layer keeps its weights"
    assert chain.layers == [first]
    chain.pop()
    with refuses(GraphError, NOT_BUILT):
        chain.predict(data)


def test_adding_after_compile_trains_the_longer_chain():
    chain = Sequential([Input((3,)), Dense(4)])
    chain.compile("sgd", "mse")
    chain.add(Dense(1))
    assert chain.fit(numbers(4, 3), numbers(4), verbose=0).history["loss"]


def test_what_does_not_fit_is_not_added():
    chain = Sequential([Input((4,)), Dense(2)])
    with refuses(
        ShapeError, "Conv2D: needs an input of 4 axes (batch, height, width, channels), but got 2: (batch, 2)."
    ):
        chain.add(Conv2D(1, 3))
    chain.add(Dense(3))
    assert chain.output_shape == (None, 3)


def halves():
    encoder = Sequential([Input((8, 8, 1)), Conv2D(2, 3, padding="same"), MaxPooling2D(2)], name="encoder")
    decoder = Sequential([Input((4, 4, 2)), UpSampling2D(2), Conv2D(1, 3, padding="same")], name="decoder")
    return encoder, decoder


def test_sequentials_in_a_sequential_are_built_at_once():
    encoder, decoder = halves()
    whole = Sequential([encoder, decoder], name="autoencoder")
    assert whole.layers == [encoder, decoder]
    assert [node.label for node in whole.graph.nodes] == [
        "input_layer", "encoder/conv2d", "encoder/max_pooling2d", "decoder/up_sampling2d", "decoder/conv2d",
    ]  # fmt: skip
    data = numbers(3, 8, 8, 1)
    assert np.array_equal(whole.predict(data), decoder.predict(encoder.predict(data)))
    whole.compile("sgd", "mse")
    before = encoder.predict(data)
    whole.fit(data, data, verbose=0)
    assert not np.array_equal(encoder.predict(data), before)


def test_a_model_of_open_size_starts_it():
    x = Input((None, None, 1))
    whole = Sequential([Model(x, Conv2D(2, 3)(x)), MaxPooling2D(2)])
    assert whole.output_shape == (None, None, None, 2)
    assert whole.predict(numbers(2, 8, 6, 1)).shape == (2, 3, 2, 2)


def test_unbuilt_sequentials_in_a_sequential():
    whole = Sequential([Sequential([Flatten()]), Sequential([Dense(3)])])
    assert whole.predict(numbers(2, 4, 4)).shape == (2, 3)


def test_switches_pass_within_it():
    unpooled = Sequential([Input((5, 5, 1)), MaxPooling2D(2, return_switches=True), MaxUnpooling2D(2)])
    assert unpooled.output_shape == (None, 5, 5, 1)


MISTAKES = {
    "several outputs": (
        lambda: Sequential([Input((4, 4, 1)), MaxPooling2D(2, return_switches=True)]),
        GraphError,
        "MaxPooling2D has 2 outputs, but a Sequential has one; use Model(inputs, outputs)",
    ),
    "no layer": (lambda: Sequential([32]), GraphError, "Sequential takes layers, an Input or models, not int"),
    "a class": (lambda: Sequential([Dense]), GraphError, "Sequential takes layers, an Input or models, not ABCMeta"),
    "late input": (lambda: Sequential([Dense(2), Input((3,))]), GraphError, "Input stands first in a Sequential"),
    "nothing to pop": (lambda: Sequential().pop(), GraphError, "there is no layer to remove"),
    "misfit": (
        lambda: Sequential([Input((8, 8)), Conv2D(1, 3, name="first")]),
        ShapeError,
        "first (Conv2D): needs an input of 4 axes (batch, height, width, channels), but got 3: (batch, 8, 8). "
        "Is the channel axis missing? Grey images need a last axis of size 1.",
    ),
    "setting of compile": (
        lambda: Sequential([Input((3,)), Dense(2)]).compile("sgd", "mse", engine="gpu"),
        SettingError,
        "engine must be one of auto, native, reference, not 'gpu'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_forms_no_chain_says_why(name):
    cause, kind, message = MISTAKES[name]
    with refuses(kind, message):
        cause()
