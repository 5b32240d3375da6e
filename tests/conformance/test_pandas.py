"""`Trace.to_pandas` against the JSON, and a Keras model's table by what Keras says of it."""

import io
import math

import keras
import pandas
import pytest
from tests.table.networks import ALL, stack, twins

import layerscope as ls

FOLDED = [
    "conv2_block3: the same 10 layers",
    "conv3_block3 … conv3_block4: 2 times the same 10 layers",
    "conv4_block3 … conv4_block6: 4 times the same 10 layers",
    "conv5_block3: the same 10 layers",
]


@pytest.mark.parametrize("name", ALL)
def test_frame_and_json_agree(name):
    trace = ALL[name]()
    frame, found = trace.to_pandas(), trace.to_json()
    assert list(frame["name"]) == [layer["name"] for layer in found["layers"]]
    for key in ("parameters", "macs", "ratio"):
        assert [None if pandas.isna(value) else value for value in frame[key]] == [
            row[key] for row in found["layers"]
        ]
    assert frame.attrs["totals"] == found["totals"]


def test_numbers_are_numbers():
    frame = twins().to_pandas()
    assert frame["parameters"].sum() - frame["shared"].sum() == 586
    assert frame["macs"].sum() == 6336
    assert str(frame["macs"].dtype) == "Int64"
    assert str(frame["macs_percent"].dtype) == "Float64"
    assert frame["output"][2] == ("batch", 6, 32)
    assert frame["receptive_field"][8] == {"left": (1,), "right": (1,)}
    assert frame.sort_values("live_bytes").iloc[-1]["live_bytes"] == 1344


def test_unknown_is_missing():
    frame = ALL["unknown"]().to_pandas().set_index("name")
    assert pandas.isna(frame.loc["mystery", "macs"])
    assert pandas.isna(frame.loc["mystery", "parameters"])
    assert frame["macs"].sum() == 96


def test_wishes():
    frame = stack().to_pandas(columns="macs,layers", depth=1, sort="macs", top=2)
    assert frame.to_dict("list") == {"name": ["block_0", "block_1"], "macs": [3072, 3072], "layers": [3, 3]}


@pytest.mark.parametrize("name", ALL)
def test_csv_is_read_by_pandas(name):
    trace = ALL[name]()
    columns = "parameters,trainable,shared,layers"
    read = pandas.read_csv(io.StringIO(trace.render("csv", columns=columns)), keep_default_na=True)
    frame = trace.to_pandas(columns=columns)
    assert [None if pandas.isna(value) else int(value) for value in read["parameters"]] == [
        None if pandas.isna(value) else int(value) for value in frame["parameters"]
    ]
    assert list(read["name"]) == list(frame["name"])
    assert list(read["layers"]) == [1] * len(trace)


def test_nested_keras_models_fold_as_keras_counts_them():
    tower = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(5)],
        name="tower",
    )
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    joined = keras.layers.Concatenate(name="joined")([tower(left), tower(right)])
    model = keras.Model([left, right], keras.layers.Dense(2, name="head")(joined))
    frame = ls.trace(model).to_pandas(depth=1).set_index("name")
    assert sorted(frame.index) == ["head", "joined", "left", "right", "tower", "tower#2"]
    assert frame.loc["tower", "parameters"] == frame.loc["tower#2", "parameters"] == tower.count_params()
    assert frame["parameters"].sum() - frame["shared"].sum() == model.count_params()
    assert frame.loc["tower", "output"] == ("batch", 5)


def test_a_resnet_folds_and_adds_up():
    model = keras.applications.ResNet50(weights=None)
    trace = ls.trace(model)
    frame = trace.to_pandas()
    assert frame["parameters"].sum() == model.count_params()
    assert frame["trainable"].sum() == sum(math.prod(weight.shape) for weight in model.trainable_weights)
    page = trace.render(width=100).splitlines()
    assert max(map(len, page)) <= 100
    told = [line.split("  ")[0] for line in page if "the same" in line]
    assert told == FOLDED
