"""Reconstructions of own images: as many as asked for, named, in their colours; and what cannot be reconstructed."""

import re

import numpy as np
import pytest

from layerscope import studies
from layerscope.cli import main
from layerscope.report import pictures
from layerscope.studies.reconstruction import Reconstructions

from .helpers import equal, numbers
from .looking import trained

COLOURS = "8x8x3 | conv 4 3 same relu | maxpool 2 | conv 3 3 same | upsample 2 | conv 3 3 same sigmoid"


@pytest.fixture(scope="module")
def colourful(tmp_path_factory):
    """A run on colour images, and the folder beside it."""
    folder = tmp_path_factory.mktemp("colour")
    np.savez(folder / "images.npz", x_train=numbers(40, 8, 8, 3), x_test=numbers(12, 8, 8, 3, seed=1))
    return studies.train(COLOURS, folder / "images.npz", out=folder / "run", epochs=1, verbose=0), folder


def test_own_colour_images(colourful, capsys):
    run, folder = colourful
    mine = numbers(5, 8, 8, 3, seed=2)
    np.save(folder / "mine.npy", mine)
    out = folder / "mine.svg"
    assert main(["reconstruct", str(run.folder), str(folder / "mine.npy"), "--count", "4", "-o", str(out)]) == 0
    found = studies.reconstruct(run, folder / "mine.npy", 4)
    assert equal([found.originals, found.restored], [mine[:4], run.model.predict(mine[:4])])
    assert (found.names, found.ink) == (["mine/0", "mine/1", "mine/2", "mine/3"], False)
    np.testing.assert_allclose(found.maps.mean(axis=(1, 2)), found.errors)
    np.testing.assert_allclose(
        found.errors, ((mine[:4].astype("float64") - found.restored) ** 2).mean(axis=(1, 2, 3))
    )
    told = re.findall(r"<text[^>]*>([^<]*)</text>", out.read_text("utf-8"))
    assert [text for text in told if text.startswith("mine/")] == found.names
    assert [text for text in told if re.fullmatch(r"0\.\d{4}", text)] == [f"{error:.4f}" for error in found.errors]
    assert "squared error; the number is its mean" in told
    assert f"Mean squared error: {found.errors.mean():.5f} over 4 images" in capsys.readouterr().out


def test_validation_images_have_no_names_and_maps_can_be_left_out(colourful, tmp_path):
    run, _ = colourful
    found = studies.reconstruct(run, count=3)
    assert equal([found.originals], [numbers(12, 8, 8, 3, seed=1)[:3]])
    assert found.names == []
    found.save(tmp_path / "ten.svg", maps=False)
    assert "squared error" not in (tmp_path / "ten.svg").read_text("utf-8")


def test_known_data_sets_are_ink_on_paper(tmp_path):
    run = trained(tmp_path / "run", epochs=1)
    assert studies.reconstruct(run).ink
    assert studies.reconstruct(run, "digits:train", 2).ink
    np.save(tmp_path / "mine.npy", numbers(2, 28, 28))
    assert not studies.reconstruct(run, tmp_path / "mine.npy").ink
    assert studies.reconstruct(run, "digits:train", 2).names == ["train/0", "train/1"]


def test_files_that_cannot_be_read_are_named(tmp_path, capsys):
    from PIL import Image

    run = trained(tmp_path / "run", epochs=1)
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.fromarray((numbers(28, 28) * 255).astype("uint8")).save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"no picture")
    sentence = "1 of 2 files could not be read: bad.png (not an image)."
    assert main(["reconstruct", str(run.folder), str(folder)]) == 0
    assert sentence in capsys.readouterr().out.splitlines()
    assert main(["encode", str(run.folder), str(folder), "-o", str(tmp_path / "c.csv")]) == 0
    assert sentence in capsys.readouterr().out.splitlines()
    assert sentence in studies.score(run, folder, verbose=0).notes
    assert studies.encode(run, folder, verbose=0).names == ["good.png"]


def test_colours_in_a_terminal():
    red = np.zeros((1, 2, 1, 3))
    red[0, 0, 0, 0], red[0, 1, 0, 2] = 1.0, 1.0  # red above blue
    text = Reconstructions(red, red, np.zeros(1)).terminal(80, colour=True).splitlines()
    assert text == [
        "originals",
        "\033[38;5;196;48;5;21m▀\033[0m",
        "reconstructions",
        "\033[38;5;196;48;5;21m▀\033[0m",
    ]
    grey = pictures.terminal([("x", np.full((1, 2, 1, 1), 1.0))], 80, colour=True).splitlines()
    assert grey[1] == "\033[38;5;255;48;5;255m▀\033[0m"
    assert pictures.terminal([("x", np.full((1, 2, 1, 3), 1.0))], 80, colour=False).splitlines()[1] == "█"
    two = np.stack([np.zeros((1, 2, 1)), np.ones((1, 2, 1))], axis=-1)
    assert Reconstructions(two, two, np.zeros(1)).terminal(80, colour=False).splitlines()[0] == (
        "originals (mean of 2 channels)"
    )
    assert pictures.terminal([("x", two)], 80, colour=False).splitlines()[1] == "▒"


MISTAKES = {
    "no such file": (["{tmp}/none.png"], "{tmp}/none.png: there is no such file or folder."),
    "picture": (["-o", "{tmp}/x.gif"], "cannot write {tmp}/x.gif: a picture ends in .png, .svg or .pdf"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, colourful, tmp_path, capsys):
    arguments, message = MISTAKES[name]
    given = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    assert main(["reconstruct", str(colourful[0].folder), *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"layerscope reconstruct: {message.replace('{tmp}', str(tmp_path))}")
