"""Callbacks: which hooks are called when, with what; and how they end training."""

import numpy as np
import pytest

from layerscope import callbacks, load_model, optimizers
from layerscope.core.errors import NotFiniteError, OutputError, SettingError, TrainingError, UnknownNameError

from .helpers import dense_model, image_model, numbers, refuses

X, Y = numbers(5, 3), numbers(5, 2, seed=1)


class Recorder(callbacks.Callback):
    """Notes every call as (hook, number, names in the logs)."""

    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("on_"):
            return lambda *given: self.calls.append(
                (name, *(value if isinstance(value, int) else sorted(value) for value in given))
            )
        return found


def batches(count, names):
    calls = []
    for number in range(count):
        calls += [("on_train_batch_begin", number, []), ("on_train_batch_end", number, names)]
    return calls


def epoch(number, count=3, names=("loss", "mae")):
    tested = sorted(f"val_{name}" for name in names)
    return [
        ("on_epoch_begin", number, []),
        *batches(count, list(names)),
        ("on_test_begin", []),
        ("on_test_end", list(names)),
        ("on_epoch_end", number, sorted([*names, *tested])),
    ]


def test_the_hooks_in_their_order():
    model, recorder = dense_model(metrics=["mae"]), Recorder()
    model.fit(X, Y, batch_size=2, epochs=2, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    logs = ["loss", "mae", "val_loss", "val_mae"]
    wanted = [("on_train_begin", []), *epoch(0), *epoch(1), ("on_train_end", logs)]
    assert recorder.calls == wanted
    assert recorder.model is model
    assert recorder.params == {"epochs": 2, "steps": 3, "verbose": 0}


def test_batch_logs_are_means_so_far_and_the_last_is_the_epochs():
    model, told = dense_model(precision="float64"), []
    note = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: told.append(logs["loss"]))
    history = model.fit(X, Y, batch_size=2, callbacks=[note], shuffle=False, verbose=0)
    model = dense_model(precision="float64")
    first = ((model.predict(X[:2]) - Y[:2]) ** 2).mean()
    np.testing.assert_allclose(told[0], first, rtol=1e-12)
    assert len(told) == 3
    assert told[-1] == history.history["loss"][0]


def test_epoch_logs_are_the_history():
    model, told = dense_model(metrics=["mae"]), []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append((epoch, dict(logs))))
    history = model.fit(X, Y, epochs=3, initial_epoch=1, validation_split=0.4, callbacks=note, verbose=0)
    assert [number for number, _ in told] == history.epoch == [1, 2]
    assert {name: [logs[name] for _, logs in told] for name in told[0][1]} == history.history


def stop_when(hook, number):
    def stop(at, logs):
        if at == number:
            callback.model.stop_training = True

    callback = callbacks.LambdaCallback(**{hook: stop})
    return callback


def test_stopping_after_an_epoch():
    recorder = Recorder()
    history = dense_model().fit(X, Y, epochs=9, callbacks=[stop_when("on_epoch_end", 2), recorder], verbose=0)
    assert (history.epoch, history.interrupted) == ([0, 1, 2], False)
    assert recorder.calls[-1] == ("on_train_end", ["loss"])


def test_stopping_within_an_epoch_still_ends_it():
    """As in Keras: the epoch is validated and told, then training ends."""
    recorder = Recorder()
    history = dense_model().fit(
        X, Y, batch_size=1, epochs=9, validation_data=(X, Y), verbose=0,
        callbacks=[stop_when("on_train_batch_end", 1), recorder],
    )  # fmt: skip
    assert history.epoch == [0]
    assert list(history.history) == ["loss", "val_loss"]
    assert [call[1] for call in recorder.calls if call[0] == "on_train_batch_end"] == [0, 1]
    assert [call[1] for call in recorder.calls if call[0] == "on_train_batch_begin"] == [0, 1]


def test_a_stop_holds_for_one_fit():
    model = dense_model()
    model.fit(X, Y, epochs=9, callbacks=[stop_when("on_epoch_end", 0)], verbose=0)
    assert model.stop_training
    assert len(model.fit(X, Y, epochs=3, verbose=0).epoch) == 3


def test_a_callback_may_ask_and_change_the_model():
    """predict, evaluate and set_weights act on what is being trained."""
    model, seen = dense_model(optimizer="sgd"), []

    class Reset(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([np.zeros((3, 2)), np.zeros(2)])
            seen.append((self.model.predict(X).sum(), self.model.evaluate(X, Y)))

    history = model.fit(X, Y, epochs=3, shuffle=False, callbacks=[Reset()], verbose=0)
    zeros = float((Y**2).mean())
    np.testing.assert_allclose(seen, [(0, zeros)] * 3, rtol=1e-6)
    np.testing.assert_allclose(history.history["loss"][1:], [zeros] * 2, rtol=1e-6)


def test_an_error_in_a_callback_comes_through_after_on_train_end():
    def fail(epoch, logs):
        raise ArithmeticError("mine")

    recorder = Recorder()
    with refuses(ArithmeticError, "mine"):
        dense_model().fit(X, Y, callbacks=[recorder, callbacks.LambdaCallback(on_epoch_end=fail)], verbose=0)
    assert [call[0] for call in recorder.calls][-2:] == ["on_epoch_end", "on_train_end"]


def test_a_generator_and_a_tuple_of_callbacks():
    one, two = Recorder(), Recorder()
    dense_model().fit(X, Y, callbacks=(callback for callback in (one, two)), verbose=0)
    assert one.calls == two.calls
    assert one.calls


NO_CALLBACK = "a callback derives from layerscope.callbacks.Callback, but one is of the type"
MISTAKES = {
    "function": ([lambda epoch, logs: None], SettingError, f"{NO_CALLBACK} function"),
    "number": (3, SettingError, f"{NO_CALLBACK} int"),
    "class": ([Recorder], SettingError, "callbacks must be objects, but Recorder is a class; give Recorder(...)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_callback(name):
    given, kind, message = MISTAKES[name]
    with refuses(kind, message):
        dense_model().fit(X, Y, callbacks=given, verbose=0)


def test_a_hook_that_is_none():
    with refuses(
        UnknownNameError,
        "unknown hook 'on_epoch_ends'. Did you mean 'on_epoch_end' or 'on_epoch_begin' or 'on_test_end'?",
    ):
        callbacks.LambdaCallback(on_epoch_ends=print)


ADVICE = "The weights are those before that batch. Try a smaller learning rate (it is {rate}; try {less})"
OVER = " and smaller inputs (they reach 100; divide them to lie within 0 to 1)"


@pytest.mark.parametrize("scale", [1, 100])
def test_a_loss_that_overflows_names_the_batch_and_spares_the_weights(scale):
    model, taken = dense_model(optimizer=optimizers.SGD(1e18)), []
    keep = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: taken.append(model.get_weights()))
    x = np.full((6, 3), scale, "float32")
    message = f"the loss became inf in epoch 1, batch 3 of 3. {ADVICE.format(rate='1e+18', less='1e+17')}"
    if scale == 100:
        message = message.replace("batch 3", "batch 2")
    with pytest.raises(NotFiniteError) as caught:
        model.fit(x, np.ones((6, 2)), batch_size=2, epochs=3, callbacks=[keep], verbose=0)
    assert str(caught.value) == message + (OVER if scale == 100 else "") + "."
    assert (caught.value.epoch, caught.value.batch) == (1, 2 if scale == 100 else 3)
    for found, wanted in zip(model.get_weights(), taken[-1], strict=True):
        assert np.array_equal(found, wanted)
        assert np.isfinite(found).all()


def test_a_loss_that_is_nan_in_a_later_epoch():
    model = image_model(loss="sparse_categorical_crossentropy")

    def spoil(epoch, logs):
        if epoch == 1:
            arrays = model.get_weights()
            arrays[0][...] = np.nan
            model.set_weights(arrays)

    with pytest.raises(NotFiniteError) as caught:
        model.fit(
            numbers(4, 8, 8, 1), [0, 1, 2, 0], epochs=5, verbose=0,
            callbacks=[callbacks.LambdaCallback(on_epoch_end=spoil)],
        )  # fmt: skip
    rate = {"rate": "0.001", "less": "0.0001"}
    assert str(caught.value) == f"the loss became nan in epoch 3, batch 1 of 1. {ADVICE.format(**rate)}."
    assert (caught.value.epoch, caught.value.batch) == (3, 1)
    assert model.history.epoch == [0, 1], "the epochs before stay known"


# --- callbacks that decide ---


def learning(engine="auto", **settings):
    """A model that learns X → Y, and the losses of twelve epochs with these callbacks."""
    model = dense_model(metrics=["mae"], engine=engine)
    history = model.fit(
        X, Y, batch_size=2, epochs=12, validation_data=(X, Y), verbose=0, shuffle=False, seed=1, **settings
    )
    return model, history.history


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_learning_rates_of_a_schedule_are_those_of_the_scheduler(engine):
    """Three batches an epoch: a rate that halves every three steps is one that halves every epoch."""
    model = dense_model(
        optimizer=optimizers.SGD(optimizers.schedules.ExponentialDecay(0.2, 3, 0.5, True)), engine=engine
    )
    asked = {"batch_size": 2, "epochs": 4, "verbose": 0, "shuffle": False}
    wanted = model.fit(X, Y, **asked).history
    other = dense_model(optimizer=optimizers.SGD(0.2), engine=engine)
    set_by = callbacks.LearningRateScheduler(lambda epoch: 0.2 * 0.5**epoch)
    assert other.fit(X, Y, callbacks=set_by, **asked).history == wanted
    assert other.optimizer.learning_rate == 0.2 * 0.5**3
    constant = dense_model(optimizer=optimizers.SGD(0.2), engine=engine).fit(X, Y, **asked).history
    assert constant != wanted


def test_early_stopping_puts_the_best_weights_back(capsys):
    told = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(note.model.get_weights()))
    rates = callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 5 else 2.0)  # worse from there on
    stop = callbacks.EarlyStopping(patience=1, restore_best_weights=True, verbose=1)
    model, history = learning(callbacks=[note, rates, stop])
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 2 < 12
    assert stop.best_epoch == best
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), told[best], strict=True))
    assert capsys.readouterr().out == (
        f"Epoch {best + 2}: early stopping, val_loss was best in {best + 1}\n"
        f"Weights are those of the best epoch: {best + 1}\n"
    )
    nothing = (
        "there is nothing to resume: the model was not saved at the end of an epoch of fit. "
        "Call fit without resume to train from these weights."
    )
    with refuses(TrainingError, nothing):
        model.fit(X, Y, resume=True)


def test_checkpoints(tmp_path, capsys):
    best = callbacks.ModelCheckpoint(tmp_path / "best.npz", save_best_only=True, verbose=1)
    each = callbacks.ModelCheckpoint(tmp_path / "all" / "{epoch:02d}-{val_loss:.3f}.npz")
    every = callbacks.ModelCheckpoint(tmp_path / "b-{epoch}-{batch}.npz", save_freq=5)
    rates = callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 5 else 2.0)
    model, history = learning(callbacks=[rates, best, each, every])
    losses = history["val_loss"]
    names = [f"{number + 1:02d}-{loss:.3f}.npz" for number, loss in enumerate(losses)]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
    for found, number in ((tmp_path / "best.npz", int(np.argmin(losses))), (tmp_path / "all" / names[-1], 11)):
        assert load_model(found).evaluate(X, Y) == pytest.approx(
            [losses[number], history["val_mae"][number]], rel=1e-6
        )
    ends = [divmod(5 * count - 1, 3) for count in range(1, 8)]  # three batches an epoch
    assert {path.name for path in tmp_path.glob("b-*")} == {f"b-{a + 1}-{b + 1}.npz" for a, b in ends}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Epoch 1: saved as {tmp_path / 'best.npz'}"
    assert lines[-1] == f"Epoch 12: val_loss {losses[-1]:.5f} is not better than {min(losses):.5f}"
    model.set_weights(load_model(tmp_path / "all" / names[3]).get_weights())


def test_a_checkpoint_goes_on_as_if_training_had_not_stopped(tmp_path):
    keep = callbacks.ModelCheckpoint(tmp_path / "{epoch}.npz")
    model, _ = learning(callbacks=keep)
    again = load_model(tmp_path / "7.npz")
    again.fit(X, Y, batch_size=2, epochs=12, validation_data=(X, Y), verbose=0, shuffle=False, resume=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_terminate_on_nan(engine, capsys):
    model = dense_model(optimizer=optimizers.SGD(1e18), engine=engine)
    ends = []
    note = callbacks.LambdaCallback(on_train_end=lambda logs: ends.append(dict(logs)))
    found = model.fit(X, Y, batch_size=2, epochs=50, callbacks=[callbacks.TerminateOnNaN(), note], verbose=2)
    losses = found.history["loss"]
    assert len(losses) < 50
    assert not np.isfinite(losses[-1])
    assert np.isfinite(losses[:-1]).all()
    assert all(np.isfinite(array).all() for array in model.get_weights())
    assert len(ends) == 1
    assert f"Stopped: the loss became {losses[-1]} in epoch {len(losses)}, batch " in capsys.readouterr().out


REFUSED = [
    (
        lambda: callbacks.EarlyStopping(mode="least"),
        "EarlyStopping: mode must be 'auto', 'min' or 'max', not 'least'",
    ),
    (
        lambda: learning(callbacks=callbacks.EarlyStopping(monitor="val_quality")),
        "EarlyStopping: whether val_quality should fall or rise cannot be told from its name; "
        "give mode='min' or mode='max'",
    ),
    (
        lambda: callbacks.ModelCheckpoint("a.npz", save_weights_only=True),
        "ModelCheckpoint: save_weights_only is not supported; a saved model holds graph and weights, "
        "and load_model(...).get_weights() gives the latter",
    ),
    (
        lambda: callbacks.ModelCheckpoint("a.npz", save_freq="batch"),
        "ModelCheckpoint: save_freq must be 'epoch' or a number of batches, not 'batch'",
    ),
    (lambda: callbacks.ReduceLROnPlateau(factor=1), "ReduceLROnPlateau: factor must be between 0 and 1, not 1"),
    (
        lambda: learning(callbacks=callbacks.ModelCheckpoint("{epoch}-{lost}.npz")),
        "ModelCheckpoint: '{epoch}-{lost}.npz' names 'lost', but there are only epoch, loss, mae, val_loss, val_mae",
    ),
    (
        lambda: learning(callbacks=callbacks.LearningRateScheduler(lambda epoch: None)),
        "LearningRateScheduler: the schedule must give a number of at least 0, but gave None",
    ),
    (
        lambda: dense_model(optimizer=optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 5))).fit(
            X, Y, verbose=0, callbacks=callbacks.ReduceLROnPlateau(monitor="loss")
        ),
        "ReduceLROnPlateau changes the learning rate, but it follows a CosineDecay; use one of the two",
    ),
]


@pytest.mark.parametrize(("do", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_impossible_callbacks_are_refused(do, message):
    with refuses(SettingError, message):
        do()


def test_a_log_that_cannot_be_written(tmp_path):
    path = tmp_path / "none" / "log.csv"
    with refuses(OutputError, f"cannot write {path}: No such file or directory"):
        learning(callbacks=callbacks.CSVLogger(path))
