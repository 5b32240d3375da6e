"""Weights of examples and classes, losses of several outputs, regularizers: by hand, and on both engines."""

import numpy as np
import pytest

from layerscope import Input, Model, constraints, load_model, regularizers, utils
from layerscope.core.errors import DataError, SettingError, ShapeError, UnknownNameError
from layerscope.layers import ActivityRegularization, BatchNormalization, Conv2D, Dense, Flatten

from .helpers import dense_model, equal, numbers, refuses

X, Y = numbers(20, 3), numbers(20, 2, seed=1)
WEIGHTS = numbers(20, seed=2, dtype="float64")
LABELS = np.arange(20) % 3


def test_the_loss_is_the_mean_of_loss_times_weight():
    model = dense_model(metrics=["mae"], weighted_metrics=["mae", "mse"], precision="float64")
    error = model.predict(X.astype("float64")) - Y
    square, size = (error**2).mean(axis=1), np.abs(error).mean(axis=1)
    wanted = {
        "loss": (square * WEIGHTS).mean(),
        "mae": size.mean(),
        "weighted_mae": (size * WEIGHTS).sum() / WEIGHTS.sum(),
        "mse": (square * WEIGHTS).sum() / WEIGHTS.sum(),
    }
    for weights in (WEIGHTS, WEIGHTS[:, None], WEIGHTS.tolist()):
        found = model.evaluate(X, Y, batch_size=6, sample_weight=weights, return_dict=True)
        assert list(found) == list(wanted)
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-12)


def images(**settings):
    """Two outputs, at positions and as a class; regularized, normalised."""
    utils.set_random_seed(0)
    x = Input((6, 5, 2), name="x")
    y = Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer="l1_l2", name="conv")(x)
    y = BatchNormalization(name="norm", gamma_regularizer=regularizers.L2(0.02))(y)
    y = ActivityRegularization(0.001, 0.002)(y)
    mask = Dense(2, "softmax", name="mask")(y)
    kind = Dense(3, "softmax", name="kind", kernel_constraint="non_neg", bias_regularizer="l1")(Flatten()(y))
    model = Model(x, [mask, kind])
    model.compile(
        **{
            "optimizer": "adam",
            "loss": "sparse_categorical_crossentropy",
            "loss_weights": [0.5, 2.0],
            "metrics": {"kind": "accuracy"},
            "weighted_metrics": [["accuracy"], ["accuracy"]],
            "precision": "float64",
        }
        | settings
    )
    return model


PICTURES, MASKS = numbers(20, 6, 5, 2), np.random.default_rng(3).integers(0, 2, (20, 6, 5))
AT = numbers(20, 6, 5, seed=4)


@pytest.mark.parametrize("frozen", [[], ["norm"], ["conv", "norm"], ["kind"], ["conv", "norm", "mask", "kind"]])
@pytest.mark.parametrize("weights", [None, [AT, WEIGHTS], [WEIGHTS, None], {"kind": WEIGHTS}, AT[:, 0, 0]])
def test_the_engines_agree(weights, frozen):
    ran = []
    for engine in ("reference", "native"):
        model = images()
        for name in frozen:
            model.get_layer(name).trainable = False
        model.compile(
            "adam", "sparse_categorical_crossentropy", [0.5, 2.0], [["accuracy"], None], [["accuracy"], []],
            engine=engine, precision="float64",
        )  # fmt: skip
        before = model.get_weights()
        told = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0, "sample_weight": weights}
        history = model.fit(PICTURES, [MASKS, LABELS], **told, validation_data=(PICTURES, [MASKS, LABELS])).history
        ran.append((history, model))
        same = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
        names = [id.split("/")[0] for node in model.graph.nodes for id in node.weights.values()]
        assert [name for name, one in zip(names, same, strict=True) if one] == [n for n in names if n in frozen]
    (mine, first), (other, second) = ran
    assert list(mine) == list(other)
    for name, values in mine.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-9, err_msg=name)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-12)


def test_what_is_frozen_is_neither_kept_nor_computed():
    model = images()
    for name in ("conv", "norm", "mask"):
        model.get_layer(name).trainable = False
    model.compile("adam", ["sparse_categorical_crossentropy"] * 2, engine="reference")
    model.fit(PICTURES, [MASKS, LABELS], verbose=0)
    assert {id for id, _ in model._state.slots} == {"kind/kernel", "kind/bias"}
    assert not any("conv" in step.label and "Adjoint" in type(step.primitive).__name__
                   for step in model._job.training.instructions)  # fmt: skip
    made = {key for key in model._job.training.outputs if key[0] == "weight"}
    assert made == {("weight", "kind/kernel"), ("weight", "kind/bias")}


def test_a_metric_with_fewer_positions_than_the_weights():
    given = Input((12, 12, 1))
    model = Model(given, Conv2D(1, 3, padding="same")(given))
    model.compile("sgd", "mse", metrics=["ssim"], weighted_metrics=["mae"])
    pictures, at = numbers(4, 12, 12, 1), numbers(4, 12, 12)
    model.evaluate(pictures, pictures, sample_weight=at)
    model.compile("sgd", "mse", weighted_metrics=["ssim"])
    model.evaluate(pictures, pictures, sample_weight=at[:, 0, 0])
    told = "sample_weight has the shape (4, 12, 12), but ssim here has one per example: give (examples,)"
    with refuses(ShapeError, told):
        model.evaluate(pictures, pictures, sample_weight=at)


def test_weights_of_an_output_that_only_a_count_measures():
    """AUC and the like say nothing of single examples, but take their weights."""
    x = Input((3,), name="x")
    model = Model(x, [Dense(2, name="a")(x), Dense(2, "sigmoid", name="b")(x)])
    model.compile("sgd", ["mse", None], weighted_metrics=[None, ["false_negatives"]], precision="float64")
    low = model.predict(X)[1] <= 0.5
    wanted = (low * WEIGHTS[:, None]).sum()
    for weights in ([None, WEIGHTS], [None, WEIGHTS[:, None]], WEIGHTS):
        found = model.evaluate(X, [Y, np.ones((20, 2))], sample_weight=weights, return_dict=True)
        np.testing.assert_allclose(found["b_false_negatives"], wanted, rtol=1e-12)


def test_batches_with_and_without_weights():
    def given():
        yield X[:8], Y[:8]
        yield X[8:], Y[8:], WEIGHTS[8:]

    model = dense_model(metrics=["mae"], precision="float64")
    loss = (((model.predict(X.astype("float64")) - Y) ** 2).mean(1) * np.r_[np.ones(8), WEIGHTS[8:]]).mean()
    np.testing.assert_allclose(model.evaluate(given())[0], loss, rtol=1e-12)
    told = (
        "generator: some batches come with sample_weight and some without, which the weighted_metrics cannot put "
        "together; give it with all (ones where nothing weighs more)"
    )
    model = dense_model(weighted_metrics=["mae"])
    with refuses(DataError, told):
        model.evaluate(given())


def test_a_saved_model_knows_all_of_it(tmp_path):
    model = images()
    model.get_layer("norm").trainable = False
    model.get_layer("mask").trainable = False
    with pytest.warns(UserWarning, match=r"^which layers are trainable was changed after compile; it takes effect"):
        model.fit(PICTURES, [MASKS, LABELS], verbose=0)
    model.compile(model.optimizer, model.losses, [0.5, 2.0], {"kind": ["accuracy"]}, {"mask": "accuracy"})
    model.fit(PICTURES, [MASKS, LABELS], sample_weight=[AT, WEIGHTS], verbose=0)
    model.save(tmp_path / "m.npz")
    back = load_model(tmp_path / "m.npz")
    assert [n.layer.trainable for n in back.graph.nodes] == [n.layer.trainable for n in model.graph.nodes]
    assert back.graph.parameters == model.graph.parameters
    assert (back.objectives.names, back.objectives.scales) == (["mask", "kind"], [0.5, 2.0])
    told = {"sample_weight": [AT, WEIGHTS], "return_dict": True}
    assert back.evaluate(PICTURES, [MASKS, LABELS], **told) == model.evaluate(PICTURES, [MASKS, LABELS], **told)
    for one in (model, back):
        one.fit(PICTURES, [MASKS, LABELS], sample_weight=[AT, WEIGHTS], verbose=0, seed=5)
    assert equal(model.get_weights(), back.get_weights())
    back.get_layer("mask").trainable = True
    assert [v.role for v in back.get_layer("mask").trainable_weights] == ["kernel", "bias"]
    assert [v.role for v in back.get_layer("norm").trainable_weights] == []


def test_a_model_is_frozen_and_let_go():
    model = images()
    count = len(model.trainable_weights)
    model.trainable = False
    assert (model.trainable, model.trainable_weights, len(model.non_trainable_weights)) == (False, [], 10)
    lines = []
    model.summary(print_fn=lines.append)
    assert " Trainable params: 0 (0.00 B)" in lines[0]
    model.trainable = True
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (count, 10 - count)
    assert Dense(2, trainable=False).trainable is False


def test_frozen_normalisation_uses_its_averages_in_training():
    x = numbers(8, 4, seed=9) * 5
    layer = BatchNormalization()
    free = layer(x, training=True)
    layer.trainable = False
    assert abs(free.mean()) < 1e-5
    np.testing.assert_allclose(layer(x, training=True), layer(x), rtol=1e-6)


def test_regularizers_by_hand():
    x = Input((3,))
    model = Model(x, Dense(2, name="d", kernel_regularizer="l2", activity_regularizer=regularizers.L1(0.5))(x))
    model.compile("sgd", "mse", precision="float64")
    made = model.predict(X)
    wanted = ((made - Y) ** 2).mean() + 0.01 * (model.get_weights()[0] ** 2).sum() + 0.5 * np.abs(made).sum() / 20
    np.testing.assert_allclose(model.evaluate(X, Y), wanted, rtol=1e-12)


def test_class_weights_by_hand():
    model = dense_model(units=3, activation="softmax", loss="sparse_categorical_crossentropy", precision="float64")
    each = -np.log(model.predict(X)[np.arange(20), LABELS]) * np.array([2.0, 1.0, 0.25])[LABELS]
    found = model.fit(X, LABELS, batch_size=20, class_weight={0: 2.0, 2: 0.25}, verbose=0).history["loss"]
    np.testing.assert_allclose(found, [each.mean()], rtol=1e-12)


def classes(**told):
    model = dense_model(units=3, activation="softmax", loss="sparse_categorical_crossentropy")
    return model.fit(X, LABELS, verbose=0, **told)


REFUSED = {
    "number": (
        lambda: dense_model().fit(X, Y, sample_weight=WEIGHTS[:7], verbose=0),
        DataError,
        "sample_weight has 7 weights, but there are 20 examples",
    ),
    "shape": (
        lambda: dense_model().fit(X, Y, sample_weight=Y, verbose=0),
        ShapeError,
        "sample_weight has the shape (20, 2), but mean_squared_error here has one per example: give (examples,)",
    ),
    "shape at positions": (
        lambda: images().fit(PICTURES, [MASKS, LABELS], sample_weight=[AT[:, :2], None], verbose=0),
        ShapeError,
        "sample_weight['mask'] has the shape (20, 2, 5), but sparse_categorical_crossentropy here has (6, 5) per "
        "example: give (examples,) or (examples, 6, 5)",
    ),
    "not a number": (
        lambda: dense_model().fit(X, Y, sample_weight=WEIGHTS * np.nan, verbose=0),
        DataError,
        "sample_weight contains NaN: first in example 0. Remove such examples, or replace the values "
        "(numpy.nan_to_num), before training.",
    ),
    "unknown output": (
        lambda: images().fit(PICTURES, [MASKS, LABELS], sample_weight={"class": WEIGHTS}, verbose=0),
        DataError,
        "sample_weight is given for class, but the outputs are mask, kind",
    ),
    "both": (
        lambda: classes(sample_weight=WEIGHTS, class_weight={0: 1.0}),
        SettingError,
        "give either sample_weight or class_weight: both say how much an example counts",
    ),
    "class": (
        lambda: classes(class_weight={3: 1.0}),
        SettingError,
        "class_weight names the class 3, but classes run from 0 to 2",
    ),
    "weight of a class": (
        lambda: classes(class_weight={1: "2"}), SettingError, "class_weight of 1 must be a number, not '2'"
    ),
    "list of classes": (
        lambda: classes(class_weight=[1.0, 2.0]),
        SettingError,
        "class_weight is a dictionary from a class to its weight, not [1.0, 2.0]",
    ),
    "classes of two": (
        lambda: images().fit(PICTURES, [MASKS, LABELS], class_weight={0: 1.0}, verbose=0),
        SettingError,
        "class_weight is for models with one output, but this one has 2; give sample_weight",
    ),
    "loss_weights": (
        lambda: images(loss_weights=[1.0]), SettingError, "1 loss_weights for 2 outputs (mask, kind)"
    ),
    "metrics": (
        lambda: images(metrics=["accuracy"]),
        SettingError,
        "1 metrics for 2 outputs: metrics are a list for each output (mask, kind), or a dictionary by their names",
    ),
    "metrics of nobody": (
        lambda: images(metrics={"head": "mae"}),
        SettingError,
        "metrics are given for head, but the outputs are mask, kind",
    ),
    "no loss": (
        lambda: images(loss=[None, None]), SettingError, "compile needs a loss for at least one output"
    ),
    "regularizer": (
        lambda: regularized("l4"),
        UnknownNameError,
        "d (Dense): unknown regularizer 'l4'. Did you mean 'l2' or 'l1'?",
    ),
    "its factor": (lambda: regularizers.L2(-1), SettingError, "L2: l2 must be a number of at least 0, not -1"),
    "constraint": (
        lambda: constraints.get(3), SettingError, "a constraint is a name or an object of layerscope.constraints, not 3"
    ),
}  # fmt: skip


def regularized(name):
    x = Input((3,))
    Model(x, Dense(2, name="d", kernel_regularizer=name)(x)).compile("sgd", "mse")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    cause, kind, message = REFUSED[name]
    with refuses(kind, message):
        cause()


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_norms_along_axes(engine):
    x = Input((3,))
    model = Model(x, Dense(2, kernel_constraint=constraints.MaxNorm(0.1))(x))
    model.compile("sgd", "mse", engine=engine)
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_less(np.linalg.norm(model.get_weights()[0], axis=0), 0.1 + 1e-6)


def test_a_regularizer_by_name_has_the_factors_that_keras_gives_it():
    assert regularizers.get("l1_l2") == regularizers.L1L2(0.01, 0.01)
    assert regularizers.get("L1L2") == regularizers.L1L2(0.01, 0.01)
    assert regularizers.get({"regularizer": "l1_l2", "settings": {"l1": 0.5}}) == regularizers.L1L2(0.5, 0.0)
    assert regularizers.get("l2") == regularizers.L2(0.01)
