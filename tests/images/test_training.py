"""Training on one's own images from the command line and from Python, and what the run remembers of them."""

import json
import os
import re

import numpy as np
import pytest
from tests.models.helpers import equal, refuses

from layerscope import datasets, studies
from layerscope.cli import main
from layerscope.core.errors import DataError
from layerscope.report.figures import images as drawing
from layerscope.studies import keeping, runs

from .making import noise, pictures, smooth, write

IMAGES = "12x16x3 | conv 4 3 same relu | maxpool 2 | conv 3 3 same sigmoid | upsample 2"
LABELS = "12x16x3 | maxpool 4 | flatten | dense 2 softmax"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of photographs of two sizes in two classes, and one file that is none."""
    monkeypatch.chdir(tmp_path)
    for n in range(40):
        pixels = smooth(30 + n % 2 * 10, 40) // (1 + n % 4)
        write(tmp_path / "photos" / ("sun" if n % 4 < 2 else "rain") / f"view{n}.jpg", pixels)
    (tmp_path / "photos" / "list.txt").write_text("mine")
    return tmp_path / "photos"


def settings(folder):
    return json.loads((folder / "settings.json").read_text("utf-8"))


def test_a_folder_from_the_command_line(photos, tmp_path, capsys):
    command = ["train", IMAGES, "--data", "photos", "--epochs", "2", "--batch-size", "8", "--out", "run"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if "Compiling" not in line]
    assert err == ""
    count = re.match(r"photos: (\d+) images to train on, (\d+) to test with ", lines[0])
    assert count is not None
    assert int(count[1]) + int(count[2]) == 40
    assert lines[0].endswith(
        "(one in 10 is held out, by a hash of its path); 12×16×3, cut about the centre and resized."
    )
    assert lines[1:3] == ["2 classes: rain, sun.", "1 of 41 files could not be read: list.txt (not an image)."]
    assert [line[:9] for line in lines[3:5]] == ["Epoch 1/2", "Epoch 2/2"]
    told = settings(tmp_path / "run")
    assert (told["data"], told["size"], told["fit"], told["colour"]) == (str(photos), "12x16", "crop", "rgb")
    assert told["target"] == "images"
    assert told["images"] == {"train": [int(count[1]), 12, 16, 3], "test": [int(count[2]), 12, 16, 3]}


def test_labels_are_those_of_the_folders(photos, capsys):
    assert main(["train", LABELS, "--data", "photos", "--epochs", "1", "--out", "run"]) == 0
    header = (photos.parent / "run" / "history.csv").read_text().splitlines()[0]
    assert header == "epoch,loss,accuracy,val_loss,val_accuracy"


def test_a_run_reads_its_images_again_from_anywhere(photos, tmp_path, monkeypatch):
    run = studies.train(IMAGES, "photos", out="run", epochs=1, verbose=0)
    write(photos / "sun" / "other.jpg", smooth(99, 99))  # which must not change the size
    monkeypatch.chdir("/")
    found = studies.reconstruct(tmp_path / "run", count=2)
    images = studies.images.load_images(photos, size="12x16", verbose=0)
    assert len(images.test) > 2, "or the next line says little"
    assert np.array_equal(found.originals, images.test.source.read(np.array([0, len(images.test) - 1])))
    assert equal([found.restored], [run.model.predict(found.originals)])


def test_other_images_are_reconstructed_in_the_size_of_the_network(photos, tmp_path, capsys):
    studies.train(IMAGES, "photos", out="run", epochs=1, verbose=0)
    made = noise(12, 16, 3)
    write(tmp_path / "one.png", made)
    found = studies.reconstruct("run", data="one.png")
    assert np.array_equal(found.originals, made[None].astype(np.float32) / 255)
    assert (
        main(["reconstruct", "run", "--data", "photos/sun", "--fit", "stretch", "--count", "2", "-o", "two.png"]) == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == "Wrote two.png: the picture"


def test_resuming_on_a_folder_gives_the_same_bits(photos, tmp_path):
    whole = studies.train(IMAGES, photos, out="whole", epochs=3, batch_size=8, verbose=0)
    studies.train(IMAGES, photos, out="half", epochs=2, batch_size=8, verbose=0)
    resumed = studies.resume("half", 3, verbose=0)
    assert equal(resumed.model.get_weights(), whole.model.get_weights())
    assert resumed.history.history == whole.history.history
    for n in range(20):
        write(photos / "sun" / f"new {n}.jpg", smooth(30, 40))
    with pytest.raises(DataError, match=r"the images of .*photos are not what the run was trained on\. Then: "):
        studies.resume("half", 4, verbose=0)


def test_array_files_train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("set.npz", x_train=noise(30, 12, 16, 3), x_test=noise(5, 12, 16, 3))
    assert main(["train", IMAGES, "--data", "set.npz", "--epochs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "set.npz: 30 images to train on, 5 to test with (x_train and x_test); 12×16×3."
    )
    (run,) = os.listdir("runs")
    assert run.endswith("-set")
    np.save("vectors.npy", noise(30, 20))
    vectors = studies.train("20 | dense 4 relu | dense 20 sigmoid", "vectors.npy", epochs=1, out="v", verbose=0)
    assert vectors.recipe.size is None
    assert studies.reconstruct("v", count=2).originals.shape == (2, 1, 20, 1)
    np.save("squares.npy", noise(30, 16))
    studies.train("16 | dense 4 relu | dense 16 sigmoid", "squares.npy", epochs=1, out="s", verbose=0)
    assert studies.reconstruct("s", count=2).originals.shape == (2, 4, 4, 1)
    np.save("two.npy", noise(30, 6, 5, 2))
    studies.train("6x5x2 | conv 2 3 same sigmoid", "two.npy", epochs=1, out="t", verbose=0)
    with refuses(
        DataError,
        "the output (2,) is no image of (20,), so it is to learn labels, but vectors.npy has none. Put the images of "
        "each class into a folder of its own (docs/images.md), or end the network with as many numbers as it starts "
        "with.",
    ):
        studies.train("20 | dense 2", "vectors.npy", out="w")


def test_known_sets_are_resized(tmp_path):
    network = "14x14x1 | conv 2 3 same relu | conv 1 3 same sigmoid"
    run = studies.train(network, "digits", size=14, epochs=1, out=tmp_path / "run", verbose=0)
    assert (run.recipe.data, run.recipe.size) == ("digits", "14x14")
    assert studies.reconstruct(tmp_path / "run", count=2).originals.shape == (2, 14, 14, 1)


def test_settings_of_earlier_versions_are_read(photos, tmp_path):
    run = studies.train(IMAGES, "photos", out="run", epochs=1, verbose=0)
    told = settings(tmp_path / "run")
    assert runs.recipe("run") == run.recipe
    for name in ("size", "fit", "colour"):
        del told[name]
    (tmp_path / "run" / "settings.json").write_text(json.dumps(told))
    old = runs.recipe("run")
    assert (old.size, old.fit, old.colour) == (None, "crop", "auto")


def test_digits_as_files_train_as_the_data_set_does(tmp_path, monkeypatch):
    """The same images from PNG files in folders named train and test, read part by part: the same bits."""
    monkeypatch.setattr(keeping, "WHOLE", 0)
    network = "28x28x1 | maxpool 4 | conv 1 3 same sigmoid | upsample 4"
    for part, (x, y) in zip(("train", "test"), datasets.load("digits"), strict=True):
        for n, (pixels, label) in enumerate(zip(x[:300], y[:300], strict=True)):
            write(tmp_path / "set" / part / str(label) / f"{n}.png", pixels)
    images = studies.images.load_images(tmp_path / "set", verbose=0)
    assert images.classes == tuple("0123456789")
    rows = [int(name.split("/")[-1][:-4]) for name in images.train.names]
    (x, y), (x_test, _) = datasets.load("digits")
    assert images.train.labels.tolist() == y[rows].tolist()
    order = [int(name.split("/")[-1][:-4]) for name in images.test.names]
    np.savez(tmp_path / "same.npz", x_train=x[rows], x_test=x_test[order])
    found = [
        studies.train(network, tmp_path / data, epochs=2, batch_size=64, out=tmp_path / f"run-{data}", verbose=0)
        for data in ("set", "same.npz")
    ]
    assert found[0].history.history == found[1].history.history
    assert equal(found[0].model.get_weights(), found[1].model.get_weights())


@pytest.mark.parametrize("own", [True, False])
def test_grey_photographs_are_not_drawn_as_ink(own, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "comparison", lambda path, asked: drawn.append(asked.ink) or path.touch())
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "grey", [f"{n}.png" for n in range(9)], (28, 28))
    data = "grey" if own else "digits"
    studies.train("28x28x1 | conv 1 3 same sigmoid", data, epochs=1, out="run", verbose=0)
    studies.reconstruct("run", count=2).save(tmp_path / "a.png")
    assert drawn == [not own, not own]


MISTAKES = {
    "no such folder": (
        ["--data", "fotos/"],
        "fotos/: there is no such file or folder. Give a folder of images, a .npz or .npy file, or the name of a known "
        "data set: digits, fashion_mnist, kmnist, mnist.",
    ),
    "size": (
        ["--data", "photos", "--size", "12*16"],
        "size must be HEIGHTxWIDTH, such as 64x48, or one number for a square, not '12*16'",
    ),
    "another size": (
        ["--data", "photos", "--size", "16x12", "--colour", "grey"],
        "the network takes (12, 16, 3), but the images of photos are (16, 12, 1). Start the network with 16x12x1, or "
        "bring the images to it with --size 12x16 --colour rgb.",
    ),
    "folder of a folder": (
        ["--data", "photos", "--folder", "x"],
        "--folder says where a known data set lies; photos is itself a path",
    ),
    "memory": (
        ["--data", "photos"],
        "LAYERSCOPE_MEMORY is 'all'; it must be a size such as 500MB or 2GB, or unset",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_on_the_command_line(name, photos, capsys, monkeypatch):
    arguments, message = MISTAKES[name]
    if name == "memory":
        monkeypatch.setenv("LAYERSCOPE_MEMORY", "all")
    assert main(["train", IMAGES, *arguments]) == 2
    assert capsys.readouterr() == ("", f"layerscope train: {message}\n")
    assert not os.path.exists("runs")
