"""Ctrl-C and sudden death: what is finished stays, and files are whole or absent."""

import csv
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from layerscope import load_model
from layerscope.callbacks import Callback, LambdaCallback

from .helpers import child, dense_model, environment, equal, numbers, start

X, Y = numbers(6, 3), numbers(6, 2, seed=1)
AT_ONCE = 300
"""Seconds after which a child hangs."""


def interrupting(hook, number, times=1):
    """A callback that is pressed Ctrl-C upon, some times, when `hook` is called with this number."""

    def press(at, logs):
        if at == number:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return LambdaCallback(**{hook: press})


class Calls(Callback):
    def __init__(self):
        self.made = []

    def on_train_batch_end(self, batch, logs=None):
        self.made.append(batch)

    def on_train_end(self, logs=None):
        self.made.append("end")


def test_ctrl_c_ends_fit_after_the_batch(capsys):
    model, calls = dense_model(), Calls()
    other = dense_model()
    other.fit(X, Y, batch_size=2, epochs=1, shuffle=False, verbose=0)
    other.fit(X[:4], Y[:4], batch_size=2, shuffle=False, verbose=0)

    class Second(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 1):
                signal.raise_signal(signal.SIGINT)

    history = model.fit(X, Y, batch_size=2, epochs=9, shuffle=False, callbacks=[Second(), calls])
    assert (history.interrupted, history.epoch, len(history.history["loss"])) == (True, [0], 1)
    assert calls.made == [0, 1, 2, 0, 1, "end"]
    assert equal(model.get_weights(), other.get_weights())
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Epoch 1/9  loss \d\.\d{4}  \d+\.\d s", lines[0])
    assert lines[1:] == [
        "Stopped by Ctrl-C in epoch 2 of 9, after batch 2 of 3. "
        "The weights are those of that batch; the history holds the epochs before."
    ]


@pytest.mark.parametrize(("hook", "number"), [("on_train_batch_end", 2), ("on_epoch_end", 0)])
def test_ctrl_c_at_the_end_of_an_epoch_keeps_the_epoch(hook, number, capsys):
    history = dense_model().fit(
        X, Y, batch_size=2, epochs=9, validation_data=(X, Y), callbacks=[interrupting(hook, number)]
    )
    assert (history.interrupted, history.epoch, sorted(history.history)) == (True, [0], ["loss", "val_loss"])
    assert capsys.readouterr().out.splitlines()[1:] == ["Stopped by Ctrl-C after epoch 1 of 9."]


def test_ctrl_c_is_silent_when_asked(capsys):
    history = dense_model().fit(X, Y, epochs=9, verbose=0, callbacks=[interrupting("on_train_batch_end", 0)])
    assert history.interrupted
    assert capsys.readouterr() == ("", "")


def test_training_goes_on_after_ctrl_c():
    model = dense_model()
    model.fit(X, Y, epochs=9, verbose=0, callbacks=[interrupting("on_train_batch_end", 0)])
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert (history.interrupted, history.epoch) == (False, [0, 1])


def test_a_second_ctrl_c_insists():
    model, calls = dense_model(), Calls()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=9, verbose=0, callbacks=[calls, interrupting("on_train_batch_end", 0, times=2)])
    assert calls.made == [0, "end"]


@pytest.mark.parametrize("how", ["normally", "by an error", "by Ctrl-C"])
def test_the_handler_of_the_program_comes_back(how):
    def mine(number, frame):
        raise AssertionError("not while fitting")

    def fail(epoch, logs):
        raise ArithmeticError

    callback = {
        "normally": Callback(),
        "by an error": LambdaCallback(on_epoch_end=fail),
        "by Ctrl-C": interrupting("on_train_batch_end", 0),
    }[how]
    before = signal.signal(signal.SIGINT, mine)
    try:
        if how == "by an error":
            with pytest.raises(ArithmeticError):
                dense_model().fit(X, Y, verbose=0, callbacks=[callback])
        else:
            dense_model().fit(X, Y, verbose=0, callbacks=[callback])
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_fit_works_in_a_thread():
    model, found = dense_model(), []
    thread = threading.Thread(target=lambda: found.append(model.fit(X, Y, epochs=3, verbose=0, shuffle=False)))
    thread.start()
    thread.join(AT_ONCE)
    (history,) = found
    assert history.history == dense_model().fit(X, Y, epochs=3, verbose=0, shuffle=False).history


SLOW = """
import signal, time
import llvmlite.binding  # which takes long on a busy machine, and is no batch
import numpy as np
from layerscope import Input, Model, callbacks
from layerscope.layers import Dense

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
x = Input((3,))
model = Model(x, Dense(2)(x))
model.compile("sgd", "mse")

class Slow(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print("epoch", epoch, flush=True)
    def on_train_batch_end(self, batch, logs=None):
        time.sleep({pause})

try:
    history = model.fit(np.ones((6, 3)), np.ones((6, 2)), batch_size=2, epochs=1000, callbacks=[Slow()])
    print("fit is over:", history.interrupted, history.epoch == list(range(len(history.history["loss"]))))
except KeyboardInterrupt:
    print("KeyboardInterrupt")
print(model.predict(np.ones((2, 3))).shape, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def next_line(pipe):
    """Nothing behind it is taken from the pipe: what a file had read ahead, `communicate` would not see."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(pipe.fileno(), 1)):
        line += byte
    return line.decode()


def read_until(process, text):
    """What the child printed up to the line that starts with `text`."""
    lines = []
    while line := next_line(process.stdout):
        lines.append(line)
        if line.startswith(text):
            return lines
    raise AssertionError("".join(lines) + process.stderr.read())


def test_a_program_goes_on_after_ctrl_c():
    process = child(SLOW.format(pause=0.05))
    read_until(process, "epoch 2")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=AT_ONCE)
    assert (process.returncode, err) == (0, "")
    message, over, last = out.splitlines()[-3:]
    assert message.startswith("Stopped by Ctrl-C ")
    assert (over, last) == ("fit is over: True True", "(2, 2) True")


def test_a_program_that_is_pressed_twice():
    process = child(SLOW.format(pause=AT_ONCE))
    read_until(process, "epoch 0")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first one waits for the batch"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=AT_ONCE)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == ["KeyboardInterrupt", "(2, 2) True"]


def training(folder, network, *more):
    command = [sys.executable, "-m", "layerscope.cli", "train", network, "--data", "digits", "--out", str(folder)]
    return start([*command, *more])


def rows(folder):
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_ctrl_c_on_the_command_line_keeps_the_finished_epochs(tmp_path):
    folder = tmp_path / "run"
    process = training(folder, "example:autoencoder", "--epochs", "50")
    lines = read_until(process, "Epoch  1/50")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=AT_ONCE)
    assert (process.returncode, err) == (130, "")
    lines += out.splitlines(keepends=True)
    finished = [line for line in lines if line.startswith("Epoch ")]
    (stopped,) = [line for line in lines if line.startswith("Stopped by Ctrl-C ")]
    assert re.match(
        r"Stopped by Ctrl-C (in epoch \d+ of 50, after batch \d of 6\. |after epoch \d+ of 50\.$)", stopped
    )
    files = {"README.md", "history.csv", "model.npz", "network.json", "settings.json"}
    assert files <= set(os.listdir(folder)) <= {*files, "checkpoint.npz", "pictures", "report.html"}
    header, *kept = rows(folder)
    assert header == ["epoch", "loss", "val_loss"]
    assert [row[0] for row in kept] == [str(n + 1) for n in range(len(finished))]
    assert lines[-1] == f"Go on with: layerscope train --resume {folder}\n"
    for row, line in zip(kept, finished, strict=True):
        assert f"loss {float(row[1]):.4f}  val_loss {float(row[2]):.4f}" in line
    model = load_model(folder / "model.npz")
    assert np.isfinite(model.predict(numbers(2, 28, 28, 1))).all()
    assert json.loads((folder / "settings.json").read_text())["epochs"] == 50


SMALL = "28x28x1 | maxpool 4 | conv 1 3 same sigmoid | upsample 4"


def whole(folder):
    """Everything in a run folder can be read; the hidden names that are left."""
    names = sorted(os.listdir(folder))
    if "model.npz" in names:
        assert np.isfinite(load_model(folder / "model.npz").predict(numbers(1, 28, 28, 1))).all()
    if "settings.json" in names:
        assert json.loads((folder / "settings.json").read_text())["network"] == SMALL
    if "history.csv" in names:
        header, *kept = rows(folder)
        assert header == ["epoch", "loss", "val_loss"]
        assert [int(row[0]) for row in kept] == list(range(1, len(kept) + 1))
        assert all(len(row) == 3 and np.isfinite(float(row[2])) for row in kept)
    return [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_killed_leaves_whole_files(seed, tmp_path):
    """kill -9 at a random moment: model, settings and history are readable, or not there."""
    chance, folder = random.Random(seed), tmp_path / "run"
    process = training(folder, SMALL, "--epochs", "10000", "--batch-size", "1437", "--learning-rate", "0.1")
    read_until(process, f"Epoch {chance.randint(2, 9):>5}/10000")
    time.sleep(chance.random() / 4)
    process.kill()
    process.communicate(timeout=AT_ONCE)
    left = whole(folder)
    assert {"model.npz", "settings.json", "history.csv"} <= set(os.listdir(folder))
    assert len(left) <= 1
    assert all(name.startswith((".model.npz.", ".history.csv.")) and name.endswith(".tmp") for name in left)


SAVING = """
import sys
import numpy as np
from layerscope import Input, Model
from layerscope.layers import Dense

x = Input((300,))
model = Model(x, Dense(300, use_bias=False)(x))
model.compile("adam", "mse")
model.fit(np.ones((2, 300)), np.ones((2, 300)), verbose=0)
for n in range(10**6):
    model.set_weights([np.full((300, 300), n)])
    model.save(sys.argv[1])
    print(n, flush=True)
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(seed, tmp_path):
    chance, path = random.Random(seed), tmp_path / "m.npz"
    process = child(SAVING, path)
    seen = int(read_until(process, str(chance.randint(1, 9)))[-1])
    time.sleep(chance.random() / 10)
    process.kill()
    out, _ = process.communicate(timeout=AT_ONCE)
    seen = int(out.split()[-1]) if out.split() else seen
    (kernel,) = load_model(path).get_weights()
    assert len(np.unique(kernel)) == 1
    assert kernel[0, 0] in (seen, seen + 1)
    others = [name for name in os.listdir(tmp_path) if name != "m.npz"]
    assert others in ([], [f".m.npz.{process.pid}.tmp"])


BAR = """
import numpy as np
from layerscope import Input, Model
from layerscope.layers import Dense
x = Input((3,))
model = Model(x, Dense(2)(x))
model.compile("sgd", "mse")
model.fit(np.ones((6, 3)), np.ones((6, 2)), batch_size=2, epochs=2)
"""


def test_a_terminal_shows_a_bar_that_leaves_the_lines():
    inside, outside = pty.openpty()
    shown = subprocess.Popen(
        [sys.executable, "-c", BAR], stdout=outside, stderr=outside, env={**environment(), "TERM": "xterm"}
    )
    os.close(outside)
    text = b""
    try:
        while piece := os.read(inside, 65536):
            text += piece
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    assert shown.wait(AT_ONCE) == 0
    os.close(inside)
    assert re.search(rb"Epoch 2/2  loss \d\.\d{4}  \d\.\d s", text)
    assert rb"s left" in text
