"""Models from layers: branches, shared layers, models in models, and what forms no network."""

import numpy as np
import pytest

from layerscope import Input, Model
from layerscope.core.errors import GraphError, ShapeError
from layerscope.layers import (
    Add,
    Concatenate,
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    MaxUnpooling2D,
    Reshape,
    UpSampling2D,
)

from .helpers import dense_model, numbers, refuses


def kernel_and_bias(layer):
    return layer.get_weights()


def test_a_chain_computes_what_its_layers_say():
    model = dense_model(activation="relu")
    x = numbers(5, 3)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(x), np.maximum(x @ kernel + bias, 0), rtol=1e-6)
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert repr(model) == "<Model 'functional': 2 layers, 8 parameters>"


def test_branches_meet_in_add_and_concatenate():
    x = Input((3,))
    left, right = Dense(2), Dense(2)
    model = Model(x, Concatenate()([Add()([left(x), right(x)]), x]))
    data = numbers(4, 3)
    both = sum(data @ k + b for k, b in map(kernel_and_bias, (left, right)))
    np.testing.assert_allclose(model.predict(data), np.concatenate([both, data], axis=1), rtol=1e-6)


def several():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    one, two = Dense(2, name="one"), Dense(1, name="two")
    return Model([a, b], [Add()([one(a), b]), two(b)]), one, two


@pytest.mark.parametrize(
    "given", [list, tuple, lambda pair: dict(zip("ab", pair, strict=True))], ids=["list", "tuple", "dict"]
)
def test_several_inputs_and_outputs(given):
    model, one, two = several()
    a, b = numbers(4, 3), numbers(4, 2, seed=1)
    found = model.predict(given([a, b]))
    assert isinstance(found, list)
    np.testing.assert_allclose(found[0], a @ one.get_weights()[0] + one.get_weights()[1] + b, rtol=1e-6)
    np.testing.assert_allclose(found[1], b @ two.get_weights()[0] + two.get_weights()[1], rtol=1e-6)
    for called in (model([a, b]), model(a, b)):  # by the reference engine: nothing is compiled for a call
        for one, other in zip(called, found, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_dictionary_of_inputs_builds_too():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    model = Model({"a": a, "b": b}, Add()([a, b]))
    x = numbers(2, 3)
    assert np.array_equal(model.predict({"b": x, "a": 2 * x}), 3 * x)


def test_a_list_of_one_output_gives_a_list():
    x = Input((3,))
    found = Model(x, [Dense(2)(x)]).predict(numbers(4, 3))
    assert isinstance(found, list)
    assert [y.shape for y in found] == [(4, 2)]


def test_an_input_can_be_an_output():
    x = Input((3,))
    model = Model(x, [x, Dense(2)(x)])
    data = numbers(4, 3)
    found = model.predict(data)
    assert np.array_equal(found[0], data)
    found[0][...] = 0
    assert data.any(), "the prediction is not the caller's own array"


def test_a_shared_layer_has_its_parameters_once_and_acts_twice():
    x = Input((3,), name="x")
    shared = Dense(3, use_bias=False, name="shared")
    model = Model(x, shared(shared(x)))
    assert model.count_params() == 9
    assert [v.shape for v in model.weights] == [(3, 3)]
    assert [node.name for node in model.graph.nodes] == ["x", "shared", "shared#2"]
    assert model.layers == [model.get_layer("x"), shared]
    (kernel,) = model.get_weights()
    data = numbers(4, 3)
    np.testing.assert_allclose(model.predict(data), data @ kernel @ kernel, rtol=1e-5)


def test_gradients_of_a_shared_layer_add_up():
    x = Input((2,))
    shared = Dense(2, use_bias=False)
    model = Model(x, shared(shared(x)))
    model.compile("sgd", "mse", precision="float64")
    kernel = np.array([[1.0, 2.0], [0.5, -1.0]])
    model.set_weights([kernel])
    data, goal = numbers(3, 2, dtype="float64"), numbers(3, 2, seed=1, dtype="float64")
    hidden = data @ kernel
    error = 2 * (hidden @ kernel - goal) / goal.size
    gradient = hidden.T @ error + data.T @ (error @ kernel.T)
    model.fit(data, goal, batch_size=3, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.01 * gradient, rtol=1e-12)


def autoencoder():
    image = Input((8, 8, 1), name="image")
    encoded = MaxPooling2D(2)(Conv2D(2, 3, padding="same", activation="relu", name="encode")(image))
    decoded = UpSampling2D(2)(Conv2D(1, 3, padding="same", activation="sigmoid", name="decode")(encoded))
    return Model(image, decoded), Model(image, encoded)


def test_an_encoder_shares_what_the_autoencoder_learns():
    whole, encoder = autoencoder()
    x = numbers(12, 8, 8, 1)
    before = encoder.predict(x)
    assert encoder.weights == whole.weights[:2]
    whole.compile("adam", "binary_crossentropy")
    whole.fit(x, x, epochs=2, verbose=0)
    after = encoder.predict(x)
    assert not np.array_equal(before, after)
    kernel, bias = whole.get_weights()[:2]
    again = Model(image := Input((8, 8, 1)), MaxPooling2D(2)(Conv2D(2, 3, padding="same", activation="relu")(image)))
    again.set_weights([kernel, bias])
    assert np.array_equal(again.predict(x), after)


def test_a_decoder_from_the_layers_of_a_trained_autoencoder():
    """As in Keras's tutorial: the last layers, put to a new Input."""
    whole, encoder = autoencoder()
    code = tensor = Input((4, 4, 2))
    for layer in whole.layers[-2:]:
        tensor = layer(tensor)
    decoder = Model(code, tensor)
    x = numbers(5, 8, 8, 1)
    assert np.array_equal(decoder.predict(encoder.predict(x)), whole.predict(x))


def nested():
    inner_x = Input((3,), name="inner_x")
    inner = Model(inner_x, Dense(2, "tanh", name="hidden")(inner_x), name="inner")
    x = Input((3,), name="x")
    outer = Model(x, Dense(1, name="out")(inner(x)), name="outer")
    return outer, inner


def test_a_model_in_a_model_keeps_its_scope_and_shares_its_weights():
    outer, inner = nested()
    assert [node.label for node in outer.graph.nodes] == ["x", "inner/hidden", "out"]
    assert list(outer.graph.parameters) == ["inner/hidden/kernel", "inner/hidden/bias", "out/kernel", "out/bias"]
    assert outer.get_layer("inner/hidden") is inner.get_layer("hidden")
    x, before = numbers(6, 3), inner.predict(numbers(6, 3))
    outer.compile("sgd", "mse")
    outer.fit(x, np.ones(6), epochs=3, verbose=0)
    after = inner.predict(x)
    assert not np.allclose(before, after)
    kernel, bias = outer.get_layer("out").get_weights()
    np.testing.assert_allclose(outer.predict(x), after @ kernel + bias, rtol=1e-6, atol=1e-7)
    inner.set_weights([np.zeros((3, 2)), np.zeros(2)])
    np.testing.assert_array_equal(outer.predict(x), np.broadcast_to(bias, (6, 1)))


def test_models_nest_twice():
    outer, _ = nested()
    x = Input((3,), name="top")
    top = Model(x, outer(x), name="all")
    assert [node.label for node in top.graph.nodes] == ["top", "outer/inner/hidden", "outer/out"]
    data = numbers(4, 3)
    assert np.array_equal(top.predict(data), outer.predict(data))


def test_a_model_called_twice_counts_its_parameters_once():
    _, inner = nested()
    a, b = Input((3,), name="a"), Input((3,), name="b")
    twins = Model([a, b], Add()([inner(a), inner(b)]), name="twins")
    assert twins.count_params() == inner.count_params() == 8
    assert [node.label for node in twins.graph.nodes] == ["a", "b", "inner/hidden", "inner/hidden#2", "add"]
    x, y = numbers(4, 3), numbers(4, 3, seed=1)
    np.testing.assert_allclose(twins.predict([x, y]), inner.predict(x) + inner.predict(y), rtol=1e-6)


def test_a_model_of_two_inputs_called_on_symbols():
    model, one, _ = several()
    x = Input((3,), name="x")
    first, second = model([x, Dense(2, name="to_b")(x)])
    whole = Model(x, [first, second])
    assert whole.output_types[0].shape[1:] == (2,)
    assert whole.get_layer("functional/one") is one
    with refuses(ShapeError, "functional (Model): takes 2 inputs, but got 1"):
        model(x)


def test_an_unnamed_encoder_and_decoder_in_one_model():
    image, code = Input((8, 8, 1)), Input((4, 4, 2))
    encoder = Model(image, MaxPooling2D(2)(Conv2D(2, 3, padding="same")(image)))
    decoder = Model(code, UpSampling2D(2)(Conv2D(1, 3, padding="same")(code)))
    x = Input((8, 8, 1))
    whole = Model(x, decoder(encoder(x)))
    data = numbers(2, 8, 8, 1)
    assert np.array_equal(whole.predict(data), decoder.predict(encoder.predict(data)))


def test_switches_flow_through_a_model():
    x = Input((5, 7, 2))
    pooled, switches = MaxPooling2D(2, padding="same", return_switches=True)(x)
    model = Model(x, MaxUnpooling2D(2, padding="same")([pooled, switches]))
    data = numbers(3, 5, 7, 2)
    found = model.predict(data)
    assert found.shape == data.shape, "the switches carry the odd size"
    kept = found != 0
    assert kept.sum() == 3 * 3 * 4 * 2
    assert np.array_equal(found[kept], data[kept])


def image(*shape):
    return Input(shape or (8, 8, 1), name="image")


def disconnected():
    return Model(Input((2,), name="a"), Dense(1)(Input((2,), name="b")))


def unused():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    return Model([a, b], Dense(1)(a))


def same_name():
    x = Input((2,), name="x")
    return Model(x, Dense(1, name="d")(Dense(1, name="d")(x)))


def behind():
    x = Input((2,))
    hidden = Dense(3)(x)
    return Model(hidden, Dense(1)(hidden))


def shared_misfit():
    layer = Dense(2, name="shared")
    return Model([a := Input((2,)), b := Input((3,))], Add()([layer(a), layer(b)]))


def same_input():
    x = Input((2,))
    return Model([x, x], Dense(1)(x))


MISTAKES = {
    "disconnected": (disconnected, GraphError, "the outputs also depend on 'b', which is not among the inputs"),
    "unused input": (unused, GraphError, "no output depends on the input 'b': it is not connected"),
    "same name": (same_name, GraphError, "two layers are called 'd'; names within a network are unique"),
    "same input twice": (same_input, GraphError, "the same Input is given twice"),
    "no inputs": (lambda: Model(), GraphError, "Model needs inputs and outputs: Model(inputs, outputs)"),
    "array as input": (
        lambda: Model(np.ones((2, 2)), Dense(1)(Input((2,)))),
        GraphError,
        "inputs must be symbolic tensors, made by Input(...) and layers, not ndarray",
    ),
    "layer as output": (
        lambda: Model(Input((2,)), Dense(1)),
        GraphError,
        "outputs must be symbolic tensors, made by Input(...) and layers, not Dense",
    ),
    "input behind a layer": (
        behind,
        GraphError,
        "inputs must come from Input(...), but one is the output of Dense. For the part of a network behind it, "
        "call its layers on a new Input.",
    ),
    "symbol and array": (
        lambda: Add()([Input((2,)), np.ones((2, 2))]),
        GraphError,
        "a symbolic tensor has no values; use layers on it (Reshape, Flatten, Add, ...)",
    ),
    "truth of a symbol": (
        lambda: bool(Input((2,))),
        GraphError,
        "a symbolic tensor has no value; give the layer an array, or build a Model and predict",
    ),
    "no channel axis": (
        lambda: Conv2D(2, 3)(image(8, 8)),
        ShapeError,
        "Conv2D: needs an input of 4 axes (batch, height, width, channels), but got 3: (batch, 8, 8). "
        "Is the channel axis missing? Grey images need a last axis of size 1.",
    ),
    "kernel too large": (
        lambda: Conv2D(2, 9, name="big")(image()),
        ShapeError,
        "big (Conv2D): the kernel covers 9 cells along its height, but the input has only 8. "
        "Use a smaller kernel or padding='same'.",
    ),
    "two inputs for one": (
        lambda: Flatten()([image(), image()]),
        ShapeError,
        "Flatten: takes one input, but got 2: (batch, 8, 8, 1), (batch, 8, 8, 1)",
    ),
    "one input for two": (
        lambda: Concatenate()(image()),
        ShapeError,
        "Concatenate: takes a list of at least two inputs, but got 1",
    ),
    "unequal to add": (
        lambda: Add(name="sum")([image(), image(8, 4, 1)]),
        ShapeError,
        "sum (Add): cannot add (batch, 8, 8, 1) and (batch, 8, 4, 1): axis 2 has 8 against 4",
    ),
    "unequal to concatenate": (
        lambda: Concatenate()([image(), image(8, 4, 1)]),
        ShapeError,
        "Concatenate: axis 2 must be equal, but is 8, 4 in (batch, 8, 8, 1), (batch, 8, 4, 1)",
    ),
    "reshape": (
        lambda: Reshape((9, 7))(image()),
        ShapeError,
        "Reshape: cannot bring (8, 8, 1), which has 64 elements, into (9, 7), which has 63",
    ),
    "shared on two sizes": (
        shared_misfit,
        ShapeError,
        "shared#2 (Dense): its weight 'kernel' has the shape (2, 2) from its first use, and would need (3, 2) here",
    ),
    "model on another rank": (
        lambda: nested()[0](image()),
        ShapeError,
        "outer (Model): its input is (batch, 3), but got (batch, 8, 8, 1)",
    ),
    "unknown layer": (
        lambda: nested()[0].get_layer("hiden"),
        GraphError,
        "no layer is called 'hiden'; there are: x, inner/hidden, out",
    ),
    "no such number": (
        lambda: nested()[0].get_layer(index=3),
        GraphError,
        "there are 3 layers, 0 to 2, but no number 3",
    ),
    "neither name nor number": (lambda: nested()[0].get_layer(), GraphError, "get_layer needs a name or an index"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_forms_no_network_says_why(name):
    cause, kind, message = MISTAKES[name]
    with refuses(kind, message):
        cause()


def test_a_layer_used_by_one_model_does_not_fit_another_size_in_the_next():
    layer = Dense(2, name="shared")
    Model(a := Input((3,)), layer(a))
    with refuses(
        ShapeError,
        "shared (Dense): its kernel has the shape (3, 2) from another model, but here it needs (4, 2)",
    ):
        Model(b := Input((4,)), layer(b))


def test_layers_by_index():
    outer, inner = nested()
    assert outer.get_layer(index=-1) is outer.get_layer("out")
    assert outer.get_layer(index=1) is inner.get_layer(index=1)
