"""Training that goes on: after a stop, a Ctrl-C, or a kill at any moment, to the bits of an uninterrupted run."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layerscope import callbacks, load_model, studies
from layerscope.cli import main
from layerscope.core.errors import DataError, SettingError, SourceError, TrainingError
from layerscope.studies import runs

from .helpers import equal, image_model, numbers, refuses

NETWORK = "28x28x1 | maxpool 4 | dropout 0.3 | conv 2 3 same relu | conv 1 3 same sigmoid | upsample 4"
SETTINGS = {"batch_size": 100, "optimizer": "adam", "seed": 5}  # 1,437 images: the last batch is a partial one


def train(folder, epochs=4, **more):
    return studies.train(NETWORK, "digits", out=folder, verbose=0, epochs=epochs, **SETTINGS, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of four epochs that nothing disturbed."""
    return train(tmp_path_factory.mktemp("whole") / "run")


def same(folder, whole, epochs=4):
    """Whether a folder holds what the undisturbed run's holds, to the bit."""
    found, wanted = load_model(folder / "model.npz"), whole.model
    assert equal(found.get_weights(), wanted.get_weights())
    assert found.position == load_model(whole.folder / "model.npz").position
    assert (folder / "history.csv").read_bytes() == (whole.folder / "history.csv").read_bytes()
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + epochs
    assert sorted(os.listdir(folder)) == sorted(os.listdir(whole.folder))
    assert not (folder / "checkpoint.npz").exists()


@pytest.mark.parametrize("done", [1, 3])
def test_more_epochs_are_as_if_they_had_been_asked_for_at_first(done, whole, tmp_path):
    train(tmp_path / "run", done)
    run = studies.resume(tmp_path / "run", 4, verbose=0)
    same(tmp_path / "run", whole)
    assert run.history.history == whole.history.history
    assert run.history.epoch == [0, 1, 2, 3]
    assert run.recipe == whole.recipe == runs.recipe(tmp_path / "run")


def test_ctrl_c_within_an_epoch_keeps_the_weights_and_resumes_from_the_epoch_before(whole, tmp_path):
    def press(batch, logs):
        presses.append(batch)
        if len(presses) == 20:  # the fifth batch of the second epoch
            signal.raise_signal(signal.SIGINT)

    presses = []
    stopped = train(tmp_path / "run", callbacks=[callbacks.LambdaCallback(on_train_batch_end=press)])
    assert stopped.history.interrupted
    assert stopped.history.epoch == [0]
    assert equal(load_model(tmp_path / "run" / "model.npz").get_weights(), stopped.model.get_weights())
    assert load_model(tmp_path / "run" / "model.npz").position is None
    assert load_model(tmp_path / "run" / "checkpoint.npz").position.epoch == 1
    studies.resume(tmp_path / "run", verbose=0)
    same(tmp_path / "run", whole)


def test_ctrl_c_in_the_first_epoch_resumes_from_the_start(whole, tmp_path):
    press = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: signal.raise_signal(signal.SIGINT))
    train(tmp_path / "run", callbacks=[press])
    assert not (tmp_path / "run" / "pictures").exists()
    studies.resume(tmp_path / "run", verbose=0)
    same(tmp_path / "run", whole)


KILLER = """
import os, signal, sys
from pathlib import Path
from layerscope import studies

folder, settings, at = Path(sys.argv[1]), eval(sys.argv[3]), int(sys.argv[4])
steps = 0

def watched(function):
    def call(*arguments, **named):
        global steps
        for _ in range(2):  # before and after the change of the disk
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)
            if _ == 0:
                found = function(*arguments, **named)
        return found
    return call

for name in ("replace", "unlink", "fsync"):
    setattr(os, name, watched(getattr(os, name)))
Path.unlink = watched(Path.unlink)
studies.train(sys.argv[2], "digits", out=folder, verbose=0, epochs=2, **settings)
print(steps)
"""

FORKS = """
import os, sys
import layerscope.models, layerscope.datasets.digits, layerscope.studies.autoencoder
from layerscope import datasets
datasets.load("digits")
code, folder, network, settings = sys.argv[1:5]
for at in eval(sys.argv[5]):
    child = os.fork()
    if not child:
        sys.argv = ["", f"{folder}/{at}", network, settings, str(at)]
        exec(code, {"__name__": "killer"})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9, at
"""


def test_a_kill_at_each_change_of_the_disk_loses_nothing(tmp_path):
    """Before and after each rename, removal and flush of a run of two epochs."""
    arguments = [NETWORK, repr(SETTINGS)]
    for name in ("cold", "whole"):  # the first one also writes the compiled kernels into the cache
        plain = [sys.executable, "-c", KILLER, str(tmp_path / name), *arguments, "0"]
        steps = int(subprocess.run(plain, capture_output=True, text=True, check=True).stdout)
    assert steps > 40
    points = random.Random(1).sample(range(1, steps + 1), 12)
    subprocess.run([sys.executable, "-c", FORKS, KILLER, str(tmp_path), *arguments, repr(points)], check=True)
    wanted = load_model(tmp_path / "whole" / "model.npz").get_weights()
    for at in points:
        folder = tmp_path / str(at)
        if (folder / "model.npz").exists():
            studies.resume(folder, verbose=0)
        else:  # killed before there was anything to resume: the folder is free for another try
            train(folder, 2)
        assert equal(load_model(folder / "model.npz").get_weights(), wanted), at
        assert (folder / "history.csv").read_bytes() == (tmp_path / "whole" / "history.csv").read_bytes(), at
        assert sorted(os.listdir(folder)) == sorted(os.listdir(tmp_path / "whole")), at


def epochs_done(folder):
    path = folder / "history.csv"
    return path.read_text("utf-8").count("\n") - 1 if path.exists() else 0


def test_kills_at_random_moments(tmp_path):
    """The command line, killed again and again at moments that nobody chose, comes to the same end."""
    settings = ["--epochs", "60", "--batch-size", "100", "--optimizer", "adam", "--seed", "5"]
    command = [sys.executable, "-m", "layerscope.cli", "train"]
    whole, folder = tmp_path / "whole", tmp_path / "run"
    first = [*command, NETWORK, "--data", "digits", *settings, "--out"]
    subprocess.run([*first, str(whole)], check=True, capture_output=True)
    chance, arguments, kills = random.Random(0), [*first, str(folder)], 0
    for _ in range(4):
        enough = epochs_done(folder) + chance.randint(2, 9)
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        while epochs_done(folder) < enough and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() / 50)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        arguments = [*command, "--resume", str(folder)]
    assert kills > 1
    subprocess.run(arguments, check=True, capture_output=True)
    assert equal(load_model(folder / "model.npz").get_weights(), load_model(whole / "model.npz").get_weights())
    assert (folder / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    assert (folder / "settings.json").read_bytes() == (whole / "settings.json").read_bytes()


def test_a_finished_run_stays_as_it_is(whole, tmp_path, capsys):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    assert main(["train", "--resume", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(
        f"The run is in {folder}, 4 of 4 epochs; its README.md says what is what"
    )
    same(folder, whole)


def test_resuming_in_python_needs_nothing_but_the_saved_model(tmp_path):
    x, y = numbers(50, 8, 8, 1), np.arange(50) % 3
    model = image_model()
    start = tmp_path / "start.npz"
    model.save(start)
    wanted = load_model(start)
    told = wanted.fit(x, y, 16, epochs=3, seed=4, verbose=0)
    part = load_model(start)
    part.fit(x, y, 16, epochs=2, seed=4, verbose=0)
    part.save(tmp_path / "part.npz")
    part.fit(x, y, 16, epochs=7, verbose=0)  # the generator goes far away
    again = load_model(tmp_path / "part.npz")
    assert again.fit(x, y, 16, epochs=3, verbose=0, resume=True).history == told.history
    assert equal(again.get_weights(), wanted.get_weights())


def test_nothing_to_resume():
    with refuses(
        TrainingError,
        "there is nothing to resume: the model was not saved at the end of an epoch of fit. "
        "Call fit without resume to train from these weights.",
    ):
        image_model().fit(numbers(6, 8, 8, 1), np.arange(6) % 3, resume=True, verbose=0)


def test_a_model_that_does_not_say_where_it_stood(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    model = load_model(folder / "model.npz")
    model.position = None
    model.save(folder / "model.npz")
    with refuses(SourceError, f"{folder}/model.npz does not say where training stood, so it cannot go on from there"):
        studies.resume(folder)


def test_other_data_are_noticed(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    settings = json.loads((folder / "settings.json").read_text("utf-8"))
    settings["images"]["train"][0] = 999
    (folder / "settings.json").write_text(json.dumps(settings))
    with refuses(
        DataError,
        "the images of digits are not what the run was trained on. Then: 999 of (28, 28, 1) to train, "
        "360 of (28, 28, 1) to test; now: 1437 of (28, 28, 1) to train, 360 of (28, 28, 1) to test",
    ):
        studies.resume(folder)


def test_changed_images_are_noticed(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    np.save(tmp_path / "x.npy", x)
    studies.train("8x8x1 | conv 1 3 same", tmp_path / "x.npy", epochs=1, out=tmp_path / "run", verbose=0)
    np.save(tmp_path / "x.npy", 255 - x)
    with refuses(
        DataError,
        f"the images of {tmp_path}/x.npy have changed since the run was trained on them; train a new run, or put them back",
    ):
        studies.resume(tmp_path / "run", 2, verbose=0)


def test_fewer_epochs_than_are_done_change_nothing(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    with refuses(SettingError, f"{folder} has 4 epochs already, more than 2; ask for more"):
        studies.resume(folder, 2)
    same(folder, whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 8}, "batch_size 8, but it began with 16"),
        ({"shuffle": False}, "shuffle False, but it began with True"),
        ({"x": slice(40)}, "examples 40, but it began with 50"),
    ],
)
def test_another_setup_is_refused(settings, message, tmp_path):
    x, y = numbers(50, 8, 8, 1), np.arange(50) % 3
    model = image_model()
    model.fit(x, y, 16, verbose=0)
    model.save(tmp_path / "m.npz")
    part = settings.pop("x", slice(50))
    with refuses(
        TrainingError,
        f"training goes on with {message}. Resume with the same, or call fit without resume to train from these weights.",
    ):
        load_model(tmp_path / "m.npz").fit(
            x[part], y[part], epochs=2, verbose=0, resume=True, **{"batch_size": 16, **settings}
        )


def test_another_optimizer_begins_anew(tmp_path):
    x, y = numbers(50, 8, 8, 1), np.arange(50) % 3
    model = image_model()
    model.fit(x, y, 16, verbose=0)
    model.compile("sgd", model.losses)
    with pytest.raises(TrainingError, match="there is nothing to resume"):
        model.fit(x, y, 16, epochs=2, verbose=0, resume=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--resume", "runs/none", "--seed", "3", "--batch-size", "8"],
            "--resume takes everything but --epochs from the run; leave out --batch-size, --seed",
        ),
        (["--resume", "none"], "none: there is no such run folder; layerscope train makes one"),
        ([], "give a network: one line of text, a file, or example:autoencoder; or --resume RUN"),
    ],
)
def test_mistakes_in_asking(arguments, message, capsys):
    assert main(["train", *arguments]) == 2
    assert capsys.readouterr().err == f"layerscope train: {message}\n"


def test_the_readme_of_a_run_says_what_it_is(whole):
    text = Path(whole.folder / "README.md").read_text("utf-8")
    assert f"# {NETWORK}\n" in text
    assert "4 of 4 epochs, batches of 100, adam at 0.001, mean_squared_error, seed 5." in text
    assert f"val_loss {whole.history.history['val_loss'][-1]:.5g}." in text
    assert main(["trace", str(whole.folder / "network.json")]) == 0
