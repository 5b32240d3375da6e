"""Folders of picture files: which files, in which order, split how, with which labels, sizes and colour."""

import os

import numpy as np
import pytest
from PIL import Image
from tests.models.helpers import refuses

from layerscope.core.errors import DataError, SettingError, SizeError, UnknownNameError
from layerscope.datasets import _listing
from layerscope.studies.images import load_images, read_images

from .making import noise, pictures, write


def load(data, **settings):
    return load_images(data, verbose=0, **settings)


def test_what_is_read_is_what_was_written(tmp_path):
    made = pictures(tmp_path, [f"im{n}.png" for n in range(30)])
    images = load(tmp_path)
    assert images.shape == (6, 5, 1)
    assert sorted([*images.train.names, *images.test.names]) == sorted(made)
    for part in (images.train, images.test):
        array = part.array()
        assert (array.dtype, array.shape) == (np.float32, (len(part), 6, 5, 1))
        assert part.labels is None
        for name, pixels in zip(part.names, array, strict=True):
            assert np.array_equal(pixels[..., 0], made[name].astype(np.float32) / 255)
    assert np.array_equal(images.train.array(2, 5), images.train.array()[2:5])


# --- which files, and in which order ---


def test_the_order_is_that_of_people(tmp_path):
    names = ["a2/im1.png", "a2/im10.png", "a10/im2.png", "A3/im.png", "a2/Im9.png", "01.png", "1.png", "z.png"]
    pictures(tmp_path, names)
    found = read_images(tmp_path, (6, 5, 1), verbose=0)
    assert found.names == [
        "01.png", "1.png", "a2/im1.png", "a2/Im9.png", "a2/im10.png", "A3/im.png", "a10/im2.png", "z.png",
    ]  # fmt: skip


def test_hidden_files_and_folders_are_not_there(tmp_path):
    pictures(tmp_path, ["a.png", "b.png", ".c.png", ".git/d.png", "e/.f/g.png"])
    assert read_images(tmp_path, (6, 5, 1), verbose=0).names == ["a.png", "b.png"]


def test_what_cannot_be_read_is_named_and_left_out(tmp_path):
    made = pictures(tmp_path, [f"{n}.png" for n in range(20)])
    (tmp_path / "cut.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "none.png").touch()
    os.symlink("nowhere", tmp_path / "broken.png")
    os.symlink(tmp_path, tmp_path / "again")
    os.mkfifo(tmp_path / "pipe.png")
    images = load(tmp_path)
    assert images.skipped == [
        ("again/", "a link to a folder that it lies in"),
        ("broken.png", "a link to nothing"),
        ("cut.png", "cut short"),
        ("none.png", "empty"),
        ("notes.txt", "not an image"),
    ]
    assert len(images.train) + len(images.test) == len(made)
    assert images.description.splitlines() == [
        f"{tmp_path}: {len(images.train)} images to train on, {len(images.test)} to test with "
        "(one in 10 is held out, by a hash of its path); 6×5×1.",
        "5 of 25 files could not be read: again/ (a link to a folder that it lies in), broken.png (a link to "
        "nothing), cut.png (cut short), none.png (empty), notes.txt (not an image).",
    ]


def test_only_some_of_many_unreadable_files_are_named(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"])
    for n in range(8):
        (tmp_path / f"{n}.txt").write_text("x")
    assert load(tmp_path).description.splitlines()[1] == (
        "8 of 10 files could not be read: 0.txt (not an image), 1.txt (not an image), 2.txt (not an image), "
        "3.txt (not an image), 4.txt (not an image), … (3 more)."
    )


def test_links_lead_to_pictures(tmp_path):
    pictures(tmp_path / "far", ["a.png", "b.png"])
    (tmp_path / "here").mkdir()
    os.symlink(tmp_path / "far", tmp_path / "here" / "one")
    os.symlink(tmp_path / "far" / "a.png", tmp_path / "here" / "two.png")
    assert read_images(tmp_path / "here", (6, 5, 1), verbose=0).names == ["one/a.png", "one/b.png", "two.png"]


def test_names_that_are_no_text_can_be_told(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"])
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:
        file.write(b"x")
    images = load(tmp_path)
    assert images.description.splitlines()[1] == "1 of 3 files could not be read: \\udcff.png (not an image)."


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "{tmp}: the folder is empty (what begins with a dot does not count)."),
        ([".hidden.png"], "{tmp}: the folder is empty (what begins with a dot does not count)."),
        (["a.png"], "{tmp} holds one image, but one to train on and one to test with are needed"),
    ],
)
def test_too_few(names, message, tmp_path):
    pictures(tmp_path, names)
    with refuses(DataError, message.replace("{tmp}", str(tmp_path))):
        load(tmp_path)


def test_nothing_that_can_be_read(tmp_path):
    for name in ("a.txt", "b.csv"):
        (tmp_path / name).write_text("1,2,3\n")
    message = "2 of 2 files could not be read: a.txt (not an image), b.csv (not an image)."
    for size in (None, 8):
        with refuses(DataError, f"{tmp_path}: there is no image that can be read. {message}"):
            load(tmp_path, size=size)


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    """As somebody else than root would meet it."""
    pictures(tmp_path, ["a.png", "b.png", "own/c.png"])
    scan = os.scandir

    def guarded(path):
        if str(path).rstrip("/").endswith(closed):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    closed = "own"
    assert load(tmp_path).skipped == [("own/", "permission denied")]
    closed = tmp_path.name
    with refuses(DataError, f"{tmp_path}: the folder cannot be read: Permission denied"):
        load(tmp_path)


# --- the split and the labels ---


def test_the_split_is_by_a_hash_of_the_path():
    """A tenth is held out, and an image stays on its side when others come."""
    few = [f"class{n % 3}/image {n}.jpg" for n in range(2000)]
    many = sorted([*few, *(f"more/{n}.png" for n in range(2000))])
    one, two = _listing.listing(few, "x"), _listing.listing(many, "x")
    assert 150 < len(one.test) < 250
    assert set(one.test) == set(two.test) & set(few)
    assert set(one.train) == set(two.train) & set(few)
    assert one.test == [path for path in few if path in set(one.test)], "in order"
    # Frozen, so that a run's held-out images stay held out with later versions.
    assert [path for path in few if path in set(one.test)][:5] == [
        "class1/image 22.jpg", "class2/image 35.jpg", "class1/image 37.jpg", "class0/image 39.jpg", "class1/image 40.jpg",
    ]  # fmt: skip


def test_the_path_decides_however_it_is_composed():
    assert _listing.bucket("caf\u00e9.png") == _listing.bucket("cafe\u0301.png")


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_few_files_have_one_to_test_with(count, tmp_path):
    pictures(tmp_path, [f"{n}.png" for n in range(count)])
    images = load(tmp_path)
    assert len(images.test) >= 1
    assert len(images.train) + len(images.test) == count


def test_subfolders_are_classes(tmp_path):
    pictures(tmp_path, [f"{name}/{n}.png" for name in ("dog", "cat", "10", "9") for n in range(10)])
    images = load(tmp_path)
    assert images.classes == ("9", "10", "cat", "dog")
    for part in (images.train, images.test):
        assert part.labels.dtype == np.int64
        assert [images.classes[label] for label in part.labels] == [name.split("/")[0] for name in part.names]
    assert images.description.splitlines()[1] == "4 classes: 9, 10, cat, dog."


@pytest.mark.parametrize("names", [["a/1.png", "a/2.png"], ["a/1.png", "b/2.png", "3.png"]])
def test_one_class_is_none_and_so_is_one_for_some(names, tmp_path):
    pictures(tmp_path, names)
    assert load(tmp_path).classes == ()
    assert load(tmp_path).train.labels is None


@pytest.mark.parametrize("second", ["test", "val", "validation", "valid", "Test"])
def test_folders_that_are_split_stay_so(second, tmp_path):
    names = [
        "train/good/1.png",
        "train/good/2.png",
        f"{second}/good/1.png",
        f"{second}/hole/2.png",
        "mask/1.png",
        "x.png",
    ]
    made = pictures(tmp_path, names)
    images = load(tmp_path)
    assert images.train.names == ["train/good/1.png", "train/good/2.png"]
    assert images.test.names == [f"{second}/good/1.png", f"{second}/hole/2.png"]
    assert images.classes == ("good", "hole")
    assert (images.train.labels.tolist(), images.test.labels.tolist()) == ([0, 0], [0, 1])
    assert np.array_equal(images.test.array()[1, ..., 0] * 255, made[f"{second}/hole/2.png"])
    assert images.description.splitlines()[0] == (
        f"{tmp_path}: 2 images to train on, 2 to test with (as the folders train and {second} have it; not used: "
        "mask/, x.png); 6×5×1."
    )


def test_of_validation_and_test_the_first_is_for_looking_on(tmp_path):
    pictures(tmp_path, ["train/1.png", "val/2.png", "test/3.png"])
    images = load(tmp_path)
    assert images.test.names == ["val/2.png"]
    assert "(as the folders train and val have it; not used: test/)" in images.description


@pytest.mark.parametrize(("left", "purpose"), [(60, "test with"), (2000, "test with"), (60, "train on")])
def test_a_part_without_a_readable_image(left, purpose, tmp_path):
    """Whether the header tells or only the pixels do."""
    good, bad = ("train", "test") if purpose == "test with" else ("test", "train")
    pictures(tmp_path, [f"{good}/1.png", f"{good}/2.png"], (60, 60))
    (tmp_path / bad).mkdir()
    (tmp_path / bad / "3.png").write_bytes((tmp_path / good / "1.png").read_bytes()[:left])
    message = f"1 of 3 files could not be read: {bad}/3.png (cut short)."
    with refuses(DataError, f"{tmp_path}: no image is left to {purpose}. {message}"):
        load(tmp_path)


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
