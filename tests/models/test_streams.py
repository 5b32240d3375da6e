"""Sources: what fit, evaluate and predict make of them is what they make of the array, to the bit."""

import itertools
import re
import signal
import threading
import weakref

import numpy as np
import pytest

from layerscope import Input, Model, utils
from layerscope.callbacks import Callback, LambdaCallback
from layerscope.core.errors import DataError, NotFiniteError, ShapeError
from layerscope.layers import Concatenate, Conv2D, Dense, Flatten
from layerscope.models import streaming
from layerscope.models.streams import ArraySource, Joined, Picked, Source

from .helpers import dense_model, equal, image_model, numbers, refuses

X, Y = numbers(103, 8, 8, 1), np.arange(103) % 3
EXAMPLE = 8 * 8 * 4 + 8
"""Bytes of one example of X and Y."""


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Chunks of three batches of ten, and no thread left behind."""
    monkeypatch.setattr(streaming, "CHUNK", 30 * EXAMPLE)
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "layerscope-reader"] == []


class Told(Callback):
    """Everything that a callback hears, and the weights that it sees at each batch."""

    def __init__(self):
        self.heard = []

    def on_epoch_begin(self, epoch, logs=None):
        self.heard.append(("epoch", epoch))

    def on_train_batch_begin(self, batch, logs=None):
        self.heard.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(("end", batch, dict(logs), float(np.sum(self.model.get_weights()[0]))))

    def on_epoch_end(self, epoch, logs=None):
        self.heard.append(("epoch", epoch, dict(logs)))


def both(make, x, y, **settings):
    """A model fitted with arrays and one fitted with sources: histories, weights, what was heard."""
    found = []
    for given in ((x, y), (ArraySource(x), ArraySource(y) if y.ndim > 1 else y)):
        model, told = make(), Told()
        if "validation_data" in settings:
            settings["validation_data"] = given
        settings.update(verbose=0, seed=5)
        heard = [told] if settings.get("callbacks") is not None else []
        history = model.fit(*given, **{**settings, "callbacks": heard})
        found.append((history.history, model.get_weights(), told.heard, model))
    return found


def same(found):
    (history, weights, heard, _), (history2, weights2, heard2, _) = found
    assert history == history2
    assert heard == heard2
    assert equal(weights, weights2)
    return history, heard


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("chunk", [1, 50 * EXAMPLE, 1 << 30])
@pytest.mark.parametrize("batch_size", [3, 10, 34, 103, 500])
def test_training_is_the_same_to_the_bit(engine, chunk, batch_size, monkeypatch):
    monkeypatch.setattr(streaming, "CHUNK", chunk)
    history, _ = same(
        both(
            lambda: image_model(rate=0.3, engine=engine, metrics=["accuracy"]),
            X, Y, batch_size=batch_size, epochs=2, validation_data=True,
        )
    )  # fmt: skip
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_callbacks_hear_the_same(engine, shuffle):
    """Batch numbers, running means and weights at each batch go on from chunk to chunk."""
    _, heard = same(
        both(
            lambda: image_model(rate=0.3, engine=engine),
            X, Y, batch_size=10, epochs=2, shuffle=shuffle, callbacks=True,
        )
    )  # fmt: skip
    assert [one[1] for one in heard if one[0] == "end"] == [*range(11), *range(11)]


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_validation_split_cuts_sources(engine):
    same(both(lambda: image_model(engine=engine), X, Y, batch_size=10, epochs=2, validation_split=0.2))


def autoencoder(engine, precision="float32"):
    utils.set_random_seed(0)
    x = image = Input((8, 8, 1))
    x = Conv2D(2, 3, activation="relu", padding="same")(x)
    model = Model(image, Conv2D(1, 3, activation="sigmoid", padding="same")(x))
    model.compile("adadelta", "binary_crossentropy", engine=engine, precision=precision)
    return model


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_an_autoencoder_reads_its_images_once(engine, precision):
    """Input and goal stay one memory, as with arrays, for which code of its own is compiled."""

    class Counted(ArraySource):
        read_rows = 0

        def read(self, rows):
            self.read_rows += len(rows)
            return super().read(rows)

    found, source = [], Counted(X)
    for given in (X, source):
        model = autoencoder(engine, precision)
        history = model.fit(given, given, 10, 2, verbose=0, seed=5)
        found.append((history.history, model.get_weights(), [], model))
    same(found)
    assert source.read_rows == 2 * len(X)
    if engine == "native":
        one, two = (set(map(repr, f[3]._job.__dict__["_native"])) for f in found)
        assert {re.sub(r"\d{6,}", "", key) for key in one} == {re.sub(r"\d{6,}", "", key) for key in two}


def test_two_inputs_of_which_one_is_an_array():
    def make():
        utils.set_random_seed(0)
        a, b = Input((8, 8, 1), name="a"), Input((3,), name="b")
        model = Model([a, b], Dense(2)(Concatenate()([Flatten()(a), b])))
        model.compile("adam", "mse")
        return model

    b, y = numbers(103, 3, seed=2), numbers(103, 2, seed=3)
    found = []
    for a in (X, ArraySource(X)):
        model = make()
        history = model.fit({"a": a, "b": b}, y, batch_size=10, epochs=2, verbose=0, seed=5)
        found.append((history.history, model.get_weights(), [], model))
        assert np.array_equal(model.predict([a, b]), found[0][3].predict([X, b]))
    same(found)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_evaluate_and_predict(engine):
    model = image_model(engine=engine, metrics=["accuracy"])
    assert model.evaluate(ArraySource(X), Y, batch_size=10) == model.evaluate(X, Y, batch_size=10)
    assert np.array_equal(model.predict(ArraySource(X), batch_size=10), model.predict(X, batch_size=10))
    assert np.array_equal(model.predict([ArraySource(X)]), model.predict(X))
    assert np.array_equal(model(ArraySource(X)), model(X))


def test_predictions_of_a_wide_network_are_the_same(monkeypatch):
    """Code for many examples may hold several registers of them at once; a chunk may have too few for that."""
    utils.set_random_seed(0)
    image = Input((300,))
    model = Model(image, Dense(300, "relu")(image))
    x = numbers(1000, 300)
    monkeypatch.setattr(streaming, "CHUNK", 40 * 1200)
    assert np.array_equal(model.predict(ArraySource(x), batch_size=10), model.predict(x, batch_size=10))


# --- what goes wrong ---


def test_nan_names_the_batch_of_the_epoch():
    messages = []
    for given in (X, ArraySource(X)):
        model = image_model(optimizer="sgd", engine="native")
        order = LambdaCallback(on_train_batch_begin=lambda batch, logs, m=model: batch == 7 and poison(m))
        with pytest.raises(NotFiniteError) as caught:
            model.fit(given, Y, batch_size=10, epochs=3, verbose=0, seed=1, callbacks=[order])
        messages.append((str(caught.value), caught.value.epoch, caught.value.batch))
    assert messages[0] == messages[1]
    assert messages[0][0].startswith("the loss became nan in epoch 1, batch 8 of 11. ")


def poison(model):
    model.set_weights([np.full_like(array, np.nan) for array in model.get_weights()])


@pytest.mark.parametrize("batch", [0, 4, 5, 10])
def test_ctrl_c_ends_streaming_after_the_batch(batch, capsys):
    press = LambdaCallback(on_train_batch_end=lambda at, logs: at == batch and signal.raise_signal(signal.SIGINT))
    model, other = image_model(), image_model()
    history = model.fit(ArraySource(X), Y, batch_size=10, epochs=3, shuffle=False, callbacks=[press], seed=1)
    other.fit(X[: (batch + 1) * 10], Y[: (batch + 1) * 10], batch_size=10, shuffle=False, verbose=0, seed=1)
    assert history.interrupted
    assert equal(model.get_weights(), other.get_weights())
    assert capsys.readouterr().out.splitlines()[-1].startswith(
        "Stopped by Ctrl-C after epoch 1 of 3." if batch == 10 else
        f"Stopped by Ctrl-C in epoch 1 of 3, after batch {batch + 1} of 11. "
    )  # fmt: skip


class Failing(ArraySource):
    """Fails at the chunk that holds an example."""

    def __init__(self, array, example, error):
        super().__init__(array)
        self.example, self.error = example, error

    def read(self, rows):
        if self.example in rows:
            raise self.error
        return super().read(rows)


@pytest.mark.parametrize("error", [DataError("photo 77 is gone"), ArithmeticError("no"), KeyboardInterrupt()])
def test_an_error_while_reading_reaches_the_user(error):
    model, batches = image_model(), []
    source = Failing(X, 77, error)
    listening = LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    with pytest.raises(type(error)) as caught:
        model.fit(source, Y, batch_size=10, shuffle=False, verbose=0, callbacks=[listening])
    assert caught.value is error
    assert batches == list(range(6)), "the chunks before were trained with"
    with pytest.raises(type(error)):
        model.predict(source, batch_size=10)


def test_examples_that_are_not_finite_are_named():
    bad = X.copy()
    bad[77, 3, 3] = np.nan
    model = image_model()
    advice = "Remove such examples, or replace the values (numpy.nan_to_num), before training."
    with refuses(DataError, f"x contains NaN: first in example 77. {advice}"):
        model.fit(bad, Y, verbose=0)
    with refuses(DataError, f"x contains NaN: first in example 77. {advice}"):
        model.fit(ArraySource(bad), Y, batch_size=10, verbose=0)
    with refuses(DataError, f"the validation data's x contains NaN: first in example 77. {advice}"):
        model.fit(ArraySource(X), Y, batch_size=10, verbose=0, validation_data=(ArraySource(bad), Y))
    with refuses(DataError, f"x contains NaN: first in example 7. {advice}"):
        model.evaluate(ArraySource(bad)[70:], Y[70:], batch_size=10)


def test_targets_are_checked_as_they_are_read():
    message = (
        "binary_crossentropy takes targets between 0 and 1, but the targets lie between 0 and 2. Pixels of 0 to 255 "
        "want dividing by 255."
    )
    bad = np.zeros_like(X)
    bad[77, 0] = 2
    model = autoencoder("native")
    with refuses(DataError, message):
        model.fit(X, bad, verbose=0)
    with refuses(DataError, message):
        model.fit(ArraySource(X), ArraySource(bad), batch_size=10, verbose=0)


def test_sources_that_do_not_fit():
    model = image_model()
    messages = []
    for given in (X[:, :5], ArraySource(X[:, :5])):
        with pytest.raises(ShapeError) as caught:
            model.fit(given, Y, verbose=0)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    with refuses(DataError, "x has 103 examples, but y has 100"):
        model.fit(ArraySource(X), Y[:100], verbose=0)
    with refuses(DataError, "x holds no examples: its shape is (0, 8, 8, 1)"):
        model.predict(ArraySource(X[:0]))
    with refuses(DataError, "y is missing: give the targets (for an autoencoder, x itself)"):
        model.fit(ArraySource(X), verbose=0)
    whole = np.round(X * 9).astype(np.int32)
    assert model.evaluate(ArraySource(whole), Y) == pytest.approx(model.evaluate(whole, Y))


@pytest.mark.parametrize(
    ("made", "have"),
    [
        (lambda rows: X[rows][1:], "float32 (29, 8, 8, 1)"),
        (lambda rows: X[rows].astype(float), "float64 (30, 8, 8, 1)"),
        (lambda rows: None, "NoneType"),
    ],
)
def test_a_source_that_breaks_its_promise(made, have):
    class Broken(Source):
        shape = (103, 8, 8, 1)

        def read(self, rows):
            return made(rows)

    message = f"Broken.read gave {have} for 30 examples, but by its shape and dtype it must be float32 (30, 8, 8, 1)"
    with refuses(DataError, message):
        image_model().fit(Broken(), Y, batch_size=10, verbose=0)


# --- how it is read ---


class Watched(ArraySource):
    """Counts its arrays that are alive, and who reads."""

    def __init__(self, array):
        super().__init__(array)
        self.alive = self.most = 0
        self.threads = set()

    def read(self, rows):
        found = super().read(rows).copy()
        self.alive += 1
        self.most = max(self.most, self.alive)
        self.threads.add(threading.current_thread().name)
        weakref.finalize(found, self.gone)
        return found

    def gone(self):
        self.alive -= 1


def test_only_three_chunks_are_in_memory():
    source = Watched(numbers(1000, 8, 8, 1))
    model = image_model()
    model.fit(source, np.arange(1000) % 3, batch_size=10, epochs=2, verbose=0, callbacks=[Told()])
    model.evaluate(source, np.arange(1000) % 3, batch_size=10)
    model.predict(source, batch_size=10)
    assert source.threads == {"layerscope-reader"}
    assert 2 <= source.most <= 4  # in use, waiting, being read, and one that is just being let go
    assert source.alive == 0


def test_the_next_chunk_is_read_while_one_is_trained_with():
    """Training waits here for the next chunk to be read, which it would do without end if nobody read it."""
    second = threading.Event()

    class Eager(ArraySource):
        def read(self, rows):
            if 30 in rows:
                second.set()
            return super().read(rows)

    waits = LambdaCallback(on_train_batch_end=lambda batch, logs: found.append(second.wait(60)))
    found = []
    image_model().fit(Eager(X), Y, batch_size=10, shuffle=False, verbose=0, callbacks=[waits])
    assert found == [True] * 11


@pytest.mark.parametrize("count", [1, 9, 10, 11, 29, 30, 31, 35, 39, 40, 59, 60, 69, 70, 103])
def test_every_chunk_has_a_whole_batch(count, monkeypatch):
    """As a program is compiled for the examples of a batch, which decides how many threads share it."""
    bounds = streaming._bounds([X], [Y], count, 10)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == count
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(bounds))
    assert all(start % 10 == 0 for start, _ in bounds)
    assert all(10 <= stop - start < 40 for start, stop in bounds) or count < 10


def test_sources_are_cut_reshaped_picked_and_joined():
    source = ArraySource(X)
    assert np.array_equal(source[20:50][5:].array(2, 7), X[27:32])
    assert source[90:200].shape == (13, 8, 8, 1)
    assert source[50:20].shape == (0, 8, 8, 1)
    assert np.array_equal(source.reshape(-1, 64)[10:].reshape(93, 4, 16).array(1), X[11:].reshape(92, 4, 16))
    assert np.array_equal(Picked(source, np.array([5, 3, 99])).array(1), X[[3, 99]])
    joined = Joined([source[:40], Picked(source, np.arange(40, 103))])
    assert joined.shape == X.shape
    assert np.array_equal(joined.read(np.array([99, 0, 40, 39])), X[[99, 0, 40, 39]])
    with refuses(DataError, "examples of the shape (103, 8, 8, 1) cannot be brought into (103, 63)"):
        source.reshape(103, 63)
    with refuses(DataError, "examples of the shape (103, 8, 8, 1) cannot be brought into (50, 64)"):
        source.reshape(50, 64)
    with refuses(DataError, "examples that are read when wanted are cut in one piece, not in steps of 2"):
        source[::2]


def test_pixels_are_scaled_as_arrays_are():
    pixels = np.arange(256, dtype=np.uint8).reshape(256, 1)
    source = ArraySource(pixels, 255)
    assert source.dtype == np.float32
    assert np.array_equal(source.array(), pixels.astype(np.float32) / 255)
    assert source.array(3, 4).dtype == np.float32


def test_a_dense_model_takes_sources_of_any_float():
    x, y = numbers(60, 3, dtype="float64"), numbers(60, 2)
    found = []
    for given in (x, ArraySource(x)):
        model = dense_model()
        history = model.fit(given, y, batch_size=7, epochs=3, verbose=0, seed=2)
        found.append((history.history, model.get_weights(), [], model))
    same(found)
