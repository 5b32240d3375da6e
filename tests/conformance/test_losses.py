"""Losses and metrics against Keras 3 on JAX and PyTorch: values and gradients in float64.

Two of Keras's ways show here. On JAX it takes every mean in float32 (keras.ops.mean, whatever `floatx` says), so
its loss objects are compared at 1e-6; its functions that contain no mean, and PyTorch, at 1e-12. And on JAX it
takes binary and categorical cross-entropy of a sigmoid's or softmax's probabilities, clipped at 1e-7, where we, like
Keras on TensorFlow, go back to the logits: equal in the middle, different where the output saturates.
"""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import DataError, SettingError, UnknownNameError
from layerscope.core.types import TensorType
from layerscope.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

from . import keras_oracle, trajectory_objectives

SHAPES = [(6, 1), (4, 3, 3), (3, 2, 4, 5)]
CLASSES = [(5, 4), *SHAPES[1:]]
EXACT, MEAN32 = 1e-12, 1e-6
EDGES = np.array([0.0, 1.0, 1e-9, 1 - 1e-9, 0.5])
FAR = np.array([50.0, -50.0, 0.0, 30.0, -30.0])


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def random(shape):
    return np.random.default_rng(len(shape) * 100 + shape[-1])


def spread(array, values):
    """The same array with some of its numbers replaced by each of these, in turn."""
    flat = array.copy().ravel()
    flat[:: max(1, flat.size // 12)] = np.resize(values, len(flat[:: max(1, flat.size // 12)]))
    return flat.reshape(array.shape)


def logits(shape, far=True):
    z = random(shape).normal(scale=3, size=shape)
    return spread(z, FAR) if far else z


def probabilities(shape, edges=True):
    p = random(shape).uniform(0.01, 0.99, shape)
    return spread(p, EDGES) if edges else p


def softmax(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def shares(shape):
    """Targets between 0 and 1, some of them 0 and 1 themselves."""
    return spread(random(shape).uniform(size=shape), np.array([1.0, 0.0, 1.0]))


def labels(shape):
    return random(shape).integers(0, shape[-1], shape[:-1])


def one_hot(shape):
    """One-hot targets, and in the first example a soft one."""
    t = np.eye(shape[-1])[labels(shape)]
    t[0] = softmax(random(shape).normal(size=shape[1:]))
    return t


# --- binary cross-entropy ---


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("way", ["from_logits", "sigmoid"])
def test_binary_crossentropy_of_logits(shape, way, keras, torch):
    z, t = logits(shape), shares(shape)
    loss = BinaryCrossentropy(from_logits=way == "from_logits")
    mine = trajectory_objectives.ours(loss, t, z, "sigmoid" if way == "sigmoid" else None)
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64")
    points = keras.ops.binary_crossentropy
    trajectory_objectives.near(
        mine, trajectory_objectives.keras(lambda n, t, z: n.mean(points(t, z, from_logits=True)), t, z), EXACT
    )
    trajectory_objectives.near(mine, trajectory_objectives.keras(lambda n, t, z: theirs(t, z), t, z), MEAN32)
    trajectory_objectives.near(
        mine, trajectory_objectives.torch(lambda f, t, z: f.binary_cross_entropy_with_logits(z, t), t, z), EXACT
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("edges", [False, True], ids=["inside", "edges"])
def test_binary_crossentropy_of_probabilities(shape, edges, keras, torch):
    """With edges not against PyTorch, which bounds the logarithm at -100 instead of clipping."""
    p, t = probabilities(shape, edges), shares(shape)
    mine = trajectory_objectives.ours(BinaryCrossentropy(), t, p)
    theirs = keras.losses.BinaryCrossentropy(dtype="float64")
    points = keras.ops.binary_crossentropy
    trajectory_objectives.near(mine, trajectory_objectives.keras(lambda n, t, p: n.mean(points(t, p)), t, p), EXACT)
    trajectory_objectives.near(mine, trajectory_objectives.keras(lambda n, t, p: theirs(t, p), t, p), MEAN32)
    if not edges:
        other = trajectory_objectives.torch(lambda f, t, p: f.binary_cross_entropy(p, t), t, p)
        trajectory_objectives.near(mine, other, EXACT)


def test_saturated_sigmoid_keeps_its_gradient(keras):
    """Keras on JAX clips: -log(1e-7) = 16.1 and no gradient, where the loss is 50 and its slope 1."""
    z, t = np.array([[-50.0], [50.0]]), np.array([[1.0], [0.0]])
    value, gradient = trajectory_objectives.ours(BinaryCrossentropy(), t, z, "sigmoid")
    assert value == pytest.approx(50)
    assert gradient.ravel().tolist() == pytest.approx([-0.5, 0.5])
    clipped = trajectory_objectives.keras(
        lambda n, t, z: n.mean(keras.ops.binary_crossentropy(t, keras.activations.sigmoid(z))), t, z
    )
    assert clipped[0] == pytest.approx(-np.log(1e-7))
    assert not clipped[1].any()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_logits_and_clipped_probabilities_agree_in_the_middle(shape, keras):
    z, t = logits(shape, far=False), shares(shape)
    assert np.abs(z).max() < 15
    mine = trajectory_objectives.ours(BinaryCrossentropy(), t, z, "sigmoid")

    def clipped(n, t, z):
        return n.mean(keras.ops.binary_crossentropy(t, keras.activations.sigmoid(z)))

    trajectory_objectives.near(mine, trajectory_objectives.keras(clipped, t, z), 1e-9)


def test_binary_crossentropy_is_finite_in_float32(keras):
    p = EDGES[:, None].astype("float32")
    for t in (np.zeros_like(p), np.ones_like(p)):
        mine = trajectory_objectives.ours(BinaryCrossentropy(), t, p, dtype="float32")
        other = trajectory_objectives.keras(lambda n, t, p: n.mean(keras.ops.binary_crossentropy(t, p)), t, p)
        trajectory_objectives.near(mine, other, 1e-5)
        z = (2 * EDGES[:, None] - 1).astype("float32") * 1e4
        value, gradient = trajectory_objectives.ours(BinaryCrossentropy(), t, z, "sigmoid", "float32")
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


# --- categorical cross-entropy ---


def aims(loss, shape):
    return labels(shape) if isinstance(loss, SparseCategoricalCrossentropy) else one_hot(shape)


def keras_form(keras, loss, from_logits):
    """Keras's function, which gives one number an example and contains no mean; and its object."""
    name = type(loss).__name__
    function = getattr(keras.losses, loss.key)
    whole = getattr(keras.losses, name)(from_logits=from_logits, dtype="float64")
    return (lambda n, t, z: n.mean(function(t, z, from_logits=from_logits))), (lambda n, t, z: whole(t, z))


def torch_classes(f, t, z):
    return f.cross_entropy(z.movedim(-1, 1), t.movedim(-1, 1) if t.ndim == z.ndim else t)


@pytest.mark.parametrize("shape", CLASSES, ids=str)
@pytest.mark.parametrize("way", ["from_logits", "softmax"])
@pytest.mark.parametrize("kind", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_classes_from_logits(kind, way, shape, keras, torch):
    loss = kind(from_logits=way == "from_logits")
    z, t = logits(shape), aims(loss, shape)
    mine = trajectory_objectives.ours(loss, t, z, "softmax" if way == "softmax" else None)
    points, whole = keras_form(keras, loss, from_logits=True)
    trajectory_objectives.near(mine, trajectory_objectives.keras(points, t, z), EXACT)
    trajectory_objectives.near(mine, trajectory_objectives.keras(whole, t, z), MEAN32)
    trajectory_objectives.near(mine, trajectory_objectives.torch(torch_classes, t, z), EXACT)


@pytest.mark.parametrize("shape", CLASSES, ids=str)
@pytest.mark.parametrize("edges", [False, True], ids=["inside", "edges"])
@pytest.mark.parametrize("kind", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_classes_from_probabilities(kind, edges, shape, keras):
    """Numbers that do not sum to 1 are divided by their sum, as in Keras; PyTorch has no such loss."""
    loss = kind()
    p, t = probabilities(shape, edges), aims(loss, shape)
    if edges:
        p[-1] = np.eye(shape[-1])[0]  # a whole row of certainty
    mine = trajectory_objectives.ours(loss, t, p)
    points, whole = keras_form(keras, loss, from_logits=False)
    trajectory_objectives.near(mine, trajectory_objectives.keras(points, t, p), EXACT)
    trajectory_objectives.near(mine, trajectory_objectives.keras(whole, t, p), MEAN32)


@pytest.mark.parametrize("shape", CLASSES, ids=str)
def test_sparse_probabilities_against_torch(shape, torch):
    p, t = softmax(probabilities(shape, edges=False)), labels(shape)
    mine = trajectory_objectives.ours(SparseCategoricalCrossentropy(), t, p)

    def likelihood(f, t, p):
        return f.nll_loss((p / p.sum(-1, keepdim=True)).log().movedim(-1, 1).contiguous(), t)

    trajectory_objectives.near(mine, trajectory_objectives.torch(likelihood, t, p), 1e-11)


@pytest.mark.parametrize("kind", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_saturated_softmax_keeps_its_gradient(kind):
    z = np.array([[0.0, 1e4, 0.0]])
    t = np.array([0]) if kind is SparseCategoricalCrossentropy else np.array([[1.0, 0.0, 0.0]])
    value, gradient = trajectory_objectives.ours(kind(), t, z, "softmax")
    assert value == pytest.approx(1e4)
    assert gradient.ravel().tolist() == pytest.approx([-1, 1, 0])


# --- squared and absolute error ---


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("loss", "name"), [(MeanSquaredError(), "mse_loss"), (MeanAbsoluteError(), "l1_loss")], ids=["mse", "mae"]
)
def test_errors(loss, name, shape, keras, torch):
    """Where both are equal the absolute error's slope is 0, as in PyTorch; JAX says 1 there."""
    y, t = logits(shape) + 0.125, shares(shape)
    theirs = getattr(keras.losses, type(loss).__name__)(dtype="float64")
    assert (y != t).all()
    whole = trajectory_objectives.keras(lambda n, t, y: theirs(t, y), t, y)
    trajectory_objectives.near(trajectory_objectives.ours(loss, t, y), whole, MEAN32)
    y.ravel()[1] = t.ravel()[1]
    other = trajectory_objectives.torch(lambda f, t, y: getattr(f, name)(y, t), t, y)
    trajectory_objectives.near(trajectory_objectives.ours(loss, t, y), other, EXACT)


# --- names and what losses refuse ---


@pytest.mark.parametrize("kind", [kind for kind in ls.losses.CLASSES if kind is not ls.losses.SSIM])
def test_every_loss_has_keras_names(kind, keras):
    for name in (kind.key, kind.__name__):
        assert isinstance(ls.losses.get(name), kind)
    assert getattr(keras.losses, kind.__name__) is not None
    assert getattr(keras.losses, kind.key) is not None
    assert ls.losses.get(kind.key).name == getattr(keras.losses, kind.__name__)().name
    for short in ("mse", "mae", "mape", "msle", "bce", "kld"):
        assert ls.losses.get(short).name == keras.losses.get(short).__name__
    with pytest.raises(UnknownNameError, match=r"^unknown loss 'binary_crosentropy'\. Did you mean"):
        ls.losses.get("binary_crosentropy")
    with pytest.raises(SettingError, match=r"^a loss is a name or an object of layerscope\.losses, not 3$"):
        ls.losses.get(3)


REFUSED = [
    (
        BinaryCrossentropy(),
        np.array([[0.0, 255.0]]),
        "binary_crossentropy takes targets between 0 and 1, but the targets lie between 0 and 255. "
        "Pixels of 0 to 255 want dividing by 255.",
    ),
    (
        CategoricalCrossentropy(),
        np.array([[-1.0, 1.0]]),
        "categorical_crossentropy takes one-hot targets between 0 and 1, but the targets lie between -1 and 1.",
    ),
    (
        SparseCategoricalCrossentropy(),
        np.array([1, 2]),
        "sparse_categorical_crossentropy: the output has 2 classes, so labels run from 0 to 1, "
        "but the targets run from 1 to 2",
    ),
    (
        SparseCategoricalCrossentropy(),
        np.array([0.5, 1.0]),
        "sparse_categorical_crossentropy takes whole-number labels, but the targets have fractions",
    ),
]


@pytest.mark.parametrize(("loss", "targets", "message"), REFUSED, ids=lambda value: getattr(value, "name", None))
def test_targets_outside_are_refused(loss, targets, message):
    with pytest.raises(DataError) as caught:
        loss.check(targets, TensorType((2, 2)))
    assert str(caught.value) == message


# --- metrics: tests/conformance/test_objectives.py holds their values ---


ACCURACIES = [
    # loss, units, activation, shape of an example, shape of its target, what "accuracy" means
    ("binary_crossentropy", 1, "sigmoid", (3,), (1,), "binary"),
    ("binary_crossentropy", 1, "sigmoid", (3,), (), "binary"),
    ("binary_crossentropy", 1, "sigmoid", (2, 2, 3), (2, 2, 1), "binary"),
    ("binary_crossentropy", 4, "sigmoid", (3,), (4,), "categorical"),
    ("mean_squared_error", 4, None, (3,), (4,), "categorical"),
    ("mean_squared_error", 1, None, (3,), (1,), "binary"),
    ("categorical_crossentropy", 4, "softmax", (3,), (4,), "categorical"),
    ("categorical_crossentropy", 4, "softmax", (2, 3), (2, 4), "categorical"),
    ("sparse_categorical_crossentropy", 4, "softmax", (3,), (), "sparse_categorical"),
    ("sparse_categorical_crossentropy", 4, "softmax", (3,), (1,), "sparse_categorical"),
    ("sparse_categorical_crossentropy", 4, "softmax", (2, 3), (2,), "sparse_categorical"),
]


def answers(loss, units, shape):
    rng = np.random.default_rng(3)
    if loss.startswith("sparse"):
        return rng.integers(0, units, shape)
    if loss.startswith("categorical"):
        return np.eye(units)[rng.integers(0, units, shape[:-1])].astype("float32")
    return rng.integers(0, 2, shape).astype("float32")


@pytest.mark.parametrize(("loss", "units", "activation", "example", "target", "meaning"), ACCURACIES)
def test_accuracy_means_what_it_means_in_keras(loss, units, activation, example, target, meaning, keras):
    """Also the means over 23 examples in batches of 4, of which the last is smaller."""
    x = np.random.default_rng(2).normal(size=(23, *example)).astype("float32")
    y = answers(loss, units, (23, *target))
    ls.utils.set_random_seed(0)
    mine = ls.Sequential([ls.Input(example), ls.layers.Dense(units, activation=activation)])
    theirs = keras.Sequential([keras.Input(example), keras.layers.Dense(units, activation=activation)])
    theirs.set_weights(mine.get_weights())
    for model in (mine, theirs):
        model.compile("sgd", loss, metrics=["accuracy"])
    found = mine.evaluate(x, y, batch_size=4, return_dict=True)
    expected = theirs.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)
    assert 0 < found["accuracy"] < 1
    assert mine.metrics["accuracy"][1].key == f"{meaning}_accuracy"


REQUIRED = {
    "IoU": (3, [0]), "MeanIoU": (3,), "OneHotIoU": (3, [0]), "OneHotMeanIoU": (3,), "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,), "PrecisionAtRecall": (0.5,), "RecallAtPrecision": (0.5,),
}  # fmt: skip


def test_metric_names(keras):
    """Also what Keras calls them in the logs, when it makes the first of a class."""
    output = TensorType((2, 4))
    for kind in ls.metrics.CLASSES:
        told = REQUIRED.get(kind.__name__, ())
        assert ls.metrics.get(kind(*told), None, output) == (kind.key, kind(*told))
        if kind in (ls.metrics.PSNR, ls.metrics.SSIM):
            continue
        keras.backend.clear_session(free_memory=False)  # which counts them from the beginning
        assert getattr(keras.metrics, kind.__name__)(*told).name == kind.key
        if not told:
            assert keras.metrics.get(kind.__name__) is not None
            assert ls.metrics.get(kind.__name__, None, output)[0] == kind.__name__
    assert ls.metrics.get("mse", None, output) == ("mse", ls.metrics.MeanSquaredError(name="mse"))
    assert ls.metrics.get("acc", None, output)[0] == "acc"
    with pytest.raises(UnknownNameError, match=r"^unknown metric 'acuracy'\. Did you mean 'accuracy'"):
        ls.metrics.get("acuracy", None, output)
    with pytest.raises(SettingError, match=r"^a metric is a name or an object of layerscope\.metrics, not 1$"):
        ls.metrics.get(1, None, output)
    with pytest.raises(SettingError) as caught:
        ls.metrics.get("MeanIoU", None, output)
    assert str(caught.value) == ("the metric MeanIoU needs num_classes: give metrics.MeanIoU(num_classes=...)")
