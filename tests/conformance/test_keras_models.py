"""Models from Keras and to Keras: the same outputs, names, structure and training, or a reason why not.

Over 200 random architectures (random_models), with weights of about the size that training leaves.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import layerscope as ls
from contract.cases import inputs_for, title, weights_for
from contract.settings import seeded
from layerscope import layers
from layerscope.core.contract import Example, settings
from layerscope.core.types import TensorType

from . import keras_oracle, random_models

COUNT = 200
CLOSE = 1e-5


@pytest.fixture(scope="module", autouse=True)
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def kl(keras):
    return keras.layers


def listed(outputs):
    return [np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def fed(arrays):
    return arrays if len(arrays) > 1 else arrays[0]


def distance(ours, theirs) -> float:
    """The largest difference, for numbers above 1 as a share of them."""
    assert [a.shape for a in ours] == [a.shape for a in theirs]
    return max(float((np.abs(a - b) / np.maximum(1, np.abs(b))).max()) for a, b in zip(ours, theirs, strict=True))


def same_weights(one: ls.Model, other: ls.Model) -> bool:
    mine, yours = one.get_weights(), other.get_weights()
    return [w.shape for w in mine] == [w.shape for w in yours] and all(map(np.array_equal, mine, yours))


# --- random architectures, there and back ---


def test_random_architectures_there_and_back():
    """Ours to Keras, and that Keras model back: three times the same outputs."""
    there, back = [], []
    for seed in range(COUNT):
        model = random_models.random_model(seed)
        arrays = random_models.random_inputs(model, seed, 3)
        ours = listed(model(fed(arrays)))
        theirs = model.to_keras()
        assert theirs.output_shape == fed([tuple(t) for t in map(open_shape, model.output_types)])
        there.append(distance(ours, listed(theirs(fed(arrays), training=False))))
        again = ls.from_keras(theirs)
        assert again.count_params() == model.count_params()
        back.append(distance(ours, listed(again(fed(arrays)))))
    print(f"largest difference of {COUNT} models: Keras {max(there):.1e}, and back {max(back):.1e}")
    assert max(there) < CLOSE
    assert max(back) < CLOSE


def open_shape(type: TensorType):
    return tuple(size if isinstance(size, int) else None for size in type.shape)


# --- every layer with its settings, as Keras itself makes it ---

CASES = [case for kind in keras_oracle.spelled() for case in seeded(kind, 8) if keras_oracle.accepts(case)]


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
    assert settings(layer) == settings(case.layer) | {
        key: settings(layer)[key] for key in ("data_format", "activation") if key in settings(layer)
    }


def keras_layer(keras, case: Example):
    kind = type(case.layer).__name__
    skipped = keras_oracle.NOT_KERAS.get(kind, ())
    told = {name: value for name, value in settings(case.layer).items() if name not in skipped}
    return getattr(keras.layers, kind)(**told)


REFUSED_BY_KERAS = [
    case for kind in ("Conv2D", "Conv2DTranspose") for case in seeded(kind, 60) if not keras_oracle.accepts(case)
]


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
        (lambda kl: kl.ReLU(), "relu"),
        (lambda kl: kl.ReLU(negative_slope=0.2), "leaky_relu"),
        (lambda kl: kl.LeakyReLU(negative_slope=0.2), "leaky_relu"),
        (lambda kl: kl.LeakyReLU(negative_slope=0.0), "relu"),
        (lambda kl: kl.ELU(), "elu"),
        (lambda kl: kl.Softmax(), "softmax"),
        (lambda kl: kl.Softmax(axis=2), "softmax"),
        (lambda kl: kl.Identity(), "linear"),
        (lambda kl: kl.Activation("gelu"), "gelu"),
        (lambda kl: kl.Activation(kl.ReLU()), "relu"),
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


def test_training_false_silences_dropout(keras, kl):
    part = keras.Sequential([keras.Input((6,)), kl.Dense(4, name="d"), kl.Dropout(0.5, name="drop")], name="part")
    given = keras.Input((6,))
    model = keras.Model(given, part(given, training=False))
    assert [layer.kind for layer in ls.from_keras(model).layers] == ["InputLayer", "Dense", "Activation"]
    loud = keras.Model(given, part(given))
    assert [layer.kind for layer in ls.from_keras(loud).layers] == ["InputLayer", "Dense", "Dropout"]


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


# --- switches ---


def unpooling(size, told=None):
    image = ls.Input((*size, 1))
    x, switches = layers.MaxPooling2D(2, padding="same", return_switches=True)(image)
    x = layers.Conv2D(1, 3, padding="same", bias_initializer="ones")(x)
    return ls.Model(image, layers.MaxUnpooling2D(2, padding="same", output_size=told)([x, switches]))


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


# --- compiled and trained ---

IMAGES = np.random.default_rng(5).random((48, 6, 6, 1)).astype("float32")
OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.3, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.003, "rho": 0.8, "momentum": 0.1, "epsilon": 1e-6}),
    "adam": ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}),
    "adadelta": ("Adadelta", {"learning_rate": 0.7, "rho": 0.9, "epsilon": 1e-6}),
}


def small_autoencoder(keras, kl, activation="sigmoid"):
    image = keras.Input((6, 6, 1))
    x = kl.MaxPooling2D(2)(kl.Conv2D(3, 3, padding="same", activation="tanh")(image))
    return keras.Model(image, kl.Conv2DTranspose(1, 3, strides=2, padding="same", activation=activation)(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of JAX, about itself
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_one_line(keras, kl, name):
    """ls.from_keras(model).fit(...) trains as model.fit(...) does, and so does what comes back."""
    kind, told = OPTIMIZERS[name]
    theirs = small_autoencoder(keras, kl)
    theirs.compile(getattr(keras.optimizers, kind)(**told), "binary_crossentropy", metrics=["mae"])
    ours = ls.from_keras(theirs)
    assert ours.optimizer.to_json() == {"optimizer": kind, "settings": told}
    back = ours.to_keras()
    for key, value in told.items():
        assert back.optimizer.get_config()[key] == pytest.approx(value, rel=1e-7)
    asked = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    expected = theirs.fit(IMAGES, IMAGES, **asked).history
    for history in (ours.fit(IMAGES, IMAGES, **asked).history, back.fit(IMAGES, IMAGES, **asked).history):
        assert list(history) == ["loss", "mae"] or set(history) == {"loss", "mae"}
        for key in expected:
            np.testing.assert_allclose(history[key], expected[key], rtol=2e-5)
    x = IMAGES[:4]
    assert distance(listed(ours.to_keras()(x)), listed(theirs(x))) < 1e-4


@pytest.mark.parametrize(
    ("loss", "activation", "name", "logits"),
    [
        ("mse", "sigmoid", "mean_squared_error", None),
        ("mean_absolute_error", "sigmoid", "mean_absolute_error", None),
        (lambda keras: keras.losses.BinaryCrossentropy(from_logits=True), None, "binary_crossentropy", True),
        (lambda keras: keras.losses.mean_squared_error, "sigmoid", "mean_squared_error", None),
        (lambda keras: [keras.losses.MeanAbsoluteError()], "sigmoid", "mean_absolute_error", None),
    ],
)
def test_losses_both_ways(keras, kl, loss, activation, name, logits):
    theirs = small_autoencoder(keras, kl, activation)
    theirs.compile("adam", loss(keras) if callable(loss) else loss)
    ours = ls.from_keras(theirs)
    assert [one.name for one in ours.losses] == [name]
    assert getattr(ours.losses[0], "from_logits", None) == (logits or (False if "cross" in name else None))
    back = ours.to_keras()
    assert ours.evaluate(IMAGES, IMAGES) == pytest.approx(theirs.evaluate(IMAGES, IMAGES, verbose=0), rel=1e-5)
    assert ours.evaluate(IMAGES, IMAGES) == pytest.approx(back.evaluate(IMAGES, IMAGES, verbose=0), rel=1e-5)


def test_classifier_with_metrics_and_two_outputs(keras, kl):
    given = keras.Input((6,))
    x = kl.Dense(5, activation="tanh")(given)
    model = keras.Model(given, [kl.Dense(3, "softmax", name="class")(x), kl.Dense(1, name="size")(x)])
    model.compile(
        "sgd",
        {"class": keras.losses.SparseCategoricalCrossentropy(), "size": "mse"},
        metrics={"class": ["accuracy", keras.metrics.SparseCategoricalAccuracy()]},
    )
    ours = ls.from_keras(model)
    assert [loss.name for loss in ours.losses] == ["sparse_categorical_crossentropy", "mean_squared_error"]
    assert list(ours.metrics) == ["accuracy", "sparse_categorical_accuracy"]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 6)).astype("float32"), [rng.integers(0, 3, 20), rng.normal(size=20)]
    found = ours.evaluate(x, y, return_dict=True)
    theirs = ours.to_keras().evaluate(x, y, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(theirs["class_accuracy"], rel=1e-5)


@pytest.mark.parametrize(
    "told",
    [
        {"optimizer": "nadam"},
        {"loss": "huber"},
        {"metrics": ["cosine_similarity"]},
        {"loss_weights": [0.5]},
        {"optimizer": lambda keras: keras.optimizers.SGD(weight_decay=0.1)},
        {"optimizer": lambda keras: keras.optimizers.Adam(clipnorm=1.0)},
        {"optimizer": lambda keras: keras.optimizers.Adam(amsgrad=True)},
        {"optimizer": lambda keras: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))},
        {"loss": lambda keras: keras.losses.BinaryCrossentropy(label_smoothing=0.1)},
        {"loss": lambda keras: lambda truth, guess: keras.ops.mean(guess)},
    ],
)
def test_compiled_in_a_way_that_is_not_here(keras, kl, told):
    """Then it comes uncompiled, and says so when it is to be trained."""
    theirs = small_autoencoder(keras, kl)
    asked = {"optimizer": "sgd", "loss": "mse"} | {k: v(keras) if callable(v) else v for k, v in told.items()}
    theirs.compile(**asked)
    ours = ls.from_keras(theirs)
    with pytest.raises(ls.LayerscopeError, match="compile the model first"):
        ours.fit(IMAGES, IMAGES)


def test_initializers_survive(keras, kl):
    given = keras.Input((3,))
    told = {"kernel_initializer": keras.initializers.HeNormal(), "bias_initializer": keras.initializers.Constant(0.5)}
    model = keras.Model(given, kl.Dense(2, **told)(given))
    ours = ls.from_keras(model)
    dense = ours.layers[1]
    assert dense.kernel_initializer == "he_normal"
    assert dense.bias_initializer == {"initializer": "Constant", "settings": {"value": 0.5}}
    back = ours.to_keras().layers[1]
    assert isinstance(back.kernel_initializer, keras.initializers.HeNormal)
    assert back.bias_initializer.value == 0.5


# --- files ---


def test_write_and_load(keras, tmp_path):
    from layerscope.targets import keras as target

    model = unpooling((7, 5))
    model.compile("adam", "mse", metrics=["mae"])
    target.write(model, tmp_path / "new" / "model.keras")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.keras"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.models.load_model(tmp_path / "new" / "model.keras")
    array = np.random.default_rng(0).normal(size=(2, 7, 5, 1)).astype("float32")
    assert distance(listed(loaded(array)), listed(model(array))) < CLOSE
    again = ls.from_keras(loaded)
    assert same_weights(again, model)
    assert again.optimizer.to_json() == model.optimizer.to_json()
    assert [type(metric) for _, metric in again.metrics.values()] == [
        type(metric) for _, metric in model.metrics.values()
    ]


def test_write_says_where_it_cannot(tmp_path):
    from layerscope.targets import keras as target

    model = unpooling((7, 5))
    with pytest.raises(ls.LayerscopeError) as caught:
        target.write(model, tmp_path / "model.h5")
    assert str(caught.value) == f"cannot write {tmp_path}/model.h5: the name of a Keras file ends in .keras"
    (tmp_path / "file").write_text("")
    with pytest.raises(ls.LayerscopeError) as caught:
        target.write(model, tmp_path / "file" / "model.keras")
    assert str(caught.value) == (
        f"cannot write {tmp_path}/file/model.keras: a part of this path is a file, not a folder"
    )
