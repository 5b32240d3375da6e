"""What `check` says of Keras's own models is so: shown by running them, and by Keras's own numbers."""

import json

import keras
import numpy as np
import pytest

from layerscope.checking import check
from layerscope.core.errors import LayerscopeError
from layerscope.sources._keras import files
from layerscope.targets.keras import to_keras


def checked(model):
    """What is said of a model's JSON."""
    return check(files.load(json.loads(model.to_json())))


def test_resnet_reads_a_quarter_of_what_its_second_stage_gives():
    """Every other row and column of conv2_block3_out is read by 1×1 convolutions with a stride of 2."""
    model = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3))
    (warning,) = [one for one in checked(model).warnings if one.layer == "conv2_block3_out"]
    assert warning.message.startswith("8 of 16 rows and 8 of 16 columns of its output are read by nothing")
    # all that reads it: both branches of the next block
    rest = keras.Model(model.get_layer("conv2_block3_out").output, model.get_layer("conv3_block1_out").output)
    x = np.random.default_rng(0).random((1, 16, 16, 256)).astype("float32")
    poked = x.copy()
    poked[:, 1::2] += 10.0
    poked[:, :, 1::2] += 10.0
    assert np.array_equal(rest.predict(x, verbose=0), rest.predict(poked, verbose=0))
    poked[:, ::2, ::2] += 10.0
    assert not np.array_equal(rest.predict(x, verbose=0), rest.predict(poked, verbose=0))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_model_says_how_it_is_trained(tmp_path):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.Adadelta(), keras.losses.BinaryCrossentropy())
    expected = [("LS106", None), ("LS108", model.layers[-1].name)]
    assert [(one.id, one.layer) for one in check(model).warnings] == expected
    model.save(tmp_path / "model.keras")
    assert [(one.id, one.layer) for one in check(tmp_path / "model.keras").warnings] == expected


def broken_json(units):
    """A generator as Keras writes it, with so many units that its Reshape does not fit, and without what was built."""
    layers = keras.layers
    model = keras.Sequential([layers.Input((8,)), layers.Dense(196), layers.Reshape((7, 7, 4)), layers.Conv2D(2, 3)])
    data = json.loads(model.to_json())
    data["config"]["build_input_shape"] = None
    for row in data["config"]["layers"]:
        row.pop("build_config", None)
    (dense,) = [row for row in data["config"]["layers"] if row["class_name"] == "Dense"]
    dense["config"]["units"] = units
    return data


def test_a_broken_configuration_is_mended_and_runs_in_keras():
    with pytest.raises(LayerscopeError) as caught:
        files.load(broken_json(392))
    assert "units=196 instead of 392 → (5, 5, 2)" in caught.value.__notes__[0]
    graph = caught.value.sketch()
    for fix in check(graph).advice.fixes:
        from layerscope.models import Model

        twin = to_keras(Model.from_graph(fix.graph))
        made = twin.predict(np.zeros((2, 8), np.float32), verbose=0)
        assert made.shape[1:] == fix.outputs[0].shape[1:]
