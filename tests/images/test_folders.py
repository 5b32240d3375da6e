"""Folders of picture files: which files, in which order, split how, with which labels."""

import os
import shutil

import numpy as np
import pytest
from tests.models.helpers import refuses

from layerscope.core.errors import DataError
from layerscope.datasets import _listing
from layerscope.studies.images import load_images, read_images

from .making import pictures


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


def test_names_are_text_of_one_line(tmp_path):
    pictures(tmp_path, ["é ü\u202f.png", "line\nend.png"])
    os.rename(tmp_path / "line\nend.png", os.fsencode(tmp_path) + b"/line\nend\xff\x1b.png")
    part = read_images(tmp_path, (6, 5, 1), verbose=0)
    assert part.names == ["line\\nend\\udcff\\x1b.png", "é ü\u202f.png"]
    os.makedirs(os.fsencode(tmp_path) + b"/c/k\xff")
    os.makedirs(tmp_path / "c" / "l")
    for folder in (b"k\xff", b"l"):
        for number in range(3):
            shutil.copy(tmp_path / "é ü\u202f.png", os.fsencode(tmp_path) + b"/c/" + folder + b"/%d.png" % number)
    images = load(tmp_path / "c")
    assert images.classes == images.train.classes == ("k\\udcff", "l")
    assert all(name.startswith(("k\\udcff/", "l/")) for name in images.train.names)


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
