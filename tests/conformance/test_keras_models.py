"""Models from Keras and to Keras: the same outputs, names, structure and training, or a reason why not.

Over 200 random architectures (random_models) the largest difference was 5e-7 in Keras on TensorFlow, which compiles
nothing here, and 2e-8 in what came back from it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import layerscope as ls
from contract.cases import inputs_for, title, weights_for
from contract.settings import seeded
from layerscope import layers
from layerscope.core.contract import Example, settings
from layerscope.sources._keras_layers import rules
from layerscope.sources._keras_layers import settings as keras_settings

from . import keras_oracle
from .keras_comparing import CLOSE, distance, fed, listed, unpooling

COUNT = 200


@pytest.fixture(scope="module", autouse=True)
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def kl(keras):
    return keras.layers


# --- random architectures, there and back ---


def test_random_architectures_there_and_back():
    """Ours to Keras, and that Keras model back: three times the same outputs."""
    script = Path(__file__).with_name("keras_round_trips.py")
    told = {
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    done = subprocess.run(
        [sys.executable, str(script), str(COUNT)], env=os.environ | told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == COUNT
    assert max(row["there"] for row in found) < 2e-6
    assert max(row["back"] for row in found) < 1e-6
    met = {kind for row in found for kind in row["kinds"]}
    assert met >= {kind for kind, cls in layers.kinds().items() if cls.executable}


# --- every layer with its settings, as Keras itself makes it ---

CASES = [case for kind in keras_oracle.spelled() for case in seeded(kind, 8) if keras_oracle.accepts(case)]


def test_every_setting_of_keras_is_seen(keras):
    """What Keras itself would save of a layer is what is read of it."""
    import layerscope.keras

    needed = {
        "Conv2D": (2, 3), "Conv2DTranspose": (2, 3), "Dense": (2,), "Activation": ("relu",), "Dropout": (0.5,),
        "Reshape": ((2,),), "Conv1D": (2, 3), "Conv3D": (2, 3), "Conv1DTranspose": (2, 3), "Conv3DTranspose": (2, 3),
        "DepthwiseConv1D": (2,), "DepthwiseConv2D": (2,), "SeparableConv1D": (2, 3), "SeparableConv2D": (2, 3),
        **{f"{name}Pooling{rank}D": (2,) for name in ("Max", "Average") for rank in (1, 2, 3)},
        "Permute": ((1,),), "RepeatVector": (2,), "Dot": (1,), "Rescaling": (0.5,), "GaussianNoise": (0.5,),
        "GaussianDropout": (0.5,), "AlphaDropout": (0.5,),
        **{f"SpatialDropout{rank}D": (0.5,) for rank in (1, 2, 3)},
    }  # fmt: skip
    for name in rules():
        cls = getattr(keras.layers, name, None) or getattr(layerscope.keras, name)
        layer = cls(*needed.get(name, ()))
        given = {"mean": "input_mean", "variance": "input_variance"} if name == "Normalization" else {}
        saved = {given.get(key, key) for key in layer.get_config()}
        assert saved - {"trainable", "dtype"} <= set(keras_settings(layer)), name


@pytest.mark.filterwarnings("ignore:.*softmax over axis -1:UserWarning")
@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_layer_that_keras_made(keras, case):
    if getattr(case.layer, "return_switches", False):
        return  # Keras has none: tests/conformance/test_keras_layers.py
    made = keras_layer(keras, case)
    given = [keras.Input(type.shape[1:]) for type in case.inputs]
    model = keras.Model(fed(given), made(fed(given)))
    made.set_weights(list(weights_for(case, "float32").values()))
    again = ls.from_keras(model)
    arrays = inputs_for(case, "float32")
    assert distance(listed(again(fed(arrays))), listed(model(fed(arrays), training=False))) < CLOSE
    (layer,) = [one for one in again.layers if one.kind != "InputLayer"]
    free = (
        "data_format",
        "activation",
        *(("groups",) if getattr(case.layer, "groups", 1) == -1 else ()),
    )  # one a channel
    assert settings(layer) == settings(case.layer) | {
        key: settings(layer)[key] for key in free if key in settings(layer)
    }


def keras_layer(keras, case: Example):
    kind = type(case.layer).__name__
    skipped = keras_oracle.NOT_KERAS.get(kind, ())
    told = {name: value for name, value in settings(case.layer).items() if name not in skipped}
    if kind in keras_oracle.OF_ONE_AXIS:
        told = keras_oracle.of_one_axis(told)
    return keras_oracle.made(getattr(keras.layers, kind), told)


REFUSED_BY_KERAS = [
    case
    for kind, count in {
        "Conv2D": 60, "Conv2DTranspose": 60, "Conv1D": 30, "Conv1DTranspose": 30, "Conv3D": 20, "Conv3DTranspose": 20,
        "DepthwiseConv2D": 30, "SeparableConv2D": 20, "DepthwiseConv1D": 20, "SeparableConv1D": 20,
    }.items()
    for case in seeded(kind, count)
    if not keras_oracle.accepts(case)
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_BY_KERAS, ids=title)
def test_what_keras_refuses_is_said_with_several_of_its_layers(case):
    """Strides with dilation, and groups in a transposed convolution."""
    given = ls.Input(case.inputs[0].shape[1:])
    model = ls.Model(given, case.layer(given))
    model.set_weights(list(weights_for(case, "float32").values()))
    (array,) = inputs_for(case, "float32")
    theirs = model.to_keras()
    assert distance(listed(model(array)), listed(theirs(array))) < CLOSE
    assert theirs.count_params() == model.count_params()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda kl: kl.Activation(kl.ReLU()), "relu"),
        (lambda kl: kl.Activation(kl.ReLU(max_value=6)), "relu6"),
        (lambda kl: kl.Activation(kl.ReLU(negative_slope=0.2)), "leaky_relu"),
        (lambda kl: kl.Activation(kl.LeakyReLU(negative_slope=0.2)), "leaky_relu"),
        (lambda kl: kl.Activation(kl.LeakyReLU(negative_slope=0.0)), "relu"),
        (lambda kl: kl.Activation(kl.ELU()), "elu"),
        (lambda kl: kl.Activation(kl.Softmax()), "softmax"),
        (lambda kl: kl.Activation(kl.Softmax(axis=2)), "softmax"),
        (lambda kl: kl.Activation("gelu"), "gelu"),
        (lambda kl: kl.Activation("swish"), "silu"),
        (lambda kl: kl.Activation("softplus"), "softplus"),
    ],
)
def test_activations_as_layers(keras, kl, make, name):
    given = keras.Input((4, 3))
    model = keras.Model(given, make(kl)(given))
    again = ls.from_keras(model)
    assert [getattr(layer, "activation", "") for layer in again.layers] == ["", name]
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    assert distance(listed(again(x)), listed(model(x))) < CLOSE


# --- structure ---


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's variables
def test_weights_are_copies_on_both_sides(keras, kl):
    """Training one side leaves the other as it was."""
    given = keras.Input((64,))
    theirs = keras.Model(given, kl.Dense(64)(given))
    ours = ls.from_keras(theirs)
    others = [theirs, *(ours.to_keras() for _ in range(8))]
    before = [listed(one.get_weights()) for one in others]
    for variable in ours.weights:
        variable.array[...] = 7  # in place, as training changes it
    for one, kept in zip(others, before, strict=True):
        assert all(map(np.array_equal, listed(one.get_weights()), kept))


def encoder(keras, kl):
    image = keras.Input((8, 6, 2), name="picture")
    x = kl.Conv2D(4, 3, padding="same", activation="relu", name="conv")(image)
    return keras.Model(image, kl.MaxPooling2D(2, name="pool")(x), name="encoder")


def test_nested_models_fold_and_share(keras, kl):
    """Called twice, a nested model's weights are one; Sequential inside functional; ops between."""
    part, head = encoder(keras, kl), keras.Sequential([kl.Flatten(), kl.Dense(3, name="out")], name="head")
    one, two = keras.Input((8, 6, 2), name="one"), keras.Input((8, 6, 2), name="two")
    mixed = keras.ops.relu(part(one) + part(two))
    model = keras.Model([one, two], [head(mixed), keras.ops.concatenate([mixed, mixed], axis=-1)], name="twins")
    again = ls.from_keras(model)
    labels = [node.label for node in again.graph.nodes]
    assert labels[:2] == ["one", "two"]
    assert {"encoder/conv", "encoder/conv#2", "encoder/pool", "head/flatten", "head/out"} <= set(labels) | {
        "head/flatten"
    }
    assert again.name == "twins"
    assert again.count_params() == model.count_params()
    assert len(again.weights) == 4
    arrays = [np.random.default_rng(n).normal(size=(3, 8, 6, 2)).astype("float32") for n in range(2)]
    assert distance(listed(again(arrays)), listed(model(arrays))) < CLOSE
    assert distance(listed(again.to_keras()(arrays)), listed(model(arrays))) < CLOSE


def test_sequential_with_and_without_input(keras, kl):
    started = keras.Sequential([keras.Input((5,), batch_size=4, name="five"), kl.Dense(3, name="a"), kl.Dropout(0.5)])
    late = keras.Sequential([kl.Dense(3, name="a"), kl.ReLU(name="b")])
    late.build((None, 5))
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    for model in (started, late):
        again = ls.from_keras(model)
        assert distance(listed(again(x)), listed(model(x, training=False))) < CLOSE
    assert ls.from_keras(started).input_shape == (4, 5)
    assert isinstance(ls.from_keras(started).predict(x), np.ndarray)
    late.compile("adam", "mse")
    assert ls.from_keras(late).evaluate(x, x[:, :3]) == pytest.approx(late.evaluate(x, x[:, :3], verbose=0), rel=1e-5)


def test_open_sizes_and_several_outputs_by_name(keras, kl):
    image = keras.Input((None, None, 1))
    x = kl.Conv2D(2, 3, strides=2, padding="same", name="conv")(image)
    model = keras.Model(image, {"mean": kl.GlobalAveragePooling2D(name="mean")(x), "image": x})
    again = ls.from_keras(model)
    assert again.input_shape == (None, None, None, 1)
    array = np.random.default_rng(0).normal(size=(2, 7, 9, 1)).astype("float32")
    theirs = model(array)
    assert distance(listed(again(array)), [np.asarray(theirs["image"]), np.asarray(theirs["mean"])]) < CLOSE
    assert distance(listed(again.to_keras()(array)), listed(again(array))) < CLOSE


def test_training_is_said_by_fit_and_predict(keras, kl):
    """As in Keras, where fit and predict override what a layer or a nested model was called with."""
    part = keras.Sequential([keras.Input((600,)), kl.Dropout(0.5, name="drop")], name="part")
    given = keras.Input((600,))
    x = np.ones((1, 600), "float32")
    for told in ({}, {"training": False}, {"training": True}):
        model = keras.Model(given, kl.Dropout(0.5, name="other")(part(given, **told), **told))
        ours = ls.from_keras(model)
        assert [layer.kind for layer in ours.layers] == ["InputLayer", "Dropout", "Dropout"]
        for mode in (True, False):
            zeros = [(np.asarray(one(x, training=mode)) == 0).mean() for one in (model, ours)]
            assert all(0.6 < share < 0.9 if mode else share == 0 for share in zeros)


def test_frozen_weights_stay_frozen(keras, kl, tmp_path):
    given = keras.Input((4,))
    fixed = kl.Dense(4, name="fixed", trainable=False)
    model = keras.Model(given, kl.Dense(1, name="free")(fixed(given)))
    model.compile("sgd", "mse")
    ours = ls.from_keras(model)
    assert [v.trainable for v in ours.weights] == [False, False, True, True]
    ours.save(tmp_path / "model.npz")
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    wrapped = ls.Sequential([ls.Input((4,)), ours])
    wrapped.compile("sgd", "mse")
    for one in (ours, ls.load_model(tmp_path / "model.npz"), wrapped):
        before = one.get_weights()
        one.fit(x, x[:, :1], epochs=1, verbose=0)
        assert [np.array_equal(a, b) for a, b in zip(before, one.get_weights(), strict=True)] == [
            True,
            True,
            False,
            False,
        ]
    assert [layer.trainable for layer in ours.to_keras().layers] == [True, False, True]


def test_names_that_keras_does_not_take():
    image = ls.Input((8, 8, 1), name="그림 (image)")
    inner = ls.Model(image, layers.Conv2D(2, 3, name="conv")(image), name="part")
    x = layers.Conv2D(2, 3, name="part_conv")(inner(image))
    model = ls.Model(image, layers.Flatten(name="_end")(x), name="my/net")
    theirs = model.to_keras()
    assert theirs.name == "my_net"
    assert [layer.name for layer in theirs.layers] == ["layer____image_", "part_conv", "part_conv_1", "layer_end"]


def test_tracing_a_keras_model(keras, kl):
    found = ls.trace(encoder(keras, kl))
    assert [(row["name"], row["kind"]) for row in found.layers] == [
        ("picture", "InputLayer"), ("conv", "Conv2D"), ("pool", "MaxPooling2D"),
    ]  # fmt: skip
    assert found.totals["parameters"] == 76


def test_tracing_a_function_that_returns_one(tmp_path, monkeypatch):
    (tmp_path / "nets_of_keras.py").write_text(
        "import keras\ndef make():\n    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])\n"
        "made = make()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("make", "made"):
        assert ls.trace(f"nets_of_keras:{name}").totals["parameters"] == 10


# --- switches ---


@pytest.mark.parametrize(
    ("size", "told"), [((7, 5), None), ((7, 5), (7, 5)), ((None, 5), None), ((None, None), None)]
)
def test_unpooling_finds_its_plane(size, told):
    model = unpooling(size, told)
    theirs = model.to_keras()
    again = ls.from_keras(theirs)
    array = np.random.default_rng(0).normal(size=(2, 7, 5, 1)).astype("float32")
    assert distance(listed(theirs(array)), listed(model(array))) < CLOSE
    assert distance(listed(again(array)), listed(model(array))) < CLOSE
