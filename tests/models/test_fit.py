"""fit, evaluate and predict against the same arithmetic written out in NumPy."""

import math
import re

import numpy as np
import pytest

from layerscope import Input, Model, Sequential, callbacks, losses, optimizers, utils
from layerscope.core.errors import DataError, SettingError, SizeError, TrainingError
from layerscope.engine.reference import ReferenceEngine
from layerscope.layers import Dense, Dropout

from .helpers import dense_model, equal, image_model, numbers, refuses

RATE = 0.1


def by_hand(model, x, y, batch_size, epochs):
    """Losses of each epoch, and the weights after SGD on the mean squared error, in float64."""
    kernel, bias = (array.astype("float64") for array in model.get_weights())
    told = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows, goal = x[start : start + batch_size], y[start : start + batch_size]
            error = rows @ kernel + bias - goal
            total += (error**2).mean() * len(rows)
            kernel = kernel - RATE * rows.T @ (2 * error / error.size)
            bias = bias - RATE * (2 * error / error.size).sum(axis=0)
        told.append(total / len(x))
    return told, [kernel, bias]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 64])
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-13), ("float32", 1e-5)])
def test_sgd_is_what_the_formulas_say(batch_size, precision, tolerance):
    model = dense_model(optimizer=optimizers.SGD(RATE), precision=precision)
    x, y = numbers(10, 3, dtype="float64"), numbers(10, 2, seed=1, dtype="float64")
    told, weights = by_hand(model, x, y, batch_size, 3)
    history = model.fit(x, y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], told, rtol=tolerance)
    for found, wanted in zip(model.get_weights(), weights, strict=True):
        assert found.dtype == precision
        np.testing.assert_allclose(found, wanted, rtol=tolerance)
    assert (history.epoch, history.interrupted) == ([0, 1, 2], False)
    assert model.history is history


def test_the_batch_size_is_32_unless_told_otherwise():
    model = dense_model(optimizer=optimizers.SGD(RATE), precision="float64")
    x, y = numbers(70, 3, dtype="float64"), numbers(70, 2, seed=1, dtype="float64")
    told, _ = by_hand(model, x, y, 32, 1)
    np.testing.assert_allclose(model.fit(x, y, shuffle=False, verbose=0).history["loss"], told, rtol=1e-12)


def softmax(z):
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


MEASURES = {
    "mse": (None, lambda p, t: ((p - t) ** 2).mean()),
    "mae": (None, lambda p, t: np.abs(p - t).mean()),
    "binary_crossentropy": ("sigmoid", lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()),
    "categorical_crossentropy": ("softmax", lambda p, t: -(t * np.log(p)).sum(axis=-1).mean()),
}


@pytest.mark.parametrize("loss", MEASURES)
@pytest.mark.parametrize("batch_size", [1, 4, 7, 32])
def test_evaluate_weighs_every_example_alike(loss, batch_size):
    activation, measure = MEASURES[loss]
    model = dense_model(units=3, activation=activation, loss=loss, metrics=["accuracy", "mae"], precision="float64")
    x, y = numbers(11, 3), np.eye(3)[np.arange(11) % 3]
    made = model.predict(x)
    hits = made.argmax(axis=1) == y.argmax(axis=1)
    wanted = [measure(made, y), hits.mean(), np.abs(made - y).mean()]
    np.testing.assert_allclose(model.evaluate(x, y, batch_size=batch_size), wanted, rtol=1e-12)
    named = model.evaluate(x, y, batch_size=batch_size, return_dict=True)
    assert list(named) == ["loss", "accuracy", "mae"]
    np.testing.assert_allclose(list(named.values()), wanted, rtol=1e-12)


def test_one_metric_need_not_stand_in_a_list():
    assert list(dense_model(metrics="mae").evaluate(X, Y, return_dict=True)) == ["loss", "mae"]


def test_evaluate_gives_a_number_when_there_is_only_the_loss(capsys):
    found = dense_model().evaluate(numbers(4, 3), numbers(4, 2), verbose=1)
    assert isinstance(found, float)
    assert capsys.readouterr().out == f"loss {found:.4f}\n"


def test_labels_and_one_hot_rows_train_alike():
    x, labels = numbers(9, 3), np.arange(9) % 3
    ran = []
    for loss, y in (("sparse_categorical_crossentropy", labels), ("categorical_crossentropy", np.eye(3)[labels])):
        model = dense_model(units=3, activation="softmax", loss=loss, metrics=["accuracy"], precision="float64")
        history = model.fit(x, y, epochs=3, verbose=0, shuffle=False)
        ran.append([*history.history["loss"], *history.history["accuracy"], *model.get_weights()[0].ravel()])
    np.testing.assert_allclose(*ran, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32", "float64", "bool"])
def test_the_type_of_the_data_changes_nothing(dtype):
    model = dense_model()
    x, y = np.array([[0, 1, 1], [1, 0, 1]]), np.array([[0, 1], [1, 0]])
    wanted = dense_model().fit(x.astype("float32"), y.astype("float32"), epochs=2, verbose=0, seed=0).history
    assert model.fit(x.astype(dtype), y.astype(dtype), epochs=2, verbose=0, seed=0).history == wanted
    assert model.predict(x.astype(dtype)).dtype == np.float32


@pytest.mark.parametrize(("units", "shape"), [(1, (6,)), (1, (6, 1)), (2, (6, 2))])
def test_an_axis_of_one_number_may_be_left_out(units, shape):
    model = dense_model(units, precision="float64")
    x, y = numbers(6, 3), numbers(*shape, seed=1)
    wanted = ((model.predict(x) - y.reshape(6, units)) ** 2).mean()
    np.testing.assert_allclose(model.evaluate(x, y), wanted, rtol=1e-12)


def test_labels_may_have_an_axis_of_one():
    model, x = image_model(), numbers(5, 8, 8, 1)
    assert model.evaluate(x, [0, 1, 2, 0, 1]) == model.evaluate(x, np.array([[0], [1], [2], [0], [1]]))


def heads(loss, **settings):
    utils.set_random_seed(0)
    x = Input((3,))
    model = Model(x, [Dense(1, name="a")(x), Dense(2, "softmax", name="b")(x)])
    model.compile("sgd", loss, precision="float64", **settings)
    return model


def test_losses_of_several_outputs_add_up():
    x, a, b = numbers(7, 3), numbers(7), np.arange(7) % 2
    named = {"b": "sparse_categorical_crossentropy", "a": "mse"}
    model = heads(named)
    made_a, made_b = model.predict(x)
    parts = [((made_a[:, 0] - a) ** 2).mean(), -np.log(made_b[np.arange(7), b]).mean()]
    wanted = [sum(parts), *parts]
    for y in ([a, b], (a, b), {"b": b, "a": a}):
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=3), wanted, rtol=1e-12)
    listed = heads(["mse", losses.SparseCategoricalCrossentropy()])
    np.testing.assert_allclose(listed.evaluate(x, [a, b]), wanted, rtol=1e-12)
    history = listed.fit(x, [a, b], epochs=5, verbose=0)
    assert list(history.history) == ["loss", "a_loss", "b_loss"]
    assert history.history["loss"][-1] < wanted[0]


def test_from_logits_is_the_loss_of_the_activation():
    x, y = numbers(6, 3), np.arange(6) % 2
    plain = dense_model(2, activation="softmax", loss="sparse_categorical_crossentropy", precision="float64")
    logits = dense_model(2, loss=losses.SparseCategoricalCrossentropy(from_logits=True), precision="float64")
    np.testing.assert_allclose(logits.evaluate(x, y), plain.evaluate(x, y), rtol=1e-12)


def orders(monkeypatch, model, **settings):
    """In which order each epoch took the examples."""
    seen = []
    train = ReferenceEngine.train_epoch

    def spy(self, inputs, targets, order, *rest):
        seen.append(order.tolist())
        return train(self, inputs, targets, order, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ReferenceEngine, "train_epoch", spy)
        model.fit(numbers(12, 3), numbers(12, 2), verbose=0, **settings)
    return seen


def test_shuffling(monkeypatch):
    first = orders(monkeypatch, dense_model(engine="reference"), epochs=3, seed=1)
    assert all(sorted(order) == list(range(12)) for order in first)
    assert len({tuple(order) for order in first}) == 3, "each epoch has its own order"
    assert orders(monkeypatch, dense_model(engine="reference"), epochs=3, seed=1) == first
    assert orders(monkeypatch, dense_model(engine="reference"), epochs=3, seed=2) != first
    assert orders(monkeypatch, dense_model(engine="reference"), epochs=2, shuffle=False) == [list(range(12))] * 2


def test_looking_on_does_not_change_the_order(monkeypatch):
    """predict and evaluate between two fits draw nothing from the generator."""
    ran = []
    for look in (False, True):
        model = dense_model(engine="reference")
        orders(monkeypatch, model, seed=1)
        if look:
            model.predict(numbers(3, 3))
            model.evaluate(numbers(3, 3), numbers(3, 2))
        ran.append(orders(monkeypatch, model))
    assert ran[0] == ran[1]


def test_two_fits_are_one_of_as_many_epochs():
    x, y = numbers(10, 8, 8, 1), np.arange(10) % 3
    whole, parts = image_model(), image_model()
    whole.fit(x, y, epochs=4, verbose=0, shuffle=False, batch_size=4)
    parts.fit(x, y, epochs=2, verbose=0, shuffle=False, batch_size=4)
    later = parts.fit(x, y, epochs=4, initial_epoch=2, verbose=0, shuffle=False, batch_size=4)
    assert equal(whole.get_weights(), parts.get_weights())
    assert later.epoch == [2, 3]
    assert parts.fit(x, y, epochs=4, initial_epoch=4, verbose=0).history == {}


def test_compiling_again_forgets_the_optimizer_but_not_the_weights():
    x, y = numbers(10, 8, 8, 1), np.arange(10) % 3
    model, other = image_model(), image_model()
    model.fit(x, y, verbose=0, shuffle=False)
    model.compile("adam", "sparse_categorical_crossentropy")
    other.set_weights(model.get_weights())
    for one in (model, other):
        one.fit(x, y, verbose=0, shuffle=False)
    assert equal(model.get_weights(), other.get_weights())


def test_the_validation_split_is_the_last_part():
    x, y = numbers(10, 3), numbers(10, 2, seed=1)
    split, data = dense_model(metrics=["mae"]), dense_model(metrics=["mae"])
    first = split.fit(x, y, epochs=3, validation_split=0.3, shuffle=True, verbose=0, seed=0)
    second = data.fit(x[:7], y[:7], epochs=3, validation_data=(x[7:], y[7:]), shuffle=True, verbose=0, seed=0)
    assert first.history == second.history
    assert list(first.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert first.history["val_loss"][-1] == split.evaluate(x[7:], y[7:])[0]


def test_validation_every_so_many_epochs():
    x, y, validated = numbers(10, 3), numbers(10, 2, seed=1), []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: validated.append((epoch, "val_loss" in logs)))
    history = dense_model().fit(
        x, y, epochs=7, initial_epoch=1, validation_data=[x, y], validation_freq=3, callbacks=[note], verbose=0
    )
    assert validated == [(1, False), (2, True), (3, False), (4, False), (5, True), (6, False)]
    assert [len(history.history[name]) for name in ("loss", "val_loss")] == [6, 2]


def test_batches_of_validation_change_nothing():
    x, y, told = numbers(10, 3), numbers(10, 2, seed=1), []
    for size in (None, 3, 10):
        model = dense_model(precision="float64")
        history = model.fit(x, y, validation_data=[x, y], validation_batch_size=size, verbose=0, shuffle=False)
        told.append(history.history["val_loss"][0])
    np.testing.assert_allclose(told, told[0], rtol=1e-12)


def test_dropout_acts_while_training_only_and_repeats_with_the_seed():
    x, y = numbers(20, 8, 8, 1), np.arange(20) % 3
    ran = []
    for seed in (7, 7, 8):
        model = image_model(rate=0.5)
        untouched = model.predict(x)
        assert np.array_equal(model.predict(x), untouched)
        assert model.evaluate(x, y) == model.evaluate(x, y)
        history = model.fit(x, y, epochs=2, verbose=0, shuffle=False, seed=seed)
        ran.append((history.history, [w.tobytes() for w in model.get_weights()]))
    assert ran[0] == ran[1]
    assert ran[0][0] != ran[2][0]
    same = image_model(rate=0.0)
    assert same.fit(x, y, epochs=2, verbose=0, shuffle=False, seed=7).history != ran[0][0]


def test_dropout_differs_from_batch_to_batch():
    model = Sequential([Input((1000,)), Dropout(0.5), Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(1.0), "mse", precision="float64")
    x, kept = np.ones((4, 1000)), []
    for seed in (3, 3):
        model.set_weights([np.zeros((1000, 1))])
        model.fit(x[:1], [1.0], verbose=0, seed=seed)
        kept.append(model.get_weights()[0] != 0)
    assert 0.4 < (kept[0] != kept[1]).mean() < 0.6, "the step is another"


LINE = r"Epoch {n}/2  loss \d+\.\d{{4}}  mae \d+\.\d{{4}}  val_loss \d+\.\d{{4}}  val_mae \d+\.\d{{4}}  \d+\.\d s\n"


@pytest.mark.parametrize("verbose", ["auto", 1, 2, True])
def test_a_line_for_each_epoch(verbose, capsys):
    model = dense_model(metrics=["mae"])
    model.fit(numbers(4, 3), numbers(4, 2), epochs=2, verbose=verbose, validation_split=0.5)
    assert re.fullmatch(LINE.format(n=1) + LINE.format(n=2), capsys.readouterr().out)


@pytest.mark.parametrize("verbose", [0, False])
def test_nothing_when_asked_for_nothing(verbose, capsys):
    model = dense_model()
    model.fit(numbers(4, 3), numbers(4, 2), verbose=verbose)
    model.evaluate(numbers(4, 3), numbers(4, 2), verbose=verbose)
    model.predict(numbers(4, 3), verbose=verbose)
    assert capsys.readouterr() == ("", "")


def test_predict_works_before_compile_and_in_any_batches():
    model, x = dense_model(compiled=False), numbers(11, 3)
    whole = model.predict(x)
    for size in (1, 4, 11, 12):
        np.testing.assert_allclose(model.predict(x, batch_size=size), whole, rtol=1e-6)
    assert np.array_equal(model.predict(x.tolist()), whole)
    assert np.array_equal(model.predict([x]), whole)
    assert np.array_equal(model.predict([x[0].tolist()]), model.predict(x[:1]))


def test_float64_is_computed_in_float64():
    model = dense_model(precision="float64")
    assert model.predict(numbers(4, 3)).dtype == np.float64
    x = np.full((1, 3), 1 + 1e-12)
    kernel, bias = (np.ones((3, 2)), np.zeros(2))
    model.set_weights([kernel, bias])
    assert math.isclose(model.predict(x)[0, 0], 3 + 3e-12, rel_tol=1e-15)
    model.compile("sgd", "mse")
    assert [w.dtype for w in model.get_weights()] == [np.float32, np.float32]


COMPILE = "compile the model first: model.compile(optimizer='adadelta', loss=...)"
X, Y = numbers(4, 3), numbers(4, 2)
SETTINGS = {
    "fit before compile": (lambda: dense_model(compiled=False).fit(X, Y), TrainingError, COMPILE),
    "evaluate before compile": (lambda: dense_model(compiled=False).evaluate(X, Y), TrainingError, COMPILE),
    "optimizer before compile": (lambda: dense_model(compiled=False).optimizer, TrainingError, COMPILE),
    "epochs": (lambda: dense_model().fit(X, Y, epochs=0), SizeError, "epochs must be at least 1, not 0"),
    "batch size": (lambda: dense_model().fit(X, Y, batch_size=0), SizeError, "batch_size must be at least 1, not 0"),
    "batch size of predict": (
        lambda: dense_model().predict(X, batch_size=2.5), SizeError, "batch_size must be a whole number, not 2.5"
    ),
    "seed": (lambda: dense_model().fit(X, Y, seed=-1), SizeError, "seed must be at least 0, not -1"),
    "verbose": (
        lambda: dense_model().fit(X, Y, verbose="loud"), SettingError, "verbose must be 'auto', 0, 1 or 2, not 'loud'"
    ),
    "no loss": (
        lambda: dense_model(loss=None), SettingError, "compile needs a loss, for example loss='binary_crossentropy'"
    ),
    "precision": (
        lambda: dense_model(precision="float16"),
        SettingError,
        "precision must be 'float32' or 'float64', not 'float16'",
    ),
    "metrics": (
        lambda: dense_model(metrics=3),
        SettingError,
        "metrics must be a list, for example metrics=['accuracy'], not 3",
    ),
    "losses by name": (
        lambda: heads({"a": "mse"}), SettingError, "losses are given for a, but the outputs are a, b"
    ),
    "losses in number": (lambda: heads(["mse"] * 3), SettingError, "3 losses for 2 outputs (a, b)"),
    "split": (
        lambda: dense_model().fit(X, Y, validation_split=1.0),
        SettingError,
        "validation_split must be at least 0 and below 1, not 1.0",
    ),
    "split of text": (
        lambda: dense_model().fit(X, Y, validation_split="0.2"),
        SettingError,
        "validation_split must be at least 0 and below 1, not '0.2'",
    ),
    "split of little": (
        lambda: dense_model().fit(X[:1], Y[:1], validation_split=0.5),
        DataError,
        "validation_split=0.5 of 1 examples leaves one part empty",
    ),
    "validation of four": (
        lambda: dense_model().fit(X, Y, validation_data=(X, Y, Y, Y)),
        DataError,
        "validation_data must be a pair (x, y), or (x, y, sample_weight), or give batches",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_make_no_sense(name):
    cause, kind, message = SETTINGS[name]
    with refuses(kind, message):
        cause()
