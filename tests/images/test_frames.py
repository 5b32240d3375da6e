"""Folders of picture files: sizes, colour, settings, and all images for a network that is there."""

import os

import numpy as np
import pytest
from PIL import Image
from tests.models.helpers import refuses

from layerscope.core.errors import DataError, SettingError, SizeError, UnknownNameError
from layerscope.models.streams import ArraySource
from layerscope.studies import parts
from layerscope.studies.images import load_images, read_images

from .making import noise, pictures, write


def load(data, **settings):
    return load_images(data, verbose=0, **settings)


# --- sizes and colour ---


def test_images_of_several_sizes_need_one(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"], (30, 20))
    pictures(tmp_path, ["c.png", "d.png", "e.png"], (20, 30))
    with refuses(
        DataError,
        f"the images of {tmp_path} have different sizes (height×width): 20×30 (3), 30×20 (2). Give the size that they "
        "are brought to: --size 64x48, or --size 64 for a square.",
    ):
        load(tmp_path)
    assert load(tmp_path, size="8x10").shape == (8, 10, 1)
    assert load(tmp_path, size=" 8 X 10 ").shape == (8, 10, 1)
    assert load(tmp_path, size=(8, 10)).shape == (8, 10, 1)
    assert load(tmp_path, size="9", colour="rgb").shape == (9, 9, 3)
    assert load(tmp_path, wanted=(12, 14, 3)).shape == (12, 14, 3)
    assert load(tmp_path, wanted=(12, 14, None)).shape == (12, 14, 1)
    with pytest.raises(DataError, match="different sizes"):
        load(tmp_path, wanted=(None, None, 1))
    lines = load(tmp_path, size=8, fit="fit").description
    assert lines.endswith("(one in 10 is held out, by a hash of its path); 8×8×1, resized, with a border around.")
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    assert load(tmp_path, size="10x15").description.endswith("10×15×1, resized.")
    assert load(tmp_path, size="20x30").description.endswith("20×30×1.")
    assert load(tmp_path, size="20x20", fit="stretch").description.endswith("20×20×1, stretched.")


def test_more_sizes_than_can_be_named(tmp_path):
    for n in range(8):
        write(tmp_path / f"{n}.png", noise(4 + n, 5))
    with pytest.raises(DataError, match=r"4×5 \(1\), 5×5 \(1\), 6×5 \(1\), 7×5 \(1\), 8×5 \(1\) and 3 more\. Give"):
        load(tmp_path)


def test_a_network_of_another_size_is_told_before_anything_is_read(tmp_path, monkeypatch):
    pictures(tmp_path, ["a.png", "b.png"], (30, 20))
    monkeypatch.setattr("layerscope.datasets._pictures.decode", None)
    with refuses(
        DataError,
        f"the network takes (32, 32, 3), but the images of {tmp_path} are (30, 20, 3). Start the network with 30x20x3, "
        "or bring the images to it with --size 32.",
    ):
        load(tmp_path, wanted=(32, 32, 3))
    with refuses(
        DataError,
        f"the network takes (32, 28, 3), but the images of {tmp_path} are (30, 20, 1). Start the network with 30x20x1, "
        "or bring the images to it with --size 32x28 --colour rgb.",
    ):
        load(tmp_path, wanted=(32, 28, 3), colour="grey")
    with refuses(
        DataError,
        f"the network takes (30, 20, 4), but the images of {tmp_path} are (30, 20, 1). Start the network with 30x20x1.",
    ):
        load(tmp_path, wanted=(30, 20, 4))


def test_vectors_of_as_many_numbers_fit(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"], (6, 5))
    assert load(tmp_path, wanted=(30,)).shape == (6, 5, 1)
    assert read_images(tmp_path, (30,), verbose=0).array().shape == (2, 30)
    with pytest.raises(DataError, match=r"the network takes \(31,\), but the images of .* are \(6, 5, 1\)\. Start"):
        load(tmp_path, wanted=(31,))


def test_colour_is_as_the_images_have_it(tmp_path):
    grey = pictures(tmp_path, [f"{n}.png" for n in range(12)])
    assert load(tmp_path).shape == (6, 5, 1)
    write(tmp_path / "0.png", np.repeat(grey["0.png"][..., None], 3, -1))
    assert load(tmp_path).shape == (6, 5, 1), "three equal channels are grey"
    write(tmp_path / "0.png", noise(6, 5, 3))
    assert load(tmp_path).shape == (6, 5, 3)
    assert load(tmp_path, colour="grey").shape == (6, 5, 1)
    assert load(tmp_path, wanted=(6, 5, 1)).shape == (6, 5, 1), "a network decides where nobody says"


def test_sixteen_bits_are_kept_as_such(tmp_path):
    made = {f"{n}.png": noise(6, 5, high=65536, dtype=np.uint16, seed=n) for n in range(4)}
    for name, pixels in made.items():
        write(tmp_path / name, pixels)
    part = load(tmp_path).train
    for name, pixels in zip(part.names, part.array(), strict=True):
        assert np.array_equal(pixels[..., 0], made[name].astype(np.float32) / 65535)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"size": "64*48"}, SettingError, "size must be HEIGHTxWIDTH, such as 64x48, or one number for a square, not '64*48'"),
        ({"size": "0"}, SizeError, "size must be at least 1, not 0"),
        ({"size": (1, 2, 3)}, SettingError, "size must be a pair (height, width), not (1, 2, 3)"),
        ({"fit": "cover"}, SettingError, "fit must be one of crop, fit, stretch, not 'cover'"),
        ({"colour": "blue"}, SettingError, "colour must be one of auto, grey, rgb, not 'blue'"),
        ({"folder": "x"}, SettingError, "--folder says where a known data set lies; {tmp} is itself a path"),
    ],
)  # fmt: skip
def test_settings_that_there_are_not(settings, kind, message, tmp_path):
    pictures(tmp_path, ["a.png", "b.png"])
    with refuses(kind, message.replace("{tmp}", str(tmp_path))):
        load(tmp_path, **settings)


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = "Give a folder of images, a .npz or .npy file, or the name of a known data set: digits, fashion_mnist, kmnist, mnist."
    with refuses(DataError, f"no/photos: there is no such file or folder. {known}"):
        load("no/photos")
    with refuses(DataError, "no images are given: '' names no folder, file or data set"):
        load("")
    with refuses(UnknownNameError, "unknown data set 'digitz'. Did you mean 'digits'?"):
        load("digitz")
    write(tmp_path / "a.png", noise(3, 3))
    with refuses(DataError, "a.png is one file; to train, give a folder of images, or a .npz or .npy file"):
        load("a.png")
    os.symlink("loop", tmp_path / "loop")
    with refuses(DataError, f"{tmp_path}/loop is a link to nothing, or to itself"):
        load(tmp_path / "loop")


# --- all images, for a network that is there ---


def test_files_and_folders_together(tmp_path, monkeypatch):
    made = pictures(tmp_path, ["a.png", "more/b.png", "more/deep/c.png"])
    monkeypatch.chdir(tmp_path)
    part = read_images(["more", "a.png"], (6, 5, 1), verbose=0)
    assert part.names == ["more/b.png", "more/deep/c.png", "a.png"]
    assert np.array_equal(part.array()[..., 0] * 255, np.stack([made[name] for name in part.names]))
    one = read_images("a.png", (6, 5, 3), verbose=0)
    assert (one.names, one.array().shape) == (["a.png"], (1, 6, 5, 3))


def test_an_array_file_or_a_data_set_is_given_alone(tmp_path, monkeypatch):
    pictures(tmp_path, ["a.png", "more/b.png"])
    np.savez(tmp_path / "d.npz", x=noise(3, 6, 5))
    monkeypatch.chdir(tmp_path)
    alone = "give it alone. Only folders and picture files go together."
    with refuses(DataError, f"digits:test is a known data set: {alone}"):
        read_images(["digits:test", "d.npz"], (6, 5, 1), verbose=0)
    with refuses(DataError, f"d.npz is an array file: {alone}"):
        read_images(["d.npz", "more"], (6, 5, 1), verbose=0)
    with refuses(DataError, f"d.npz is an array file: {alone}"):
        read_images(["a.png", "d.npz"], (6, 5, 1), verbose=0)


def test_classes_of_all_images(tmp_path):
    pictures(tmp_path, ["good/1.png", "hole/1.png", "hole/2.png"])
    part = read_images(tmp_path, (8, 8, 1), verbose=0)
    assert (part.classes, part.labels.tolist()) == (("good", "hole"), [0, 1, 1])


def test_images_of_which_some_cannot_be_read(tmp_path, monkeypatch):
    pictures(tmp_path, ["a.png", "b.png"])
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "d.txt").write_text("x")
    part = read_images(tmp_path, (6, 5, 1), verbose=0)
    assert (part.names, part.skipped) == (["a.png", "b.png"], [("c.png", "cut short"), ("d.txt", "not an image")])
    monkeypatch.chdir(tmp_path)
    message = "d.txt: there is no image that can be read. 1 of 1 files could not be read: d.txt (not an image)."
    with refuses(DataError, message):
        read_images("d.txt", (6, 5, 1), verbose=0)
    message = "c.png: there is no image that can be read. 1 of 1 files could not be read: c.png (cut short)."
    with refuses(DataError, message):
        read_images("c.png", (6, 5, 1), verbose=0)
    with refuses(DataError, "no images are given: name a folder, files, or a data set"):
        read_images([], (6, 5, 1))
    with refuses(DataError, "the network takes (6, 5, 2), but picture files have 1 channel or 3"):
        read_images("a.png", (6, 5, 2), verbose=0)


def test_reading_ends_after_so_many(tmp_path, monkeypatch):
    from layerscope.datasets import _pictures

    pictures(tmp_path, [f"{n:03}.png" for n in range(200)])
    (tmp_path / "001.png").write_bytes((tmp_path / "001.png").read_bytes()[:60])
    read, decode = [], _pictures.decode
    monkeypatch.setattr(_pictures, "decode", lambda *given: read.append(given) or decode(*given))
    part = read_images(tmp_path, (6, 5, 1), most=3, verbose=0)
    assert part.names == ["000.png", "002.png", "003.png"]
    assert len(read) < 20


def test_a_large_folder_of_a_given_size_is_not_looked_through_first(tmp_path, monkeypatch):
    from layerscope.datasets import _pictures
    from layerscope.studies import folders

    monkeypatch.setattr(folders, "LOOKED_AT", 50)
    pictures(tmp_path, [f"{n:03}.png" for n in range(100)])
    looked, header = [], _pictures.header
    monkeypatch.setattr(_pictures, "header", lambda path: looked.append(path) or header(path))
    assert len(load(tmp_path, size=4).train) > 80
    assert len(looked) == folders.SAMPLE
    looked.clear()
    load(tmp_path)
    assert len(looked) == 100


def test_progress_is_silent_when_asked_and_says_what_it_does(tmp_path, capsys, monkeypatch):
    from layerscope.models import progress

    pictures(tmp_path, ["a.png", "b.png"])
    load(tmp_path)
    assert capsys.readouterr() == ("", "")
    times = iter(range(0, 10_000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    load_images(tmp_path)
    assert capsys.readouterr() == ("Looking at 2 images ...\nReading 2 images ...\n", "")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (5, 6)


def test_a_checksum_changes_with_a_pixel_a_name_a_label_and_the_order(monkeypatch):
    x = np.random.default_rng(0).random((40, 5, 4, 1), np.float32)
    labels, names = np.arange(40) % 3, [f"{n}.png" for n in range(40)]
    first = parts.checksum(parts.Part(ArraySource(x), labels, names))
    assert parts.checksum(parts.Part(ArraySource(x.copy()), labels.copy(), [*names])) == first
    other = x.copy()
    other[17, 2, 1] += 0.01
    assert parts.checksum(parts.Part(ArraySource(other), labels, names)) != first
    assert parts.checksum(parts.Part(ArraySource(x[::-1]), labels, names)) != first
    assert parts.checksum(parts.Part(ArraySource(x), labels[::-1], names)) != first
    assert parts.checksum(parts.Part(ArraySource(x), labels, ["new.png", *names[1:]])) != first
    monkeypatch.setattr(parts, "AT_ONCE", 7)
    assert parts.checksum(parts.Part(ArraySource(x), labels, names)) == first
