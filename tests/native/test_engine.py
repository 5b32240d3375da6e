"""The native engine as a whole: repeatability, threads, the cache, callbacks, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from layerscope import Input, Model, layers, losses, optimizers, utils
from layerscope.callbacks import Callback
from layerscope.core.errors import DataError, NotFiniteError, SettingError
from layerscope.engine.native.engine import NativeEngine
from layerscope.engine.reference import NotFinite, ReferenceEngine, State
from layerscope.models import Sequential

SOURCE = str(Path(__file__).parents[2] / "src")


def made(threads=2, optimizer="adam", loss="mse", precision="float64", engine="native", rate=0.3):
    """A small convolutional network with repeatable weights."""
    utils.set_random_seed(1)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(rate),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    model.compile(optimizer, loss, engine=engine, precision=precision, threads=threads)
    return model


def data(count=50):
    random = np.random.default_rng(2)
    return random.random((count, 8, 8, 1)), random.random((count, 3))


def engine_of(model, dtype="float64", cls=NativeEngine, **settings):
    state = State({id: variable.array.astype(dtype) for id, variable in model._variables.items()})
    return cls(model._job, state, model._precision, 7, **settings)


def trained(threads, epochs=3):
    engine = engine_of(made(threads), threads=threads)
    for _ in range(epochs):
        engine.train_epoch(*([a] for a in data()), np.arange(50), 16, lambda *_: True)
    return list(engine.state.weights.values())


def going(*_):
    return True


# --- repeatability ---


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_twice(threads):
    for a, b in zip(trained(threads), trained(threads), strict=True):
        assert np.array_equal(a, b)


def test_other_thread_counts_differ_by_rounding_only():
    one = trained(1)
    for threads in (2, 3):
        for a, b in zip(one, trained(threads), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


# --- the cache ---

TRAINER = """
import sys
import threading
sys.path.insert(0, sys.argv[1])
from tests.native.test_engine import trained
print(sum(float(abs(a).sum()) for a in trained(1)).hex())
"""


def process(cache):
    """Another Python that trains, with a cache folder."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": SOURCE}
    return subprocess.Popen(
        [sys.executable, "-c", TRAINER, root],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(running):
    out, error = running.communicate(timeout=120)
    assert running.returncode == 0, error
    assert "Error" not in error
    return out.strip()


def test_two_processes_share_an_empty_cache(tmp_path):
    running = [process(tmp_path), process(tmp_path)]
    expected = sum(float(abs(a).sum()) for a in trained(1)).hex()
    assert [answer(one) for one in running] == [expected] * 2


def kept():
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.object"))


@pytest.mark.parametrize("spoil", [lambda b: b[:-7], lambda b: b"", lambda b: b[:200] + b"\0" + b[201:]])
def test_a_corrupted_file_is_compiled_again(spoil):
    first = trained(1)
    (path,) = kept()
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    for a, b in zip(first, trained(1), strict=True):
        assert np.array_equal(a, b)
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(trained(1)) == 4


# --- state and callbacks ---


def test_weights_change_in_place():
    model = made()
    engine = engine_of(model)
    before = dict(engine.state.weights)
    engine.train_epoch(*([a] for a in data()), np.arange(50), 16, going)
    assert engine.state.step == 4
    for id, array in engine.state.weights.items():
        assert array is before[id]
        assert not np.array_equal(array, model._variables[id].array)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_exact_batches_are_seen_before_the_next(dtype):
    """Also where the engine computes in a copy, of another type."""
    seen = {}
    for cls in (NativeEngine, ReferenceEngine):
        engine = engine_of(made(), dtype, cls)
        logs = seen[cls] = []

        def on_batch(batch, means, engine=engine, logs=logs):
            logs.append((batch, means["loss"], *(float(a.sum()) for a in engine.state.weights.values())))
            next(iter(engine.state.weights.values()))[:] *= 0.9  # which the next batch feels
            return True

        engine.train_epoch(*([a] for a in data()), np.arange(50), 16, on_batch, True)
    rounding = 1e-9 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(seen[NativeEngine], seen[ReferenceEngine], rtol=rounding, atol=rounding)


def test_a_callback_changes_the_learning_rate_of_the_next_batch():
    class Slower(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.optimizer.learning_rate *= 0.5

    found = []
    for engine in ("native", "reference"):
        model = made(optimizer=optimizers.SGD(0.5), engine=engine)
        model.fit(*data(), batch_size=16, epochs=2, verbose=0, callbacks=[Slower()], seed=3)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_an_error_in_a_callback_leaves_the_count_of_steps_right():
    engine = engine_of(made(optimizer=optimizers.SGD(0.1)))
    other = engine_of(made(optimizer=optimizers.SGD(0.1)))

    def fails(batch, means):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.train_epoch(*([a] for a in data()), np.arange(50), 1, fails)
    steps = engine.state.step
    assert 1 <= steps <= 50
    other.train_epoch(*([a[:steps]] for a in data()), np.arange(steps), 1, going)
    for a, b in zip(engine.state.weights.values(), other.state.weights.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("exact", [False, True])
def test_false_stops(exact):
    engine = engine_of(made(), threads=1)
    heard = []

    def on_batch(batch, means):
        heard.append(batch)
        return batch < 1

    engine.train_epoch(*([a] for a in data()), np.arange(50), 8, on_batch, exact)
    assert heard == list(range(len(heard)))
    assert engine.state.step == len(heard)
    if exact:
        assert heard == [0, 1]


# --- what goes wrong ---


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_nan_names_its_batch_and_leaves_the_weights_before_it(exact, threads):
    x, y = data()
    x[33, 4, 4] = np.nan  # in batch 4 of 8 examples
    engines = [engine_of(made(threads), threads=threads), engine_of(made(), cls=ReferenceEngine)]
    for engine in engines:
        with pytest.raises(NotFinite) as caught:
            engine.train_epoch([x], [y], np.arange(50), 8, going, exact)
        assert caught.value.batch == 4
        assert not np.isfinite(caught.value.loss)
        assert engine.state.step == 4
    for a, b in zip(*(engine.state.weights.values() for engine in engines), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_nan_is_found_without_any_weights():
    """A pool whose loss nobody updates anything by; NaN stands in each cell of a window once."""
    for cell in range(4):
        utils.set_random_seed(1)
        model = Sequential([Input((2, 2, 1)), layers.MaxPooling2D(2)])
        model.compile("sgd", "mse", precision="float64")
        x = np.zeros((5, 4))
        x[3, cell] = np.nan
        with pytest.raises(NotFinite) as caught:
            engine_of(model).train_epoch([x.reshape(5, 2, 2, 1)], [np.zeros((5, 1, 1, 1))], np.arange(5), 2, going)
        assert caught.value.batch == 1


@pytest.mark.parametrize("activation", [None, "relu", "sigmoid"])
@pytest.mark.parametrize("cell", range(4))
def test_nan_wins_a_pool_in_registers(cell, activation):
    model = Sequential([Input((4, 4, 1)), layers.Conv2D(2, 1, activation=activation), layers.MaxPooling2D(2)])
    model.compile("sgd", "mse", precision="float64")
    image = np.ones((1, 4, 4, 1))
    image[0, cell // 2, cell % 2] = np.nan
    for cls in (NativeEngine, ReferenceEngine):
        found = engine_of(model, cls=cls).predict([image], 4, going)[0]
        assert np.isnan(found).sum(axis=(0, 3)).tolist() == [[2, 0], [0, 0]]


def test_nan_in_fit():
    model = made(optimizer=optimizers.SGD(1e200))
    with pytest.raises(NotFiniteError, match="the loss became"):
        model.fit(*data(), batch_size=8, epochs=9, verbose=0)


def test_switches_outside_of_their_plane():
    x = Input((2, 2, 3))
    switches = Input((2, 2, 3), dtype="int32")
    model = Model([x, switches], layers.MaxUnpooling2D(2)([layers.Conv2D(3, 1)(x), switches]))
    model.compile("sgd", "mse", precision="float64")
    values, places, y = np.ones((9, 2, 2, 3)), np.zeros((9, 2, 2, 3), np.int32), np.zeros((9, 4, 4, 3))
    for wrong in (-1, 16, 2**31 - 1, -(2**31)):
        places[7, 1, 0, 2] = wrong
        for cls in (NativeEngine, ReferenceEngine):
            engine = engine_of(model, cls=cls)
            verbs = (
                lambda e=engine: e.predict([values, places], 4, going),
                lambda e=engine: e.evaluate([values, places], [y], 4, going),
                lambda e=engine: e.train_epoch([values, places], [y], np.arange(9), 4, going),
            )
            for verb in verbs:
                with pytest.raises(DataError, match=r"^max unpooling: a switch points outside the plane of 4×4$"):
                    verb()
            assert engine.state.step == 1  # the batch before
            engine.predict([values[:7], places[:7]], 4, going)  # the next call forgets it


def test_a_loss_that_feeds_the_batch_back():
    class Centred(losses.MeanSquaredError):
        """Each error is measured from the batch's mean."""

        def lower(self, program, target, output):
            each = program.map("sub", output, target)
            mean = program.reduce("mean", each, (0,), keep=True)
            return program.reduce("mean", program.map("square", program.map("sub", each, mean)), (0, 1))

    models = made(loss=Centred(), precision="float64"), made(loss=Centred(), precision="float64", engine="reference")
    first, second = (
        model.fit(*data(), batch_size=8, epochs=3, verbose=0, seed=1).history["loss"] for model in models
    )
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_memory_of_results_is_used_again_when_nobody_holds_them():
    model, x = made(), data(300)[0]
    first = model.predict(x)
    place, expected, part = first.ctypes.data, first.copy(), first[:2]
    del first
    second = model.predict(-x)  # `part` is still held
    assert second.ctypes.data != place
    np.testing.assert_array_equal(part, expected[:2])
    place = second.ctypes.data
    del second
    third = model.predict(x)
    assert third.ctypes.data == place
    np.testing.assert_array_equal(third, expected)
    held = memoryview(third)
    place = third.ctypes.data
    del third
    assert model.predict(x).ctypes.data != place
    np.testing.assert_array_equal(np.asarray(held), expected)
    assert model.predict(x[:3]).shape == (3, *expected.shape[1:])


def test_python_threads_predict_at_once():
    model, x = made(), data(300)[0]
    wanted, found = model.predict(x), []

    def ask():
        found.extend(np.array_equal(model.predict(x), wanted) for _ in range(5))

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert found == [True] * 20


def test_a_callback_predicts_while_its_own_model_trains():
    model, (x, y), seen = made(), data(), []

    class Ask(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.evaluate(x, y))

    model.fit(x, y, batch_size=25, epochs=2, verbose=0, callbacks=[Ask()])
    assert len(seen) == 4
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5"])
def test_a_number_of_threads_that_is_none(given, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_THREADS", given)
    wrong = f"^LAYERSCOPE_THREADS is '{given}'; it must be a whole number from 1 on, or unset for all cores.$"
    with pytest.raises(SettingError, match=wrong):
        made(threads=None).predict(data()[0])


def test_the_variable_sets_the_threads_and_compile_overrules_it(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_THREADS", "3")
    assert (made(threads=None).engine().threads, made(threads=1).engine().threads) == (3, 1)
