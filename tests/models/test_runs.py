"""Run folders: what train leaves, refuses and replaces; what reconstruct reads."""

import csv
import json
import os
import shutil
import signal

import numpy as np
import pytest

from layerscope import Input, Sequential, callbacks, load_model, studies
from layerscope.cli import main
from layerscope.core.errors import (
    DataError,
    LayerscopeError,
    NotFiniteError,
    OutputError,
    SizeError,
    SourceError,
)
from layerscope.layers import Dense
from layerscope.models import engines
from layerscope.studies import runs

from .helpers import equal, refuses

IMAGES = "28x28x1 | maxpool 4 | conv 1 3 same sigmoid | upsample 4"
LABELS = "28x28x1 | maxpool 7 | flatten | dense 10 softmax"


def train(folder, network=IMAGES, **settings):
    return studies.train(network, "digits", out=folder, verbose=0, **({"epochs": 2, "batch_size": 512} | settings))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "images"
    return train(folder), folder


@pytest.fixture
def folder(done, tmp_path):
    """A copy of the finished run's folder."""
    return shutil.copytree(done[1], tmp_path / "run")


def history(folder):
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_run(done):
    run, folder = done
    assert sorted(os.listdir(folder)) == [
        "README.md",
        "history.csv",
        "model.npz",
        "network.json",
        "pictures",
        "report.html",
        "settings.json",
    ]
    assert sorted(os.listdir(folder / "pictures")) == ["curves.png", "reconstructions.png"]
    header, *rows = history(folder)
    assert header == ["epoch", "loss", "val_loss"]
    told = run.history.history
    assert [[float(cell) for cell in row] for row in rows] == [
        [n + 1, told["loss"][n], told["val_loss"][n]] for n in (0, 1)
    ]
    model = load_model(folder / "model.npz")
    assert equal(model.get_weights(), run.model.get_weights())
    settings = json.loads((folder / "settings.json").read_text("utf-8"))
    versions = settings.pop("versions")
    assert settings.pop("threads") == engines.threads()
    assert len(settings.pop("checksum")) == 8
    assert sorted(versions) == ["layerscope", "numpy", "python"]
    assert settings == {
        "network": IMAGES, "data": "digits", "folder": None, "epochs": 2, "batch_size": 512, "optimizer": "adadelta",
        "learning_rate": 1.0, "loss": "mean_squared_error", "seed": 0, "target": "images",
        "images": {"train": [1437, 28, 28, 1], "test": [360, 28, 28, 1]},
        "size": None, "fit": "crop", "colour": "auto",
    }  # fmt: skip
    assert runs.recipe(folder) == run.recipe


def test_the_same_seed_repeats_the_run(done, tmp_path):
    again, other = train(tmp_path / "again"), train(tmp_path / "other", seed=1)
    assert again.history.history == done[0].history.history
    assert equal(again.model.get_weights(), done[0].model.get_weights())
    assert other.history.history != again.history.history


def test_labels_are_learned_where_the_output_is_none_of_the_images(tmp_path):
    run = train(tmp_path / "run", LABELS)
    assert run.recipe.target == "labels"
    assert history(tmp_path / "run")[0] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    with refuses(DataError, f"{tmp_path}/run learned labels, so there is nothing to reconstruct"):
        studies.reconstruct(tmp_path / "run")


def test_a_run_is_not_replaced_unless_asked(folder):
    before = contents(folder)
    with refuses(OutputError, f"{folder} holds a run already; choose another folder, or --overwrite it"):
        train(folder)
    assert contents(folder) == before
    run = train(folder, epochs=1, overwrite=True, seed=3)
    assert len(history(folder)) == 2
    assert equal(load_model(folder / "model.npz").get_weights(), run.model.get_weights())


def test_an_overwriting_run_that_dies_leaves_no_model_of_the_earlier_one(folder):
    class Die(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            assert sorted(os.listdir(folder)) == [
                "README.md",
                "model.npz",
                "network.json",
                "pictures",
                "settings.json",
            ]
            assert os.listdir(folder / "pictures") == []
            assert load_model(folder / "model.npz").output_shape == (None, 10)
            raise SystemExit

    with pytest.raises(SystemExit):
        train(folder, LABELS, overwrite=True, callbacks=[Die()])
    assert load_model(folder / "model.npz").output_shape == (None, 10)


def test_what_cannot_be_trained_leaves_no_folder(tmp_path):
    with pytest.raises(DataError):
        train(tmp_path / "run", "8x8x1 | flatten | dense 10")
    assert os.listdir(tmp_path) == []


def test_a_loss_that_is_not_finite_leaves_the_last_good_model(tmp_path):
    with pytest.raises(NotFiniteError):
        train(tmp_path / "run", "28x28x1 | conv 2 3 same | conv 1 3 same", optimizer="sgd", learning_rate=1e18)
    weights = load_model(tmp_path / "run" / "model.npz").get_weights()
    assert all(np.isfinite(array).all() for array in weights)


def test_a_folder_that_vanishes_while_training_is_made_again(done, tmp_path):
    vanish = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: shutil.rmtree(tmp_path / "run"))
    train(tmp_path / "run", callbacks=[vanish])
    assert sorted(os.listdir(tmp_path / "run")) == sorted(os.listdir(done[1]))
    assert history(tmp_path / "run") == history(done[1])


def test_a_folder_that_becomes_unwritable_is_said_in_our_words(tmp_path):
    def spoil(epoch, logs):
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run").write_text("a file")

    with refuses(
        OutputError, f"cannot write {tmp_path}/run/settings.json: a part of this path is a file, not a folder"
    ):
        train(tmp_path / "run", callbacks=[callbacks.LambdaCallback(on_epoch_begin=spoil)])


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with refuses(OutputError, f"cannot write into {tmp_path}/file: a part of this path is a file, not a folder"):
        train(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def press(epoch, logs):
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("hook", "kept"), [("on_train_batch_end", 0), ("on_epoch_end", 1)])
def test_ctrl_c_keeps_the_model_and_the_finished_epochs(hook, kept, tmp_path):
    run = train(tmp_path / "run", epochs=50, callbacks=[callbacks.LambdaCallback(**{hook: press})])
    assert run.history.interrupted
    assert len(run.history.epoch) == kept
    if kept:
        assert len(history(tmp_path / "run")) == 1 + kept
    assert equal(load_model(tmp_path / "run" / "model.npz").get_weights(), run.model.get_weights())


RECIPES = {
    "missing": (None, "there is no such run folder; layerscope train makes one"),
    "cut": ('{"network":', "is not a run folder: settings.json cannot be read (Expecting value: line 1 column 12"),
    "a list": ("[]", "is not a run folder: settings.json cannot be read ("),
    "another key": ('{"x": 1}', "is not a run folder: settings.json cannot be read ("),
    "no file": ("", "is not a run folder: settings.json cannot be read ("),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_no_run_folder(name, tmp_path):
    text, message = RECIPES[name]
    folder = tmp_path / "run"
    if text is not None:
        folder.mkdir()
        if text:
            (folder / "settings.json").write_text(text)
    with pytest.raises(SourceError) as caught:
        studies.reconstruct(folder)
    assert str(caught.value).removeprefix(str(folder)).lstrip(": ").startswith(message)


def test_a_run_whose_model_is_damaged(folder):
    (folder / "model.npz").write_bytes((folder / "model.npz").read_bytes()[:100])
    message = "not a model of Layerscope, or cut short: it is no zip archive"
    with refuses(SourceError, f"{folder}/model.npz: {message}"):
        studies.reconstruct(folder)


def test_reconstructions_are_what_the_model_predicts(done, tmp_path):
    run, folder = done
    found = studies.reconstruct(folder, count=4)
    assert found.originals.shape == found.restored.shape == (4, 28, 28, 1)
    assert equal([found.restored], [run.model.predict(found.originals)])
    np.testing.assert_allclose(
        found.errors, ((found.originals - found.restored) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5
    )
    for suffix, head in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), ("", b"\x89PNG")):
        found.save(tmp_path / f"ten{suffix}")
        assert (tmp_path / f"ten{suffix}").read_bytes().startswith(head)
    assert sorted(os.listdir(tmp_path)) == ["ten", "ten.pdf", "ten.png", "ten.svg"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ten.xyz", "cannot write {tmp}/ten.xyz: a picture ends in .png, .svg or .pdf"),
        ("", "cannot write {tmp}: it is a folder; give the name of a file"),
        ("no/ten.png", "cannot write {tmp}/no/ten.png: there is no folder {tmp}/no; make it first"),
    ],
)
def test_pictures_that_cannot_be_written_are_refused_before_anything_is_done(name, message, done, tmp_path, capsys):
    assert main(["reconstruct", str(done[1]), "-o", str(tmp_path / name)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"layerscope reconstruct: {message.replace('{tmp}', str(tmp_path))}\n"
    assert os.listdir(tmp_path) == []


def test_a_demo_stopped_in_its_first_epoch_makes_no_picture(tmp_path, monkeypatch, capsys):
    from layerscope.studies import digits_demo

    monkeypatch.setattr(digits_demo.Readable, "on_train_batch_end", lambda self, batch, logs: press(batch, logs))
    assert main(["demo", "-o", str(tmp_path / "ten.png")]) == 130
    assert capsys.readouterr().err == "Stopped before the first epoch was done; no picture was made.\n"
    assert os.listdir(tmp_path) == []


def test_files_of_something_else_are_never_replaced(tmp_path):
    for name in ("README.md", "pictures"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).mkdir() if name == "pictures" else (folder / name).write_text("mine")
        for overwrite in (False, True):
            with refuses(
                OutputError,
                f"{folder} is no run folder, but holds {name}, which a run would replace; choose another folder",
            ):
                train(folder, overwrite=overwrite)
        assert os.listdir(folder) == [name]


def test_pictures_that_a_run_did_not_draw_stay(folder):
    (folder / "pictures" / "holiday.png").write_bytes(b"mine")
    train(folder, epochs=1, overwrite=True)
    assert (folder / "pictures" / "holiday.png").read_bytes() == b"mine"


def test_a_path_that_no_system_takes(tmp_path):
    with refuses(OutputError, f"cannot write into {tmp_path / ('x' * 300)}: File name too long"):
        train(tmp_path / ("x" * 300))


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"batch_size": 0}, {"loss": "categorical_crossentropy"}])
def test_what_is_refused_leaves_no_folder(settings, tmp_path):
    with pytest.raises(LayerscopeError):
        train(tmp_path / "run", "28x28x1 | flatten | dense 1", **settings)
    assert os.listdir(tmp_path) == []


def test_a_link_stays_a_link_and_a_pipe_is_refused(done, tmp_path):
    (tmp_path / "real.png").write_bytes(b"")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    studies.reconstruct(done[1], count=2).save(tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes()[:4] == b"\x89PNG"
    os.mkfifo(tmp_path / "pipe.png")
    with refuses(OutputError, f"cannot write {tmp_path}/pipe.png: it is no regular file"):
        studies.reconstruct(done[1], count=2).save(tmp_path / "pipe.png")
    with refuses(OutputError, f"cannot write {tmp_path}/pipe.png: it is no regular file"):
        runs.writable(tmp_path / "pipe.png")


NEEDED = "a run is needed, not {}: the path of a folder that layerscope train made, or what studies.train returned"


def test_what_is_no_run():
    for given, name in ((None, "NoneType"), (Sequential([Input((2,)), Dense(2)]), "Sequential")):
        for look in (studies.score, studies.encode, studies.reconstruct, studies.plot):
            with refuses(SourceError, NEEDED.format(name)):
                look(given)
    with refuses(SourceError, "the path of a run folder is needed, not NoneType"):
        studies.resume(None)
    with refuses(SourceError, "a run folder, a model file or a Model is needed, not NoneType"):
        studies.export(None, "a.onnx")
    with refuses(SizeError, "seed must be at least 0, not -1"):
        studies.train("4 | dense 4", seed=-1)
