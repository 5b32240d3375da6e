"""Which memory is used again, and what threads hold once."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings
from tests.native.random_cases import CHECKED
from tests.native.test_teams import alike, case, images, trained

from layerscope import layers
from layerscope.engine.native import assembly, compiled, engine, layout, views
from layerscope.layers import Input
from layerscope.models import Model

pytestmark = pytest.mark.usefixtures("one_cache")


def wide(channels=8, size=(11, 9)):
    """Convolutions whose gradients are made row by row of products; a normalisation, so that there are segments."""
    x = Input((*size, channels))
    y = layers.Conv2D(24, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(y))
    y = layers.Conv2D(32, 3, padding="same", activation="relu")(y)
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def assembled(model, **options):
    """The training program for 16 lanes of AVX-512, on any machine."""
    model.compile("sgd", "sparse_categorical_crossentropy", engine="reference")
    asked = replace(
        engine.options_for("float32", ("float32", "int64")), lanes=16, sums=24, strips=1, attributes="", **options
    )
    return assembly.assembled(model._job.training, asked)


def test_small_values_leave_large_memory_to_large_ones():
    """Between two large values that do not live at the same time come many small ones."""
    x = Input((8, 8, 16))
    y = layers.Concatenate()([layers.Conv2D(32, 1)(x) for _ in range(3)])
    model = Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))
    recipe = assembled(model)
    lives = layout._lifetimes(recipe.schedule)
    whole = [v for v in lives if v.type.shape[1:] == (8, 8, 96)]
    first, second = sorted(whole, key=lambda v: lives[v][0])
    assert lives[first][1] < lives[second][0] - 5
    made = recipe.memory.layout
    assert made.buffers[first].offset == made.buffers[second].offset
    sizes = sorted((made.buffers[v].bytes for v in lives), reverse=True)
    assert made.regions["scratch"] < sum(sizes) - sizes[0]


@pytest.mark.parametrize("make", [images, wide])
def test_what_lives_at_the_same_time_lies_apart(make):
    recipe = assembled(make())
    lives, made = layout._lifetimes(recipe.schedule), recipe.memory.layout
    together: dict[int, list[object]] = {}  # what lies in the same value, or is written over it
    for v in made.buffers:
        if v in lives:
            together.setdefault(id(made.buffers[views.placed(made.views, v)[0]]), []).append(v)
    spans = []
    for values in together.values():
        b = made.buffers[values[0]]
        times = min(lives[v][0] for v in values), max(lives[v][1] for v in values)
        spans.append((*times, b.region, b.offset, b.offset + b.bytes))
    assert len(spans) > 10
    shared = 0
    for one, other in itertools.combinations(spans, 2):
        if one[2] == other[2] and one[3] < other[4] and other[3] < one[4]:
            shared += 1
            assert one[1] < other[0] or other[1] < one[0]
    assert shared
    assert all(end <= made.regions[region] for *_, region, _, end in spans)


@pytest.mark.parametrize("threads", [3, 5, 16])
@pytest.mark.parametrize("more", [{"lanes": 8, "sums": 8}, {"lanes": 4, "sums": 7}, {"lanes": 8, **CHECKED}])
def test_gradients_that_are_held_once(threads, more):
    """Batches of 9, 9 and 5 examples: one to three blocks, teams of one to eight, some threads without a block."""
    model = wide()
    alone = trained(case(model, 1), large=0, **more)
    found = trained(case(model, threads), large=0, once=True, team=8, **more)
    alike(found, alone)


def test_gradients_that_are_held_once_do_not_depend_on_threads():
    """Every number is made by one thread, block by block in order; so are sums of the examples' losses."""
    model = Model(x := Input((9, 8, 16)), layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, use_bias=False)(x)))
    found = []
    for threads in (2, 5, 9):
        asked = case(model, threads)
        asked.targets = [np.random.default_rng(1).integers(0, 16, asked.count)]
        native, _ = engines(asked, "float64")
        with settings(large=0, once=True, lanes=8, strips=1):
            native.train_epoch(asked.inputs, asked.targets, np.arange(asked.count), asked.batch, going)
        found.append(native.state.weights)
    for other in found[1:]:
        assert all(np.array_equal(found[0][id], array) for id, array in other.items())


def test_when_they_are_held_once(monkeypatch):
    """Where threads have a block each at most, and a kernel is more than 1 MiB: no thread has sums of its own then."""
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    x = Input((9, 9, 176))
    y = layers.Conv2D(176, 3, padding="same", activation="relu", name="conv")(x)
    model = Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))
    random = np.random.default_rng(0)
    for threads, batch, once in ((2, 8, True), (2, 9, False), (1, 4, False), (4, 3, True)):
        model.compile("sgd", "sparse_categorical_crossentropy", engine="native", threads=threads)
        model.fit(random.random((batch, 9, 9, 176)), random.integers(0, 3, batch), batch, verbose=0)
        (code,) = model._job.__dict__["_native"].values()
        assert code.options.once is once
        kernel = 9 * 176 * 176 * 4
        assert (code.sizes["parts"] - code.sizes["partial"] < kernel) is once
        assert (code.sizes["flat"] >= kernel) is once
        (way,) = (row.way for row in model.engine_report(batch).rows if row.work == "kernel gradient")
        assert way.endswith("; once for all threads") is once
        assert compiled.memory_size(code, threads) > kernel
