"""Frozen layers, regularizers and constraints against Keras 3 in float64; and their way to Keras and back."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls

from .keras_fitting import copied, doubled, pair, same_history, same_weights, trained_alike

pytest.importorskip("jax")
pytest.importorskip("keras")
RNG = np.random.default_rng(6)
IMAGES, LABELS = RNG.random((40, 6, 6, 2)), RNG.integers(0, 3, 40)
FIT = {"x": IMAGES, "y": LABELS, "batch_size": 8, "epochs": 6}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def normed(kl, Input, Model, home):
    """Convolutions with batch normalisation, and a classifier; a model within the model."""
    image = Input((6, 6, 2), name="image")
    x = kl.Conv2D(4, 3, use_bias=False, name="conv")(image)
    x = kl.Activation("relu")(kl.BatchNormalization(momentum=0.8, name="norm")(x))
    body = Model(image, x, name="body")
    start = Input((6, 6, 2), name="start")
    x = kl.Conv2D(3, 3, padding="same", activation="tanh", name="first")(start)
    x = kl.Conv2D(2, 1, name="second")(kl.BatchNormalization(momentum=0.7, name="between")(x))
    x = kl.Flatten()(body(x))
    return Model(start, kl.Dense(3, name="classes")(x), name="whole")


def layers_of(model):
    """All layers by name, also of the model within."""
    found = {}
    for layer in model.layers:
        found |= layers_of(layer) if hasattr(layer, "layers") else {layer.name or model.name: layer}
    return found


def node(model, name):
    """A layer by its name, in Keras's model or ours."""
    if isinstance(model, ls.Model):
        return next(n.layer for n in model.graph.nodes if n.name == name)
    return layers_of(model)[name]


FROZEN = {
    "first": ["first"],
    "middle": ["between", "second"],
    "normalisation": ["between", "norm"],
    "body": ["conv", "norm"],
    "all but the last": ["first", "between", "second", "conv", "norm"],
}


def freeze(names):
    def ready(model):
        for name in names:
            node(model, name).trainable = False

    return ready


def settings(home):
    return {
        "optimizer": home.optimizers.SGD(0.1, momentum=0.9),
        "loss": home.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
    }


def arrays(model):
    return [np.array(weight) for weight in model.get_weights()]


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_layers(name):
    ours, theirs = trained_alike(normed, settings, FIT, freeze(FROZEN[name]))
    assert [w.shape for w in ours.trainable_weights] == [tuple(w.shape) for w in theirs.trainable_weights]
    assert len(ours.non_trainable_weights) == len(theirs.non_trainable_weights)
    kept = {id for id, _ in ours._state.slots}
    assert kept == {id for id, row in ours.graph.parameters.items() if row.trainable}


def test_a_frozen_model_within_a_model_and_let_go_again():
    """Transfer and fine tuning: first the head alone, then everything."""
    with doubled() as keras:
        theirs, ours = pair(normed)
        ours.compile("sgd", "mse", precision="float64")
        copied(theirs, ours)
        for frozen in (True, False):
            for model, home, told in (
                (theirs, keras, {}),
                (ours, ls, {"precision": "float64", "engine": "reference"}),
            ):
                for name in ("conv", "norm", "first", "between"):
                    node(model, name).trainable = not frozen
                model.compile(**settings(home), **told)
            same_history(*(model.fit(**FIT, shuffle=False, verbose=0).history for model in (ours, theirs)))
            same_weights(ours, theirs)


def test_a_model_that_is_frozen_as_a_whole():
    with doubled() as keras:
        theirs, ours = pair(normed)
        copied(theirs, ours)
        for model in (theirs, ours):
            model.trainable = False
        assert ours.trainable_weights == theirs.trainable_weights == []
        ours.compile("sgd", "mse", precision="float64", engine="reference")
        for layer in ours.layers:
            assert not layer.trainable
        assert [int(keras.ops.size(w)) for w in theirs.non_trainable_weights] == [
            w.array.size for w in ours.non_trainable_weights
        ]


def test_a_frozen_model_goes_to_keras_and_back():
    with doubled():
        theirs, _ = pair(normed)
        for name in ("between", "conv", "norm"):
            node(theirs, name).trainable = False
        taken = ls.from_keras(theirs)
        assert not any(node(taken, name).trainable for name in ("between", "conv", "norm"))
        assert [w.shape for w in taken.trainable_weights] == [tuple(w.shape) for w in theirs.trainable_weights]
        back = taken.to_keras()
        assert [tuple(w.shape) for w in back.trainable_weights] == [tuple(w.shape) for w in theirs.trainable_weights]
        assert sorted(layer.name for layer in back.layers if not layer.trainable) == [
            "between", "body_conv", "body_norm",
        ]  # fmt: skip


# --- regularizers and constraints ---


def regular(kl, Input, Model, home):
    r, c = home.regularizers, home.constraints
    start = Input((6, 6, 2), name="start")
    x = kl.Conv2D(3, 3, activation="tanh", kernel_regularizer="l2", bias_regularizer=r.L1(0.02), name="first")(start)
    x = kl.BatchNormalization(gamma_regularizer=r.L1L2(0.01, 0.03), beta_regularizer="l1", name="norm")(x)
    x = kl.Dense(3, activity_regularizer=r.L2(0.004), kernel_constraint=c.NonNeg(), name="each")(x)
    x = kl.ActivityRegularization(l1=0.002, l2=0.01, name="penalty")(x)
    x = kl.Dense(4, kernel_regularizer=r.OrthogonalRegularizer(0.3, mode="columns"), name="across")(kl.Flatten()(x))
    x = kl.Dense(5, kernel_regularizer=r.OrthogonalRegularizer(), kernel_constraint=c.MaxNorm(0.7), name="rows")(x)
    x = kl.Dense(4, kernel_constraint=c.UnitNorm(axis=1), bias_constraint="non_neg", name="unit")(x)
    return Model(start, kl.Dense(3, kernel_constraint=c.MinMaxNorm(0.2, 0.8, rate=0.6), name="classes")(x))


def nudged(*names):
    """Layers frozen, and no bias left at 0, where JAX's |x| has the slope 1, and NumPy's sign is 0."""

    def ready(model):
        model.set_weights([np.asarray(w) + 0.01 for w in model.get_weights()])
        freeze(names)(model)

    return ready


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_regularizers_and_constraints(engine):
    given = FIT | {"validation_data": (IMAGES[:9], LABELS[:9])}
    ours, theirs = trained_alike(regular, settings, given, nudged(), engine=engine)
    assert float(node(ours, "each").weights[0].array.min()) == 0
    back = ls.from_keras(theirs)
    for name in ("first", "norm", "each", "across", "rows", "unit", "classes"):
        mine, other = vars(node(ours, name)), vars(node(back, name))
        for key in [key for key in mine if key.endswith(("_regularizer", "_constraint"))]:
            home = ls.regularizers if key.endswith("_regularizer") else ls.constraints
            assert home.get(mine[key]) == home.get(other[key]), (name, key)


def test_frozen_weights_are_not_regularized():
    trained_alike(regular, settings, FIT, nudged("first", "rows", "each"))


def test_they_go_to_keras():
    with doubled():
        _, ours = pair(regular)
        back = ours.to_keras()
        found = ls.from_keras(back)
        for one in ("first", "across", "unit"):
            assert {k: v for k, v in vars(node(found, one)).items() if k.endswith("_constraint") and v}.keys() == {
                k for k, v in vars(node(ours, one)).items() if k.endswith("_constraint") and v
            }
        ours.compile("sgd", "mse", precision="float64", engine="reference")
        back.compile("sgd", "mse")
        y = np.eye(3)[LABELS]
        np.testing.assert_allclose(
            ours.evaluate(IMAGES.astype("float32"), y),
            back.evaluate(IMAGES.astype("float32"), y, verbose=0),
            rtol=1e-6,
        )
