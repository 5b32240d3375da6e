"""Code that Keras users paste, and what they get wrong."""

import re

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers
from layerscope.core.errors import LayerscopeError, ShapeError, SizeError


def test_star_import_and_functional_forms():
    space = {}
    exec("from layerscope.layers import *", space)
    assert {"Input", "Conv2D", "MaxUnpooling2D", "add", "concatenate"} <= set(space)
    x = Input((4,))
    assert space["add"]([x, x]).shape == (None, 4)
    assert space["concatenate"]([x, x], axis=-1).shape == (None, 8)


def test_short_names():
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.AvgPool2D is layers.AveragePooling2D


def test_unnamed_encoder_and_decoder():
    encoder = Sequential([Input((16,)), layers.Dense(4)])
    decoder = Sequential([Input((4,)), layers.Dense(16)])
    x = Input((16,))
    model = Model(x, decoder(encoder(x)))
    assert [node.label for node in model.graph.nodes] == ["input_layer", "sequential/dense", "sequential_1/dense"]
    twice = Model(x, decoder(encoder(decoder(encoder(x)))))
    assert [node.label for node in twice.graph.nodes][3:] == ["sequential/dense#2", "sequential_1/dense#2"]
    assert twice.count_params() == model.count_params()


def test_positions_of_arguments_are_those_of_keras():
    x = Input((3,))
    model = Model(x, layers.Dense(1)(x))
    model.compile("sgd", "mse", None, ["mae"])
    assert list(model.metrics) == ["mae"]
    model.compile("sgd", "mse", 2.0, None, ["mae"])
    assert (model.objectives.scales, [one.weighted for one in model.objectives.measured]) == ([2.0], [True])
    assert ls.optimizers.RMSprop(0.1, 0.9, 0.5).momentum == 0.5
    with pytest.raises(TypeError):
        layers.MaxPooling2D(2, 2, "valid", None, True)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("sparse_categorical_crossentropy", "mse"),
        ("sparse_categorical_crossentropy", "binary_accuracy"),
        ("mse", "sparse_categorical_accuracy"),
    ],
)
def test_a_metric_that_does_not_fit_the_loss(loss, metric):
    x = Input((3,))
    model = Model(x, layers.Dense(4, "softmax")(x))
    with pytest.raises(ShapeError, match=rf"^the metric {metric} compares the output \(4,\) with targets of"):
        model.compile("sgd", loss, metrics=[metric])


def test_numbers_of_numpy_are_numbers():
    assert ls.optimizers.SGD(np.float32(0.5)).learning_rate == 0.5
    assert layers.Dropout(np.float32(0.5)).rate == 0.5
    assert Input((3,), dtype=np.float32).dtype == "float32"


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (lambda: Input(28), "InputLayer: shape must be a sequence of sizes, not 28"),
        (lambda: Input("abc"), "InputLayer: shape must be a sequence of sizes, not 'abc'"),
        (lambda: Input(batch_shape=()), "Input: batch_shape needs at least the batch"),
        (lambda: Input(("batch", 3)), "a size cannot be called 'batch': that is the number of examples"),
    ],
)
def test_wrong_inputs(cause, message):
    with pytest.raises(LayerscopeError) as caught:
        cause()
    assert str(caught.value) == message


def test_a_fixed_batch_is_not_traced_as_another():
    x = Input((4,), batch_size=8, name="x")
    model = Model(x, layers.Dense(2)(x))
    assert ls.trace(model, 8).totals["macs"] == 64
    with pytest.raises(ShapeError, match=r"^x: its batch size is fixed at 8, so it cannot be 3$"):
        ls.trace(model, 3)


def test_names_that_are_no_identifiers_survive_saving(tmp_path):
    x = Input((None, 3), name="my-input")
    Model(x, layers.Dense(2)(x)).save(tmp_path / "m.npz")
    assert ls.load_model(tmp_path / "m.npz").graph.nodes[0].name == "my-input"


def test_where_no_bound_holds_it_says_everything():
    image = Input((28, 28, 1))
    joined = layers.Add()([layers.MaxPooling2D(2)(image), layers.Cropping2D(((0, 14), (0, 14)))(image)])
    assert ls.trace(Model(image, joined)).layers[-1]["receptive_field"] == "everything"
    x = Input((8,))
    assert ls.trace(Model(x, layers.Concatenate()([x, x]))).layers[-1]["receptive_field"] == "everything"
    channels = layers.Concatenate()([image, layers.Conv2D(2, 3, padding="same")(image)])
    assert ls.trace(Model(image, channels)).layers[-1]["receptive_field"][0]["max"] == 3


def test_unknown_parameters_are_not_zero():
    x = Input((5,))
    out = layers.Opaque("Mystery", ({"shape": ["batch", 2]},))
    found = ls.trace(Model(x, layers.Dense(3)(out(x))))
    assert found.layers[1]["parameters"] is None
    assert found.totals["at_least"] is True
    assert re.search(r"^parameters +at least 9$", found.render(), re.MULTILINE)
    with pytest.raises(SizeError, match=r"^Opaque: a size of w must be at least 1, not -3$"):
        layers.Opaque("Mystery", ({"shape": ["batch", 2]},), {"w": [-3, 4]})


def test_long_chains_stay_fast():
    """Names are found by counting on, not by counting anew: work grows with the layers only."""
    assert len(ls.trace("8x8x1 | [ conv 1 3 same ] x1500").graph.nodes) == 1501


def test_text_in_lines_and_single_activations():
    assert [row["kind"] for row in ls.trace("28x28x1\nflatten\ndense 10").layers][1:] == ["Flatten", "Dense"]
    assert [row["kind"] for row in ls.trace("28X28X1; conv 2 3; relu").layers][1:] == ["Conv2D", "Activation"]
