"""What large networks need: a kernel's side and its gradient in parts, with the results of the definition."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tests.native.comparing import compare, engines, settings
from tests.native.random_cases import CHECKED, Case

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly, compiled, driver
from layerscope.engine.native.engine import options_for, suited
from layerscope.engine.native.targets import TARGETS
from layerscope.models import Model, Sequential

SMALL = {"lanes": 4, "sums": 12, "gain": 1e9, "large": 0, **CHECKED}


def case(stack, shape, options, batch=5, threads=2):
    """A network that trains for two batches and a smaller one."""
    model = Sequential([layers.Input(shape), *stack])
    model.compile(optimizers.SGD(0.1, momentum=0.5), losses.MeanSquaredError())
    random, count = np.random.default_rng(0), 2 * batch + 1
    weights = {id: random.normal(size=v.shape) * 0.3 for id, v in model._variables.items()}
    weights = {id: np.abs(array) if array.ndim == 1 else array for id, array in weights.items()}  # variances
    found = Case(1, model._job, threads, batch, count, options, [random.normal(size=(count, *shape))], [], weights)
    found.targets = [random.random((count, *model.output_shape[1:]))]
    return found


def layout(case, precision="float64"):
    """The layout of a case's training."""
    with settings(**case.options):
        native, _ = engines(case, precision)
        return assembly.assembled(native.job.training, options_for(precision, ("float64", "float64"))).memory.layout


@pytest.mark.parametrize(("first", "size"), [(layers.Conv2D, 15), (layers.Conv2DTranspose, 10)])
def test_kernels_in_panels_and_gradients_by_rows(first, size):
    stack = [first(8, 3, padding="same", activation="tanh"), layers.Conv2D(20, 3, padding="same")]
    made = case(stack, (size, 8, 8), SMALL)
    assert compare(made) == []
    small, whole = layout(made).regions, layout(case(stack, (size, 8, 8), {**SMALL, "large": 1 << 20})).regions
    assert small.get("packed", 0) < whole["packed"] / 4
    assert small["partial"] + small["parts"] < (whole["partial"] + whole["parts"]) / 2


def test_in_single_precision():
    stack = [layers.Conv2D(16, 3, padding="same", activation="relu"), layers.Conv2D(8, 3, padding="same")]
    assert compare(case(stack, (9, 12, 8), {**SMALL, "lanes": 8, "checked": False}), "float32") == []


@pytest.mark.parametrize("more", [{}, CHECKED], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_matrices_as_they_lie(groups, more):
    stack = [layers.Dense(448, activation="tanh"), layers.Dense(432)]
    options = {"lanes": 16, "sums": 12, "groups": groups, "large": 0, **more}
    made = case(stack, (416,), options, batch=40)
    for made.seed in (0, 1):  # what is predicted, and what is measured
        assert compare(made) == []
    small, whole = layout(made).regions, layout(case(stack, (416,), {**options, "large": 1 << 30})).regions
    assert whole["packed"] > 0
    assert "packed" not in small


@pytest.mark.parametrize(("batch", "packed"), [(28, False), (32, True)])
def test_large_matrices_are_packed_for_many_blocks(batch, packed):
    """For eight and more of a batch: bringing the matrix near for each would take longer."""
    options = {"lanes": 4, "sums": 12, "groups": 1}
    made = case([layers.Dense(96, activation="tanh"), layers.Dense(2)], (1664,), options, batch=batch)
    assert compare(made) == []
    with settings(**options):
        training = made.job.training
        found = suited(made.job, training, options_for("float64", ("float64", "float64")), batch, 2)
        regions = assembly.assembled(training, found).memory.layout.regions
    assert (regions.get("packed", 0) > 8 * 1664 * 96) == packed


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("more", [{}, {"groups": 2}])
def test_gradients_of_matrices_once_for_all_threads(more, threads):
    """Blocks of several threads, a short last one, rows that are no multiple of a tile, sums over the batch between."""
    stack = [layers.Dense(24), layers.BatchNormalization(), layers.Activation("tanh"), layers.Dense(8)]
    made = case(stack, (29,), {**SMALL, **more}, batch=39, threads=threads)
    assert compare(made) == []
    regions = layout(made).regions
    assert regions["flat"] >= 8 * (29 * 24 + 24 * 8)
    assert "partial" not in regions


def test_any_number_of_threads_gives_matrices_the_same_bits():
    """The sum over the batch goes from block to block, whoever computes it."""
    found = []
    for threads in (1, 2, 3):
        made = case([layers.Dense(16, use_bias=False)], (8,), {**SMALL, "checked": False}, batch=30, threads=threads)
        with settings(**made.options):
            native, _ = engines(made, "float32")
            native.train_epoch(made.inputs, made.targets, np.arange(made.count), made.batch, lambda *_: True)
        found.append(next(iter(native.state.weights.values())))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def _conv(filters, **more):
    return layers.Conv2D(filters, 3, padding="same", activation="relu", **more)


def _wide(x):
    return layers.GlobalAveragePooling2D()(_conv(512)(_conv(512)(x)))


def _dense(x):
    return layers.Dense(4096, activation="relu")(layers.Dense(4096, activation="relu")(x))


def _residual(x):
    for _ in range(2):
        normal = layers.BatchNormalization()(layers.Conv2D(64, 3, padding="same")(_conv(64)(x)))
        x = layers.Activation("relu")(layers.Add()([x, normal]))
    return layers.GlobalAveragePooling2D()(x)


def _small(x):
    x = layers.MaxPooling2D(2)(_conv(64)(layers.MaxPooling2D(2)(_conv(32)(x))))
    return layers.GlobalAveragePooling2D()(x)


class Found(Exception):
    """Instead of code."""


@pytest.mark.parametrize(
    ("body", "shape", "batch", "megabytes"),
    [
        (_wide, (14, 14, 512), 16, {1: 75, 2: 110}),
        (_dense, (784,), 128, {1: 99, 2: 99}),
        (_residual, (56, 56, 64), 16, {1: 207, 2: 230}),
        (_small, (32, 32, 3), 16, {1: 6, 2: 6}),
    ],
)
def test_memory_of_a_training_step(body, shape, batch, megabytes, monkeypatch):
    """What docs/benchmarks.md says of these networks of benchmarks/cliffs.py, with avx512; by one thread no more than
    PyTorch was seen to take.
    """

    def found(program, options, *_):
        recipe = assembly.assembled(program, options)
        reserved = recipe.memory.layout.regions
        raise Found(
            {**driver.regions(recipe), **{name: reserved.get(name, 0) for name in ("packed", "flat")}}, options
        )

    monkeypatch.setattr(compiled, "compiled", found)
    x = layers.Input(shape)
    model = Model(x, layers.Dense(10, activation="softmax")(body(x)))
    data = np.zeros((batch, *shape), np.float32), np.zeros(batch, np.int64)
    for threads, most in megabytes.items():
        model.compile("sgd", "sparse_categorical_crossentropy", engine="native", threads=threads)
        with settings(lanes=16, sums=TARGETS["avx512"].sums), pytest.raises(Found) as raised:
            model.fit(*data, batch, 1, verbose=0)
        sizes, options = raised.value.args
        blocks = compiled.blocks(options, batch)
        size = compiled.memory_size(SimpleNamespace(sizes=sizes), min(threads, blocks), blocks)
        assert size <= most * 1e6
