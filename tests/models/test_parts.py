"""Parts of a model: the same numbers, weights and engine as in the whole."""

import numpy as np
import pytest

from layerscope import Input, Model
from layerscope.core.errors import GraphError
from layerscope.layers import Add, Dense, Flatten, MaxPooling2D
from layerscope.models.parts import outputs_at

from .helpers import equal, image_model, numbers, refuses


def test_a_part_computes_what_the_layers_compute():
    model = image_model()
    x = numbers(5, 8, 8, 1)
    places = [(model.graph.index(name), 0) for name in ("conv", "pool", "flatten", "classes")]
    conv, pooled, flat, classes = outputs_at(model, places).predict(x)
    assert equal([flat], [pooled.reshape(5, -1)])
    np.testing.assert_array_equal(pooled, conv.reshape(5, 4, 2, 4, 2, 3).max(axis=(2, 4)))
    kernel, bias = model.get_layer("conv").get_weights()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype("float64")
    each = [padded[:, i : i + 8, j : j + 8] @ kernel[i, j].astype("float64") for i in range(3) for j in range(3)]
    np.testing.assert_allclose(conv, np.maximum(sum(each) + bias, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(classes, model.predict(x), rtol=1e-5)


def test_weights_are_shared():
    model = image_model()
    part = outputs_at(model, [(model.graph.index("conv"), 0)])
    assert [variable.role for variable in part.weights] == ["kernel", "bias"]
    before = part.predict(numbers(2, 8, 8, 1))
    model.set_weights([array * 0 for array in model.get_weights()])
    assert before.any()
    assert not part.predict(numbers(2, 8, 8, 1)).any()


def test_engine_and_precision_are_the_models():
    model = image_model(engine="reference", precision="float64")
    part = outputs_at(model, [(1, 0)])
    assert part.predict(numbers(2, 8, 8, 1)).dtype == "float64"
    assert part.engine_report().engine == model.engine_report().engine == "reference"


def test_inputs_that_do_not_matter_are_left_out():
    left, right = Input((3,), name="left"), Input((2,), name="right")
    halves = Dense(4, name="a")(left), Dense(4, name="b")(right)
    model = Model([left, right], Add(name="sum")(halves))
    part = outputs_at(model, [(model.graph.index("b"), 0)])
    assert [part.graph.nodes[number].label for number in part.graph.inputs] == ["right"]
    given = numbers(3, 2)
    kernel, bias = model.get_layer("b").get_weights()
    np.testing.assert_allclose(part.predict(given), given @ kernel + bias, rtol=1e-6)


def test_switches_are_an_output_too():
    image = Input((4, 4, 1))
    pooled, switches = MaxPooling2D(2, return_switches=True, name="pool")(image)
    model = Model(image, Flatten()(pooled))
    del switches
    found = outputs_at(model, [(model.graph.index("pool"), 1)]).predict(numbers(2, 4, 4, 1))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(
        np.take_along_axis(numbers(2, 4, 4, 1).reshape(2, 16), found.reshape(2, 4), 1),
        numbers(2, 4, 4, 1).reshape(2, 2, 2, 2, 2).max(axis=(2, 4)).reshape(2, 4),
    )


@pytest.mark.parametrize("place", [(0, 0), (9, 0), (-1, 0), (1, 1)])
def test_what_is_no_tensor_of_a_layer(place):
    with refuses(GraphError, f"({place[0]}, {place[1]}) is no tensor that a layer of 'classifier' puts out"):
        outputs_at(image_model(), [place])


def test_nothing():
    with refuses(GraphError, "no tensor was named"):
        outputs_at(image_model(), [])
