"""Images in .npy and .npz files, and known data sets in other sizes."""

import zipfile

import numpy as np
import pytest
from tests.models.helpers import refuses

from layerscope import datasets, studies
from layerscope.core.errors import DataError, SettingError
from layerscope.datasets import _arrays
from layerscope.studies.images import load_images, read_images

from .making import halved, noise

X, X_TEST = noise(20, 6, 5), noise(10, 6, 5, seed=1)
Y, Y_TEST = np.arange(20) % 3, np.arange(10) % 4


def load(path, **settings):
    return load_images(path, verbose=0, **settings)


@pytest.fixture
def npz(tmp_path):
    def make(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return make


def test_a_file_as_keras_has_it(npz):
    path = npz(x_train=X, y_train=Y, x_test=X_TEST, y_test=Y_TEST)
    images = load(path)
    assert (images.shape, images.classes) == ((6, 5, 1), ("0", "1", "2", "3"))
    assert np.array_equal(images.train.array(), X[..., None].astype(np.float32) / 255)
    assert np.array_equal(images.test.array(), X_TEST[..., None].astype(np.float32) / 255)
    assert (images.train.labels.dtype, images.train.labels.tolist()) == (np.int64, Y.tolist())
    assert images.test.labels.tolist() == Y_TEST.tolist()
    assert (images.train.names[19], images.test.names[:2]) == ("x_train/19", ["x_test/0", "x_test/1"])
    assert images.description == f"{path}: 20 images to train on, 10 to test with (x_train and x_test); 6×5×1."


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        (("x", "y"), True),
        (("images", "labels"), True),
        (("arr_0", "arr_1"), True),
        (("X", "y"), True),
        (("mine",), False),
    ],
)
def test_a_file_with_all_images_in_one_array(keys, labels, npz):
    path = npz(**dict(zip(keys, (X, Y), strict=False)))
    images = load(path)
    assert np.array_equal(images.test.array()[..., 0], X[[9, 19]].astype(np.float32) / 255)
    assert np.array_equal(images.train.array()[..., 0], np.delete(X, [9, 19], 0).astype(np.float32) / 255)
    assert images.test.names[:] == [f"{keys[0]}/9", f"{keys[0]}/19"]
    assert images.train.names[9] == f"{keys[0]}/10"
    assert (images.test.labels is None) is not labels
    if labels:
        assert images.test.labels.tolist() == Y[[9, 19]].tolist()
    assert (
        images.description == f"{path}: 18 images to train on, 2 to test with (each 10th image is held out); 6×5×1."
    )


def test_few_images_have_one_to_test_with(npz):
    images = load(npz(x=X[:3]))
    assert (len(images.train), images.test.names[:]) == (2, ["x/2"])
    path = npz(x=X[:1])
    with refuses(DataError, f"{path} holds one image, but one to train on and one to test with are needed"):
        load(path)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (X, X / np.float32(255)),
        (X > 99, (X > 99).astype(np.float32)),
        (X.astype(np.uint16) * 200, (X.astype(np.uint16) * 200) / np.float32(65535)),
        (X / 255, (X / 255).astype(np.float32)),
        ((X / 255).astype(np.float32), (X / 255).astype(np.float32)),
        ((X / 255).astype(np.float16), (X / 255).astype(np.float16).astype(np.float32)),
    ],
    ids=["uint8", "bool", "uint16", "float64", "float32", "float16"],
)
def test_numbers_are_scaled_by_their_type(array, expected, tmp_path):
    np.save(tmp_path / "a.npy", array)
    found = read_images(tmp_path / "a.npy", (6, 5, 1)).array()
    assert found.dtype == np.float32
    assert np.array_equal(found[..., 0], expected)


def test_an_npy_file_is_mapped_not_read(tmp_path):
    np.save(tmp_path / "a.npy", noise(20, 6, 5, 3))
    part = read_images(tmp_path / "a.npy", (6, 5, 3))
    assert isinstance(part.source.values, np.memmap)
    assert part.names[7] == "a/7"
    assert np.array_equal(part.array(), noise(20, 6, 5, 3).astype(np.float32) / 255)


def test_vectors(tmp_path):
    vectors = noise(20, 30)
    np.save(tmp_path / "a.npy", vectors)
    assert load(tmp_path / "a.npy", wanted=(30,)).shape == (30,)
    assert np.array_equal(
        read_images(tmp_path / "a.npy", (6, 5, 1)).array().reshape(20, 30), vectors / np.float32(255)
    )
    with refuses(
        DataError,
        f"the network takes (31,), but the images of {tmp_path}/a.npy are (30,). Start the network with 30.",
    ):
        read_images(tmp_path / "a.npy", (31,))
    with refuses(SettingError, "a holds vectors of 30 numbers, which --size cannot bring to another"):
        load(tmp_path / "a.npy", size=8)


def test_text_labels_are_classes(npz):
    images = load(npz(x_train=X, y_train=np.array(["dog", "cat"] * 10), x_test=X_TEST, y_test=np.array(["eel"] * 10)))
    assert images.classes == ("cat", "dog", "eel")
    assert (images.train.labels[:3].tolist(), images.test.labels[0]) == ([1, 0, 1], 2)


def test_labels_in_a_column_are_labels(npz):
    assert load(npz(x=X, y=Y[:, None])).train.labels.tolist() == np.delete(Y, [9, 19]).tolist()


MISTAKES = {
    "keys": (
        {"a": X, "b": X},
        "{path}: which array holds the images? There are a, b. Name them x_train and x_test (labels y_train, y_test), "
        "or x (labels y).",
    ),
    "no keys": (
        {},
        "{path}: which array holds the images? There are none. Name them x_train and x_test (labels y_train, y_test), "
        "or x (labels y).",
    ),
    "0 to 255 as floats": (
        {"x": X.astype(np.float32)},
        "{path}: x holds numbers from 0 to 255, but those of images lie within 0 to 1. Save x / 255, or whole numbers "
        "as uint8 (0 to 255) or uint16.",
    ),
    "negative": (
        {"x": np.linspace(-1, 3, 60).reshape(2, 6, 5)},
        "{path}: x holds numbers from -1 to 3, but those of images lie within 0 to 1. Save (x - -1) / 4, or whole "
        "numbers as uint8 (0 to 255) or uint16.",
    ),
    "nan": (
        {"x": np.where(X > 250, np.nan, 0.5)},
        "{path}: x contains NaN. Replace it (numpy.nan_to_num) or leave such images out.",
    ),
    "int64": (
        {"x": X.astype(np.int64)},
        "{path}: x is int64, from 0 to 255, which does not say what is white: x.astype('uint8') says that white is 255.",
    ),
    "large int64": (
        {"x": X.astype(np.int64) * 10},
        "{path}: x is int64, from 0 to 2550, which does not say what is white: x.astype('uint16') says that white is "
        "65,535.",
    ),
    "negative int": (
        {"x": X.astype(np.int64) - 128},
        "{path}: x is int64, from -128 to 127, which does not say what is white: (x - -128) / 255 as floats lies "
        "within 0 to 1.",
    ),
    "text": ({"x": np.array(["a", "b"])}, "{path}: x holds <U1, but images are numbers"),
    "one image": (
        {"x": np.zeros(9)},
        "{path}: x has the shape (9,); images are (number, height, width) or (number, height, width, channels), "
        "vectors (number, length)",
    ),
    "a number": (
        {"foo": 1},
        "{path}: foo has the shape (); images are (number, height, width) or (number, height, width, channels), "
        "vectors (number, length)",
    ),
    "no images": (
        {"x": np.zeros((0, 6, 5))},
        "{path}: x has the shape (0, 6, 5); images are (number, height, width) or (number, height, width, channels), "
        "vectors (number, length)",
    ),
    "channels first": (
        {"x": noise(4, 3, 32, 32)},
        "{path}: x has the shape (4, 3, 32, 32), with the channels before the height, it seems. They come last: "
        "x.transpose(0, 2, 3, 1).",
    ),
    "two shapes": (
        {"x_train": X, "x_test": noise(4, 7, 5)},
        "{path}: images of x_train are (6, 5, 1), but those of x_test (7, 5, 1)",
    ),
    "one-hot": (
        {"x": X, "y": np.eye(20)},
        "{path}: y has the shape (20, 20), but one number for each image is needed. From one-hot rows: "
        "y.argmax(axis=1).",
    ),
    "too few labels": ({"x": X, "y": Y[:7]}, "{path}: y has the shape (7,), but there are 20 images"),
    "fractions": (
        {"x": X, "y": Y / 2},
        "{path}: y holds float64, but labels are whole numbers from 0 on, or text",
    ),
    "labels below 0": (
        {"x": X, "y": Y - 1},
        "{path}: y holds negative numbers, but labels are whole numbers from 0 on, or text",
    ),
    "objects": (
        {"x": np.array([None, 1])},
        "{path}: x cannot be read: it holds Python objects, which are not loaded as they could run code. Save an "
        "array of numbers.",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_arrays_that_are_no_images(name, npz):
    arrays, message = MISTAKES[name]
    path = npz(**arrays)
    with refuses(DataError, message.replace("{path}", str(path))):
        load(path)


def test_damaged_files(tmp_path, npz):
    path = npz(x=X)
    data = path.read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(data[: len(data) // 2])
    for name, content, start in (
        ("cut.npz", data[: len(data) // 2], "is no array file, or damaged: "),
        (
            "text.npy",
            b"1,2,3",
            "is no array file, whatever it is called: it does not begin as .npy and .npz files do.",
        ),
        ("text.npz", b"x", "is no array file, whatever it is called: it does not begin as .npy and .npz files do."),
        ("pickle.npy", b"\x80\x04N.", "is no array file, or damaged: it holds Python objects, which are not loaded"),
        ("empty.npy", b"", "is no array file, or damaged: "),
        ("flip.npz", data[:300] + bytes(50) + data[350:], ": x cannot be read: "),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            load(tmp_path / name)
        assert str(caught.value).removeprefix(str(tmp_path / name)).lstrip().startswith(start)
    with refuses(DataError, f"{tmp_path}/no.npz: there is no such file"):
        _arrays.read(tmp_path / "no.npz")


# --- other sizes and colours ---


def test_arrays_are_brought_to_other_sizes(npz):
    pixels = noise(4, 12, 10, 3)
    path = npz(x_train=pixels, x_test=pixels[:1])
    found = load(path, size="6x5").train.array() * 255
    expected = np.stack([halved(halved(one).swapaxes(0, 1)).swapaxes(0, 1) for one in pixels])
    assert np.abs(found - expected).max() <= 1
    grey = load(path, colour="grey").train.array()[..., 0] * 255
    assert np.abs(grey - pixels @ np.array([0.299, 0.587, 0.114])).max() <= 0.51
    floats = read_images(npz(x=pixels / 255), (6, 5, 3), verbose=0).array() * 255
    assert np.abs(floats - expected).max() <= 0.01, "floats keep 16 bits"
    with refuses(SettingError, "x has 4 channels, which --colour grey says nothing of"):
        load(npz(x=noise(4, 6, 5, 4)), colour="grey")
    assert load(npz(x=noise(4, 12, 10, 5)), size=6).shape == (6, 6, 5)


def test_known_data_sets_are_brought_to_other_sizes():
    (x, y), (x_test, _) = datasets.load("digits")
    images = load("digits", size=14, colour="rgb")
    assert images.shape == (14, 14, 3)
    found = images.train.array(0, 5) * 255
    expected = np.stack([halved(halved(one[..., None]).swapaxes(0, 1)).swapaxes(0, 1) for one in x[:5].astype(float)])
    assert np.abs(found - expected).max() <= 1
    assert images.train.labels.tolist() == y.tolist()
    assert len(images.test) == len(x_test)


def test_known_data_sets():
    (x, y), (x_test, y_test) = datasets.load("digits")
    images = load("digits")
    assert np.array_equal(images.train.array(), x[..., None].astype(np.float32) / 255)
    assert images.classes == tuple("0123456789")
    assert images.description == "digits: 1,437 images to train on, 360 to test with (as published); 28×28×1."
    part = read_images("digits", (28, 28, 1))
    assert np.array_equal(part.labels, np.concatenate([y, y_test]))
    assert (part.names[0], part.names[-1]) == ("train/0", "test/359")
    rows = np.array([1796, 0, 1500, 1436, 1437])
    both = np.concatenate([x, x_test])[..., None].astype(np.float32) / 255
    assert np.array_equal(part.source.read(rows), both[rows])
    assert len(read_images("digits:train", (28, 28, 1))) == 1437
    test = read_images("digits:test", (784,), most=5)
    assert np.array_equal(test.array(), x_test[:5].reshape(5, 784).astype(np.float32) / 255)
    with refuses(SettingError, "digits:val: the parts of a data set are digits:train and digits:test"):
        read_images("digits:val", (28, 28, 1))
    with refuses(SettingError, "digits:test: training needs both parts of a data set; leave out ':test'"):
        load("digits:test")


def test_an_archive_of_other_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("notes.txt", "no array")
    with refuses(DataError, f"{tmp_path}/a.npz: notes.txt is no array"):
        load(tmp_path / "a.npz")


def test_arrays_in_memory_are_images():
    whole = read_images(X, (6, 5, 1), verbose=0)
    assert (len(whole), whole.labels, whole.names[:2]) == (20, None, ["image/0", "image/1"])
    assert np.array_equal(whole.array(), X[..., None].astype(np.float32) / np.float32(255))
    shares = X[..., None] / 255
    assert np.array_equal(read_images(shares, (6, 5, 1), verbose=0).array(), shares.astype(np.float32))
    assert read_images([X], (12, 10, 1), verbose=0).array().shape == (20, 12, 10, 1)
    with refuses(
        DataError,
        "the array holds numbers from 0 to 255, but those of images lie within 0 to 1. Give x / 255, or whole numbers "
        "as uint8 (0 to 255) or uint16.",
    ):
        read_images(X.astype(float), (6, 5, 1), verbose=0)


IMAGES = "images must be a folder, files, an array file, the name of a known data set, or one array (number, height, width, channels), "
DATA = "data must be the name of a known data set, a folder of images, or a .npz or .npy file, "


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, IMAGES + "not NoneType"),
        (7, IMAGES + "not int"),
        (b"a.png", IMAGES + "not bytes"),
        ([X, X], IMAGES + "not several of ndarray"),
        (["a.png", 7], IMAGES + "not several of int"),
        ([], "no images are given: name a folder, files, or a data set"),
    ],
)
def test_what_names_no_images(given, message):
    with refuses(DataError, message):
        read_images(given, (6, 5, 1), verbose=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, DATA + "not NoneType"),
        (X, DATA + "not ndarray. Save the array: numpy.savez('data.npz', x=images, y=labels)"),
        (["a.png"], DATA + "not list. Put the images into one folder, with a subfolder for each class"),
    ],
)
def test_what_is_no_data_to_train_on(given, message):
    with refuses(DataError, message):
        load_images(given, verbose=0)
    with refuses(DataError, message):
        studies.train("6x5x1 | flatten | dense 30 sigmoid | reshape 6x5x1", given, verbose=0)
