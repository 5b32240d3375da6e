"""Several threads on a block: where there are more of them than blocks, results are those of one thread a block."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings
from tests.native.random_cases import CHECKED, Case

from layerscope import layers, optimizers
from layerscope.engine.native import compiled, sizing
from layerscope.engine.native.draft import prepared
from layerscope.layers import Input
from layerscope.models import Model

pytestmark = pytest.mark.usefixtures("one_cache")


def images():
    """All kinds of stages: convolutions of either form, pools in registers and not, sums, joins, products."""
    x = Input((12, 12, 3))
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    b = layers.MaxPooling2D(2)(layers.Conv2D(8, 3, padding="same", activation="relu")(a))
    c = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2, padding="same")(b)))
    d = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="tanh")(c)
    e = layers.Conv2D(4, 3, padding="same")(layers.UpSampling2D(2)(layers.Add()([b, d])))
    f = layers.MaxPooling2D(3, 2)(layers.Concatenate()([a, layers.Dropout(0.2)(e)]))
    y = layers.Dense(16, activation="relu")(layers.Flatten()(layers.DepthwiseConv2D(3)(f)))
    return Model(x, layers.Dense(3, activation="softmax")(y))


def signals():
    x = Input((40, 2))
    y = layers.MaxPooling1D(4)(layers.Conv1D(16, 9, padding="same", activation="relu")(x))
    y = layers.LayerNormalization()(layers.Conv1D(16, 3, activation="sigmoid")(y))
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


def vectors():
    x = Input((70,))
    y = layers.Dense(96, activation="relu")(layers.Dense(64, activation="relu")(x))
    return Model(x, layers.Dense(3, activation="softmax")(y))


def case(model, threads, count=23, batch=9):
    model.compile(optimizers.Adam(0.01, epsilon=0.1), "sparse_categorical_crossentropy", engine="reference")
    found = Case(1, model._job, threads, batch, count, {})
    random = np.random.default_rng(8)
    found.inputs = [random.normal(size=(count, *map(int, model.input_shape[1:])))]
    found.targets = [random.integers(0, 3, count)]
    found.weights = {id: variable.array.astype(np.float64) for id, variable in model._variables.items()}
    return found


def trained(asked, **options):
    """What is measured, predicted and learned."""
    native, _ = engines(asked, "float64")
    order = np.random.default_rng(2).permutation(asked.count)
    with settings(**options):
        logs = [native.train_epoch(asked.inputs, asked.targets, order, asked.batch, going) for _ in range(2)]
        logs.append(native.evaluate(asked.inputs, asked.targets, asked.batch, going))
        outputs = native.predict(asked.inputs, asked.batch, going)
    return logs, outputs, native.state.weights


def alike(found, alone):
    """What several threads made is what one makes."""
    (logs, outputs, weights), (wanted_logs, wanted, wanted_weights) = found, alone
    for mine, other in zip(logs, wanted_logs, strict=True):
        assert mine == pytest.approx(other, rel=1e-9)
    np.testing.assert_allclose(outputs[0], wanted[0], rtol=1e-9, atol=1e-12)
    for id, array in wanted_weights.items():
        np.testing.assert_allclose(weights[id], array, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("make", [images, signals, vectors])
@pytest.mark.parametrize("threads", [2, 16])
@pytest.mark.parametrize(
    "more",
    [
        {"lanes": 8, "sums": 8},
        {"lanes": 16, "gain": 1e9},
        {"lanes": 8, **CHECKED},
        {"lanes": 4, "large": 0, **CHECKED},  # what all threads share, of three blocks
    ],
)
def test_results_are_the_same(make, threads, more):
    """Batches of 9, 9 and 5 are a block or two, so that teams have 1 to 16 threads."""
    model = make()
    alone = trained(case(model, 1), **more)
    found = trained(case(model, threads), team=16, **more)
    alike(found, alone)


def test_the_same_again():
    """The same number of threads adds in the same order."""
    model = images()
    first, second = (trained(case(model, 4), team=4, lanes=16) for _ in range(2))
    assert first[0] != []
    assert all(np.array_equal(first[2][id], array) for id, array in second[2].items())


def test_how_many():
    """Blocks before teams; only where a block is much work; never more threads than there are."""

    class Code:
        def __init__(self, shares, team=0):
            self.shares, self.options = shares, type("Options", (), {"team": team})

    assert compiled.teams(Code(True), 16, 8) == (8, 2)
    assert compiled.teams(Code(True), 16, 1) == (1, 16)
    assert compiled.teams(Code(True), 16, 5) == (5, 3)
    assert compiled.teams(Code(True), 2, 2) == (2, 1)
    assert compiled.teams(Code(True), 2, 7) == (2, 1)
    assert compiled.teams(Code(False), 16, 8) == (8, 1)
    assert compiled.teams(Code(False, 3), 16, 8) == (8, 2)


def test_where_it_pays():
    """A classifier of images; not a small product."""
    x = Input((28, 28, 1))
    y = layers.Conv2D(64, 3, activation="relu")(layers.Conv2D(32, 3, activation="relu")(x))
    large = Model(x, layers.Dense(10, activation="softmax")(layers.Flatten()(layers.MaxPooling2D(2)(y))))
    for model, wanted in ((large, True), (vectors(), False)):
        model.compile("sgd", "sparse_categorical_crossentropy", engine="reference")
        assert sizing.shares(prepared(model._job.training)) is wanted


def test_stopping_stops_a_team():
    """Whoever stops a prediction does not leave threads waiting for each other."""
    asked = case(images(), 4, 400, 16)
    native, _ = engines(asked, "float64")
    asks = []

    def stop(*_):
        asks.append(1)
        return False

    with settings(team=4, lanes=16):
        native.predict(asked.inputs, 16, stop)
        assert asks
        outputs = native.predict(asked.inputs, 16, going)
    assert np.isfinite(outputs[0]).all()


def test_the_report_says_who_shares_a_block(monkeypatch):
    """Of 16 threads 4 share each of 4 blocks, and in each loop nest that has enough parts; 16 blocks have one each."""
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    x = Input((16, 16, 64))
    y = layers.Conv2D(64, 3, padding="same", activation="relu", name="conv")(x)
    model = Model(x, layers.Dense(3, activation="softmax", name="classes")(layers.GlobalAveragePooling2D()(y)))
    model.compile("sgd", "sparse_categorical_crossentropy", engine="native", threads=16)
    with settings(strips=1):
        few, many = ({(row.layers, row.work): row.way for row in model.engine_report(n).rows} for n in (16, 64))
    same = {key: way.removesuffix("; 4 threads a block") for key, way in few.items()}
    assert same == many
    shared = {key for key, way in few.items() if way != same[key]}
    assert (("conv", "global_average_pooling2d"), "convolution") in shared
    assert (("classes",), "product") not in shared
    model.compile("sgd", "sparse_categorical_crossentropy", engine="native", threads=1)
    assert not any("threads a block" in row.way for row in model.engine_report(1).rows)
