"""Compiled models from Keras and to Keras train alike; files; and what is compiled in ways that are not here."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope.models import foreign
from layerscope.targets import _keras_objectives as objectives

from . import keras_oracle, objective_cases
from .keras_comparing import CLOSE, distance, listed, same_weights, unpooling


@pytest.fixture(scope="module", autouse=True)
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def kl(keras):
    return keras.layers


IMAGES = np.random.default_rng(5).random((48, 6, 6, 1)).astype("float32")
OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.3, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.003, "rho": 0.8, "momentum": 0.1, "epsilon": 1e-6}),
    "adam": ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}),
    "adadelta": ("Adadelta", {"learning_rate": 0.7, "rho": 0.9, "epsilon": 1e-6}),
    "adamw": (
        "AdamW",
        {"learning_rate": 0.01, "weight_decay": 0.1, "clipnorm": 0.5, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
    ),
    "adagrad": ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.2, "epsilon": 1e-6}),
    "adamax": ("Adamax", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}),
    "nadam": ("Nadam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}),
    "lion": ("Lion", {"learning_rate": 0.001, "global_clipnorm": 0.2, "beta_1": 0.8, "beta_2": 0.99}),
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


def own_schedule(keras):
    """A schedule of a class that is not Keras's."""

    class Own(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

        def get_config(self):
            return {}

    return Own()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of JAX, about itself
def test_a_schedule_goes_both_ways(keras, kl):
    theirs = small_autoencoder(keras, kl)
    theirs.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.25)), "mse")
    ours = ls.from_keras(theirs)
    assert ours.optimizer.learning_rate == ls.optimizers.schedules.ExponentialDecay(0.5, 2.0, 0.25)
    back = ours.to_keras()
    asked = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    expected = theirs.fit(IMAGES, IMAGES, **asked).history["loss"]
    for model in (ours, back):
        np.testing.assert_allclose(model.fit(IMAGES, IMAGES, **asked).history["loss"], expected, rtol=2e-5)


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


def test_every_loss_and_metric_goes_both_ways(keras):
    """In all settings in which tests/conformance/test_objectives.py compares their values."""
    for cases, home, there, back in (
        (objective_cases.losses(), ls.losses, objectives.loss, foreign._loss),
        (objective_cases.metrics(), ls.metrics, lambda k, one: objectives.metric(k, "it", one), foreign._metric),
    ):
        for case in cases:
            if case.kind not in ("SSIM", "PSNR"):
                made = getattr(home, case.kind)(**case.settings, name="it")
                assert back(there(keras, made)) == made


def test_a_loss_as_a_metric_goes_to_keras(keras, kl):
    given = ls.Input((3,))
    model = ls.Model(given, ls.layers.Dense(4)(given))
    model.compile("sgd", "mse", metrics=[ls.losses.Huber(0.25), "log_cosh"])
    x, y = np.random.default_rng(0).normal(size=(2, 11, 3)).astype("float32"), np.zeros((11, 4), "float32")
    expected = model.to_keras().evaluate(x[0], y, verbose=0, batch_size=4, return_dict=True)
    assert model.evaluate(x[0], y, batch_size=4, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_what_keras_lacks_leaves_its_model_uncompiled(keras, kl):
    model = ls.Sequential([ls.Input((12, 12, 1)), ls.layers.Conv2D(1, 3, padding="same")])
    model.compile("sgd", ls.losses.SSIM(), metrics=["psnr"])
    with pytest.warns(UserWarning, match="Keras has no ssim and no psnr, so its model is not compiled"):
        made = model.to_keras()
    assert not made.compiled


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
    assert list(ours.metrics) == ["class_accuracy", "class_sparse_categorical_accuracy"]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 6)).astype("float32"), [rng.integers(0, 3, 20), rng.normal(size=20)]
    found = ours.evaluate(x, y, return_dict=True)
    theirs = ours.to_keras().evaluate(x, y, verbose=0, return_dict=True)
    assert found == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"optimizer": "ftrl"}, "optimizer: there is no Ftrl here"),
        ({"loss": lambda keras: keras.losses.CTC()}, "loss: there is no CTC here"),
        (
            {"metrics": lambda keras: [keras.metrics.MeanMetricWrapper(abs)]},
            "metrics: there is no MeanMetricWrapper here",
        ),
        (
            {"optimizer": lambda keras: keras.optimizers.SGD(gradient_accumulation_steps=2)},
            "optimizer: SGD has gradient_accumulation_steps=2, and here there is no such setting",
        ),
        (
            {"optimizer": lambda keras: keras.optimizers.Adam(use_ema=True)},
            "optimizer: Adam has use_ema=True, and here there is no such setting",
        ),
        (
            {
                "optimizer": lambda keras: keras.optimizers.Adam(amsgrad=True),
                "loss": lambda keras: keras.losses.CTC(),
            },
            "optimizer: Adam has amsgrad=True, and here there is no such setting\n  loss: there is no CTC here",
        ),
        (
            {"optimizer": lambda keras: keras.optimizers.RMSprop(centered=True)},
            "optimizer: RMSprop has centered=True, and here there is no such setting",
        ),
        (
            {"optimizer": lambda keras: keras.optimizers.SGD(own_schedule(keras))},
            "optimizer: its learning rate is the schedule Own, which there is not here",
        ),
        (
            {"loss": lambda keras: keras.losses.MeanSquaredError(reduction=None)},
            "loss: mean_squared_error: reduction must be one of sum_over_batch_size, mean, sum, not None: training needs "
            "one number",
        ),
        (
            {"loss": lambda keras: lambda truth, guess: keras.ops.mean(guess)},
            "loss: <lambda> is not one of Keras's own, whose names say what they do",
        ),
    ],
)
def test_compiled_in_a_way_that_is_not_here(keras, kl, told, why):
    """Then it comes uncompiled, and a warning says why."""
    theirs = small_autoencoder(keras, kl)
    asked = {"optimizer": "sgd", "loss": "mse"} | {k: v(keras) if callable(v) else v for k, v in told.items()}
    theirs.compile(**asked)
    with pytest.warns(UserWarning, match="not how it is compiled") as caught:
        ours = ls.from_keras(theirs)
    assert [(str(warning.message), warning.filename) for warning in caught] == [
        (
            f"{theirs.name}: layers and weights are taken over, but not how it is compiled; call compile before fit.\n"
            f"  {why}",
            __file__,
        )
    ]
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


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's variables
def test_write_and_load(keras, tmp_path):
    from layerscope.targets import keras as target

    model = unpooling((7, 5))
    model.compile("adam", "mse", metrics=["mae"])
    target.write(model, tmp_path / "new" / "model.keras")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.keras"]
    loaded = keras.models.load_model(tmp_path / "new" / "model.keras")  # without a warning about the optimizer
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
