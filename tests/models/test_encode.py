"""Codes by their definition, in files that need no pickle; and what cannot be encoded."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from layerscope import datasets, studies
from layerscope.cli import main
from layerscope.core.errors import DataError, GraphError, OutputError, SourceError
from layerscope.studies import opened

from .helpers import equal, numbers, refuses
from .looking import LABELS, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("encode") / "run")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("encode") / "labels", LABELS)


def pixels():
    """The validation images of digits, as they are trained on."""
    _, (images, labels) = datasets.load("digits")
    return images[..., None].astype("float32") / 255, labels


def test_codes_are_what_the_layer_computes(run):
    found = studies.encode(run.folder, "digits:test", verbose=0)
    images, labels = pixels()
    pooled = images.reshape(360, 7, 4, 7, 4).max(axis=(2, 4)).reshape(360, 49)
    kernel, bias = run.model.get_layer("code").get_weights()
    expected = np.maximum(pooled.astype("float64") @ kernel + bias, 0)
    np.testing.assert_allclose(found.codes, expected, rtol=1e-5, atol=1e-6)
    assert (found.layer, found.codes.shape, found.codes.dtype) == ("code", (360, 12), "float32")
    assert found.names == [f"test/{number}" for number in range(360)]
    np.testing.assert_array_equal(found.labels, labels)


def test_without_images_the_runs_validation_images_are_encoded(run):
    assert equal([studies.encode(run, verbose=0).codes], [studies.encode(run.folder, "digits:test", verbose=0).codes])


def test_chunks_change_nothing(run, monkeypatch):
    whole = studies.encode(run, "digits", verbose=0)
    monkeypatch.setattr(opened, "MOST", 7)
    assert equal([studies.encode(run, "digits", verbose=0).codes], [whole.codes])


def test_the_npz_holds_plain_arrays(run, tmp_path, capsys):
    path = tmp_path / "codes.npz"
    assert main(["encode", str(run.folder), "digits:test", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"360 codes of 12 numbers: output of code, 12\nWrote {path}: the codes\n"
    found = studies.encode(run, "digits:test", verbose=0)
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file) == ["classes", "codes", "labels", "layer", "names"]
        assert equal([file["codes"], file["labels"]], [found.codes, found.labels])
        assert (file["names"].tolist(), file["layer"].item()) == (found.names, "code")


def test_the_csv_holds_the_same_numbers(classifier, tmp_path):
    path = tmp_path / "codes.csv"
    found = studies.encode(classifier, "digits:test", layer="max_pooling2d", out=path, verbose=0)
    assert found.codes.shape == (360, 3, 3, 4)
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "label", *(f"max_pooling2d/{n}" for n in range(36))]
    assert [row[0] for row in rows] == found.names
    assert [int(row[1]) for row in rows] == found.labels.tolist()
    assert equal([np.array([row[2:] for row in rows], "float32")], [found.codes.reshape(360, 36)])


def test_own_images_without_labels(run, tmp_path):
    np.save(tmp_path / "mine.npy", numbers(3, 28, 28))
    found = studies.encode(run, tmp_path / "mine.npy", out=tmp_path / "codes.npz", verbose=0)
    assert found.labels is None
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as file:
        assert sorted(file) == ["codes", "layer", "names"]
        assert equal([file["codes"]], [found.codes])
    found.save(tmp_path / "codes.csv")
    assert (tmp_path / "codes.csv").read_text("utf-8").splitlines()[1].startswith(f"{found.names[0]},,")


def test_of_a_classifier_any_layer_can_be_had(classifier):
    flat = studies.encode(classifier, layer="flatten", verbose=0)
    assert flat.codes.shape == (360, 36)
    assert studies.encode(classifier, layer="look", verbose=0).codes.shape == (360, 26, 26, 4)
    assert studies.encode(classifier, verbose=0).layer == "max_pooling2d"  # the first of equals


def test_a_network_without_a_bottleneck(tmp_path):
    run = trained(tmp_path / "run", "28x28x1 | conv 2 3 same relu as a | conv 1 3 same sigmoid as b", epochs=1)
    with refuses(
        GraphError,
        "this network has no bottleneck: no tensor that all paths pass holds fewer numbers than the input's 784. "
        "Choose one with --layer: a (28, 28, 2), b (28, 28, 1)",
    ):
        studies.encode(run, verbose=0)
    assert studies.encode(run, layer="b", verbose=0).codes.shape == (360, 28, 28, 1)


MISTAKES = {
    "layer": (["{run}", "digits", "-o", "{tmp}/c.npz", "--layer", "kode"],
              "no layer is called 'kode'; there are: input_layer, max_pooling2d, flatten, code, dense, reshape"),
    "input": (["{run}", "digits", "-o", "{tmp}/c.npz", "--layer", "input_layer"],
              "input_layer is the input itself. Layers that compute: max_pooling2d (7, 7, 1), flatten (49,), "
              "code (12,), dense (784,), reshape (28, 28, 1)"),
    "suffix": (["{run}", "digits", "-o", "{tmp}/c.txt"],
               "cannot write {tmp}/c.txt: a file of codes ends in .npz or .csv"),
    "folder": (["{run}", "digits", "-o", "{tmp}"], "cannot write {tmp}: it is a folder; give the name of a file"),
    "no place": (["{run}", "digits", "-o", "{tmp}/no/c.npz"],
                 "cannot write {tmp}/no/c.npz: there is no folder {tmp}/no; make it first"),
    "no run": (["{tmp}/none", "digits", "-o", "{tmp}/c.npz"],
               "{tmp}/none: there is no such run folder; layerscope train makes one"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, run, tmp_path, capsys):
    arguments, message = MISTAKES[name]
    given = [a.replace("{run}", str(run.folder)).replace("{tmp}", str(tmp_path)) for a in arguments]
    assert main(["encode", *given]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"layerscope encode: {message.replace('{tmp}', str(tmp_path))}\n"
    assert list(tmp_path.iterdir()) == []


def test_images_of_another_size_are_brought_to_the_networks(run, tmp_path):
    np.save(tmp_path / "small.npy", numbers(3, 14, 14))
    assert studies.encode(run, tmp_path / "small.npy", verbose=0).codes.shape == (3, 12)


def test_images_of_other_channels(run, tmp_path):
    np.save(tmp_path / "two.npy", numbers(3, 28, 28, 2))
    with pytest.raises(DataError) as caught:
        studies.encode(run, tmp_path / "two.npy", verbose=0)
    assert str(caught.value).startswith(
        f"the network takes (28, 28, 1), but the images of {tmp_path}/two.npy are (28, 28, 2)."
    )


def test_errors_of_the_function_are_those_of_the_command(run, tmp_path):
    with refuses(SourceError, f"{tmp_path}/none: there is no such run folder; layerscope train makes one"):
        studies.encode(tmp_path / "none")
    with refuses(OutputError, f"cannot write {tmp_path}/c.txt: a file of codes ends in .npz or .csv"):
        studies.encode(run, out=tmp_path / "c.txt")


def test_arrays_are_images_and_no_images_are_none(run):
    images, _ = pixels()
    whole = studies.encode(run, "digits:test", verbose=0)
    found = studies.encode(run, images, verbose=0)
    assert equal([found.codes], [whole.codes])
    assert (found.names[:2], found.labels) == (["image/0", "image/1"], None)
    assert equal([studies.score(run, images[..., 0], verbose=0).values], [studies.score(run, verbose=0).values])
    assert equal([studies.reconstruct(run, images[:3]).originals], [images[:3]])
    for look in (studies.encode, studies.score, studies.reconstruct):
        with refuses(DataError, "no images are given: name a folder, files, or a data set"):
            look(run, [])
    with refuses(
        DataError,
        "data must be the name of a known data set, a folder of images, or a .npz or .npy file, not ndarray. Save the "
        "array: numpy.savez('data.npz', x=images, y=labels)",
    ):
        studies.reconstruct(run, data=images)


def test_names_that_are_no_text_are_written(run, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    path = os.fsencode(folder) + b"/n\xff\n.png"
    with open(path, "wb") as file:
        Image.fromarray((pixels()[0][0, ..., 0] * 255).astype(np.uint8)).save(file, "png")
    name = "n\\udcff\\n.png"
    studies.encode(run, folder, out=tmp_path / "c.csv", verbose=0)
    studies.encode(run, folder, out=tmp_path / "c.npz", verbose=0)
    studies.score(run, folder, out=tmp_path / "s.csv", heatmap=tmp_path / "s.png", verbose=0)
    assert name in (tmp_path / "c.csv").read_text("utf-8").splitlines()[1]
    assert name in (tmp_path / "s.csv").read_text("utf-8").splitlines()[1]
    with np.load(tmp_path / "c.npz", allow_pickle=False) as file:
        assert file["names"].tolist() == [name]
    capsys.readouterr()
    assert main(["reconstruct", str(run.folder), str(folder), "-o", str(tmp_path / "r.png")]) == 0
    assert " over 1 image\n" in capsys.readouterr().out
    given = os.fsdecode(path)
    assert studies.reconstruct(run, given).names == [f"{folder}/{name}"]
