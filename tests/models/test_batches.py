"""Batches that somebody gives, and arrays that do not fit into memory, against the same examples in arrays."""

import itertools
import tracemalloc

import numpy as np
import pytest

from layerscope import Input, Sequential, utils
from layerscope.callbacks import BackupAndRestore, LambdaCallback
from layerscope.core.errors import DataError, NotFiniteError, SettingError, ShapeError, TrainingError
from layerscope.layers import Dense, Dropout, Flatten
from layerscope.models.examples import Examples
from layerscope.models.feeds import Whole
from layerscope.models.streams import Source

from .helpers import dense_model, equal, image_model, numbers, refuses

X, Y, WEIGHTS = numbers(22, 3), numbers(22, 2, seed=1), numbers(22, seed=2)


def parts(size=5, weights=False):
    found = [slice(start, start + size) for start in range(0, len(X), size)]
    return [(X[p], Y[p], WEIGHTS[p]) if weights else (X[p], Y[p]) for p in found]


class Parts:
    """As Keras's PyDataset and PyTorch's data sets of batches: numbered."""

    def __init__(self, **told):
        self.parts, self.asked, self.ended = parts(**told), [], 0

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, number):
        if number >= len(self.parts):
            raise IndexError(number)
        self.asked.append(number)
        return self.parts[number]

    def on_epoch_end(self):
        self.ended += 1


class Loader:
    """As PyTorch's DataLoader: begins anew with each pass, and gives lists of tensors."""

    def __init__(self, **told):
        self.parts = parts(**told)

    def __len__(self):
        return len(self.parts)

    def __iter__(self):
        return iter([[Tensor(value) for value in batch] for batch in self.parts])


class Tensor:
    """As a tensor of PyTorch's that wants a gradient."""

    def __init__(self, array, free=False):
        self.array, self.free, self.shape = array, free, array.shape

    def detach(self):
        return Tensor(self.array, True)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        assert self.free, "a tensor that wants a gradient gives no array"
        return self.array


def trained(*given, **told):
    model = dense_model(metrics=["mae"], weighted_metrics=["mse"], optimizer="adam")
    history = model.fit(*given, epochs=3, verbose=0, shuffle=False, **told)
    return history.history, model


GIVERS = {
    "list": lambda **told: parts(**told),
    "loader": Loader,
    "numbered": Parts,
    "generator": lambda **told: itertools.cycle(parts(**told)),
}


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", GIVERS)
def test_batches_train_as_arrays_do(name, weights):
    told = {"sample_weight": WEIGHTS} if weights else {}
    wanted, first = trained(X, Y, batch_size=5, **told)
    found, second = trained(GIVERS[name](weights=weights), steps_per_epoch=5)
    assert found == wanted
    assert equal(first.get_weights(), second.get_weights())
    given, steps = GIVERS[name](weights=weights), 5
    np.testing.assert_allclose(
        second.evaluate(given, steps=steps), first.evaluate(X, Y, batch_size=5, **told), rtol=1e-6
    )
    assert equal([second.predict(GIVERS[name](), steps=5)], [first.predict(X)])


def test_a_sequence_is_shuffled_and_told_of_epochs():
    model, given = dense_model(), Parts()
    model.fit(given, epochs=3, verbose=0, seed=4)
    passes = [given.asked[n : n + 5] for n in range(0, 15, 5)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    assert given.ended == 3
    again, other = dense_model(), Parts()
    again.fit(other, epochs=3, verbose=0, seed=4)
    assert (other.asked, equal(again.get_weights(), model.get_weights())) == (given.asked, True)


def test_validation_on_batches_too():
    wanted, _ = trained(X, Y, batch_size=5, validation_data=(X, Y), validation_batch_size=5)
    found, _ = trained(parts(), validation_data=parts())
    assert set(found) == set(wanted)
    np.testing.assert_allclose(found["val_loss"], wanted["val_loss"], rtol=1e-6)
    some, _ = trained(parts(), validation_data=parts(), validation_steps=2)
    held, _ = trained(parts(), validation_data=(X[:10], Y[:10]))
    np.testing.assert_allclose(some["val_loss"], held["val_loss"], rtol=1e-6)


def test_a_generator_that_ends():
    model = dense_model()
    with pytest.warns(UserWarning, match=r"^generator has no more batches, so training ends here\. Give steps_per"):
        history = model.fit((batch for batch in parts()), epochs=4, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match=r"^generator gave 2 batches of the 3 that steps_per_epoch asks for"):
        history = model.fit((batch for batch in parts()), epochs=4, steps_per_epoch=3, verbose=0)
    assert history.epoch == [0, 1]
    with refuses(DataError, "generator gave no batch"):
        model.fit((batch for batch in []), verbose=0)
    with refuses(DataError, "list_iterator gave no batch: a generator gives each batch once; say how many in steps"):
        model.evaluate(iter([]))


def test_nothing_beyond_the_asked_steps_is_taken():
    given = itertools.cycle(parts())
    dense_model().fit(given, steps_per_epoch=3, epochs=2, verbose=0)
    assert next(given)[0] is not None
    taken = itertools.count()
    counting = ((next(taken), batch)[1] for batch in itertools.cycle(parts()))
    dense_model().evaluate(counting, steps=4)
    assert next(taken) == 4


def test_what_is_raised_while_a_batch_is_made():
    def broken():
        yield parts()[0]
        raise OSError("no such picture")

    with pytest.raises(OSError, match="no such picture"):
        dense_model().fit(broken(), steps_per_epoch=2, verbose=0)


REFUSED = {
    "function": (lambda: parts, DataError, None),
    "four": (
        lambda: iter([(X, Y, WEIGHTS, X)]),
        DataError,
        "list_iterator: a batch is x, (x, y) or (x, y, sample_weight), but one has 4 parts",
    ),
    "no targets": (
        lambda: iter([X]), DataError, "list_iterator: y is missing: give the targets (for an autoencoder, x itself)"
    ),
    "sizes": (
        lambda: iter([(X[:, :2], Y)]),
        ShapeError,
        "list_iterator: x has the shape (2,) per example, but the model's input x is (3,).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name][2]])
def test_batches_that_do_not_fit(name):
    made, kind, message = REFUSED[name]
    with refuses(kind, message):
        dense_model().fit(made(), verbose=0)


def test_weights_come_with_each_batch():
    with refuses(DataError, "sample_weight: with batches it comes with each of them, as (x, y, sample_weight)"):
        dense_model().fit(parts(), sample_weight=WEIGHTS, verbose=0)
    with refuses(DataError, "validation_split needs all examples at once; give batches to validate on"):
        dense_model().fit(parts(), validation_split=0.5, verbose=0)


def test_pictures_with_their_channels_first():
    images = numbers(4, 1, 8, 8)
    with pytest.raises(ShapeError) as caught:
        image_model().fit([(images, np.arange(4) % 3)], verbose=0)
    assert str(caught.value).endswith(
        " Its channels stand first, as in PyTorch: numpy.transpose(x, (0, 2, 3, 1)) puts them last."
    )


def test_a_sequential_is_built_from_the_first_batch():
    for given in (iter(parts()), Parts(), parts()):
        model = Sequential([Dense(2)])
        model.compile("sgd", "mse")
        seen = []
        tell = LambdaCallback(on_train_batch_end=lambda batch, logs, seen=seen: seen.append(batch))
        model.fit(given, epochs=1, verbose=0, callbacks=[tell])
        assert (model.input_shape, seen) == ((None, 3), [0, 1, 2, 3, 4])


def test_dropout_in_batches_is_that_of_arrays():
    def fitted(*given, **told):
        utils.set_random_seed(0)
        model = Sequential([Input((3,)), Dense(8, "relu"), Dropout(0.5), Dense(2)])
        model.compile("sgd", "mse")
        model.fit(*given, epochs=2, shuffle=False, verbose=0, seed=1, **told)
        return model.get_weights()

    assert equal(fitted(X, Y, batch_size=5), fitted(parts()))


def test_a_loss_that_is_no_number():
    bad = [*parts()[:2], (np.full((5, 3), 1e30, "float32"), Y[:5])]
    with pytest.raises(
        NotFiniteError, match=r"^the loss became inf in epoch 1, batch 3 of 3\. The weights are those"
    ):
        dense_model().fit(bad, verbose=0, shuffle=False)
    model = dense_model()
    before = model.get_weights()
    with pytest.raises(NotFiniteError, match=r"^the loss became inf in this batch\. The weights are those before"):
        model.train_on_batch(*bad[2])
    assert equal(before, model.get_weights())


# --- one batch ---


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_train_on_batch_is_a_step_of_fit(engine):
    first, second = (dense_model(optimizer="adam", metrics=["mae"], engine=engine) for _ in range(2))
    told = [first.train_on_batch(*batch, return_dict=True) for batch in parts()]
    logs = []
    second.fit(
        X,
        Y,
        batch_size=5,
        shuffle=False,
        verbose=0,
        callbacks=[LambdaCallback(on_train_batch_end=lambda _, told: logs.append(told))],
    )
    assert equal(first.get_weights(), second.get_weights())
    assert told[0] == logs[0]
    assert first.test_on_batch(X, Y) == first.evaluate(X, Y, batch_size=22)
    assert equal([first.predict_on_batch(X)], [first.predict(X)])


# --- what lies elsewhere ---


class Stored:
    """As an array of HDF5: shape, dtype and slices; counts what is asked of it at once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        assert isinstance(part, slice), "it is read in pieces only"
        found = self.array[part]
        self.most = max(self.most, len(found))
        return found


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_arrays_that_are_sliced_train_as_those_in_memory(shuffle, tmp_path):
    x, y = numbers(60, 8, 8, 1), np.arange(60, dtype="int32") % 3
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    wanted = image_model(metrics=["accuracy"])
    history = wanted.fit(x, y, batch_size=8, epochs=2, shuffle=shuffle, verbose=0, seed=3).history
    for given in (Stored(x), mapped):
        model = image_model(metrics=["accuracy"])
        told = model.fit(given, Stored(y), batch_size=8, epochs=2, shuffle=shuffle, verbose=0, seed=3)
        assert told.history == history
        assert equal(model.get_weights(), wanted.get_weights())
        assert model.evaluate(given, y) == wanted.evaluate(x, y)
        assert equal([model.predict(given)], [wanted.predict(x)])
        balanced = {"class_weight": {0: 2.0, 1: 0.5}, "epochs": 1, "verbose": 0, "seed": 0}
        same = image_model(metrics=["accuracy"])
        same.set_weights(model.get_weights())
        for one in (model, same):
            one.compile("sgd", "sparse_categorical_crossentropy")
        assert model.fit(given, Stored(y), **balanced).history == same.fit(x, y, **balanced).history


def test_batches_are_shuffled_whole():
    x = np.arange(22, dtype="float32")[:, None] / 22
    order = next(Whole(dense_model(1, 1), Examples([x], [x]), 5, "batch")._orders(np.random.default_rng(3)))
    assert sorted(order.tolist()) == list(range(22))
    assert order[:20].reshape(4, 5).tolist() == [
        [5 * n, 5 * n + 1, 5 * n + 2, 5 * n + 3, 5 * n + 4] for n in order[:20:5] // 5
    ]
    assert (order[20:].tolist(), order[:5].tolist() == [0, 1, 2, 3, 4]) == ([20, 21], False)
    with refuses(SettingError, "shuffle must be True, False or 'batch', not 'examples'"):
        dense_model(1, 1).fit(x, x, shuffle="examples", verbose=0)


class Switches(Source):
    """Examples that say that they are int32."""

    shape, dtype = (22, 3), np.dtype("int32")

    def read(self, rows):
        return np.zeros((len(rows), 3), "int32")


def test_switches_are_no_source():
    with refuses(DataError, "sources give no int32, which switches are; give those as an array"):
        dense_model().fit(Switches(), Y, verbose=0)


def test_an_interrupted_fit_goes_on(tmp_path):
    whole = dense_model(optimizer="adam")
    wanted = whole.fit(X, Y, batch_size=5, epochs=6, verbose=0, seed=2).history

    def fail(epoch, logs):
        if epoch == 3:
            raise OSError("power failure")

    first, second = (dense_model(optimizer="adam", seed=s) for s in (0, 1))
    backup = BackupAndRestore(tmp_path / "backup")
    with pytest.raises(OSError, match="power failure"):
        first.fit(
            X, Y, batch_size=5, epochs=6, verbose=0, seed=2, callbacks=[backup, LambdaCallback(on_epoch_end=fail)]
        )
    history = second.fit(X, Y, batch_size=5, epochs=6, verbose=0, callbacks=[backup])
    assert (history.history, history.epoch) == (wanted, [0, 1, 2, 3, 4, 5])
    assert equal(second.get_weights(), whole.get_weights())
    assert not (tmp_path / "backup").exists()


class Made:
    """Sixteen gigabytes of pictures that are made when they are read."""

    shape, dtype = (1 << 20, 64, 64, 1), np.dtype("float32")

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        count = len(range(*part.indices(len(self))))
        return np.full((count, *self.shape[1:]), 0.5, "float32")


@pytest.mark.parametrize("shuffle", [False, "batch"])
def test_memory_stays_small(shuffle):
    utils.set_random_seed(0)
    model = Sequential([Input((64, 64, 1)), Flatten(), Dense(1)])
    model.compile("adam", "mse", engine="reference")
    y = np.zeros(Made.shape[0], "uint8")
    model.fit(Made(), y, batch_size=64, steps_per_epoch=2, verbose=0)
    tracemalloc.start()
    try:
        model.fit(Made(), y, batch_size=64, steps_per_epoch=200, shuffle=shuffle, verbose=0)
        model.evaluate(Made(), y, batch_size=64, steps=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 96 << 20, f"{peak >> 20} MiB, where 200 batches are {200 * 64 * 64 * 64 * 4 >> 20} MiB"


def test_resuming_with_steps():
    model = dense_model()
    model.fit(X, Y, batch_size=5, epochs=1, verbose=0)
    with refuses(TrainingError, "steps_per_epoch and resume: an epoch would not begin where the last one ended"):
        model.fit(X, Y, batch_size=5, epochs=2, steps_per_epoch=2, resume=True, verbose=0)


def test_epochs_of_steps_go_through_all_examples():
    model = dense_model(optimizer="adam")
    other = dense_model(optimizer="adam")
    wanted = []
    tell = LambdaCallback(on_train_batch_end=lambda batch, logs: wanted.append(logs["loss"]))
    other.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0, callbacks=[tell])
    model.fit(X, Y, batch_size=5, epochs=5, steps_per_epoch=2, shuffle=False, verbose=0)
    assert equal(model.get_weights(), other.get_weights())
