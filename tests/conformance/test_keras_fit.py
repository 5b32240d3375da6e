"""fit, evaluate and their arguments against Keras 3 in float64: histories, weights and names, over many steps."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls

from .keras_fitting import copied, doubled, pair, same_history, same_weights, trained_alike

pytest.importorskip("jax")
pytest.importorskip("keras")
RNG = np.random.default_rng(5)
X, LABELS = RNG.normal(size=(50, 6)), RNG.integers(0, 4, 50)
HOT, NUMBERS, WEIGHTS = np.eye(4)[LABELS], RNG.normal(size=(50, 4)), RNG.random(50) * 2
FIT = {"batch_size": 8, "epochs": 6}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def classifier(kl, Input, Model, home):
    x = Input((6,), name="x")
    y = kl.Dense(5, activation="tanh", name="hidden")(x)
    return Model(x, kl.Dense(4, activation="softmax", name="out")(y))


def at_positions(kl, Input, Model, home):
    """(6, 5, 3) → classes at 6×5 positions."""
    x = Input((6, 5, 3), name="x")
    y = kl.Conv2D(4, 3, padding="same", activation="relu", name="hidden")(x)
    return Model(x, kl.Dense(4, activation="softmax", name="out")(y))


def compiled(loss, **settings):
    return lambda home: {"optimizer": home.optimizers.Adam(0.01), "loss": loss} | settings


SPARSE = "sparse_categorical_crossentropy"
METRICS = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy", "mse"]}
WEIGHTED = {
    "mse": ("mse", NUMBERS, {"metrics": ["mae"], "weighted_metrics": ["mae", "mse"]}),
    "mae": ("mae", NUMBERS, {"weighted_metrics": ["mse"]}),
    "binary": ("binary_crossentropy", HOT, {"weighted_metrics": ["binary_accuracy"]}),
    "categorical": ("categorical_crossentropy", HOT, METRICS),
    "sparse": (SPARSE, LABELS, {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_examples(name):
    loss, y, settings = WEIGHTED[name]
    trained_alike(classifier, compiled(loss, **settings), {"x": X, "y": y, "sample_weight": WEIGHTS, **FIT})


def objectives(home):
    """Losses with settings, and metrics of the whole epoch, in both libraries."""
    losses, metrics = home.losses, home.metrics
    return {
        "sparse": (losses.SparseCategoricalCrossentropy(ignore_class=1), LABELS, [metrics.SparseTopKCategoricalAccuracy(2)]),
        "sum": (losses.Huber(0.4, reduction="sum"), NUMBERS, [metrics.RootMeanSquaredError(), metrics.R2Score()]),
        "smooth": (
            losses.CategoricalCrossentropy(label_smoothing=0.1),
            HOT,
            [metrics.AUC(num_thresholds=50), metrics.Precision(0.2), metrics.Recall(class_id=2), metrics.F1Score("macro")],
        ),
        "focal": (losses.BinaryFocalCrossentropy(), HOT, ["poisson", metrics.FalseNegatives(0.2), metrics.KLDivergence()]),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sparse", "sum", "smooth", "focal"])
@pytest.mark.parametrize("weighted", ["metrics", "weighted_metrics"])
def test_metrics_of_the_epoch_with_weights_and_without(name, weighted):
    def settings(home):
        loss, _, metrics = objectives(home)[name]
        return {"optimizer": home.optimizers.SGD(0.01), "loss": loss, weighted: metrics}

    y = objectives(ls)[name][1]
    held = (X[:20] * 2, y[:20], WEIGHTS[:20] + 1)
    given = {"x": X, "y": y, "sample_weight": WEIGHTS, "validation_data": held, **FIT}
    trained_alike(classifier, settings, given)


def test_weights_in_a_column_and_in_validation():
    held = (X[:20] * 2, LABELS[:20], WEIGHTS[:20] + 1)
    given = {
        "x": X,
        "y": LABELS,
        "sample_weight": WEIGHTS[:, None],
        "validation_data": held,
        "validation_batch_size": 7,
    }
    trained_alike(classifier, compiled(SPARSE, weighted_metrics=["accuracy"]), given | FIT)


def test_a_share_for_validation_keeps_its_weights():
    given = {"x": X, "y": LABELS, "sample_weight": WEIGHTS, "validation_split": 0.3}
    trained_alike(classifier, compiled(SPARSE, **{"weighted_metrics": ["accuracy"]}), given | FIT)


IMAGES, CLASSES = RNG.normal(size=(20, 6, 5, 3)), RNG.integers(0, 4, (20, 6, 5))


@pytest.mark.parametrize("last", [(), (1,)])
def test_weights_of_positions(last):
    weights = RNG.random((20, 6, 5, *last))
    given = {"x": IMAGES, "y": CLASSES, "sample_weight": weights, **FIT}
    trained_alike(at_positions, compiled(SPARSE, weighted_metrics=["accuracy"]), given)


def test_weights_that_are_all_zero():
    given = {"x": X, "y": LABELS, "sample_weight": np.zeros(50), "batch_size": 10, "epochs": 2}
    trained_alike(classifier, compiled(SPARSE, weighted_metrics=["accuracy"]), given)


BY_CLASS = {0: 0.5, 2: 3.0, 3: 0.0}


@pytest.mark.parametrize(
    ("loss", "y"), [(SPARSE, LABELS), (SPARSE, LABELS[:, None]), ("categorical_crossentropy", HOT)]
)
def test_weights_of_classes(loss, y):
    held = (X[:20] * 2, y[:20])
    given = {"x": X, "y": y, "class_weight": BY_CLASS, "validation_data": held, **FIT}
    trained_alike(classifier, compiled(loss, weighted_metrics=["accuracy"]), given)


def test_weights_of_two_classes():
    def build(kl, Input, Model, home):
        x = Input((6,), name="x")
        return Model(x, kl.Dense(1, activation="sigmoid", name="out")(x))

    for y in (LABELS // 2, (LABELS // 2)[:, None]):
        given = {"x": X, "y": y, "class_weight": {1: 2.5}, **FIT}
        trained_alike(build, compiled("binary_crossentropy", weighted_metrics=["accuracy"]), given)


# --- several inputs and outputs ---


def forked(kl, Input, Model, home):
    """Two inputs, two outputs, and one that is both."""
    a, b = Input((6,), name="a"), Input((3,), name="b")
    both = kl.Concatenate(name="both")([kl.Dense(4, activation="tanh", name="left")(a), b])
    return Model([a, b], [kl.Dense(4, activation="softmax", name="kind")(both), kl.Dense(2, name="size")(both)])


B, SIZES = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
INPUTS = {"list": [X, B], "dictionary": {"b": B, "a": X}, "tuple": (X, B)}
OBJECTIVES = {
    "lists": {"loss": [SPARSE, "mse"], "loss_weights": [0.3, 2.0], "metrics": [["accuracy"], ["mae", "mse"]]},
    "dictionaries": {
        "loss": {"kind": SPARSE, "size": "mse"},
        "loss_weights": {"kind": 1.0, "size": 0.1},
        "metrics": {"size": ["mae"]},
        "weighted_metrics": {"kind": ["accuracy"], "size": "mae"},
    },
    "plain": {"loss": [SPARSE, "mae"], "weighted_metrics": [None, ["mae"]]},
}


@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_several_outputs(objectives):
    given = {"x": [X, B], "y": [LABELS, SIZES], "validation_data": ([X[:9], B[:9]], [LABELS[:9], SIZES[:9]]), **FIT}
    trained_alike(forked, lambda home: {"optimizer": home.optimizers.SGD(0.1)} | OBJECTIVES[objectives], given)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("weights", ["both", "dictionary"])
def test_forms_of_inputs_and_weights(inputs, weights):
    each = [WEIGHTS, WEIGHTS[::-1].copy()] if weights == "both" else {"kind": WEIGHTS, "size": WEIGHTS[::-1].copy()}
    named = weights == "dictionary"
    told = {"kind": LABELS, "size": SIZES} if named else [LABELS, SIZES]
    settings = OBJECTIVES["dictionaries"]

    def named_outputs(kl, Input, Model, home):
        made = forked(kl, Input, Model, home)
        outputs = made.outputs if hasattr(made, "outputs") else None
        return Model(made.inputs, dict(zip(("kind", "size"), outputs, strict=True))) if named and outputs else made

    given = {"x": INPUTS[inputs], "y": told, "sample_weight": each, **FIT}
    trained_alike(named_outputs, lambda home: {"optimizer": "sgd"} | settings, given)


def test_an_output_without_a_loss():
    settings = {"loss": [None, "mse"], "metrics": [None, ["mae"]]}
    with doubled() as keras:
        theirs, ours = pair(forked)
        theirs.compile(keras.optimizers.SGD(0.1), **settings)
        ours.compile(ls.optimizers.SGD(0.1), **settings, precision="float64", engine="reference")
        copied(theirs, ours)
        asked = {"shuffle": False, "verbose": 0, **FIT}
        mine = ours.fit([X, B], [LABELS, SIZES], **asked)
        other = theirs.fit([X, B], [LABELS, SIZES], **asked)
        same_history(mine.history, other.history)
        same_weights(ours, theirs)


# --- epochs and steps ---


def test_epochs_that_begin_later_and_validation_now_and_then():
    held = (X[:20], LABELS[:20])
    given = {"x": X, "y": LABELS, "batch_size": 8, "epochs": 7, "initial_epoch": 2, "validation_data": held}
    for freq in (2, [3, 6]):
        ours, theirs = trained_alike(classifier, compiled(SPARSE), given | {"validation_freq": freq})
        assert ours.history.epoch == theirs.history.epoch == [2, 3, 4, 5, 6]


def test_epochs_of_some_steps():
    """Five steps of a pass of ten: each epoch goes on where the last one ended."""
    given = {"x": X, "y": LABELS, "batch_size": 5, "epochs": 4, "steps_per_epoch": 5}
    held = {"validation_data": (X, LABELS), "validation_batch_size": 6, "validation_steps": 3}
    trained_alike(classifier, compiled(SPARSE), given | held)


def batches(size=8, weights=False):
    while True:
        for start in range(0, 50, size):
            part = slice(start, start + size)
            yield (X[part], LABELS[part], WEIGHTS[part]) if weights else (X[part], LABELS[part])


@pytest.mark.parametrize("weights", [False, True])
def test_a_generator(weights):
    with doubled() as keras:
        theirs, ours = pair(classifier)
        for model, home, told in ((theirs, keras, {}), (ours, ls, {"precision": "float64", "engine": "reference"})):
            model.compile(home.optimizers.Adam(0.01), SPARSE, metrics=["accuracy"], **told)
        copied(theirs, ours)
        runs = [
            model.fit(
                batches(weights=weights),
                steps_per_epoch=7,
                epochs=4,
                verbose=0,
                shuffle=False,
                validation_data=(X, LABELS),
            )
            for model in (ours, theirs)
        ]
        same_history(*(run.history for run in runs))
        same_weights(ours, theirs)
        told, found = (model.evaluate(batches(9), steps=4, verbose=0) for model in (theirs, ours))
        np.testing.assert_allclose(found, told, rtol=1e-9)
        told, found = (model.predict(batches(9), steps=4, verbose=0) for model in (theirs, ours))
        np.testing.assert_allclose(found, told, rtol=1e-9)


def test_a_dataset_of_keras():
    with doubled() as keras:

        class Parts(keras.utils.PyDataset):
            ended = 0

            def __len__(self):
                return 7

            def __getitem__(self, number):
                part = slice(8 * number, 8 * number + 8)
                return X[part], LABELS[part], WEIGHTS[part]

            def on_epoch_end(self):
                self.ended += 1

        theirs, ours = pair(classifier)
        theirs.compile("sgd", SPARSE)
        ours.compile("sgd", SPARSE, precision="float64", engine="reference")
        copied(theirs, ours)
        mine, other = Parts(), Parts()
        runs = [
            model.fit(given, epochs=3, shuffle=False, verbose=0, validation_data=given)
            for model, given in ((ours, mine), (theirs, other))
        ]
        same_history(*(run.history for run in runs))
        same_weights(ours, theirs)
        assert mine.ended >= 3


def test_one_batch_at_a_time():
    with doubled() as keras:
        theirs, ours = pair(classifier)
        settings = {"metrics": ["accuracy"], "weighted_metrics": ["mse"]}
        for model, home, told in ((theirs, keras, {}), (ours, ls, {"precision": "float64", "engine": "reference"})):
            model.compile(home.optimizers.RMSprop(0.01), "categorical_crossentropy", **settings, **told)
        copied(theirs, ours)
        for start in range(0, 50, 7):
            part = slice(start, start + 7)
            given = [{}, {"sample_weight": WEIGHTS[part]}, {"class_weight": BY_CLASS}][start % 3]
            found, told = (
                model.train_on_batch(X[part], HOT[part], **given, return_dict=True) for model in (ours, theirs)
            )
            same_history(found, told)
        same_weights(ours, theirs)
        for given in ({}, {"sample_weight": WEIGHTS}):
            found, told = (model.test_on_batch(X, HOT, **given) for model in (ours, theirs))
            np.testing.assert_allclose(found, told, rtol=1e-9)
        np.testing.assert_allclose(ours.predict_on_batch(X), theirs.predict_on_batch(X), rtol=1e-9)
