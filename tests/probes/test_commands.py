"""The commands shift, reach and checkerboard as a user meets them, and whose weights they take."""

import json

import numpy as np
import pytest
from tests.commands import layerscope

import layerscope as ls
from layerscope import studies
from layerscope.studies.weighted import weighted

IMAGES = "28x28x1 | conv 2 3 same relu | maxpool 2 | convt 1 3 stride 2 same sigmoid"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """However busy the machine is, nothing is said of what takes a second."""
    monkeypatch.setattr("layerscope.models.progress.time.monotonic", lambda: 0.0)
    monkeypatch.setenv("COLUMNS", "120")


MISTAKES = {
    "no model": (
        ["shift"],
        "give a model, or --compare: layerscope shift MODEL, layerscope shift --compare --data WHAT",
    ),
    "both": (
        ["shift", IMAGES, "--compare"],
        "give a model, not both: layerscope shift MODEL, layerscope shift --compare --data WHAT",
    ),
    "no data to compare with": (
        ["shift", "--compare"],
        "which images? Name a known data set, such as --data digits, or a folder of images",
    ),
    "no data": (
        ["shift", IMAGES],
        "which images? Name a known data set (--data digits), a folder of images, or a .npz or .npy file; only a run has "
        "images of its own",
    ),
    "a layer that is not computed": (
        ["shift", "28x28x1 | conv 2 3 | resizing 5 5", "--data", "digits"],
        "resizing (Resizing) is described only: it can be traced, but not computed or trained",
    ),
    "a picture": (
        ["shift", IMAGES, "--data", "digits", "-o", "a.txt"],
        "cannot write a.txt: a picture ends in .png, .svg or .pdf",
    ),
    "format": (["shift", IMAGES, "--format", "xml"], "unknown format 'xml'. Did you mean 'html'?"),
    "too near": (["reach", "3"], "the reach must be 8 to 512 pixels, not 3"),
    "another format": (["reach", "20", "--format", "xml"], "unknown format 'xml'. Did you mean 'html'?"),
    "nothing drawn": (
        ["checkerboard", "8x8x1 | conv 1 3", "-o", "a.png"],
        "there is nothing to draw: no layer enlarges an image",
    ),
    "nothing measured": (
        ["checkerboard", "28x28x1 | conv 1 3", "--data", "digits:test"],
        "no layer enlarges an image, so there is no checkerboard to measure",
    ),
    "one more format": (["checkerboard", IMAGES, "--format", "xml"], "unknown format 'xml'. Did you mean 'html'?"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, message = MISTAKES[name]
    assert layerscope(capsys, *arguments) == (2, "", f"layerscope {arguments[0]}: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_shapes_of_an_input_are_asked_for(capsys):
    code, _, err = layerscope(capsys, "reach", "20", "--input", "3x3")
    assert code == 2
    assert err.splitlines()[0] == (
        "layerscope reach: argument --input: height, width and channels are needed, such as 64x64x1, not '3x3'"
    )


def test_shift_prints_and_draws(capsys, tmp_path):
    drawn = tmp_path / "a.svg"
    asked = ["shift", IMAGES, "--data", "digits:test", "--images", "5", "--most", "2"]
    code, out, err = layerscope(capsys, *asked, "-o", str(drawn))
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "text  5 images (digits:test); random weights (seed 0)"
    assert lines[2].split() == [
        "layer",
        "output",
        "jump",
        "changes",
        "1",
        "px",
        "2",
        "px",
        "misfit",
        "1",
        "px",
        "2",
        "px",
    ]
    assert lines[4].split()[0] == "conv2d"
    assert lines[-1] == f"Wrote {drawn}: the picture"
    assert "max_pooling2d" in drawn.read_text("utf-8")
    _, text, _ = layerscope(capsys, *asked, "--format", "json")
    found = json.loads(text)
    assert (found["count"], found["pixels"], found["rows"][1]["jump"]) == (5, [1, 2], "2")
    assert found["rows"][1]["whole"] == [False, True]
    _, rows, _ = layerscope(capsys, *asked, "--format", "csv")
    assert rows.splitlines()[0] == "name,jump,changes_1,changes_2,misfit_1,misfit_2"


def test_checkerboard_prints_data(capsys):
    _, text, _ = layerscope(capsys, "checkerboard", IMAGES, "--format", "json")
    (row,) = json.loads(text)["layers"]
    assert (row["alone"]["counts"], row["alone"]["max"], row["alone"]["min"]) == ([4, 2, 2, 1], 4, 1)
    assert [one["layers"] for one in row["instead"]] == [
        "kernel 4×4 for 3×3", "upsampling ×2, conv 3×3", "conv 2×2, pixel shuffle ×2, ICNR",
    ]  # fmt: skip
    _, rows, _ = layerscope(capsys, "checkerboard", IMAGES, "--format", "csv")
    assert rows.splitlines()[0] == (
        "layer,instead,alone_max,alone_min,alone_variation,so_far_max,so_far_min,so_far_variation,at_start,energy"
    )
    assert rows.splitlines()[1].startswith("conv2d_transpose,,4,1,0.48432")


def test_a_run_brings_weights_and_images(tmp_path, capsys):
    run = studies.train(IMAGES, "digits", epochs=1, batch_size=64, out=tmp_path / "run", verbose=0)
    found = studies.shift(str(run.folder), images=4, most=1, verbose=0)
    assert (found.told, found.images) == (f"weights of {run.folder}", "validation images of digits")
    taken = weighted(run.folder)
    np.testing.assert_array_equal(taken.model.get_weights()[0], run.model.get_weights()[0])
    code, out, _ = layerscope(capsys, "checkerboard", str(run.folder), "--images", "8")
    assert code == 0
    (header,) = (line for line in out.splitlines() if line.startswith("layer, → instead of it"))
    assert "energy" in header


def test_a_file_and_a_function_bring_their_weights(tmp_path, monkeypatch):
    x = ls.Input((4, 4, 1))
    model = ls.Model(x, ls.layers.Conv2D(1, 1)(x))
    model.save(tmp_path / "m.npz")
    found = weighted(tmp_path / "m.npz")
    assert found.told == f"weights of {tmp_path / 'm.npz'}"
    np.testing.assert_array_equal(found.model.get_weights()[0], model.get_weights()[0])
    (tmp_path / "made_here.py").write_text(
        "import layerscope as ls\nx = ls.Input((4, 4, 1))\nmodel = ls.Model(x, ls.layers.Conv2D(1, 1)(x))\n"
        "text = '4x4x1 | conv 1 1'\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import made_here  # pyright: ignore

    assert weighted("made_here:model").model is made_here.model
    assert weighted("made_here:text").told == "random weights (seed 0)"
    assert weighted(model).model is model


def test_vectors_are_moved_as_images():
    found = studies.shift("784 | dense 4", "digits", images=4, most=1, verbose=0)
    assert found["dense"].change[1] is not None
    assert found["dense"].misfit == (None, None)
