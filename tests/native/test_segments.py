"""Batch normalisation in the native engine: what is computed once, per channel, or again, and what is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings
from tests.native.random_cases import Case

from layerscope import layers, optimizers
from layerscope.core.types import TensorType
from layerscope.engine.native import assembly
from layerscope.engine.native.draft import prepared
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.operations import of_batch
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.program import Program
from layerscope.layers import Input
from layerscope.models import Model

pytestmark = pytest.mark.usefixtures("one_cache")

SIDE, CHANNELS, DEPTH = 8, 16, 5


def normal(x, activation="relu", channels=CHANNELS):
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def chain(depth=DEPTH, activation="relu"):
    x = y = Input((SIDE, SIDE, CHANNELS))
    for _ in range(depth):
        y = normal(y, activation)
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def residual():
    x = Input((SIDE, SIDE, CHANNELS))
    y = normal(x)
    for _ in range(2):
        y = layers.Activation("relu")(layers.Add()([y, normal(normal(y), "linear")]))
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def twice():
    """A normalised image that a pool, a join, another normalisation and an output read."""
    x = Input((SIDE, SIDE, 3))
    a = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    b = layers.LeakyReLU()(layers.BatchNormalization(center=False)(layers.Activation("relu")(a)))
    c = layers.Concatenate()([layers.MaxPooling2D(2)(a), layers.AveragePooling2D(2)(layers.Multiply()([a, b]))])
    return Model(x, [layers.Dense(3, activation="softmax")(layers.Flatten()(c)), a])


def first_axis():
    x = Input((4, SIDE, SIDE))
    y = layers.Activation("relu")(layers.BatchNormalization(axis=1)(x))
    y = layers.BatchNormalization(axis=2, scale=False)(layers.Multiply()([x, y]))
    return Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))


def vectors():
    """Products with normalisation between them: with `large=0` their gradients wait for all blocks of a segment."""
    x = y = Input((24,))
    for _ in range(4):
        y = layers.Dense(24, use_bias=False)(y)
        y = layers.Activation("tanh")(layers.BatchNormalization()(y))
    return Model(x, layers.Dense(3, activation="softmax")(y))


def deep():
    """Products without normalisation: one segment, behind which all their gradients come."""
    x = y = Input((24,))
    for _ in range(5):
        y = layers.Dense(24, activation="tanh")(y)
    return Model(x, layers.Dense(3, activation="softmax")(y))


def program(model):
    model.compile("sgd", "sparse_categorical_crossentropy", engine="reference")
    return model._job.training


def images(draft):
    """Operations whose result has an element for each of an image."""
    return [op for op in draft.ops if of_batch(op.outputs[0]) and op.outputs[0].type.rank == 4]


def functions(draft):
    return Counter(op.do.function for op in images(draft) if isinstance(op.do, Map))


def test_a_mean_is_subtracted_once():
    """Both the variance and the result are made of x − mean; where gradients do not pass makes no difference."""
    found = functions(prepared(program(chain(1))))
    assert found["sub"] == 1
    assert found["constant"] == 0


def test_two_sums_go_back():
    """Σ g and Σ g·(x − mean): the third, Σ −g·factor, is a multiple of the first, and so without an image."""
    draft = prepared(program(chain(1)))
    sums = [op for op in draft.ops if isinstance(op.do, Reduce) and op.inputs[0].type.rank == 4 and 0 in op.do.axes]
    assert Counter(op.do.how for op in sums) == {"mean": 2, "sum": 2}
    assert functions(draft)["neg"] == 0


def test_shares_are_made_per_channel():
    """What each element gets of a gradient of the mean or the variance is divided by their number once a channel."""
    draft = prepared(program(chain(2)))
    assert [op.inputs[0].type.rank for op in images(draft) if isinstance(op.do, Expand)] == [2]  # of the pooling


@pytest.mark.parametrize(
    ("model", "images"),
    [
        (chain(), DEPTH + 2),  # what each convolution made; a gradient, and another one that is made of it
        (residual(), 5 + 2 + 3),  # besides them the two sums, and the gradient that goes around
    ],
)
def test_what_is_kept(model, images):
    """Neither normalised images nor what a relu makes of one are kept until gradients come back."""
    job = program(model)
    options = assembly.Options(**{**vars(options_for("float32")), "dtypes": ("float32",) * 2, "strips": 1})
    layout = assembly.assembled(job, options).memory.layout
    margin = (SIDE + 2) * (SIDE + 3) * CHANNELS
    assert layout.regions["kept"] <= images * margin * options.lanes * options.groups * 4


def test_a_long_chain_is_cut():
    """Normalisations that follow each other without a convolution are not all made again at each of them."""
    x = y = Input((SIDE, SIDE, CHANNELS))
    for _ in range(8):
        y = layers.Activation("relu")(layers.BatchNormalization()(y))
    options = assembly.Options(**{**vars(options_for("float32")), "dtypes": ("float32",) * 2, "strips": 1})
    model = Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))
    stages = assembly.assembled(program(model), options).schedule.stages
    assert max(len(stage.ops) for stage in stages) <= 24


@pytest.mark.parametrize("axes", [(0,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (5, 4, 3), (1, 3)])
def test_only_what_a_sum_keeps_is_taken_out_of_it(axes, shape):
    """Σ (x · c) is c · Σ x where c has a number for each of the sums, no more and no fewer."""
    written = Program()
    image = written.input(("data", 0), TensorType(("batch", 5, 4, 3)))
    factor = written.input(("weight", "c"), TensorType(shape))
    written.output(("metric", "sum"), written.reduce("sum", written.map("mul", image, factor), axes))
    ops = prepared(written).ops
    kept = tuple(n for axis, n in enumerate((0, 5, 4, 3)) if axis not in axes)
    wanted = [Reduce, Map] if shape == kept else [Map, Reduce]
    assert [type(op.do) for op in ops] == wanted


@pytest.mark.parametrize("model", [chain(3), chain(2, "tanh"), residual(), twice(), first_axis(), vectors(), deep()])
@pytest.mark.parametrize(("threads", "more"), [(1, {}), (2, {}), (2, {"large": 0, "lanes": 8})])
def test_is_the_reference(model, threads, more):
    """Also where the last block is not full."""
    random = np.random.default_rng(4)
    goals: list = ["sparse_categorical_crossentropy"]
    targets = [random.integers(0, 3, 40)]
    if len(model.output_types) > 1:
        goals.append("mse")
        targets.append(random.normal(size=(40, *map(int, model.output_types[1].shape[1:]))))
    model.compile(optimizers.Adam(0.05, epsilon=0.1), goals, engine="reference")
    case = Case(0, model._job, threads, 21, 40, {}, [random.normal(3.0, 2.0, (40, *model.input_shape[1:]))], targets)
    case.weights = {id: variable.array.astype(np.float64) for id, variable in model._variables.items()}
    native, reference = engines(case, "float64")
    for _ in range(3):
        order = random.permutation(40)
        with settings(**more):
            mine = native.train_epoch(case.inputs, case.targets, order, 21, going)
        wanted = reference.train_epoch(case.inputs, case.targets, order, 21, going)
        for name, value in wanted.items():
            np.testing.assert_allclose(mine[name], value, rtol=1e-10)
    for id, array in reference.state.weights.items():
        np.testing.assert_allclose(native.state.weights[id], array, rtol=1e-7, atol=1e-9)
